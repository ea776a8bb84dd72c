"""What the sentinel makes of the routes and the record together, before it judges.

The routes say what is exposed now; the record says what was intended. Where they differ
somebody else's hand was at work, and the safe reading of it is decided here.
Source: design section 4, "the state of a ward is the fold of the ledger".
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.event import Cause, Trigger
from orchestrator.core.ids import ActorKind, SliceName
from orchestrator.core.plan import Plan, Purpose, Signal, Stage
from orchestrator.core.route import Route, exposed_slices, is_return
from orchestrator.core.state import Phase, WardState
from orchestrator.core.threshold import BaselineRatio, Tripwire
from orchestrator.core.verdict import Verdict
from wards.model import WardId

ON_THE_WAY = (Phase.AT_STAGE, Phase.PROMOTING, Phase.RETURNING, Phase.ACCEPTED)


class Care(StrEnum):
    """How closely a ward is watched."""

    EXPOSED = "exposed"
    SHADOW = "shadow"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class WardView:
    """One ward as a tick sees it. `route` is None while the routes cannot be read."""

    ward: WardId
    state: WardState
    route: Route | None
    exposed: tuple[SliceName, ...]
    care: Care


def view(plan: Plan, state: WardState, route: Route | None, *, is_current: bool = True) -> WardView:
    """Combine route and record; without a route the record alone says what is exposed.

    A route that is not current (the last one read, or a picture older than the record) takes
    nothing away: what it or the record exposes is watched.
    """
    exposed = () if route is None else exposed_slices(route)
    if route is None or not is_current or _is_outrun(route, state):
        exposed = _both(plan, exposed, recorded_exposure(plan, state))
    return WardView(
        ward=state.ward, state=state, route=route, exposed=exposed, care=_care(plan, state, exposed)
    )


def _is_outrun(route: Route, state: WardState) -> bool:
    """The record has seen the ward under a later epoch than this picture of its route shows. A
    promotion that is only intended outruns nothing: its route is still to be written."""
    return state.intent is None and route.epoch < state.epoch


def _both(
    plan: Plan, some: tuple[SliceName, ...], others: tuple[SliceName, ...]
) -> tuple[SliceName, ...]:
    unknown = tuple(name for name in some if name not in {item.name for item in plan.slices})
    return (
        *(item.name for item in plan.slices if item.name in some or item.name in others),
        *unknown,
    )


def recorded_exposure(plan: Plan, state: WardState) -> tuple[SliceName, ...]:
    """The slices that the record allows on the candidate: of the stage, and of an open intent."""
    if state.phase not in ON_THE_WAY:
        return ()
    stages = (_stage(plan, state), _intended(plan, state))
    names = {name for stage in stages if stage is not None for name in stage.candidate}
    return tuple(item.name for item in plan.slices if item.name in names)


def last_verdicts(state: WardState) -> tuple[Verdict, ...]:
    """The ward's last known verdicts; how long blindness lasts is the sentinel's to say."""
    return tuple(
        Verdict(
            signal=item.verdict.signal,
            level=item.verdict.level,
            code=item.verdict.code,
            value=item.verdict.value,
            limit=item.verdict.limit,
            n=item.verdict.n,
        )
        for item in state.verdicts
    )


def is_watched(item: WardView) -> bool:
    """A ward that has begun and is not back yet, or that the route exposes, whatever the record."""
    return bool(item.exposed) or item.state.phase in ON_THE_WAY


def stray_slices(plan: Plan, item: WardView) -> tuple[SliceName, ...]:
    """Slices that the route exposes and nothing in the record allows."""
    allowed = recorded_exposure(plan, item.state)
    return tuple(name for name in item.exposed if name not in allowed)


def foreign_return(item: WardView) -> Cause | None:
    """The cause of a return that another hand wrote and the record does not know yet."""
    route, state = item.route, item.state
    if route is None or state.phase not in (Phase.AT_STAGE, Phase.PROMOTING, Phase.ACCEPTED):
        return None
    if not is_return(route) or route.epoch <= state.home_epoch:
        return None
    by_guard = route.annotation.who.startswith(ActorKind.GUARD)
    return Cause(
        trigger=Trigger.LEASE if by_guard else Trigger.PERSON,
        reason=f"{route.annotation.who} wrote on the route: {route.annotation.why}",
    )


def judged_signals(plan: Plan, item: WardView) -> tuple[Signal, ...]:
    """The signals whose verdicts count for this ward now.

    In shadow nothing is exposed: verdicts keep gates closed, and what compares with a
    baseline is only gathered. Once the route is written home, requests that were under way may
    still end in a never event: those are counted until the ward is home.
    """
    return tuple(signal for signal in plan.signals if _is_judged(signal, item))


def gathered_signals(plan: Plan, item: WardView) -> tuple[Signal, ...]:
    """The signals of which a ward in shadow gives the baseline."""
    if item.care is not Care.SHADOW:
        return ()
    return tuple(s for s in plan.signals if isinstance(s.threshold, BaselineRatio))


def _is_judged(signal: Signal, item: WardView) -> bool:
    if signal.purpose is Purpose.LEGACY_READY:
        return True
    match item.care:
        case Care.EXPOSED:
            return signal.slice_name is None or signal.slice_name in item.exposed
        case Care.SHADOW:
            return not isinstance(signal.threshold, BaselineRatio)
        case Care.READINESS:
            is_returning = item.state.phase is Phase.RETURNING
            return is_returning and isinstance(signal.threshold, Tripwire)


def _care(plan: Plan, state: WardState, exposed: tuple[SliceName, ...]) -> Care:
    if exposed:
        return Care.EXPOSED
    stage = _stage(plan, state)
    return Care.SHADOW if stage is not None and stage.mirrored else Care.READINESS


def _stage(plan: Plan, state: WardState) -> Stage | None:
    return _named(plan, state.stage)


def _intended(plan: Plan, state: WardState) -> Stage | None:
    return None if state.intent is None else _named(plan, state.intent.stage)


def _named(plan: Plan, name: str | None) -> Stage | None:
    """The stage of that name; None also for a name that the plan in hand does not have."""
    return next((stage for stage in plan.stages if stage.name == name), None)
