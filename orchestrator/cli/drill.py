"""`wardshift drill`: a person rehearses a ward's return, on its own route, with nobody exposed.

Needs the ledger to begin, because a ward that is being moved is not drilled; what was shown is
noted on this machine's disk if the ledger is gone by then.
"""

from pathlib import Path
from typing import Any

from orchestrator import logs
from orchestrator.bootstrap import Installation, install
from orchestrator.cli.output import Format, confirm, say, show_json, show_table
from orchestrator.cli.standing import known_ward, person
from orchestrator.cli.terminal import heard_or_not
from orchestrator.core.event import DrillDone
from orchestrator.core.ids import OPERATIONS
from orchestrator.core.text import plain
from orchestrator.errors import ConfigError, ExitCode, WardshiftError
from wards.model import WardId


def drill(
    ward: str,
    /,
    *,
    rounds: int | None = None,
    role: str = OPERATIONS,
    home: Path | None = None,
    yes: bool = False,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Rehearse a ward's return to legacy and measure it. No clinician is exposed.

    Example: wardshift drill medicine-52

    Exit codes: 0 passed, 3 refused, failed or too slow, 4 unavailable, 6 outcome unknown.

    Args:
        ward: The ward's id.
        rounds: How often; without it as the plan has it. Fewer than that open no gate.
        role: In which role you act.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask. Nothing is exposed by it, so a stale screen does no harm.
        format: table or json.
    """
    logs.configure("wardshift", level="WARNING")
    if rounds is not None and rounds < 1:
        raise ConfigError((f"--rounds {rounds}: a drill has at least one round",))
    installation = install(home)
    name = known_ward(installation.plan, ward)
    wanted = installation.plan.policy.drill.rounds if rounds is None else rounds
    confirm(_announcement(name, wanted), name, yes=yes, expect_seq=None, needs_seq=False)
    done = installation.driller(person(plain(role))).drill(name, rounds)
    with heard_or_not():
        _tell(installation, name, done, format)
    _hand_over(installation)
    return ExitCode.DONE if done.passed else ExitCode.REFUSED


def _announcement(ward: WardId, rounds: int) -> str:
    return (
        f"The return of {ward} is rehearsed {_times(rounds)} on its own route, for requests that "
        "only this command makes. Clinicians stay on legacy; copies of reads pause for a moment."
    )


def _times(rounds: int) -> str:
    return "once" if rounds == 1 else f"{rounds} times"


def _tell(installation: Installation, ward: WardId, done: DrillDone, format: Format) -> None:  # noqa: A002
    policy = installation.plan.policy.drill
    if format is Format.JSON:
        show_json(_document(installation, ward, done))
        return
    rows = (
        ("rounds", done.rounds, policy.rounds),
        ("slowest restored, s", f"{done.restore_s:.3f}", f"{policy.restore_within_s:g}"),
        ("slowest proven, s", f"{done.prove_s:.3f}", f"{policy.prove_within_s:g}"),
    )
    show_table(f"Drill of {ward}", ("", "measured", "plan"), rows)
    if not done.passed:
        say(f"The drill did not pass: {done.problem}. The ward may not be exposed until one does.")
    elif done.rounds < policy.rounds:
        say(
            "It passed, with fewer rounds than the gate asks for. The gate is closed until a "
            f"drill with {policy.rounds} rounds has passed: wardshift drill {ward}"
        )
    else:
        say(f"It passed, and counts for {policy.valid_days} days.")


def _document(installation: Installation, ward: WardId, done: DrillDone) -> dict[str, Any]:
    policy = installation.plan.policy.drill
    return {
        "ward": ward,
        "passed": done.passed,
        "problem": done.problem,
        "rounds": done.rounds,
        "restore_s": done.restore_s,
        "prove_s": done.prove_s,
        "limits": {
            "rounds": policy.rounds,
            "restore_within_s": policy.restore_within_s,
            "prove_within_s": policy.prove_within_s,
            "valid_days": policy.valid_days,
        },
    }


def _hand_over(installation: Installation) -> None:
    """Into the ledger now, so that the gate opens at once; else the sentinel carries it there."""
    from orchestrator.ledger import drain

    try:
        drain(installation.site.journal_dir, installation.ledger)
    except WardshiftError as error:
        say(f"The ledger does not have it yet ({error}); it is on this machine's disk, and a "
            "sentinel here carries it over.")  # fmt: skip
