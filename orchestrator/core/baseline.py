"""What legacy is like on this ward in this kind of shift, before anything changes.

Readings are gathered while the ward is in shadow; at the end of a shift that was seen
from its beginning their median becomes the baseline. Invariant: a shift that was not
seen whole gives no baseline. Source: design section 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from types import MappingProxyType

from orchestrator.core.ids import SignalName
from orchestrator.core.reading import Reading, Value
from wards.shifts import Shift

LEAST_SAMPLES = 5  # fewer than this cannot show a median's own spread
KEPT_SAMPLES = 10_000  # a 10-hour shift at a 5 s tick gives 7,200


def _nothing() -> Mapping[SignalName, tuple[float, ...]]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """One ward's gathering: the shift it belongs to, whether its beginning was seen, and
    the numbers so far by signal."""

    shift: Shift | None = None
    is_whole: bool = False
    numbers: Mapping[SignalName, tuple[float, ...]] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The median of a whole shift's readings and how many there were."""

    signal: SignalName
    shift: Shift
    value: float
    n: int


def sample(
    sampling: Sampling, shift: Shift, readings: Mapping[SignalName, Reading]
) -> tuple[Sampling, tuple[Measured, ...]]:
    """Add one tick's readings; when a new shift has begun, also what the last one measured."""
    if sampling.shift != shift:
        done = _measured(sampling)
        began = sampling.shift is not None
        sampling = Sampling(shift=shift, is_whole=began)
        return _add(sampling, readings), done
    return _add(sampling, readings), ()


def _add(sampling: Sampling, readings: Mapping[SignalName, Reading]) -> Sampling:
    numbers = dict(sampling.numbers)
    for signal, reading in readings.items():
        if isinstance(reading, Value):
            numbers[signal] = (*numbers.get(signal, ()), reading.number)[-KEPT_SAMPLES:]
    return replace(sampling, numbers=MappingProxyType(numbers))


def _measured(sampling: Sampling) -> tuple[Measured, ...]:
    if sampling.shift is None or not sampling.is_whole:
        return ()
    return tuple(
        Measured(signal=signal, shift=sampling.shift, value=median(numbers), n=len(numbers))
        for signal, numbers in sampling.numbers.items()
        if len(numbers) >= LEAST_SAMPLES
    )
