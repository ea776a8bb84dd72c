"""All verdicts of one ward at one tick, from readings and what the ticks before left.

Pure: the same in the sentinel, in a benchmark and in a replay. Source: design section 6.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from orchestrator.core.event import VerdictChanged
from orchestrator.core.ids import SignalName
from orchestrator.core.plan import Plan, Purpose, Signal
from orchestrator.core.reading import Reading, SourceDown
from orchestrator.core.state import WardState
from orchestrator.core.threshold import BaselineRatio, Tripwire
from orchestrator.core.verdict import Code, Level, Memory, Reference, Verdict, judge
from orchestrator.core.view import WardView, judged_signals, last_verdicts
from wards.shifts import incoming

Memories = Mapping[SignalName, Memory]


def judge_ward(
    plan: Plan,
    item: WardView,
    readings: Mapping[SignalName, Reading],
    memories: Memories,
    *,
    at_s: float,
    now: datetime,
) -> tuple[Memories, tuple[Verdict, ...]]:
    """Judge every signal that counts for the ward now.

    Args:
        readings: of this ward; one that is missing is a source that did not answer.
        at_s: monotonic moment of the tick. now: wall time, for the shift.
    Returns: memories of the judged signals only, and the verdicts in plan order.
    """
    kept: dict[SignalName, Memory] = {}
    verdicts: list[Verdict] = []
    for signal in judged_signals(plan, item):
        reading = readings.get(signal.name, SourceDown(reason="not read"))
        memory = memories.get(signal.name, Memory())
        reference = reference_of(plan, item.state, signal, now)
        kept[signal.name], verdict = judge(signal, memory, reading, reference, at_s=at_s)
        verdicts.append(verdict)
    return MappingProxyType(kept), tuple(verdicts)


def inherited(plan: Plan, ward: WardState, noted: Level | None) -> Memories:
    """What who begins to watch takes over of legacy: by the record, or by the note on the ward's
    lease, it was sick, and stays so until enough good looks have said otherwise. One bad look is
    not the first of many then."""
    return {
        signal.name: Memory(marks=(True,) * signal.threshold.repetition.m)
        for signal in _sick_legacy(plan, ward, noted)
        if not isinstance(signal.threshold, Tripwire)
    }


def handed_down(plan: Plan, ward: WardState, noted: Level | None) -> tuple[Verdict, ...]:
    """The verdicts to go by for who has not looked: those of the record, and legacy as the note on
    the ward's lease has it where that is worse, for the ledger may have been dead since."""
    sick = {signal.name: signal for signal in _sick_legacy(plan, ward, noted)}
    others = (one for one in last_verdicts(ward) if one.signal not in sick)
    breaches = (Verdict(signal=name, level=Level.BREACH, code=Code.BEYOND_LIMIT) for name in sick)
    return (*others, *breaches)


def _sick_legacy(plan: Plan, ward: WardState, noted: Level | None) -> tuple[Signal, ...]:
    """The note does not say which of them it was: then it may be each."""
    recorded = {item.verdict.signal for item in ward.verdicts if item.verdict.level is Level.BREACH}
    return tuple(
        signal
        for signal in plan.signals_for(Purpose.LEGACY_READY)
        if noted is Level.BREACH or signal.name in recorded
    )


def reference_of(plan: Plan, ward: WardState, signal: Signal, now: datetime) -> Reference:
    """The ward's own past for this signal in the present shift."""
    return Reference(
        baseline=_baseline(plan, ward, signal, now),
        settled_occurrences=ward.settled_occurrences(signal.name),
    )


def changes(before: tuple[Verdict, ...], after: tuple[Verdict, ...]) -> tuple[VerdictChanged, ...]:
    """The verdicts whose level, code or limit is not what was last written down; of a never event
    each occurrence, for people who let a ward go on settle those that are on record."""
    shown = {verdict.signal: _written_down(verdict) for verdict in before}
    return tuple(
        VerdictChanged(
            signal=verdict.signal,
            level=verdict.level,
            code=verdict.code,
            value=verdict.value,
            limit=verdict.limit,
            n=verdict.n,
        )
        for verdict in after
        if shown.get(verdict.signal) != _written_down(verdict)
    )


def _written_down(verdict: Verdict) -> tuple[object, ...]:
    occurrences = verdict.value if verdict.code is Code.OCCURRED else None
    return verdict.level, verdict.code, verdict.limit, occurrences


def _baseline(plan: Plan, ward: WardState, signal: Signal, now: datetime) -> float | None:
    if not isinstance(signal.threshold, BaselineRatio):
        return None
    shift = incoming(plan.ward(ward.ward).patterns, plan.zone, now)
    return ward.baseline(signal.name, shift.kind)
