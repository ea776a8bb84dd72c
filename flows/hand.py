"""What a person's button does: the same plain services as the command line, nothing else.

Blocking code without Prefect; it answers with how the button's run ends.
"""

from collections.abc import Callable
from typing import assert_never

import structlog

from flows.ending import ROLLED_BACK, End, story_end
from flows.place import by_role
from flows.reading import LedgerReader, reader_of
from flows.story import Telling
from flows.wanted import REFUSED
from flows.wording import clock_time, downtime
from orchestrator.bootstrap import Installation
from orchestrator.core.decision import legacy_level
from orchestrator.core.event import Cause, DrillDone, RollbackBlocked, Trigger
from orchestrator.core.ids import Role, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase, WardState
from orchestrator.core.text import plain
from orchestrator.core.verdict import Level, Verdict
from orchestrator.errors import Conflict, Refused, Unavailable, WardshiftError
from orchestrator.service.backstop import Returner
from orchestrator.service.desk import Desk
from orchestrator.service.rollback import Outcome, RollbackReport
from wards.model import WardId

log = structlog.get_logger()
TRIES = 5
NOT_RETURNED = "NotReturned"
APPROVED = "Approved"
DECLINED = "Declined"
ON_HOLD = "OnHold"
RESUMED = "Resumed"
AGREED = "Agreed"
DRILLED = "Drilled"
NOT_DRILLED = "NotDrilled"


def bring_back(
    installation: Installation, ward: WardId, *, reason: str, role: str, legacy_is_sick: bool
) -> End:
    """Return a ward to legacy by a person's word, and say how far it came.

    Needs no ledger: what it would have said is then taken as unknown.
    """
    cause = Cause(trigger=Trigger.PERSON, reason=plain(f"{role}: {reason}"))
    return return_for(installation, ward, cause, role=role, legacy_is_sick=legacy_is_sick)


def return_for(
    installation: Installation,
    ward: WardId,
    cause: Cause,
    *,
    role: str,
    legacy_is_sick: bool = False,
) -> End:
    """The same for any cause that a person's word has."""
    reader = reader_of(installation)
    state, is_fresh = _read(reader, ward)
    hands = installation.hands(installation.scribe(by_role(role)))
    if _is_legacy_sick(installation, state) and not legacy_is_sick:
        hands.scribe.note(ward, _blocked(installation, ward, cause))
        _read(reader, ward)
        return _not_blindly(installation, ward)
    returner = Returner(hands=hands)
    report = _try(installation, returner, state, cause, is_fresh=is_fresh)
    _read(reader, ward)
    return _returned(installation, reader.telling, ward, report)


def approve(
    installation: Installation, ward: WardId, stage: StageName, *, role: Role, comment: str
) -> End:
    """A role's yes."""

    def word(desk: Desk) -> End:
        desk.approve(ward, stage, role, comment=comment)
        return End(is_good=True, name=APPROVED, message=f"{role} said yes to {stage} for {ward}")

    return _said(installation, role, word)


def decline(
    installation: Installation, ward: WardId, stage: StageName, *, role: Role, comment: str
) -> End:
    """A role's no."""

    def word(desk: Desk) -> End:
        desk.withdraw(ward, stage, role, comment=comment)
        text = f"{role} said no to {stage} for {ward}: {comment}. The ward stays where it is."
        return End(is_good=True, name=DECLINED, message=text)

    return _said(installation, role, word)


def hold(installation: Installation, ward: WardId, *, role: str, reason: str) -> End:
    """Stop the ward's way forward."""

    def word(desk: Desk) -> End:
        desk.hold(ward, reason=reason)
        text = f"{ward} stays where it is; rollback stays armed. To go on: resume {ward}"
        return End(is_good=True, name=ON_HOLD, message=text)

    return _said(installation, role, word)


def resume(installation: Installation, ward: WardId, *, role: str, reason: str) -> End:
    """Lift a hold, or be one of the two roles that a returned ward needs to begin again."""

    def word(desk: Desk) -> End:
        if desk.book.read().ward(ward).held is not None:
            desk.lift(ward, reason=reason)
            return End(is_good=True, name=RESUMED, message=f"{ward} may move forward again")
        desk.agree_to_resume(ward, Role(role), reason=reason)
        is_free = desk.book.read().ward(ward).phase is Phase.WAITING
        return _agreed(str(ward), is_free=is_free)

    return _said(installation, role, word)


def drill(installation: Installation, ward: WardId, *, role: str, rounds: int | None) -> End:
    """Rehearse a ward's return; `rounds` None: as the plan has it.

    Without the ledger, or the routes, no drill begins.
    """
    try:
        done = installation.driller(by_role(role)).drill(ward, rounds)
    except (Refused, Conflict, Unavailable) as error:
        return End(is_good=False, name=NOT_DRILLED, message=f"{ward} was not drilled: {error}")
    _read(reader_of(installation), ward)  # into the ledger now, so that the gate opens at once
    return _drilled(installation.plan, ward, done)


def _drilled(plan: Plan, ward: WardId, done: DrillDone) -> End:
    """How a drill ended, with its times and the plan's."""
    policy = plan.policy.drill
    times = (
        f"{done.rounds} rounds, slowest restored in {done.restore_s:.2f} s (limit "
        f"{policy.restore_within_s:g} s), proven in {done.prove_s:.2f} s (limit "
        f"{policy.prove_within_s:g} s)"
    )
    if not done.passed:
        text = f"{ward} did not pass: {done.problem}. {times}. It may not be exposed until it does."
        return End(is_good=False, name=NOT_DRILLED, message=text)
    few = "; fewer rounds than the gate asks for" if done.rounds < policy.rounds else ""
    return End(is_good=True, name=DRILLED, message=f"{ward} passed: {times}{few}")


def thaw(installation: Installation, *, role: str, reason: str) -> End:
    """One of the two roles that a frozen programme needs."""

    def word(desk: Desk) -> End:
        desk.agree_to_resume(None, Role(role), reason=reason)
        return _agreed("the programme", is_free=desk.book.read().freeze is None)

    return _said(installation, role, word)


def _said(installation: Installation, role: str, word: Callable[[Desk], End]) -> End:
    """Say a word at the desk; a rule's no is an answer, not an error."""
    try:
        return word(installation.desk(by_role(role)))
    except (Refused, Conflict) as error:
        return End(is_good=False, name=REFUSED, message=str(error))


def _agreed(what: str, *, is_free: bool) -> End:
    if is_free:
        text = f"two roles agreed: {what} may begin again"
        return End(is_good=True, name=RESUMED, message=text)
    text = f"one role agreed; when a second, different one has, {what} may begin again"
    return End(is_good=True, name=AGREED, message=text)


def _read(reader: LedgerReader, ward: WardId) -> tuple[WardState, bool]:
    """What is known of the ward, and whether it is the ledger's present end."""
    try:
        reader.drain()
        return reader.read().state.ward(ward), True
    except WardshiftError as error:
        log.warning("ledger.missed", problem=str(error))
        return reader.telling.state.ward(ward), False


def _is_legacy_sick(installation: Installation, ward: WardState) -> bool:
    """Legacy was asked and did not answer as this ward; not having been asked is not sick."""
    verdicts = tuple(
        Verdict(signal=item.verdict.signal, level=item.verdict.level, code=item.verdict.code)
        for item in ward.verdicts
    )
    return legacy_level(installation.plan, verdicts) is Level.BREACH


def _blocked(installation: Installation, ward: WardId, cause: Cause) -> RollbackBlocked:
    procedure = downtime(installation.plan, ward)
    return RollbackBlocked(cause=cause, legacy="not ready", downtime_procedure=procedure)


def _not_blindly(installation: Installation, ward: WardId) -> End:
    text = (
        f"legacy does not answer as {ward}: nothing was switched. "
        f"{downtime(installation.plan, ward)} To switch all the same, start this again with "
        "legacy_is_sick, and say why in the reason."
    )
    return End(is_good=False, name=NOT_RETURNED, message=text)


def _try(
    installation: Installation,
    returner: Returner,
    ward: WardState,
    cause: Cause,
    *,
    is_fresh: bool,
) -> RollbackReport:
    """Go on until it is proven, at most TRIES times; each call has the proof's own deadline."""
    report = returner.go(ward, cause, is_fresh=is_fresh)
    for _ in range(TRIES - 1):
        if report.outcome in (Outcome.PROVEN, Outcome.REPEATED):
            break
        installation.clock.sleep(installation.plan.policy.tick_s)
        report = returner.go(ward, cause, is_fresh=is_fresh)
    return report


def _returned(
    installation: Installation, telling: Telling, ward: WardId, report: RollbackReport
) -> End:
    plan = installation.plan
    story = telling.latest(ward)
    told = None if story is None else story_end(plan, story)
    match report.outcome:
        case Outcome.PROVEN | Outcome.REPEATED if told is not None:
            return told
        case Outcome.PROVEN | Outcome.REPEATED:
            at = clock_time(installation.clock.now(), plan.zone)
            text = f"{ward} is back on legacy, proven {at}; the ledger does not show it yet"
            return End(is_good=False, name=ROLLED_BACK, message=text)
        case Outcome.PENDING:
            text = f"{ward}: the route is on legacy, not proven yet: {report.detail}"
        case Outcome.NOT_WRITTEN:
            text = f"{ward}: the route could not be written: {report.detail}"
        case _:
            assert_never(report.outcome)
    text += f". Sentinel and guard go on trying; until then: {downtime(plan, ward)}"
    return End(is_good=False, name=NOT_RETURNED, message=text)
