"""Verbs that only look: list, show, history, watch, timeline, verify.

`list` and `show` ask this machine's sentinel first, which answers at once; where there is
none they look for themselves, and with the ledger down at what this machine remembers.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.asking import ask_sentinel
from orchestrator.cli.output import Format, say, show_json, show_table, unread

if TYPE_CHECKING:
    from orchestrator.cli.standing import Record

REFRESH_S = 1.0
Row = dict[str, Any]


def list_wards(*, home: Path | None = None, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Show where every ward stands.

    Example: wardshift list --format json

    Args:
        home: Home folder (or WARDSHIFT_HOME).
        format: table or json.
    """
    found = ask_sentinel(home, "/board") or _own_board(home)
    if format is Format.JSON:
        show_json(found)
        return _exit(found)
    _warn(found)
    _show_rows(_title(found), [_without_drill(row) for row in found["wards"]])
    return _exit(found)


def show(
    ward: str,
    /,
    *,
    home: Path | None = None,
    format: Format = Format.TABLE,  # noqa: A002
    quick: bool = False,
) -> int:
    """Show one ward: its gates with what to do, its signals, its last return.

    Works with the ledger down, from the routes and this machine's copy of the record.

    Example: wardshift show medicine-52

    Args:
        ward: The ward's id.
        home: Home folder (or WARDSHIFT_HOME).
        format: table or json.
        quick: Do not wait to see sentinel and guard renew their leases; they count as not seen.
    """
    found = ask_sentinel(home, f"/board/{ward}") or _own_page(home, ward, quick=quick)
    if format is Format.JSON:
        show_json(found)
        return _exit(found)
    _warn(found)
    drilled = _drill_words(found["ward"].get("last drill"))
    show_table(_title(found), ["", ""], {**found["ward"], "last drill": drilled}.items())
    _show_rows(f'Gates to "{found["next_stage"]}"', found["gates"])
    _show_rows("Signals", [_rounded(row) for row in found["signals"]])
    if found["returned"]:
        show_table("Last return to legacy", ["", ""], found["returned"].items())
    return _exit(found)


def history(
    ward: str,
    /,
    *,
    home: Path | None = None,
    format: Format = Format.TABLE,  # noqa: A002
    last: int = 0,
) -> int:
    """Show what happened on a ward and to the programme around it, oldest first, in words.

    Args:
        ward: The ward's id.
        home: Home folder (or WARDSHIFT_HOME).
        format: table or json.
        last: Only so many happenings; 0 for all of them.
    """
    from orchestrator.cli.board import happening_row
    from orchestrator.cli.standing import local, stand, told, ward_of
    from orchestrator.errors import ConfigError

    if last < 0:
        raise ConfigError((f"--last {last}: how many happenings; 0 for all of them",))
    standing = stand(home)
    mine = ward_of(standing, ward).ward
    lines = [(seq, draft) for seq, draft in told(standing.record) if draft.ward in (mine, None)]
    rows = [(happening_row(seq, draft), draft) for seq, draft in lines[-last:]]
    code = _said_of(standing.record)
    if format is Format.JSON:
        show_json([row for row, _ in rows])
        return code
    show_table(
        f"{mine}: what happened",
        ["seq", "time", "by", "what"],
        (
            [row["seq"] or "journal", local(standing, draft.at), row["by"], row["text"]]
            for row, draft in rows
        ),
    )
    return code


def watch(*, home: Path | None = None, times: int = 0) -> int:
    """Show the list again and again until Ctrl-C.

    Args:
        home: Home folder (or WARDSHIFT_HOME).
        times: End after so many looks; 0 goes on.
    """
    from orchestrator.adapters.clock import SystemClock

    clock = SystemClock()
    looks = 0
    while True:
        if sys.stdout.isatty():
            print("\033[2J\033[H", end="")
        code = list_wards(home=home)
        sys.stdout.flush()
        looks += 1
        if looks == times:
            return code
        clock.sleep(REFRESH_S)


def timeline(ward: str, /, *, out: Path, home: Path | None = None) -> int:
    """Draw a ward's way: which system served what, shift by shift, and its return.

    Example: wardshift timeline medicine-52 --out medicine-52.svg

    Args:
        ward: The ward's id.
        out: The SVG file to be written.
        home: Home folder (or WARDSHIFT_HOME).
    """
    from orchestrator.cli.standing import stand, ward_of
    from orchestrator.errors import Refused
    from orchestrator.reports.facts import timeline_facts
    from orchestrator.reports.timeline import summary, timeline_svg

    standing = stand(home)
    name = ward_of(standing, ward).ward
    if not standing.record.entries:
        raise Refused("nothing_yet", "nothing has happened yet: wardshift run starts the programme")
    facts = timeline_facts(standing.installation.plan, name, standing.record.entries)
    timeline_svg(facts, out)
    say(summary(facts))
    print(out)
    return _said_of(standing.record)


def verify(*, home: Path | None = None, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Check that the record is whole, in order and unchanged; says which event is not.

    Compares the ledger with the copies that this machine keeps, and reads its journals.

    Args:
        home: Home folder (or WARDSHIFT_HOME).
        format: table or json.
    """
    from orchestrator.bootstrap import read_site
    from orchestrator.cli.schema import check_no_copy
    from orchestrator.errors import ConfigError, Corrupt, NoTables
    from orchestrator.ledger import FileReplica, open_ledger, pending_in, unreadable_in, verify

    site = read_site(home)
    if not site.ledger_url and not site.home.exists():
        raise ConfigError(
            (f"{site.home}: no installation is here; name its home: --home DIR or WARDSHIFT_HOME",)
        )
    witnesses = tuple(FileReplica(path).load() for path in sorted(site.replica_dir.glob("*.jsonl")))
    silent = sum(not entries for entries in witnesses)
    ledger = open_ledger(site.ledger, timeout_s=site.ledger_timeout_s)
    try:
        result = verify(ledger, witnesses=witnesses)
    except NoTables:
        check_no_copy(site)  # one that is there and cannot be read is no witness, and not nothing
        raise
    pending = len(pending_in(site.journal_dir))
    damaged = unreadable_in(site.journal_dir)
    if format is Format.JSON:
        show_json(
            {
                "ok": result.is_sound and not damaged,
                "events": result.events,
                "head_hash": result.head_hash,
                "problem": result.problem,
                "copies_agreeing": len(witnesses) - silent if result.is_sound else 0,
                "copies_unreadable": silent,
                "journal_pending": pending,
                "journal_damaged_lines": len(damaged),
            }
        )
    if result.problem is not None:
        raise Corrupt(result.problem, site.ledger)
    if damaged:
        first = damaged[0]
        raise Corrupt(f"line {first.number} cannot be read", str(first.path))
    if format is Format.TABLE:
        print(f"{site.ledger}: {result.events} events, each follows the one before; unchanged.")
        print(f"{len(witnesses) - silent} local copies agree. {pending} journalled events wait.")
        if silent:
            print(f"{silent} local copies hold nothing that can be read: they prove nothing.")
    return 0


def _own_board(home: Path | None) -> Row:
    from orchestrator.cli.board import board
    from orchestrator.cli.standing import stand

    return board(stand(home), seen_by="command line")


def _own_page(home: Path | None, ward: str, *, quick: bool) -> Row:
    from orchestrator.cli.board import ward_page
    from orchestrator.cli.standing import UNSEEN, gates, life_observed, stand, ward_of

    standing = stand(home)
    mine = ward_of(standing, ward)
    is_asked = not quick and bool(gates(standing, mine, UNSEEN))
    life = life_observed(standing.installation) if is_asked else UNSEEN
    return ward_page(standing, mine.ward, life, seen_by="command line")


def _without_drill(row: Row) -> Row:
    """A ward's line as the table has room for it."""
    return {name: value for name, value in row.items() if name != "last drill"}


def _drill_words(drill: Row | None) -> str:
    """The last drill in one line; an older sentinel does not name it."""
    if drill is None:
        return "-"
    if not drill["passed"]:
        return f"{drill['at']}, FAILED: {drill['problem']}"
    return (
        f"{drill['at']}, passed: {drill['rounds']} rounds, restored in {drill['restore_s']:.2f} s, "
        f"proven in {drill['prove_s']:.2f} s"
    )


def _rounded(row: Row) -> Row:
    """Three significant digits are what people compare; the JSON has them all."""
    return {
        name: f"{value:.3g}" if isinstance(value, float) else value for name, value in row.items()
    }


def _show_rows(title: str, rows: list[Row]) -> None:
    if rows:
        show_table(title, list(rows[0]), (list(row.values()) for row in rows))


def _title(found: Row) -> str:
    where = f"{found['programme']} at {found['at']}"
    if found["frozen"] is not None:
        return f"{where}\n{found['frozen']}"
    return where if found["is_started"] else f"{where} (not started: wardshift run)"


def _said_of(record: "Record") -> int:
    """What is remembered of a ledger that cannot be read is shown, said, and no success if it is
    damaged."""
    from orchestrator.errors import ExitCode

    if record.problem is not None:
        what = "does not answer" if record.damage is None else "cannot be trusted"
        say(f"The ledger {what} ({record.problem}); this is what this machine remembers.")
    return ExitCode.DONE if record.damage is None else ExitCode.CORRUPT


def _exit(found: Row) -> int:
    """A board from memory because the ledger is damaged is shown, and is no success."""
    from orchestrator.errors import ExitCode

    return ExitCode.CORRUPT if found["ledger_damaged"] else ExitCode.DONE


def _warn(found: Row) -> None:
    if found["ledger_problem"] is not None:
        what = "cannot be trusted" if found["ledger_damaged"] else "does not answer"
        say(
            f"The ledger {what} ({found['ledger_problem']}); shown is what this machine "
            f"remembers, {found['head']} events."
        )
    if not found["routes_read"]:
        who = found.get("routes_kept_by", "whatever keeps the routes")  # an older sentinel
        say(f"{unread(who)} Which side serves now is not known.")
