"""When a ward may be moved forward. Nothing here ever concerns a move back.

Every reason against a moment is given at once. Handover is taken as the time around the
start of each shift, for with long overlaps (13:00-16:00) the whole overlap would leave no
window. Source: domain facts 1.2 G10, section 5 (go-live 75 minutes before a shift start).
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from wards.calendar import holiday, is_weekend, is_workday
from wards.shifts import Patterns, ShiftKind, local_end, local_start, shifts_between

STEP = timedelta(minutes=1)
ONE_DAY = timedelta(days=1)


class ClosureCode(StrEnum):
    """Why a moment is not for forward moves."""

    WEEKDAY = "weekday"
    HOLIDAY = "holiday"
    BEFORE_DAY_OFF = "before_day_off"
    OUTSIDE_HOURS = "outside_hours"
    HANDOVER = "handover"
    BEFORE_BUSIEST_LOGIN = "before_busiest_login"
    CLOSED_PERIOD = "closed_period"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPeriod:
    """Local dates, both included, on which nothing moves forward, and why."""

    first: date
    last: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPolicy:
    """The times for forward moves, local wall time; minutes and hours are real.

    `weekdays`: Monday 0. The busiest login window is the start of the day shift.
    """

    opens: time
    closes: time
    weekdays: frozenset[int]
    on_holidays: bool = False
    before_day_off: bool = False
    minutes_before_handover: int = 0
    minutes_after_handover: int = 0
    hours_before_busiest_login: float = 0.0
    closed: tuple[ClosedPeriod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """One reason why a moment is closed; `detail` is a fact, not a sentence."""

    code: ClosureCode
    detail: str


def closures(
    policy: WindowPolicy, patterns: Patterns, zone: ZoneInfo, at: datetime
) -> tuple[Closure, ...]:
    """Every reason against a forward move at a moment; empty when it is open."""
    day = at.astimezone(zone).date()
    return (
        *_closed_day(policy, day),
        *_closed_hour(policy, zone, at),
        *_near_shift_start(policy, patterns, zone, at),
    )


def next_open(
    policy: WindowPolicy,
    patterns: Patterns,
    zone: ZoneInfo,
    at: datetime,
    *,
    horizon: timedelta = timedelta(days=30),
) -> datetime | None:
    """The first open minute at or after a moment, None when there is none within the horizon."""
    moment = _whole_minute(at)
    while moment <= at + horizon:
        day = moment.astimezone(zone).date()
        opens = local_start(zone, day, policy.opens)
        if _closed_day(policy, day) or moment >= local_end(zone, day, policy.closes):
            moment = local_start(zone, day + ONE_DAY, time())
        elif moment < opens:
            moment = opens
        elif closures(policy, patterns, zone, moment):
            moment += STEP
        else:
            return moment
    return None


def _whole_minute(at: datetime) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + STEP


def _closed_day(policy: WindowPolicy, day: date) -> tuple[Closure, ...]:
    reasons: list[Closure] = []
    if day.weekday() not in policy.weekdays:
        reasons.append(Closure(code=ClosureCode.WEEKDAY, detail=f"{day:%A}"))
    name = holiday(day)
    if name is not None and not policy.on_holidays:
        reasons.append(Closure(code=ClosureCode.HOLIDAY, detail=name))
    if not policy.before_day_off and _is_before_holiday(day):
        reasons.append(Closure(code=ClosureCode.BEFORE_DAY_OFF, detail=f"{day + ONE_DAY}"))
    reasons.extend(
        Closure(code=ClosureCode.CLOSED_PERIOD, detail=period.reason)
        for period in policy.closed
        if period.first <= day <= period.last
    )
    return tuple(reasons)


def _is_before_holiday(day: date) -> bool:
    """The day before a holiday or eve; an ordinary Friday is the weekdays' business."""
    following = day + ONE_DAY
    return is_workday(day) and not is_workday(following) and not is_weekend(following)


def _closed_hour(policy: WindowPolicy, zone: ZoneInfo, at: datetime) -> tuple[Closure, ...]:
    day = at.astimezone(zone).date()
    is_open = local_start(zone, day, policy.opens) <= at < local_end(zone, day, policy.closes)
    if is_open:
        return ()
    detail = f"{policy.opens:%H:%M}-{policy.closes:%H:%M}"
    return (Closure(code=ClosureCode.OUTSIDE_HOURS, detail=detail),)


def _near_shift_start(
    policy: WindowPolicy, patterns: Patterns, zone: ZoneInfo, at: datetime
) -> tuple[Closure, ...]:
    before = timedelta(minutes=policy.minutes_before_handover)
    after = timedelta(minutes=policy.minutes_after_handover)
    login = timedelta(hours=policy.hours_before_busiest_login)
    reach = max(before, login) + STEP
    reasons: dict[ClosureCode, Closure] = {}
    for shift in shifts_between(patterns, zone, at - after - STEP, at + reach):
        detail = f"{shift.kind} shift starts {shift.start.astimezone(zone):%H:%M}"
        if shift.start - before <= at < shift.start + after:
            reasons.setdefault(
                ClosureCode.HANDOVER, Closure(code=ClosureCode.HANDOVER, detail=detail)
            )
        if shift.kind is ShiftKind.DAY and shift.start - login <= at < shift.start:
            reasons.setdefault(
                ClosureCode.BEFORE_BUSIEST_LOGIN,
                Closure(code=ClosureCode.BEFORE_BUSIEST_LOGIN, detail=detail),
            )
    return tuple(reasons.values())
