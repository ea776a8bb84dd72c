"""The ward board as rows of codes: what stands over every ward, before any word is chosen. Pure.

One ordered table, HEADS, says which of a ward's facts people must hear first. Invariant: what
is not known, or not known any more, never gives a calm head to a ward that may be exposed.
Source: design section 4, rules 1, 5 and 7.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.alarm import Alarm, alarms
from orchestrator.core.concern import Concerns, Drill
from orchestrator.core.decision import Decision, Hold, blocked_return, legacy_level
from orchestrator.core.event import ProgrammeStopped
from orchestrator.core.gates.answer import Closed, GateAnswer, Unknown, not_open
from orchestrator.core.gates.facts import Life
from orchestrator.core.ids import Role, Side, SignalName
from orchestrator.core.plan import Plan, Purpose, Signal, Slice
from orchestrator.core.returned import Return
from orchestrator.core.route import Route, exposed_slices
from orchestrator.core.soak import SoakProgress, soak_progress
from orchestrator.core.state import (
    Freeze,
    Phase,
    ProgrammeState,
    WardState,
)
from orchestrator.core.threshold import BaselineRatio, Direction, Limit
from orchestrator.core.verdict import Level, Verdict, worst
from orchestrator.core.view import (
    WardView,
    foreign_return,
    last_verdicts,
    recorded_exposure,
    stray_slices,
    view,
)
from orchestrator.reports.board_codes import Head, RoutesApi, Sign, Watcher
from wards.model import Ward, WardId

MOST_SIGNALS = 4  # more than this nobody reads from three metres; the rest is counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a fresh tick made of one ward."""

    verdicts: tuple[Verdict, ...]
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that a board may look at.

    `routes`: None while they cannot be read (`routes_api`: who was asked). `judged`: of this
    sentinel's own fresh tick; None without one, and then the record's verdicts count as long as it
    is read.
    `lease_ages_s`: real seconds since each ward's lease was seen to change. `ledger_age_s`: real
    seconds since the ledger was read; None: never.
    """

    plan: Plan
    state: ProgrammeState
    routes: Mapping[WardId, Route] | None
    judged: Mapping[WardId, Judged] | None
    life: Life
    lease_ages_s: Mapping[WardId, float]
    gates: Mapping[WardId, tuple[GateAnswer, ...]]
    tick_age_s: float | None
    ledger_age_s: float | None
    ledger_problem: str | None
    ledger_pending: int
    now: datetime
    seen_by: str
    is_active: bool
    routes_api: RoutesApi = RoutesApi.PRACTICE


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """Which side serves a slice by the route itself; None: nobody knows."""

    title: str
    side: Side | None
    is_mirrored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRow:
    """One signal's verdict with what was compared, in its unit. `direction` None: never events."""

    title: str
    unit: str
    verdict: Verdict
    direction: Direction | None
    patience_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRow:
    """The last return, and the title and unit of the signal behind it, if one was."""

    back: Return
    title: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WardRow:
    """One ward's card. `level`: None where nothing is judged now; `signals`: the worst first, a
    few of them, of `judged` in all and `not_clear` that are not PASS; `expected`: what the record
    allows on the candidate; `lease_age_s`: only asked of a ward that may be exposed."""

    id: WardId
    name: str
    beds: int
    head: Head
    slices: tuple[SliceRow, ...]
    expected: tuple[str, ...]
    stage: str | None
    next_stage: str | None
    phase: Phase
    level: Level | None
    signals: tuple[SignalRow, ...]
    judged: int
    not_clear: int
    is_exposed: bool
    lease_age_s: float | None
    soak: SoakProgress | None
    returned: ReturnRow | None
    drill: Drill | None
    alarms: tuple[Alarm, ...]
    concerns: Concerns
    held: str | None
    closed: tuple[Closed | Unknown, ...]
    resume_roles: frozenset[Role]
    downtime: str
    contacts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherRow:
    """One of the things that the board leans on. `age_s`: real seconds since its last sign."""

    watcher: Watcher
    sign: Sign
    age_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The whole board; wards by urgency, then in the plan's order."""

    plan: Plan
    now: datetime
    seen_by: str
    is_active: bool
    is_unstarted: bool
    routes_api: RoutesApi
    events: int
    pending: int
    watchers: tuple[WatcherRow, ...]
    freeze: Freeze | None
    stopped: ProgrammeStopped | None
    wards: tuple[WardRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    plan: Plan
    view: WardView
    routes_read: bool
    verdicts: tuple[Verdict, ...]
    level: Level | None
    alarms: tuple[Alarm, ...]
    is_watched: bool
    decision: Decision | None

    @property
    def state(self) -> WardState:
        return self.view.state

    @property
    def is_exposed(self) -> bool:
        return bool(self.view.exposed)

    @property
    def is_reported(self) -> bool:
        """Nobody has answered for a report of the ward, with a right code or without one."""
        return any(one.is_unanswered for one in self.state.concerns.reports)

    def worst_of(self, purpose: Purpose) -> Level | None:
        names = {signal.name for signal in self.plan.signals_for(purpose)}
        levels = [item.level for item in self.verdicts if item.signal in names]
        return worst(levels) if levels else None

    def is_at(self, *phases: Phase) -> bool:
        return self.state.phase in phases


def board(sight: Sight) -> Board:
    """Every ward's row and what stands over them."""
    rows = (_ward_row(sight, ward) for ward in sight.plan.wards)
    order = list(Head)
    return Board(
        plan=sight.plan,
        now=sight.now,
        seen_by=sight.seen_by,
        is_active=sight.is_active,
        is_unstarted=sight.state.plan_hash is None and is_record_fresh(sight),
        routes_api=sight.routes_api,
        events=sight.state.head,
        pending=sight.ledger_pending,
        watchers=_watchers(sight),
        freeze=sight.state.freeze,
        stopped=sight.state.stopped,
        wards=tuple(sorted(rows, key=lambda row: order.index(row.head))),
    )


def is_record_fresh(sight: Sight) -> bool:
    """Whether the ledger was read within a lease."""
    return sight.ledger_age_s is not None and sight.ledger_age_s <= sight.plan.policy.lease_s


def _ward_row(sight: Sight, ward: Ward) -> WardRow:
    facts = _facts(sight, ward.id)
    state = facts.state
    signals = _signals(sight.plan, facts.verdicts)
    return WardRow(
        id=ward.id,
        name=ward.name,
        beds=ward.beds,
        head=next(head for head, holds in HEADS if holds(facts)),
        slices=tuple(_slice_row(item, facts) for item in sight.plan.slices),
        expected=_titles(sight.plan, recorded_exposure(sight.plan, state)),
        stage=_stage_title(sight.plan, state.stage),
        next_stage=_next_title(sight.plan, state),
        phase=state.phase,
        level=facts.level,
        signals=signals[:MOST_SIGNALS],
        judged=len(facts.verdicts),
        not_clear=sum(item.level is not Level.PASS for item in facts.verdicts),
        is_exposed=facts.is_exposed,
        lease_age_s=sight.lease_ages_s.get(ward.id) if facts.is_exposed else None,
        soak=_soak(sight, state),
        returned=_return_row(sight.plan, state.returned),
        drill=state.drill,
        alarms=facts.alarms,
        concerns=state.concerns,
        held=state.held,
        closed=not_open(sight.gates.get(ward.id, ())),
        resume_roles=state.resume_roles,
        downtime=ward.downtime_procedure,
        contacts=tuple((item.role, item.channel) for item in ward.contacts),
    )


def _facts(sight: Sight, ward: WardId) -> _Facts:
    state = sight.state.ward(ward)
    route = None if sight.routes is None else sight.routes.get(ward)
    verdicts = _verdicts(sight, state)
    judged = None if sight.judged is None else sight.judged.get(ward)
    seen = view(sight.plan, state, route)
    found = alarms(
        sight.plan, sight.state, state, exposed=seen.exposed, verdicts=verdicts, now=sight.now
    )
    return _Facts(
        plan=sight.plan,
        view=seen,
        alarms=found,
        routes_read=sight.routes is not None,
        verdicts=verdicts,
        level=worst(item.level for item in verdicts) if verdicts else None,
        is_watched=_is_watched(sight, ward),
        decision=None if judged is None else judged.decision,
    )


def _is_watched(sight: Sight, ward: WardId) -> bool:
    age_s = sight.lease_ages_s.get(ward)
    is_leased = age_s is not None and age_s <= sight.plan.policy.lease_s
    return sight.life.sentinel is True and is_leased


def _is_blocked(it: _Facts) -> bool:
    """By the tick's own decision; without one, what the record says is believed."""
    if it.decision is not None:
        return isinstance(it.decision, Hold) and it.decision.cause is not None
    return it.is_exposed and blocked_return(it.plan, it.state) is not None


def _is_unwritten(it: _Facts) -> bool:
    back = it.state.returned
    is_intended = it.is_at(Phase.RETURNING) and back is not None and back.written_at is None
    return is_intended and (it.is_exposed or not it.routes_read)


def _must_return(it: _Facts) -> bool:
    is_alarmed = any(alarm.level is Level.BREACH for alarm in it.alarms)
    return is_alarmed or it.worst_of(Purpose.SAFETY) is Level.BREACH


def _is_legacy_sick(it: _Facts) -> bool:
    return bool(it.verdicts) and legacy_level(it.plan, it.verdicts) is Level.BREACH


def _is_mirrored(item: WardView) -> bool:
    return item.route is not None and any(rule.mirrored for rule in item.route.rules)


HEADS: tuple[tuple[Head, Callable[[_Facts], bool]], ...] = (
    (Head.BLOCKED, _is_blocked),
    (Head.UNWRITTEN, _is_unwritten),
    (Head.RETURNING, lambda it: it.is_at(Phase.RETURNING) or foreign_return(it.view) is not None),
    (Head.UNWATCHED, lambda it: it.is_exposed and not it.is_watched),
    (Head.BREACH, lambda it: it.is_exposed and _must_return(it)),
    (Head.STRAY, lambda it: it.routes_read and bool(stray_slices(it.plan, it.view))),
    (Head.NO_WAY_BACK, lambda it: it.is_exposed and _is_legacy_sick(it)),
    (Head.SIDE_UNKNOWN, lambda it: not it.routes_read),
    (Head.NO_ROUTE, lambda it: it.view.route is None),
    (Head.BLIND, lambda it: it.is_exposed and it.level in (None, Level.BLIND)),
    (Head.ALARMED, lambda it: it.is_exposed and (bool(it.alarms) or it.is_reported)),
    (Head.LEGACY_SICK, lambda it: not it.is_exposed and _is_legacy_sick(it)),
    (Head.MOVING, lambda it: it.is_at(Phase.PROMOTING)),
    (Head.WARN, lambda it: it.is_exposed and it.level is Level.WARN),
    (Head.ACCEPTED, lambda it: it.is_exposed and it.is_at(Phase.ACCEPTED)),
    (Head.EXPOSED, lambda it: it.is_exposed),
    (Head.RETURNED, lambda it: it.is_at(Phase.ROLLED_BACK)),
    (Head.NOT_CLEAR, lambda it: it.level in (Level.BLIND, Level.BREACH)),
    (Head.SHADOW, lambda it: it.is_at(Phase.AT_STAGE) and _is_mirrored(it.view)),
    (Head.READY, lambda it: it.is_at(Phase.AT_STAGE, Phase.ACCEPTED)),
    (Head.WAITING, lambda _: True),
)


def _verdicts(sight: Sight, state: WardState) -> tuple[Verdict, ...]:
    """Of this very tick, else of a record that is read and that a living sentinel writes."""
    if sight.judged is not None:
        mine = sight.judged.get(state.ward)
        return () if mine is None else mine.verdicts
    if not (is_record_fresh(sight) and sight.life.sentinel is True):
        return ()
    return last_verdicts(state)


def _signals(plan: Plan, verdicts: tuple[Verdict, ...]) -> tuple[SignalRow, ...]:
    """All that is not PASS, the worst first; when all is, the one that is nearest its limit."""
    known = {signal.name: signal for signal in plan.signals}
    rows = [_signal_row(item, known.get(item.signal)) for item in verdicts]
    bad = [row for row in rows if row.verdict.level is not Level.PASS]
    if bad:
        return tuple(sorted(bad, key=lambda row: -row.verdict.level))
    return tuple(sorted(rows, key=lambda row: -_nearness(row))[:1])


def _signal_row(verdict: Verdict, signal: Signal | None) -> SignalRow:
    if signal is None:  # of an earlier plan
        return SignalRow(
            title=verdict.signal, unit="", verdict=verdict, direction=None, patience_s=0.0
        )
    return SignalRow(
        title=signal.title,
        unit=signal.unit,
        verdict=verdict,
        direction=_direction(signal),
        patience_s=signal.blind_patience_s,
    )


def _direction(signal: Signal) -> Direction | None:
    match signal.threshold:
        case Limit(direction=direction) | BaselineRatio(direction=direction):
            return direction
        case _:
            return None


def _nearness(row: SignalRow) -> float:
    """Which part of the way to its limit a signal has gone; 0 where that has no meaning."""
    value, limit = row.verdict.value, row.verdict.limit
    if value is None or limit is None or row.direction is not Direction.AT_MOST or limit <= 0:
        return 0.0
    return value / limit


def _slice_row(item: Slice, facts: _Facts) -> SliceRow:
    route = facts.view.route
    if route is None:
        return SliceRow(title=item.title, side=None, is_mirrored=False)
    is_candidate = item.name in exposed_slices(route)
    return SliceRow(
        title=item.title,
        side=Side.CANDIDATE if is_candidate else Side.LEGACY,
        is_mirrored=any(rule.mirrored for rule in route.rules if rule.slice_name == item.name),
    )


def _titles(plan: Plan, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(item.title for item in plan.slices if item.name in names)


def _stage_title(plan: Plan, name: str | None) -> str | None:
    """The plan's title of a stage; its bare name when the plan in hand does not know it."""
    return next((stage.title for stage in plan.stages if stage.name == name), name)


def _next_title(plan: Plan, state: WardState) -> str | None:
    if state.intent is not None:
        return _stage_title(plan, state.intent.stage)
    if state.stage is None:
        return plan.stages[0].title
    if state.stage not in {stage.name for stage in plan.stages}:
        return None
    following = plan.stage_after(state.stage)
    return None if following is None else following.title


def _soak(sight: Sight, state: WardState) -> SoakProgress | None:
    names = {stage.name for stage in sight.plan.stages}
    if state.phase is not Phase.AT_STAGE or state.stage not in names:
        return None
    progress = soak_progress(sight.plan, state, sight.now)
    return progress if progress.needed.shifts else None


def _return_row(plan: Plan, back: Return | None) -> ReturnRow | None:
    if back is None:
        return None
    title, unit = _title_of(plan, back.cause.signal)
    return ReturnRow(back=back, title=title, unit=unit)


def _title_of(plan: Plan, name: SignalName | None) -> tuple[str, str]:
    found = ((item.title, item.unit) for item in plan.signals if item.name == name)
    return next(found, ("", ""))


def _watchers(sight: Sight) -> tuple[WatcherRow, ...]:
    life = sight.life
    return (
        WatcherRow(
            watcher=Watcher.SENTINEL,
            sign=_sign(life.sentinel),
            age_s=sight.tick_age_s if sight.is_active else None,
        ),
        WatcherRow(watcher=Watcher.GUARD, sign=_sign(life.guard)),
        WatcherRow(watcher=Watcher.FENCE, sign=_sign(life.fence)),
        WatcherRow(watcher=Watcher.ROUTES, sign=_sign(sight.routes is not None)),
        WatcherRow(
            watcher=Watcher.LEDGER,
            sign=_sign(is_record_fresh(sight) and sight.ledger_problem is None),
            age_s=sight.ledger_age_s,
            detail=sight.ledger_problem or "",
        ),
    )


def _sign(answer: bool | None) -> Sign:
    return {True: Sign.GOOD, False: Sign.BAD, None: Sign.UNKNOWN}[answer]
