"""How busy a ward is and which task comes next. Pure.

Invariants: work follows the shifts of practice time, but never stops; among the tasks of
a ward each comes in turn by its weight, so none waits for ever; the real rate of requests
has a ceiling on average, whatever the practice clock does.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from wards.shifts import Patterns, Shift, ShiftKind, on_duty

LOGIN_RUSH = timedelta(minutes=20)  # after a shift has started
RUSH = 4.0  # how many times more logins there are then
PACE: Mapping[ShiftKind, float] = {
    ShiftKind.DAY: 1.0,
    ShiftKind.EVENING: 0.8,
    ShiftKind.NIGHT: 0.6,
}
UNSTAFFED_PACE = 0.6  # a gap between shifts: somebody is always there


class Task(StrEnum):
    """What a clinician does."""

    LOGIN = "login"
    NOTE = "note"
    ORDER = "order"
    PRESCRIBE = "prescribe"
    DOSE = "dose"
    VITALS = "vitals"
    ADMIT = "admit"


WEIGHTS: Mapping[Task, float] = {
    Task.LOGIN: 1.0,
    Task.NOTE: 1.5,
    Task.ORDER: 1.0,
    Task.PRESCRIBE: 1.0,
    Task.DOSE: 1.0,
    Task.VITALS: 1.0,
    Task.ADMIT: 0.7,
}


def pace(patterns: Patterns, zone: ZoneInfo, at: datetime) -> float:
    """The share of the highest rate at which a ward works at a moment, above 0 and up to 1."""
    working = on_duty(patterns, zone, at)
    return max((PACE[shift.kind] for shift in working), default=UNSTAFFED_PACE)


def weights(patterns: Patterns, zone: ZoneInfo, at: datetime) -> Mapping[Task, float]:
    """How often each task comes at a moment, against the others."""
    rush = any(_has_just_begun(shift, at) for shift in on_duty(patterns, zone, at))
    return {**WEIGHTS, Task.LOGIN: WEIGHTS[Task.LOGIN] * RUSH} if rush else WEIGHTS


class Turns:
    """Whose turn it is: each task gains its weight, the one that has gained most is next."""

    def __init__(self) -> None:
        self._gained = dict.fromkeys(Task, 0.0)
        self._gained[Task.ADMIT] = sum(WEIGHTS.values())  # a ward begins with a patient

    def next(self, weights: Mapping[Task, float]) -> Task:
        """The next task; it pays for its turn what all together gained."""
        for task, weight in weights.items():
            self._gained[task] += weight
        chosen = max(self._gained, key=lambda task: self._gained[task])
        self._gained[chosen] -= sum(weights.values())
        return chosen


class Pacer:
    """When a ward may begin its next task, so that its requests keep below a rate.

    Moments are monotonic seconds.
    """

    def __init__(self, *, rate_per_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._free_from = 0.0

    def charge(self, now: float, *, pace: float) -> None:
        """A request is being sent."""
        self._free_from = max(now, self._free_from) + 1 / (self._rate_per_s * pace)

    def wait_s(self, now: float) -> float:
        """How long until everything sent so far is paid for; 0 when it is."""
        return max(0.0, self._free_from - now)


def _has_just_begun(shift: Shift, at: datetime) -> bool:
    return at - shift.start < LOGIN_RUSH
