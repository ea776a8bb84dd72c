"""Limits that keep a ward on the candidate. Thresholds guard staying; gates guard entering.

The direction of a limit is always written, never guessed from a name. A count of
failures over a whole soak is not offered: over a day it is a certain false rollback.
Source: design section 6; computed false-rollback rates of cumulative counters.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Direction(StrEnum):
    """Which side of the limit is healthy."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """`m` of the last `n` ticks must exceed before it is a breach; 1 of 1 acts at once."""

    m: int = 1
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A fixed limit in the signal's unit; `warn` is a nearer limit that only warns."""

    direction: Direction
    limit: float
    warn: float | None = None
    repetition: Repetition = Repetition()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRatio:
    """A limit as a multiple of the legacy baseline of the same ward and the same shift.

    `least_limit` keeps a very low baseline from making noise a breach (signal's unit).
    """

    direction: Direction
    times: float
    warn_times: float | None = None
    least_limit: float | None = None
    repetition: Repetition = Repetition()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripwire:
    """A never event: one confirmed occurrence is a breach. Source: design rule 10."""


Threshold: TypeAlias = Limit | BaselineRatio | Tripwire


def is_beyond(direction: Direction, value: float, limit: float) -> bool:
    """Say whether a value is on the unhealthy side; the limit itself is healthy."""
    match direction:
        case Direction.AT_MOST:
            return value > limit
        case Direction.AT_LEAST:
            return value < limit
