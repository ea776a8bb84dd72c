"""What to do with a ward: the one place where it is decided.

Rollback is looked at first, in every phase, and needs no gate. Invariant: more harm
never gives more exposure; nothing moves forward while anything is blind, in breach,
held, frozen or unknown. The same function serves production, tests and replay (rule 8).
Source: design sections 2, 3 and 8.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from orchestrator.core.alarm import Alarm, alarm_cause
from orchestrator.core.event import Cause, RollbackBlocked, Trigger
from orchestrator.core.gates.answer import GateAnswer, all_open, not_open
from orchestrator.core.ids import SliceName
from orchestrator.core.plan import Plan, Purpose, Signal, Stage
from orchestrator.core.state import Phase, WardState
from orchestrator.core.threshold import Tripwire
from orchestrator.core.verdict import Level, Verdict, worst


class StayCode(StrEnum):
    """Why a ward stays where it is."""

    GATES = "gates"
    WAITING = "waiting"
    ROLLED_BACK = "rolled_back"
    ACCEPTED = "accepted"


class HoldCode(StrEnum):
    """Why forward movement stops although the ladder goes on."""

    HELD = "held"
    NOT_CLEAR = "not_clear"
    LEGACY_NOT_READY = "legacy_not_ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Go to this stage."""

    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Enter the last stage: the ward is accepted."""

    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Nothing to do; `closed` are the gates that are not open."""

    code: StayCode
    closed: tuple[GateAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Stop moving forward. With a cause: the ward should return, but legacy is sick, so people
    are paged and the downtime procedure is named (rule 5)."""

    code: HoldCode
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Return every slice to legacy now."""

    cause: Cause


Decision: TypeAlias = Advance | Complete | Stay | Hold | Rollback


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a decision may look at.

    `alarms`: what besides signals speaks against exposure (alerts, reports, a stopped programme).
    `exposed`: slices that the route itself, or an open intent, puts on the candidate.
    `verdicts`: of this tick. `gates`: answers for the next stage; empty when nobody asked,
    which never opens a way forward.
    """

    plan: Plan
    ward: WardState
    exposed: tuple[SliceName, ...]
    verdicts: tuple[Verdict, ...]
    gates: tuple[GateAnswer, ...] = ()
    alarms: tuple[Alarm, ...] = ()


def decide(situation: Situation) -> Decision:
    """Say what to do with the ward now; total, and pure."""
    return _backward(situation) or _forward(situation)


def relevant(plan: Plan, exposed: tuple[SliceName, ...]) -> tuple[Signal, ...]:
    """The signals that guard this exposure, and those that prove legacy ready."""
    return tuple(
        signal
        for signal in plan.signals
        if signal.purpose is Purpose.LEGACY_READY
        or (exposed and (signal.slice_name is None or signal.slice_name in exposed))
    )


def legacy_level(plan: Plan, verdicts: tuple[Verdict, ...]) -> Level:
    """Whether legacy is ready: the worst verdict of the signals that prove it; none: BLIND."""
    names = {signal.name for signal in plan.signals_for(Purpose.LEGACY_READY)}
    return worst(verdict.level for verdict in verdicts if verdict.signal in names)


def blocked_return(plan: Plan, ward: WardState) -> RollbackBlocked | None:
    """What sick legacy stands in the way of, by the record; None once legacy has been seen ready
    since: a cause that is still there has then begun the return, and one that is gone needs none.
    """
    names = {signal.name for signal in plan.signals_for(Purpose.LEGACY_READY)}
    seen = [item for item in ward.verdicts if item.verdict.signal in names]
    is_ready = worst(item.verdict.level for item in seen) < Level.BLIND
    is_newer = ward.blocked_at is not None and any(one.since > ward.blocked_at for one in seen)
    return None if is_ready and is_newer else ward.blocked


def cause_of(plan: Plan, verdicts: tuple[Verdict, ...]) -> Cause | None:
    """The gravest reason to return: a never event, another breach, blindness past patience."""
    safety = {signal.name: signal for signal in plan.signals_for(Purpose.SAFETY)}
    watched = tuple((safety[v.signal], v) for v in verdicts if v.signal in safety)
    breaches = tuple((s, v) for s, v in watched if v.level is Level.BREACH)
    for signal, verdict in sorted(breaches, key=lambda pair: not _is_never_event(pair[0])):
        return _breach(signal, verdict)
    for signal, verdict in watched:
        if verdict.level is Level.BLIND and verdict.blind_for_s >= signal.blind_patience_s:
            return _blindness(signal, verdict)
    return None


def _backward(situation: Situation) -> Rollback | Hold | None:
    ward = situation.ward
    if ward.phase is Phase.RETURNING and ward.returned is not None:
        return Rollback(cause=ward.returned.cause)
    if not situation.exposed:
        return None
    cause = cause_of(situation.plan, situation.verdicts) or alarm_cause(situation.alarms)
    if cause is None:
        return None
    if legacy_level(situation.plan, situation.verdicts) is Level.BREACH:
        return Hold(code=HoldCode.LEGACY_NOT_READY, cause=cause)
    return Rollback(cause=cause)


def _forward(situation: Situation) -> Decision:
    ward = situation.ward
    match ward.phase:
        case Phase.WAITING | Phase.PROMOTING | Phase.RETURNING:
            return Stay(code=StayCode.WAITING)
        case Phase.ROLLED_BACK:
            return Stay(code=StayCode.ROLLED_BACK)
        case Phase.ACCEPTED:
            return Stay(code=StayCode.ACCEPTED)
        case Phase.AT_STAGE:
            return _climb(situation)


def _climb(situation: Situation) -> Decision:
    ward = situation.ward
    if ward.held is not None:
        return Hold(code=HoldCode.HELD)
    if any(verdict.level >= Level.BLIND for verdict in situation.verdicts) or situation.alarms:
        return Hold(code=HoldCode.NOT_CLEAR)
    following = None if ward.stage is None else situation.plan.stage_after(ward.stage)
    if following is None:
        return Stay(code=StayCode.ACCEPTED)
    if not all_open(situation.gates):
        return Stay(code=StayCode.GATES, closed=not_open(situation.gates))
    is_last = situation.plan.stage_after(following.name) is None
    return Complete(stage=following) if is_last else Advance(stage=following)


def _is_never_event(signal: Signal) -> bool:
    return isinstance(signal.threshold, Tripwire)


def _breach(signal: Signal, verdict: Verdict) -> Cause:
    return Cause(
        trigger=Trigger.BREACH,
        reason=f"{signal.title}: {_number(verdict.value)} {signal.unit}, "
        f"limit {_number(verdict.limit)}",
        signal=signal.name,
        value=verdict.value,
        limit=verdict.limit,
        code=verdict.code,
    )


def _blindness(signal: Signal, verdict: Verdict) -> Cause:
    return Cause(
        trigger=Trigger.BLIND,
        reason=f"{signal.title}: not readable for {verdict.blind_for_s:.0f} s, "
        f"patience {signal.blind_patience_s:.0f} s ({verdict.code})",
        signal=signal.name,
        limit=verdict.limit,
        code=verdict.code,
    )


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"
