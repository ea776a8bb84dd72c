"""What a window of samples says, or why it says nothing.

Invariant: a Value is a finite number. Absence is never a number (design rule 1).
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TypeAlias


class Absence(StrEnum):
    """Why there is no number although the source answered."""

    NO_SERIES = "no_series"
    AMBIGUOUS = "ambiguous"
    NOT_FINITE = "not_finite"
    WARMING_UP = "warming_up"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number in the signal's unit from `n` observations; `age_s` is real seconds since
    the newest sample was taken. Raises: ValueError unless number and age are finite."""

    number: float
    n: int
    age_s: float

    def __post_init__(self) -> None:
        """Refuse what is not a number, so that nobody can compare with it."""
        if not (isfinite(self.number) and isfinite(self.age_s)):
            raise ValueError("a Value must be finite; use reading_of")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """The source answered, without a usable number for this ward."""

    reason: Absence


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDown:
    """The source did not answer in time, or not with sense. `reason` holds no payload."""

    reason: str


Reading: TypeAlias = Value | NoData | SourceDown


def reading_of(number: float, *, n: int, age_s: float) -> Reading:
    """A Value, or NoData when the number (or its age) is NaN or infinite."""
    if not (isfinite(number) and isfinite(age_s)):
        return NoData(reason=Absence.NOT_FINITE)
    return Value(number=number, n=n, age_s=age_s)
