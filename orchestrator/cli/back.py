"""`wardshift rollback`: a person's hand on the brake. Needs the routes, nothing else."""

from pathlib import Path

from orchestrator.bootstrap import Installation, readers_of
from orchestrator.cli.output import confirm, say
from orchestrator.cli.standing import exposed, person, stand, ward_of
from orchestrator.core.decision import legacy_level
from orchestrator.core.event import Cause, RollbackBlocked, Trigger
from orchestrator.core.judging import Memories, judge_ward
from orchestrator.core.plan import Purpose
from orchestrator.core.state import Phase, WardState
from orchestrator.core.verdict import Level
from orchestrator.core.view import view
from orchestrator.errors import ExitCode, Refused, WardshiftError
from orchestrator.service.rollback import Outcome, RollbackReport, roll_back
from orchestrator.service.scribe import Scribe

LOOKS = 2  # legacy that answers once of twice is asked as the sentinel would ask it
PAUSE_S = 0.5


def rollback(
    ward: str,
    /,
    *,
    reason: str = "asked for by a person",
    role: str = "operations",
    legacy_is_sick: bool = False,
    patience: float = 60.0,
    home: Path | None = None,
    yes: bool = False,
) -> int:
    """Return a ward to legacy, now, whatever else is broken, and prove it.

    Example: wardshift rollback medicine-52 --reason "wrong dose on screen"

    Parameters
    ----------
    ward: The ward's id.
    reason: Kept on the route and in the ledger. No patient's name or number.
    role: In which role you act.
    legacy_is_sick: Switch although legacy does not answer; you answer for it.
    patience: Seconds to go on trying.
    home: Home folder (or WARDSHIFT_HOME).
    yes: Do not ask.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    installation = standing.installation
    beds = installation.plan.ward(mine.ward).beds
    what = (
        f"{ward} ({beds} beds) is {mine.phase}; in the candidate: {exposed(standing, mine.ward)}. "
        f"Every slice goes to legacy now, and the programme freezes. Reason: {reason}."
    )
    confirm(what, ward, yes=yes, expect_seq=None, needs_seq=False)
    cause = Cause(trigger=Trigger.PERSON, reason=f"{role}: {reason}")
    scribe = installation.scribe(person(role))
    if not legacy_is_sick:
        _check_legacy(installation, mine, cause, scribe)
    report = _until_done(installation, mine, cause, scribe, patience)
    _hand_over(installation)
    return _tell(ward, report)


def _check_legacy(
    installation: Installation, mine: WardState, cause: Cause, scribe: Scribe
) -> None:
    """Raises: Refused when legacy was asked and did not answer as this ward (design rule 5)."""
    if _legacy(installation, mine) is not Level.BREACH:
        return
    procedure = installation.plan.ward(mine.ward).downtime_procedure
    blocked = RollbackBlocked(cause=cause, legacy="not ready", downtime_procedure=procedure)
    scribe.note(mine.ward, blocked)
    raise Refused(
        "legacy_not_ready",
        f"Legacy does not answer as {mine.ward}, so nothing was switched.\n"
        f"Downtime procedure: {procedure}\n"
        f"To switch all the same: wardshift rollback {mine.ward} --legacy-is-sick --reason '...'",
    )


def _legacy(installation: Installation, mine: WardState) -> Level:
    plan, clock = installation.plan, installation.clock
    signals = plan.signals_for(Purpose.LEGACY_READY)
    readers = readers_of(installation.site, plan, clock)
    item = view(plan, mine, None)
    memories: Memories = {}
    verdicts = ()
    for look in range(LOOKS):
        if look:
            clock.sleep(PAUSE_S)
        found = readers.read_all(signals, (mine.ward,), deadline_s=plan.policy.query_budget_s)
        readings = {signal: reading for (_, signal), reading in found.items()}
        memories, verdicts = judge_ward(
            plan, item, readings, memories, at_s=clock.monotonic(), now=clock.now()
        )
    return legacy_level(plan, verdicts)


def _until_done(
    installation: Installation, mine: WardState, cause: Cause, scribe: Scribe, patience_s: float
) -> RollbackReport:
    clock = installation.clock
    hands = installation.hands(scribe)
    deadline_s = clock.monotonic() + patience_s
    report = roll_back(hands, mine, cause)
    while report.outcome is Outcome.NOT_WRITTEN and clock.monotonic() < deadline_s:
        say(f"Not written yet, trying on: {report.detail}")
        clock.sleep(PAUSE_S)
        report = roll_back(hands, _begun(installation, mine), cause)
    return report


def _begun(installation: Installation, mine: WardState) -> WardState:
    """The ward as it is after our own first word, so that it is not said again."""
    from orchestrator.cli.standing import known_state

    known = known_state(installation)[0].ward(mine.ward)
    return known if known.phase in (Phase.RETURNING, Phase.ROLLED_BACK) else mine


def _hand_over(installation: Installation) -> None:
    """Put what was journalled into the ledger if it answers; the sentinel will do it otherwise."""
    from orchestrator.ledger import drain

    try:
        drain(installation.site.journal_dir, installation.ledger)
    except WardshiftError as error:
        say(f"Journalled; the ledger gets it later ({error}).")


def _tell(ward: str, report: RollbackReport) -> int:
    match report.outcome:
        case Outcome.PROVEN:
            say(
                f"{ward} is on legacy: written after {report.written_after_s:.2f} s, proven after "
                f"{report.proven_after_s:.2f} s under epoch {report.epoch}. Still open on the "
                f"candidate: {'?' if report.still_open is None else report.still_open}. "
                "The programme is frozen."
            )
            return ExitCode.DONE
        case Outcome.REPEATED:
            say(f"{ward} had returned already; your word is recorded, nothing was changed.")
            return ExitCode.DONE
        case Outcome.PENDING:
            say(
                f"{ward}: written to legacy (epoch {report.epoch}), not proven yet: "
                f"{report.detail}. The sentinel goes on probing; look: wardshift show {ward}"
            )
            return ExitCode.UNKNOWN
        case Outcome.NOT_WRITTEN:
            say(
                f"{ward} could NOT be written to legacy: {report.detail}. It is journalled, and the "
                "sentinel goes on trying. Use the ward's downtime procedure now."
            )
            return ExitCode.UNAVAILABLE
