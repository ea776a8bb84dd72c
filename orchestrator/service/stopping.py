"""Stop the line: a report from the bedside is written down, acted upon, answered, and followed.

Invariants: a report is on disk before anything else is done about it; no report is refused for
its text; one whose code is wrong pages people and moves nothing by itself; what has been decided
cannot be taken back. Source: design section 8.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from orchestrator.core.alarm import Alarm, alarms
from orchestrator.core.concern import StopReport
from orchestrator.core.decision import Decision, Situation, decide
from orchestrator.core.event import (
    ProgrammeStopped,
    ReturnCancelled,
    StopAcknowledged,
    StopReported,
    StopUnproven,
    Trigger,
)
from orchestrator.core.ids import OPERATIONS, Role, SliceName
from orchestrator.core.plan import Plan
from orchestrator.core.receipt import Became, Receipt, all_reports, find_report, receipt_of
from orchestrator.core.route import Route
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.core.text import has_identity, plain
from orchestrator.core.verdict import Level
from orchestrator.core.view import last_verdicts, recorded_exposure, view
from orchestrator.errors import Refused
from orchestrator.ports import Clock, Notifier, Page
from orchestrator.service.scribe import Scribe
from wards.model import WardId

log = structlog.get_logger()
SOMEBODY = "somebody"  # who gave no staff code: never a second person beside another one
LETTERS = "bcdfghjkmnpqrstvwxz"  # no vowel, so no word; nothing that looks like a digit
NUMBER_LENGTH = 8
MOST_OF_A_ROLE = 60
CANCELLABLE = (Trigger.ALERT, Trigger.STOP)
WAITS = (Became.FROZEN, Became.UNCONFIRMED, Became.AT_HOME)


@dataclass(slots=True)
class StopLine:
    """One process's ear for the bedside. Thread-safe.

    `state`: the programme as this process knows it, its own notes included. `attend`: judge the
    ward's alarms now; something other than None when a return goes on. `may_be_exposed`: whether
    it may work in the candidate although the record, as this process knows it, has it at home.
    """

    plan: Plan
    scribe: Scribe
    state: Callable[[], ProgrammeState]
    attend: Callable[[WardId], object | None]
    notifier: Notifier
    clock: Clock
    may_be_exposed: Callable[[WardId], bool] = lambda _ward: False

    def report(
        self,
        ward: WardId,
        role: Role,
        *,
        reporter: str = SOMEBODY,
        words: str = "",
        slice_name: SliceName | None = None,
    ) -> Receipt:
        """Somebody whose role is proven stops the line. Freezes at once; returns when the plan's
        policy has it confirmed.

        Raises: Refused for a ward or a role that the plan does not let stop.
        """
        self._check_ward(ward)
        if role not in self.plan.policy.stop.roles:
            asked = ", ".join(self.plan.policy.stop.roles) or "nobody"
            raise Refused("wrong_role", f"{role} does not stop the line by this plan; who: {asked}")
        number = self._number()
        self.scribe.note(
            ward,
            StopReported(
                report=number, role=role, reporter=reporter, words=words, slice_name=slice_name
            ),
        )
        is_returning = self._attend(ward)
        is_home = not is_returning and self._is_home(ward)
        page = _reported_page(ward, number, role, is_returning=is_returning, is_home=is_home)
        self.notifier.page(page)
        return self._receipt(number, is_returning=is_returning)

    def unproven(
        self, ward: WardId, role: Role, *, words: str = "", slice_name: SliceName | None = None
    ) -> Receipt:
        """Somebody who did not prove a role stops the line: kept, and people go and ask.

        Raises: Refused for a ward that the plan does not know.
        """
        self._check_ward(ward)
        role = Role(plain(role)[:MOST_OF_A_ROLE])  # anybody may have typed it
        number = self._number()
        self.scribe.note(
            ward, StopUnproven(report=number, role=role, words=words, slice_name=slice_name)
        )
        self.notifier.page(_unproven_page(ward, number, role))
        return self._receipt(number)

    def receipt(self, number: str) -> Receipt | None:
        """How a report stands now; None for one that is not known (any more)."""
        state = self.state()
        found = find_report(state, as_number(number))
        if found is None:
            return None
        made = receipt_of(self.plan, state, *found, self.clock.now())
        if made.became is not Became.AT_HOME or not self.may_be_exposed(made.ward):
            return made
        is_over = self.clock.now() > made.waits_until
        return replace(made, became=Became.UNCONFIRMED if is_over else Became.FROZEN)

    def waiting(self, ward: WardId) -> tuple[str, ...]:
        """The numbers of a ward's reports that nobody has answered for, the oldest first."""
        reports = self.state().ward(ward).concerns.reports
        return tuple(one.report for one in reports if one.is_unanswered)

    def acknowledge(self, number: str, role: Role) -> Receipt:
        """Somebody takes a report in hand; who was first stays.

        Raises: Refused for an unknown report, and for a role that the plan does not know.
        """
        allowed = dict.fromkeys((*self.plan.roles, OPERATIONS))
        if role not in allowed:
            names = ", ".join(allowed)
            raise Refused("wrong_role", f"{role} is not a role of this plan: {names}")
        number = as_number(number)
        found = find_report(self.state(), number)
        if found is None:
            raise Refused(
                "unknown_report",
                f"{number} is not a report that stands; wardshift history WARD shows all",
            )
        ward, one = found
        if one.acknowledged_at is None:
            self.scribe.note(ward.ward, StopAcknowledged(report=number, role=role))
        return self._receipt(number)

    def _receipt(self, number: str, *, is_returning: bool = False) -> Receipt:
        made = self.receipt(number)
        assert made is not None, "what was noted is known"
        # The return may not have said so yet; that it was begun is known here.
        is_ahead = is_returning and made.became in WAITS
        return replace(made, became=Became.RETURNING) if is_ahead else made

    def _is_home(self, ward: WardId) -> bool:
        """Surely: by the record and by whatever else this process sees."""
        is_recorded = bool(recorded_exposure(self.plan, self.state().ward(ward)))
        return not is_recorded and not self.may_be_exposed(ward)

    def _check_ward(self, ward: WardId) -> None:
        names = tuple(one.id for one in self.plan.wards)
        if ward not in names:
            raise Refused("unknown_ward", f"{ward} is not a ward of this plan: {', '.join(names)}")

    def _number(self) -> str:
        """A number that no report has: a second report under it would be taken for the first."""
        known = {one.report for _, one in all_reports(self.state())}
        while True:
            number = "".join(secrets.choice(LETTERS) for _ in range(NUMBER_LENGTH))
            if number not in known:
                return number

    def _attend(self, ward: WardId) -> bool:
        """Whether a return goes on. It is written down already: a fault of ours here must not take
        the receipt away, and the next tick attends to the report again."""
        try:
            return self.attend(ward) is not None
        except Exception:
            log.exception("stop.stumbled", ward=ward)
            return False


@dataclass(slots=True)
class AcknowledgementClock:
    """Pages again, once a period, while nobody takes a report in hand. For one thread."""

    plan: Plan
    state: Callable[[], ProgrammeState]
    notifier: Notifier
    clock: Clock
    _paged: dict[str, int] = field(default_factory=dict[str, int])

    def look(self) -> None:
        """Page for each report whose next period has begun; after a restart once more."""
        open_ones = _unanswered(self.state())
        for ward, one in open_ones:
            self._remind(ward.ward, one)
        self._paged = {one.report: self._paged.get(one.report, 0) for _, one in open_ones}

    def _remind(self, ward: WardId, one: StopReport) -> None:
        waited_s = (self.clock.now() - one.made_at).total_seconds()
        period = int(waited_s // self.plan.policy.stop.acknowledge_within_s)
        if period > self._paged.get(one.report, 0):
            self._paged[one.report] = period
            self.notifier.page(_reminder_page(ward, one, waited_s))


def unanswered(state: ProgrammeState, now: datetime) -> tuple[tuple[WardId, float], ...]:
    """How long each report has waited for somebody to take it in hand, a right code or not, in
    seconds of the clock that it was made by; never below 0, though a clock be set back."""
    return tuple(
        (ward.ward, max(0.0, (now - one.made_at).total_seconds()))
        for ward, one in _unanswered(state)
    )


def _unanswered(state: ProgrammeState) -> tuple[tuple[WardState, StopReport], ...]:
    return tuple((ward, one) for ward, one in all_reports(state) if one.is_unanswered)


def as_number(said: str) -> str:
    """A report's number as it is kept, however it was read from a receipt."""
    return said.replace("-", "").replace(" ", "").lower()


def judged(
    plan: Plan, state: ProgrammeState, ward: WardId, route: Route | None, now: datetime
) -> Decision:
    """What is to be done with a ward by whoever does not watch it: by its alarms and the verdicts
    that were last recorded; without a route, by the record."""
    item = view(plan, state.ward(ward), route)
    verdicts = last_verdicts(item.state)
    found = alarms(plan, state, item.state, exposed=item.exposed, verdicts=verdicts, now=now)
    return decide(
        Situation(plan=plan, ward=item.state, exposed=item.exposed, verdicts=verdicts, alarms=found)
    )


def stop_programme(scribe: Scribe, notifier: Notifier, role: Role, reason: str) -> ProgrammeStopped:
    """Write down that everything returns. The returns themselves are begun by the caller's own
    hands, and by each sentinel's next tick."""
    word = ProgrammeStopped(role=role, reason=reason)
    scribe.note(None, word)
    notifier.page(
        Page(
            ward=None,
            code="programme_stopped",
            message=f"The whole programme was stopped by {role}. Every ward returns to legacy.",
            next_action="wardshift list. To go on later, two roles: wardshift resume --programme "
            "--role ROLE --reason TEXT",
        )
    )
    return word


def cancellation(
    plan: Plan, state: ProgrammeState, word: ReturnCancelled, ward: WardId, now: datetime
) -> ReturnCancelled | None:
    """The word, if it may be said now; None when it was said before.

    Raises: Refused with a sentence: a trigger that waits for nobody, a role that the plan does
    not name for it, a subject that does not stand, a return that is decided or has begun.
    """
    allowed = _cancelling_roles(plan, word.trigger)
    if word.role not in allowed:
        names = ", ".join(allowed) or "nobody"
        raise Refused(
            "wrong_role", f"{word.role} may not take back {word.trigger}; who may: {names}"
        )
    mine = state.ward(ward)
    if _stands(mine, word.trigger, word.subject) is False:
        return None
    if mine.phase in (Phase.RETURNING, Phase.ROLLED_BACK):
        raise Refused(
            "has_begun",
            f"{ward} is {mine.phase}: a return that has begun is never taken back. To go on "
            f"afterwards, two roles: wardshift resume {ward} --role ROLE --reason TEXT",
        )
    if recorded_exposure(plan, mine) and _alarm(plan, state, mine, word, now) is Level.BREACH:
        raise Refused(
            "is_decided",
            f"{word.trigger} {word.subject} is decided: {ward} returns as soon as it can",
        )
    return word


def _cancelling_roles(plan: Plan, trigger: Trigger) -> tuple[Role, ...]:
    if trigger not in CANCELLABLE:
        raise Refused(
            "never_cancelled",
            f"a return for {trigger} waits for nothing and is never taken back; only alerts that "
            "fired before exposure and reports that nobody confirmed can be",
        )
    policy = plan.policy.cancel
    return policy.alert if trigger is Trigger.ALERT else policy.stop


def _stands(ward: WardState, trigger: Trigger, subject: str) -> bool:
    """Whether it still counts. Raises: Refused for one that is not known."""
    if trigger is Trigger.STOP:
        known = {one.report: one.is_cancelled for one in ward.concerns.reports if one.is_proven}
    else:
        known = {one.heard.fingerprint: one.is_cancelled for one in ward.concerns.alerts}
    if subject not in known:
        names = ", ".join(known) or "none"
        raise Refused("unknown_subject", f"{ward.ward} has no {trigger} {subject}; it has: {names}")
    return not known[subject]


def _alarm(
    plan: Plan, state: ProgrammeState, ward: WardState, word: ReturnCancelled, now: datetime
) -> Level:
    found: tuple[Alarm, ...] = alarms(
        plan,
        state,
        ward,
        exposed=recorded_exposure(plan, ward),
        verdicts=last_verdicts(ward),
        now=now,
    )
    mine = (one for one in found if (one.trigger, one.subject) == (word.trigger, word.subject))
    return max((one.level for one in mine), default=Level.PASS)


def open_subjects(ward: WardState) -> tuple[tuple[Trigger, str], ...]:
    """What a person could still take back: of a ward, by trigger and subject."""
    reports = (
        (Trigger.STOP, one.report)
        for one in ward.concerns.reports
        if one.is_proven and not one.is_cancelled
    )
    alerts = (
        (Trigger.ALERT, one.heard.fingerprint)
        for one in ward.concerns.alerts
        if not one.is_cancelled
    )
    return (*reports, *alerts)


def check_reason(reason: str) -> None:
    """Raises: Refused for what looks like a personal identity number, where a word can wait."""
    if has_identity(reason):
        raise Refused(
            "identity",
            "the text holds what looks like a personal identity number. Nothing was recorded; "
            "say it without the number.",
        )


def _reported_page(
    ward: WardId, number: str, role: Role, *, is_returning: bool, is_home: bool
) -> Page:
    happens = "The programme is frozen; nothing moved."
    back = f" To bring it back yourself: wardshift rollback {ward}"
    if is_returning:
        happens, back = "The ward returns to legacy.", ""
    elif is_home:
        happens, back = "The programme is frozen; the ward works in legacy already.", ""
    return Page(
        ward=ward,
        code="stop_reported",
        message=f"{ward}: the line was stopped at the bedside by {role} (report {number}). "
        f"{happens}",
        next_action=f"Call the ward now, then: wardshift acknowledge {number} --role ROLE.{back}",
    )


def _unproven_page(ward: WardId, number: str, role: Role) -> Page:
    return Page(
        ward=ward,
        code="stop_unproven",
        message=f"{ward}: somebody stopped the line as {role} without a right code (report "
        f"{number}). Nothing froze and nothing moved.",
        next_action=f"Call the ward now. If it is true: wardshift stop {ward} --role ROLE, or "
        f"wardshift rollback {ward}. Then: wardshift acknowledge {number} --role ROLE",
    )


def _reminder_page(ward: WardId, one: StopReport, waited_s: float) -> Page:
    unproven = "" if one.is_proven else ", without a right code"
    return Page(
        ward=ward,
        code="stop_waits",
        message=f"{ward}: report {one.report} from the bedside by {one.role}{unproven} has waited "
        f"{waited_s / 60:.0f} minutes, and nobody has taken it in hand.",
        next_action=f"Call the ward now, then: wardshift acknowledge {one.report} --role ROLE",
    )
