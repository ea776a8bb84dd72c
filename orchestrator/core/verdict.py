"""Whether a signal keeps within its threshold.

One visible order, PASS < WARN < BLIND < BREACH, decides between verdicts.
Invariant: only a fresh, finite value with enough observations can be PASS or WARN.
Source: design section 6 and rule 1; m-of-n windows instead of cumulative counters.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from orchestrator.core.ids import SignalName
from orchestrator.core.plan import Signal
from orchestrator.core.reading import NoData, Reading, SourceDown, Value
from orchestrator.core.threshold import (
    BaselineRatio,
    Direction,
    Limit,
    Repetition,
    Threshold,
    Tripwire,
    is_beyond,
)


class Level(IntEnum):
    """How bad. A larger number wins."""

    PASS = 0
    WARN = 1
    BLIND = 2
    BREACH = 3


class Code(StrEnum):
    """Why a verdict is what it is."""

    WITHIN = "within"
    NEAR_LIMIT = "near_limit"
    BEYOND_LIMIT = "beyond_limit"
    BEYOND_ONCE = "beyond_once"
    OCCURRED = "occurred"
    PERHAPS_NEW = "perhaps_new"
    STALE = "stale"
    TOO_FEW = "too_few"
    NO_BASELINE = "no_baseline"
    NO_DATA = "no_data"
    SOURCE_DOWN = "source_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A threshold with its baseline filled in: what a number is compared with."""

    direction: Direction
    limit: float
    warn: float | None
    repetition: Repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One signal's verdict with the numbers compared.

    `value` and `limit` are in the signal's unit, None where there is none; `age_s` is how old the
    sample was when it was judged, None where there was none;
    `blind_for_s` is seconds without sight, less those of sight between, 0 unless BLIND.
    """

    signal: SignalName
    level: Level
    code: Code
    value: float | None = None
    limit: float | None = None
    n: int = 0
    detail: str = ""
    blind_for_s: float = 0.0
    age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one signal of one ward leaves for the next tick.

    `marks`: of the last values that were seen, newest last; True beyond the limit.
    `blind_s`: seconds without sight that seconds of sight have not made up for; one good
    reading does not end a blindness that goes on. `at_s`: monotonic moment of the last tick.
    `was_reset`: a never event's counter fell below what people had dealt with; `was_unseen`: it
    was out of sight for a time in which it may have begun again.
    """

    marks: tuple[bool, ...] = ()
    blind_s: float = 0.0
    at_s: float | None = None
    was_reset: bool = False
    was_unseen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a ward's own past says: its legacy baseline for the present shift, and the
    occurrences of a never event that people have already dealt with."""

    baseline: float | None = None
    settled_occurrences: float = 0.0


def worst(levels: Iterable[Level]) -> Level:
    """The worst of many; of none it is BLIND, for nothing seen is not good news."""
    return max(levels, default=Level.BLIND)


def bounds_of(threshold: Threshold, reference: Reference) -> Bounds | None:
    """The numbers to compare with, or None while a needed baseline is missing.

    Of a never event, the occurrences that people have dealt with are within the limit.
    """
    match threshold:
        case Limit():
            return Bounds(
                direction=threshold.direction,
                limit=threshold.limit,
                warn=threshold.warn,
                repetition=threshold.repetition,
            )
        case BaselineRatio():
            return _scaled(threshold, reference.baseline)
        case Tripwire():
            return Bounds(
                direction=Direction.AT_MOST,
                limit=reference.settled_occurrences,
                warn=None,
                repetition=Repetition(),
            )


def judge(
    signal: Signal, memory: Memory, reading: Reading, reference: Reference, *, at_s: float
) -> tuple[Memory, Verdict]:
    """Judge one reading in the light of the ticks before it.

    Args:
        at_s: monotonic moment of the tick.
    Returns: the memory for the next tick, and the verdict.
    Raises: nothing.
    """
    usable = _usable(signal, reading)
    memory = _doubted(memory, usable, reference)
    if memory.was_reset:
        reference = replace(reference, settled_occurrences=0.0)
    bounds = bounds_of(signal.threshold, reference)
    if bounds is None:
        return _blind(signal, memory, Code.NO_BASELINE, at_s=at_s)
    if not isinstance(usable, Value):
        return _blind(signal, memory, usable[0], detail=usable[1], at_s=at_s, bounds=bounds)
    return _compare(signal, memory, bounds, usable, at_s=at_s)


def _doubted(memory: Memory, usable: Value | tuple[Code, str], reference: Reference) -> Memory:
    """What is known of the counter behind settled occurrences: that it began again, or that it
    may have while nobody could see it, and what it shows since is perhaps new."""
    if isinstance(usable, Value):
        is_less = usable.number < reference.settled_occurrences
        return replace(memory, was_reset=True) if is_less else memory
    return replace(memory, was_unseen=True) if reference.settled_occurrences else memory


def _scaled(threshold: BaselineRatio, baseline: float | None) -> Bounds | None:
    if baseline is None:
        return None
    floor = threshold.least_limit
    return Bounds(
        direction=threshold.direction,
        limit=_at_least(baseline * threshold.times, floor),
        warn=None
        if threshold.warn_times is None
        else _at_least(baseline * threshold.warn_times, floor),
        repetition=threshold.repetition,
    )


def _at_least(limit: float, floor: float | None) -> float:
    return limit if floor is None else max(limit, floor)


def _usable(signal: Signal, reading: Reading) -> Value | tuple[Code, str]:
    match reading:
        case SourceDown():
            return Code.SOURCE_DOWN, reading.reason
        case NoData():
            return Code.NO_DATA, reading.reason
        case Value():
            if reading.age_s > signal.fresh_within_s:
                return Code.STALE, f"{reading.age_s:.0f} s old"
            if reading.n < signal.min_samples and not _occurred(signal, reading):
                return Code.TOO_FEW, f"{reading.n} of {signal.min_samples}"
            return reading


def _occurred(signal: Signal, reading: Value) -> bool:
    """A never event needs no minimum of observations (design rule 10)."""
    return isinstance(signal.threshold, Tripwire) and reading.number > 0


def _since(memory: Memory, at_s: float) -> float:
    """Seconds since the tick before; what is seen now is taken to have lasted that long."""
    return 0.0 if memory.at_s is None else max(0.0, at_s - memory.at_s)


def _is_breach(marks: tuple[bool, ...], repetition: Repetition) -> bool:
    return sum(marks) >= repetition.m


def _blind(
    signal: Signal,
    memory: Memory,
    code: Code,
    *,
    at_s: float,
    detail: str = "",
    bounds: Bounds | None = None,
) -> tuple[Memory, Verdict]:
    blind_s = memory.blind_s + _since(memory, at_s)
    # What was seen before a blindness longer than anybody waits says nothing of now.
    marks = memory.marks if blind_s < signal.blind_patience_s else ()
    breached = bounds is not None and _is_breach(marks, bounds.repetition)
    verdict = Verdict(
        signal=signal.name,
        level=Level.BREACH if breached else Level.BLIND,
        code=Code.BEYOND_LIMIT if breached else code,
        limit=None if bounds is None else bounds.limit,
        detail=detail,
        blind_for_s=blind_s,
    )
    return replace(memory, marks=marks, blind_s=blind_s, at_s=at_s), verdict


def _compare(
    signal: Signal, memory: Memory, bounds: Bounds, seen: Value, *, at_s: float
) -> tuple[Memory, Verdict]:
    beyond = is_beyond(bounds.direction, seen.number, bounds.limit)
    marks = (*memory.marks, beyond)[-bounds.repetition.n :]
    made_up = min(memory.blind_s, signal.blind_patience_s) - _since(memory, at_s)
    level, code = _grade(signal, bounds, seen.number, beyond=beyond, marks=marks)
    if level is Level.PASS and _is_perhaps_new(signal, memory, bounds):
        level, code = Level.WARN, Code.PERHAPS_NEW
    verdict = Verdict(
        signal=signal.name,
        level=level,
        code=code,
        value=seen.number,
        limit=bounds.limit,
        n=seen.n,
        age_s=seen.age_s,
    )
    return replace(memory, marks=marks, blind_s=max(0.0, made_up), at_s=at_s), verdict


def _is_perhaps_new(signal: Signal, memory: Memory, bounds: Bounds) -> bool:
    """A never event's count is what people dealt with, and was out of sight in between.

    Either nothing happened, or its process was restarted and exactly as many happened anew: no
    number tells the two apart. A look that failed is common and the other is rare, so it moves
    no ward by itself: else each failed look would return any ward that once had a never event,
    and people would learn to take that for noise. It is no PASS either: it is shown, and any
    word from the bedside is confirmed by it. One more is counted, and is a breach.
    """
    return memory.was_unseen and isinstance(signal.threshold, Tripwire) and bounds.limit > 0


def _grade(
    signal: Signal,
    bounds: Bounds,
    number: float,
    *,
    beyond: bool,
    marks: tuple[bool, ...],
) -> tuple[Level, Code]:
    if _is_breach(marks, bounds.repetition):
        tripped = isinstance(signal.threshold, Tripwire)
        return Level.BREACH, Code.OCCURRED if tripped else Code.BEYOND_LIMIT
    if beyond:
        return Level.WARN, Code.BEYOND_ONCE
    if bounds.warn is not None and is_beyond(bounds.direction, number, bounds.warn):
        return Level.WARN, Code.NEAR_LIMIT
    return Level.PASS, Code.WITHIN
