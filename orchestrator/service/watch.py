"""The sentinel's tick: look at every ward on its way, judge, and return what must return.

Rollback is decided and begun before anything is recorded or paged, and in every phase.
A tick whose readings took longer than a lease is worth nothing: its conclusions are
dropped, and the next tick counts the time as blindness where it sees nothing.
Source: design sections 4 and 8; rules 1, 2 and 5.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import structlog

from orchestrator.core.alarm import Alarm, alarms
from orchestrator.core.baseline import Sampling, sample
from orchestrator.core.decision import (
    Decision,
    Hold,
    Rollback,
    Situation,
    decide,
    legacy_level,
)
from orchestrator.core.event import (
    BaselineMeasured,
    Cause,
    RollbackBlocked,
    Trigger,
    WatchTaken,
)
from orchestrator.core.ids import SignalName
from orchestrator.core.judging import Memories, changes, handed_down, inherited, judge_ward
from orchestrator.core.plan import Plan, Signal
from orchestrator.core.reading import Reading
from orchestrator.core.route import ObservedRoute, Route
from orchestrator.core.state import Phase, ProgrammeState
from orchestrator.core.verdict import Level, Memory, Verdict
from orchestrator.core.view import (
    Care,
    WardView,
    foreign_return,
    gathered_signals,
    is_watched,
    judged_signals,
    stray_slices,
    view,
)
from orchestrator.errors import Refused, Unavailable
from orchestrator.ports import Notifier, Page, Readings
from orchestrator.service.returns import Returns, Running
from orchestrator.service.rollback import Hands
from wards.model import WardId
from wards.shifts import incoming

log = structlog.get_logger()
ASK_AGAIN_S = 1.0  # a message may name every ward, and each question may take as long as a request


class Readers(Protocol):
    """All sources together."""

    def read_all(
        self, signals: Sequence[Signal], wards: Sequence[WardId], *, deadline_s: float
    ) -> Readings:
        """Exactly one reading for every pair asked; what did not answer in time is SourceDown.
        Never raises."""
        ...


class Record(Protocol):
    """What the watch needs to know of the ledger without ever waiting for it."""

    def state(self) -> ProgrammeState:
        """The programme as far as this process knows it."""
        ...

    def read_after(self, moment_s: float) -> bool:
        """Whether the ledger was read to its end in a round that began after that moment."""
        ...

    def behind_s(self) -> float:
        """Real seconds for which the ledger has not shown what this process said; 0 if it has."""
        ...


@dataclass(slots=True)
class Recollection:
    """What a sentinel remembers of one ward between ticks."""

    memories: Memories = field(default_factory=dict[SignalName, Memory])
    verdicts: tuple[Verdict, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    stray_since_s: float | None = None
    blocked: tuple[str, str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WardTick:
    """What one tick made of one ward."""

    view: WardView
    verdicts: tuple[Verdict, ...]
    alarms: tuple[Alarm, ...]
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """One tick, in real seconds. `began_at_s`: monotonic; `judged_s`: from there until all was
    judged. `is_fresh`: it took less than a lease, so leases may be
    renewed on the strength of it. `routes_read`: the routes answered."""

    wards: tuple[WardTick, ...]
    began_at_s: float
    read_s: float
    judged_s: float
    took_s: float
    is_fresh: bool
    routes_read: bool


@dataclass(slots=True)
class Watch:
    """One sentinel's watching. One thread ticks; `attend` may be called from any; returns run
    on the executor.

    `noted`: how ready legacy was for each ward by whoever noted it last on the ward's lease.
    `leads`: this sentinel is the active one.
    """

    plan: Plan
    hands: Hands
    readers: Readers
    record: Record
    notifier: Notifier
    executor: Executor
    noted: Mapping[WardId, Level] = field(default_factory=dict[WardId, Level])
    leads: bool = False
    _missed_at_s: float | None = None
    _wards: dict[WardId, Recollection] = field(default_factory=dict[WardId, Recollection])
    _routes: dict[WardId, ObservedRoute] = field(default_factory=dict[WardId, ObservedRoute])
    _returns: Returns = field(init=False)

    def __post_init__(self) -> None:
        self._returns = Returns(
            hands=self.hands,
            notifier=self.notifier,
            executor=self.executor,
            state_of=lambda ward: self.record.state().ward(ward),
            procedure_of=lambda ward: self.plan.ward(ward).downtime_procedure,
        )

    def take_over(self, unwatched_since: datetime | None) -> None:
        """Become the active sentinel: remember nothing, and say since when nobody looked."""
        self._wards.clear()
        self.leads = True
        self.hands.scribe.note(None, WatchTaken(unwatched_since=unwatched_since))

    def stand_by(self) -> None:
        """Be the active sentinel no more: what was seen till now is soon an old story."""
        self.leads = False
        self._wards.clear()

    def go_on(self) -> None:
        """While another one leads, which may never hear of them: try the returns again that were
        begun here and could not be written."""
        for ward in self.plan.wards:
            if self.unwritten_s(ward.id) <= 0:
                continue
            state = self.record.state().ward(ward.id)
            is_written = state.returned is not None and state.returned.epoch is not None
            if state.phase is Phase.RETURNING and not is_written:
                self.attend(ward.id)
            else:
                self._returns.ended(ward.id)

    def tick(self) -> TickReport:
        """Look, judge and return; then write down, page and gather."""
        began_s = self.hands.clock.monotonic()
        routes_read = self._read_routes()
        state = self.record.state()
        views = self._views(state, routes_read=routes_read)
        readings = _by_ward(self._read(views))
        read_s = self.hands.clock.monotonic() - began_s
        if read_s > self.plan.policy.lease_s:
            # Too old to act upon. What was remembered stays: the next look finds the gap in it.
            return self._report((), began_s, read_s, read_s, routes_read=routes_read)
        results = tuple(self._judge(state, item, readings.get(item.ward, {})) for item in views)
        judged_s = self.hands.clock.monotonic() - began_s
        # Whoever can return does so before anything is said of a ward that cannot.
        for result in sorted(results, key=lambda one: isinstance(one.decision, Hold)):
            self._act(result)
        for result in results:
            self._write_down(result, readings.get(result.view.ward, {}))
        self._forget_unwatched(views)
        self.hands.scribe.flush()
        return self._report(results, began_s, read_s, judged_s, routes_read=routes_read)

    def attend(self, ward: WardId) -> Running | None:
        """Judge one ward's alarms now, without waiting for a tick, and begin the return that they
        ask for; its future, or None when nothing returns. What needs more than that (a sick
        legacy, pages) the next tick does, of whoever leads. From any thread; needs no readings and
        no route.
        """
        state = self.record.state()
        item = self._seen_now(state, ward)
        recall = self._wards.get(ward)
        # Who stands by, or has not ended its first tick, goes by what others have left of legacy.
        judged = () if recall is None else recall.verdicts
        verdicts = judged or handed_down(self.plan, item.state, self.noted.get(ward))
        result = self._decided(state, item, verdicts)
        match result.decision:
            case Rollback(cause=cause):
                return self._returns.begin(item, cause)
            case Hold(cause=cause) if cause is not None and not self._knows_the_end():
                self._block(result, cause)
            case _:
                pass
        return None

    def may_be_exposed(self, ward: WardId) -> bool:
        """Whether the ward works in the candidate, as far as this process can see now; where
        nobody can say, it may. From any thread."""
        return bool(self._seen_now(self.record.state(), ward).exposed)

    def legacy_of(self, ward: WardId) -> Level:
        """How ready legacy was for the ward at the last tick; BLIND when nobody looked."""
        return legacy_level(self.plan, self._recall(ward).verdicts)

    def unwritten_s(self, ward: WardId) -> float:
        """For how many seconds its return has been tried and something still asks for it."""
        return self._returns.asked_s(ward)

    def routes(self) -> tuple[ObservedRoute, ...]:
        """Every ward's route as last read; for the thread that ticks."""
        return tuple(self._routes.values())

    def _report(
        self,
        results: tuple[WardTick, ...],
        began_s: float,
        read_s: float,
        judged_s: float,
        *,
        routes_read: bool,
    ) -> TickReport:
        took_s = self.hands.clock.monotonic() - began_s
        return TickReport(
            wards=results,
            began_at_s=began_s,
            read_s=read_s,
            judged_s=judged_s,
            took_s=took_s,
            is_fresh=took_s <= self.plan.policy.lease_s,
            routes_read=routes_read,
        )

    def _recall(self, ward: WardId) -> Recollection:
        return self._wards.setdefault(ward, Recollection())

    def _forget_unwatched(self, views: tuple[WardView, ...]) -> None:
        for ward in self._wards.keys() - {item.ward for item in views}:
            del self._wards[ward]
            self._returns.ended(ward)

    def _read_routes(self) -> bool:
        try:
            self._routes = {item.route.ward: item for item in self.hands.routes.all()}
        except Unavailable as error:
            log.warning("routes.missed", problem=str(error))
            return False
        return True

    def _views(self, state: ProgrammeState, *, routes_read: bool) -> tuple[WardView, ...]:
        views = (self._view(state, ward.id, is_current=routes_read) for ward in self.plan.wards)
        return tuple(item for item in views if is_watched(item))

    def _view(self, state: ProgrammeState, ward: WardId, *, is_current: bool) -> WardView:
        observed = self._routes.get(ward)
        route = None if observed is None else observed.route
        return view(self.plan, state.ward(ward), route, is_current=is_current)

    def _seen_now(self, state: ProgrammeState, ward: WardId) -> WardView:
        """The ward between ticks. Who leads has a picture a tick old; who stands by has none, and
        perhaps no record either (a dead ledger, a new pod): it reads the route. What neither can
        say is exposed: to write legacy once more is never wrong, to leave harm alone is."""
        if self.leads:
            return self._view(state, ward, is_current=False)
        route = self._route_now(ward)
        item = view(self.plan, state.ward(ward), route, is_current=False)
        if route is not None or self._is_record_fresh():
            return item
        everything = tuple(one.name for one in self.plan.slices)
        return replace(item, exposed=everything, care=Care.EXPOSED)

    def _route_now(self, ward: WardId) -> Route | None:
        now_s, missed_at_s = self.hands.clock.monotonic(), self._missed_at_s
        if missed_at_s is not None and now_s - missed_at_s < ASK_AGAIN_S:
            return None
        try:
            return self.hands.routes.get(ward).route
        except (Unavailable, Refused) as error:
            log.warning("routes.missed", ward=ward, problem=str(error))
            self._missed_at_s = self.hands.clock.monotonic()
            return None

    def _is_record_fresh(self) -> bool:
        """The ledger was read to its end within a lease."""
        since_s = self.hands.clock.monotonic() - self.plan.policy.lease_s
        return self.record.read_after(since_s)

    def _knows_the_end(self) -> bool:
        """By its own watching, or by a ledger that answers; then whoever leads knows it too."""
        return self.leads or self._is_record_fresh()

    def _read(self, views: tuple[WardView, ...]) -> Readings:
        wanted = {
            signal.name
            for item in views
            for signal in (*judged_signals(self.plan, item), *gathered_signals(self.plan, item))
        }
        signals = tuple(signal for signal in self.plan.signals if signal.name in wanted)
        if not signals:
            return {}
        return self.readers.read_all(
            signals,
            tuple(item.ward for item in views),
            deadline_s=self.plan.policy.query_budget_s,
        )

    def _judge(
        self, state: ProgrammeState, item: WardView, readings: Mapping[SignalName, Reading]
    ) -> WardTick:
        recall = self._wards.get(item.ward)
        if recall is None:
            noted = self.noted.get(item.ward)
            recall = Recollection(memories=inherited(self.plan, state.ward(item.ward), noted))
            self._wards[item.ward] = recall
        recall.memories, verdicts = judge_ward(
            self.plan,
            item,
            readings,
            recall.memories,
            at_s=self.hands.clock.monotonic(),
            now=self.hands.clock.now(),
        )
        return self._decided(state, item, verdicts)

    def _decided(
        self, state: ProgrammeState, item: WardView, verdicts: tuple[Verdict, ...]
    ) -> WardTick:
        now = self.hands.clock.now()
        found = alarms(
            self.plan, state, item.state, exposed=item.exposed, verdicts=verdicts, now=now
        )
        situation = Situation(
            plan=self.plan, ward=item.state, exposed=item.exposed, verdicts=verdicts, alarms=found
        )
        return WardTick(view=item, verdicts=verdicts, alarms=found, decision=decide(situation))

    def _act(self, result: WardTick) -> None:
        match result.decision:
            case Rollback(cause=cause):
                self._returns.begin(result.view, cause)
            case Hold(cause=cause) if cause is not None:
                self._block(result, cause)
            case _:
                self._act_on_the_route(result)

    def _act_on_the_route(self, result: WardTick) -> None:
        """What the route alone shows: another hand's return, or exposure that nobody intended."""
        foreign, stray = foreign_return(result.view), self._stray(result.view)
        is_sick = legacy_level(self.plan, result.verdicts) is Level.BREACH
        cause = foreign or stray
        if cause is None:
            self._returns.ended(result.view.ward)
        elif foreign is None and is_sick:
            self._block(result, cause)
        else:
            self._returns.begin(result.view, cause)

    def _stray(self, item: WardView) -> Cause | None:
        """Exposure that nobody wrote ahead, once the ledger was read after it was first seen."""
        recall = self._recall(item.ward)
        strays = stray_slices(self.plan, item)
        if not strays:
            recall.stray_since_s = None
            return None
        if recall.stray_since_s is None:
            recall.stray_since_s = self.hands.clock.monotonic()
        if not self.record.read_after(recall.stray_since_s):
            return None
        return Cause(
            trigger=Trigger.STRAY,
            reason=f"{', '.join(strays)} on the candidate without an intent in the ledger",
        )

    def _block(self, result: WardTick, cause: Cause) -> None:
        """Legacy is sick: say so once a cause, name the downtime procedure, switch nothing."""
        recall = self._recall(result.view.ward)
        self._returns.ended(result.view.ward)
        if recall.blocked == (cause.trigger, cause.signal):
            return
        recall.blocked = (cause.trigger, cause.signal)
        procedure = self.plan.ward(result.view.ward).downtime_procedure
        self.hands.scribe.note(
            result.view.ward,
            RollbackBlocked(cause=cause, legacy="not ready", downtime_procedure=procedure),
        )
        self.notifier.page(_blocked_page(result.view.ward, cause, procedure))

    def _write_down(self, result: WardTick, readings: Mapping[SignalName, Reading]) -> None:
        recall = self._recall(result.view.ward)
        for change in changes(recall.verdicts, result.verdicts):
            self.hands.scribe.note(result.view.ward, change)
        recall.verdicts = result.verdicts
        is_held = isinstance(result.decision, Hold) and result.decision.cause is not None
        if not is_held and recall.stray_since_s is None:
            recall.blocked = None
        self._gather(result.view, recall, readings)

    def _gather(
        self, item: WardView, recall: Recollection, readings: Mapping[SignalName, Reading]
    ) -> None:
        signals = gathered_signals(self.plan, item)
        if not signals:
            recall.sampling = Sampling()
            return
        patterns = self.plan.ward(item.ward).patterns
        shift = incoming(patterns, self.plan.zone, self.hands.clock.now())
        mine = {s.name: readings[s.name] for s in signals if s.name in readings}
        recall.sampling, measured = sample(recall.sampling, shift, mine)
        for one in measured:
            self.hands.scribe.note(
                item.ward,
                BaselineMeasured(signal=one.signal, shift=one.shift.kind, value=one.value, n=one.n),
            )


def _by_ward(readings: Readings) -> Mapping[WardId, Mapping[SignalName, Reading]]:
    by_ward: dict[WardId, dict[SignalName, Reading]] = {}
    for (ward, signal), reading in readings.items():
        by_ward.setdefault(ward, {})[signal] = reading
    return by_ward


def _blocked_page(ward: WardId, cause: Cause, procedure: str) -> Page:
    return Page(
        ward=ward,
        code="legacy_not_ready",
        message=f"{ward} should return to legacy ({cause.reason}), but legacy does not answer. "
        "Nothing was switched.",
        next_action=f"Downtime procedure: {procedure}. To switch all the same: "
        f"wardshift rollback {ward} --legacy-is-sick --reason '...'",
    )
