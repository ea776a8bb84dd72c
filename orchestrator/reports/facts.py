"""A ward's way through the rollout as spans and moments, for figures and reports. Pure.

Made by folding the ledger's entries with the same code that decides, so that a picture
cannot tell another story than the record. Times are wall time, aware, never running
backwards: what was journalled and drained late stands where the ledger put it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from orchestrator.core.event import (
    Cause,
    Draft,
    Entry,
    RollbackBlocked,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
)
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply
from orchestrator.core.verdict import Level, worst
from orchestrator.core.view import recorded_exposure
from wards.model import WardId
from wards.shifts import Shift, shifts_between

T = TypeVar("T")
SHORTEST = timedelta(minutes=1)  # a picture needs some width


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Generic[T]):
    """What held from `start` until just before `end`."""

    start: datetime
    end: datetime
    what: T


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceWay:
    """Which side served one slice, span after span."""

    name: SliceName
    title: str
    spans: tuple[Span[Side], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnFacts:
    """One return to legacy.

    `written_after_s` and `proven_after_s` are real seconds since it began, None where it did
    not come so far; `still_open`: requests on the candidate when it was proven.
    """

    began: datetime
    by: str
    cause: Cause
    written_after_s: float | None = None
    proven_after_s: float | None = None
    probes: int = 0
    still_open: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A moment at which the ward should have returned and legacy was not ready."""

    at: datetime
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFacts:
    """Everything that a picture of one ward's way shows.

    `shifts` follow each other: each ends where the next one starts. `stages` hold titles, from
    the moment the ward began.
    """

    programme: str
    ward: WardId
    ward_name: str
    zone: ZoneInfo
    start: datetime
    end: datetime
    shifts: tuple[Shift, ...]
    stages: tuple[Span[str], ...]
    slices: tuple[SliceWay, ...]
    levels: tuple[Span[Level], ...]
    returns: tuple[ReturnFacts, ...]
    blocked: tuple[Blocked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    at: datetime
    state: WardState


def timeline_facts(plan: Plan, ward: WardId, entries: Iterable[Entry]) -> TimelineFacts:
    """The facts of one ward, from a whole ledger in order.

    Raises: KeyError when the plan does not know the ward; ValueError when nothing happened yet.
    """
    kept = tuple(entries)
    moments = _moments(ward, kept)
    if not moments:
        raise ValueError(f"nothing has happened yet that concerns {ward}")
    start, end = moments[0].at, max(moments[-1].at, moments[0].at + SHORTEST)
    mine = tuple(entry.draft for entry in kept if entry.draft.ward == ward)
    model = plan.ward(ward)
    return TimelineFacts(
        programme=plan.name,
        ward=ward,
        ward_name=model.name,
        zone=plan.zone,
        start=start,
        end=end,
        shifts=_one_after_another(shifts_between(model.patterns, plan.zone, start, end)),
        stages=_known(_spans([(one.at, _stage_title(plan, one.state)) for one in moments], end)),
        slices=tuple(
            SliceWay(
                name=item.name,
                title=item.title,
                spans=_spans([(one.at, _side(plan, one.state, item.name)) for one in moments], end),
            )
            for item in plan.slices
            if item.name in model.slices
        ),
        levels=_known(_spans([(one.at, _level(one.state)) for one in moments], end)),
        returns=_returns(mine),
        blocked=tuple(
            Blocked(at=draft.at, cause=draft.happening.cause)
            for draft in mine
            if isinstance(draft.happening, RollbackBlocked)
        ),
    )


def _moments(ward: WardId, entries: Sequence[Entry]) -> tuple[_Moment, ...]:
    """The ward's state after each entry, from the first on."""
    state = ProgrammeState()
    found: list[_Moment] = []
    for entry in entries:
        state = apply(state, entry.draft, seq=entry.seq)
        at = entry.draft.at if not found else max(entry.draft.at, found[-1].at)
        found.append(_Moment(at=at, state=state.ward(ward)))
    return tuple(found)


def _stage_title(plan: Plan, state: WardState) -> str | None:
    titles = {stage.name: stage.title for stage in plan.stages}
    if state.phase in (Phase.RETURNING, Phase.ROLLED_BACK):
        return "Returned to legacy"
    return None if state.stage is None else titles.get(state.stage, state.stage)


def _side(plan: Plan, state: WardState, name: SliceName) -> Side:
    """The side that the record says serves; legacy from the moment the return was written. What a
    promotion intends serves nobody before it is proven: it may be given up."""
    is_written = state.returned is not None and state.returned.written_at is not None
    if state.phase is Phase.RETURNING and is_written:
        return Side.LEGACY
    entered = replace(state, intent=None)
    return Side.CANDIDATE if name in recorded_exposure(plan, entered) else Side.LEGACY


def _level(state: WardState) -> Level | None:
    """The worst verdict; None before the first one, and when the ward is back and unwatched."""
    if not state.verdicts or state.phase is Phase.ROLLED_BACK:
        return None
    return worst(item.verdict.level for item in state.verdicts)


def _spans(values: Sequence[tuple[datetime, T]], end: datetime) -> tuple[Span[T], ...]:
    """Equal neighbours as one span; the last one lasts until the end."""
    found: list[Span[T]] = []
    for at, value in values:
        if found and found[-1].what == value:
            continue
        if found:
            found[-1] = Span(start=found[-1].start, end=at, what=found[-1].what)
        found.append(Span(start=at, end=end, what=value))
    return tuple(span for span in found if span.start < span.end)


def _known(spans: tuple[Span[T | None], ...]) -> tuple[Span[T], ...]:
    return tuple(
        Span(start=span.start, end=span.end, what=span.what)
        for span in spans
        if span.what is not None
    )


def _one_after_another(shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
    """Overlapping shifts without the overlaps: an event belongs to the incoming shift."""
    ends = [shift.start for shift in shifts[1:]] + [shift.end for shift in shifts[-1:]]
    return tuple(
        Shift(kind=shift.kind, date=shift.date, start=shift.start, end=end)
        for shift, end in zip(shifts, ends, strict=True)
        if shift.start < end
    )


def _returns(drafts: Iterable[Draft]) -> tuple[ReturnFacts, ...]:
    """Each return with the first writing and the first proof that followed it."""
    found: list[ReturnFacts] = []
    for draft in drafts:
        match draft.happening:
            case RollbackIntended(cause=cause):
                by = f"{draft.actor.kind}:{draft.actor.name}"
                found.append(ReturnFacts(began=draft.at, by=by, cause=cause))
            case RollbackWritten(after_s=after_s) if found and found[-1].written_after_s is None:
                found[-1] = replace(found[-1], written_after_s=after_s)
            case RollbackProven() as proof if found and found[-1].proven_after_s is None:
                found[-1] = replace(
                    found[-1],
                    proven_after_s=proof.after_s,
                    probes=proof.probes,
                    still_open=proof.still_open,
                )
            case _:
                pass
    return tuple(found)
