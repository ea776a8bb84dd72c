"""Verbs that only look: list, show, history, watch, verify."""

from pathlib import Path

from orchestrator.cli.output import Format, say, show_json, show_table
from orchestrator.cli.standing import (
    Standing,
    exposed,
    gates,
    level_of,
    local,
    next_stage,
    open_gate,
    soak_of,
    stand,
    ward_of,
    what_next,
)
from orchestrator.core.state import WardState
from orchestrator.errors import Corrupt

REFRESH_S = 1.0


def list_wards(*, home: Path | None = None, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Show where every ward stands.

    Example: wardshift list --format json

    Parameters
    ----------
    home: Home folder (or WARDSHIFT_HOME).
    format: table or json.
    """
    standing = stand(home)
    _warn(standing)
    rows = [_row(standing, standing.state.ward(w.id)) for w in standing.installation.plan.wards]
    if format is Format.JSON:
        show_json({"frozen": standing.state.freeze is not None, "wards": rows})
        return 0
    columns = list(rows[0])
    show_table(_title(standing), columns, ([row[name] for name in columns] for row in rows))
    return 0


def show(ward: str, /, *, home: Path | None = None, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Show one ward: its gates with what to do, its signals, its last return.

    Example: wardshift show medicine-52

    Parameters
    ----------
    ward: The ward's id.
    home: Home folder (or WARDSHIFT_HOME).
    format: table or json.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    _warn(standing)
    if format is Format.JSON:
        show_json({**_row(standing, mine), "gates": _gates(standing, mine),
                   "signals": _signals(standing, mine), "returned": _returned(standing, mine)})  # fmt: skip
        return 0
    show_table(_title(standing), ["", ""], list(_row(standing, mine).items()))
    stage = next_stage(standing, mine)
    if stage is not None:
        answers = _gates(standing, mine)
        show_table(
            f'Gates to "{stage.title}"', ["gate", "answer", "evidence", "what to do"],
            [list(one.values()) for one in answers],
        )  # fmt: skip
    show_table("Signals", ["signal", "verdict", "value", "limit", "since"],
               [list(one.values()) for one in _signals(standing, mine)])  # fmt: skip
    returned = _returned(standing, mine)
    if returned:
        show_table("Last return to legacy", ["", ""], list(returned.items()))
    return 0


def history(ward: str, /, *, home: Path | None = None, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Show what happened on a ward, oldest first, in words.

    Parameters
    ----------
    ward: The ward's id.
    home: Home folder (or WARDSHIFT_HOME).
    format: table or json.
    """
    from orchestrator.ledger.mapping import entry_row

    standing = stand(home)
    mine = ward_of(standing, ward)
    entries = [
        entry
        for entry in standing.installation.ledger.entries()
        if entry.draft.ward == mine.ward
    ]
    if format is Format.JSON:
        show_json([entry_row(entry) for entry in entries])
        return 0
    show_table(
        f"{mine.ward}: what happened",
        ["seq", "time", "by", "what", "details"],
        (
            [e.seq, local(standing, e.draft.at), f"{e.draft.actor.kind}:{e.draft.actor.name}",
             entry_row(e)["kind"].replace("_", " "), entry_row(e)["body"]]
            for e in entries
        ),
    )  # fmt: skip
    return 0


def watch(*, home: Path | None = None) -> int:
    """Show the list again and again until Ctrl-C.

    Parameters
    ----------
    home: Home folder (or WARDSHIFT_HOME).
    """
    from orchestrator.adapters.clock import SystemClock

    clock = SystemClock()
    while True:
        print("\033[2J\033[H", end="")
        list_wards(home=home)
        clock.sleep(REFRESH_S)


def verify(*, home: Path | None = None, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Check that the record is whole, in order and unchanged; says which event is not.

    Parameters
    ----------
    home: Home folder (or WARDSHIFT_HOME).
    format: table or json.
    """
    from orchestrator.bootstrap import read_site
    from orchestrator.ledger import FileReplica, open_ledger, pending_in, unreadable_in, verify

    site = read_site(home)
    witnesses = tuple(FileReplica(path).load() for path in sorted(site.replica_dir.glob("*.jsonl")))
    ledger = open_ledger(site.ledger, timeout_s=site.ledger_timeout_s)
    result = verify(ledger, witnesses=witnesses)
    pending = len(pending_in(site.journal_dir))
    damaged = len(unreadable_in(site.journal_dir))
    if format is Format.JSON:
        show_json({"ok": result.is_sound and not damaged, "events": result.events,
                   "problem": result.problem, "journal_pending": pending,
                   "journal_damaged_lines": damaged})  # fmt: skip
    if result.problem is not None:
        raise Corrupt(result.problem, site.ledger)
    if damaged:
        raise Corrupt(f"{damaged} damaged journal lines", str(site.journal_dir))
    if format is Format.TABLE:
        say(f"{site.ledger}: {result.events} events, each follows the one before; unchanged.")
        say(f"{len(witnesses)} local copies agree. {pending} journalled events wait for it.")
    return 0


def _row(standing: Standing, ward: WardState) -> dict[str, object]:
    soak = soak_of(standing, ward)
    return {
        "ward": ward.ward,
        "phase": ward.phase.value,
        "stage": ward.stage or "-",
        "in the candidate": exposed(standing, ward.ward),
        "verdict": level_of(ward),
        "soak": f"{soak.done.shifts}/{soak.needed.shifts} shifts",
        "epoch": ward.epoch,
        "seq": ward.seq,
        "next": what_next(standing, ward),
    }


def _gates(standing: Standing, ward: WardState) -> list[dict[str, object]]:
    return [
        {
            "gate": answer.gate,
            "answer": type(answer).__name__.lower(),
            "evidence": answer.evidence,
            "todo": "" if open_gate(answer) else getattr(answer, "todo", ""),
        }
        for answer in gates(standing, ward)
    ]


def _signals(standing: Standing, ward: WardState) -> list[dict[str, object]]:
    return [
        {
            "signal": item.verdict.signal,
            "verdict": f"{item.verdict.level.name} ({item.verdict.code})",
            "value": item.verdict.value,
            "limit": item.verdict.limit,
            "since": local(standing, item.since),
        }
        for item in ward.verdicts
    ]


def _returned(standing: Standing, ward: WardState) -> dict[str, object]:
    back = ward.returned
    if back is None:
        return {}
    return {
        "why": back.cause.reason,
        "trigger": back.cause.trigger.value,
        "by": back.actor,
        "seen": local(standing, back.seen_at),
        "written": local(standing, back.written_at),
        "proven": local(standing, back.proven_at) or back.waiting_for or "not yet",
        "still open on the candidate": back.still_open,
    }


def _title(standing: Standing) -> str:
    freeze = standing.state.freeze
    plan = standing.installation.plan
    where = f"{plan.name} at {local(standing, standing.installation.clock.now())}"
    return where if freeze is None else f"{where}: FROZEN, {freeze.ward} was returned"


def _warn(standing: Standing) -> None:
    if standing.ledger_problem is not None:
        say(f"The ledger does not answer ({standing.ledger_problem}); shown is what this machine "
            "remembers.")  # fmt: skip
    if standing.routes is None:
        say("The gateway does not answer; which side serves now is not known.")
