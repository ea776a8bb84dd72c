"""What the stop buttons do. Blocking code without Prefect; it answers with how their runs end."""

from concurrent.futures import ThreadPoolExecutor

import structlog

from flows import hand
from flows.ending import STOPPED, TAKEN_BACK, End
from flows.place import by_role
from flows.reading import LedgerReader, reader_of
from flows.wanted import REFUSED
from orchestrator.adapters.notify import tell_the_rest
from orchestrator.bootstrap import Installation
from orchestrator.core.decision import Hold, Rollback
from orchestrator.core.event import Cause, Draft, Trigger
from orchestrator.core.ids import Role
from orchestrator.core.route import exposed_slices
from orchestrator.core.state import ProgrammeState, apply
from orchestrator.core.view import recorded_exposure
from orchestrator.errors import Conflict, Refused, Unavailable, WardshiftError
from orchestrator.reports.receipts import receipt_sentence
from orchestrator.service.scribe import Scribe
from orchestrator.service.stopping import StopLine, as_number, judged, stop_programme
from wards.model import WardId

log = structlog.get_logger()
TAKEN = "TakenInHand"


class _Known:
    """The programme as the ledger has it, if it answers, and on top of it what we say."""

    def __init__(self, reader: LedgerReader, scribe: Scribe) -> None:
        self._reader = reader
        self.state: ProgrammeState = reader.telling.state
        self.carry()
        scribe.listen(self._heard)

    def carry(self) -> None:
        """What was journalled goes into the ledger, now or when it answers again."""
        try:
            self._reader.drain()
            self.state = self._reader.read().state
        except WardshiftError as error:
            log.warning("ledger.missed", problem=str(error))

    def _heard(self, draft: Draft) -> None:
        self.state = apply(self.state, draft)


def stop(installation: Installation, ward: WardId, *, role: str, words: str) -> End:
    """Record a report, freeze, and return the ward if it is confirmed."""
    try:
        return _stop(installation, ward, role=role, words=words)
    finally:
        tell_the_rest(installation.notifier)


def _stop(installation: Installation, ward: WardId, *, role: str, words: str) -> End:
    line, known = _line(installation, role)
    try:
        number = line.report(ward, Role(role), words=words).report
    except Refused as error:
        return _refused(error)
    cause = _asked(installation, known.state, ward)
    known.carry()
    if cause is not None:
        return hand.return_for(installation, ward, cause, role=role)
    made = line.receipt(number)
    text = f"report {number} is recorded" if made is None else receipt_sentence(made)
    return End(is_good=True, name=STOPPED, message=text)


def stop_everything(installation: Installation, *, role: str, reason: str) -> End:
    """Record that the programme is stopped, and return every ward that is exposed."""
    try:
        return _stop_everything(installation, role=role, reason=reason)
    finally:
        tell_the_rest(installation.notifier)


def _stop_everything(installation: Installation, *, role: str, reason: str) -> End:
    scribe = installation.scribe(by_role(role))
    known = _Known(reader_of(installation), scribe)
    stop_programme(scribe, installation.notifier, Role(role), reason)
    cause = Cause(trigger=Trigger.PROGRAMME, reason=f"{role} stopped the programme: {reason}")
    wards = _exposed(installation, known.state)
    with ThreadPoolExecutor(max(1, len(wards))) as threads:
        begun = [
            threads.submit(hand.return_for, installation, ward, cause, role=role) for ward in wards
        ]
        known.carry()
        ends = [one.result() for one in begun]
    told = "; ".join(end.message for end in ends) or "no ward was in the candidate"
    text = f"the programme is stopped: {told}. To go on, two roles: resume the whole programme"
    return End(is_good=False, name=STOPPED, message=text)


def acknowledge(installation: Installation, report: str, *, role: str) -> End:
    """Somebody takes a report in hand."""
    line, known = _line(installation, role)
    try:
        made = line.acknowledge(report, Role(role))
    except Refused as error:
        return _refused(error)
    known.carry()
    return End(is_good=True, name=TAKEN, message=receipt_sentence(made))


def cancel(
    installation: Installation,
    ward: WardId,
    trigger: Trigger,
    subject: str,
    *,
    role: str,
    reason: str,
) -> End:
    """Take back a report or an alert that a return still waits for."""
    subject = as_number(subject) if trigger is Trigger.STOP else subject
    _Known(reader_of(installation), installation.scribe(by_role(role)))  # journals come first
    try:
        desk = installation.desk(by_role(role))
        desk.cancel(ward, trigger, subject, Role(role), reason=reason)
    except (Refused, Conflict) as error:
        return _refused(error)
    text = f"{trigger} {subject} of {ward} is taken back; it holds the ward no longer"
    return End(is_good=True, name=TAKEN_BACK, message=text)


def _line(installation: Installation, role: str) -> tuple[StopLine, _Known]:
    scribe = installation.scribe(by_role(role))
    known = _Known(reader_of(installation), scribe)
    return installation.stop_line(scribe, lambda: known.state), known


def _asked(installation: Installation, state: ProgrammeState, ward: WardId) -> Cause | None:
    """Why the ward must return by what is known now; None while nothing asks for it."""
    try:
        route = installation.routes.get(ward).route
    except (Unavailable, Refused):
        route = None
    now = installation.clock.now()
    match judged(installation.plan, state, ward, route, now):
        case Rollback(cause=cause) | Hold(cause=Cause() as cause):
            return cause
        case _:
            return None


def _exposed(installation: Installation, state: ProgrammeState) -> tuple[WardId, ...]:
    """By the routes; by the record while they do not answer."""
    plan = installation.plan
    try:
        routes = {one.route.ward: one.route for one in installation.routes.all()}
    except Unavailable:
        wards = (one.id for one in plan.wards)
        return tuple(ward for ward in wards if recorded_exposure(plan, state.ward(ward)))
    return tuple(ward for ward, route in routes.items() if exposed_slices(route))


def _refused(error: WardshiftError) -> End:
    return End(is_good=False, name=REFUSED, message=str(error))
