"""Clinical shifts: overlapping, per ward, effective-dated, in real hours.

A pattern is written in local wall time; a shift is an interval of real time. On the two
nights on which clocks change, a night shift is an hour shorter or longer. A wall time that
occurs twice means its first occurrence when a shift starts and its last when it ends, so
that nobody's work falls outside a shift; one that does not occur means the moment after the gap.
Source: domain facts section 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
HORIZON = timedelta(days=14)  # every ward begins a shift within two weeks


class ShiftKind(StrEnum):
    """Part of the day a shift covers."""

    DAY = "day"
    EVENING = "evening"
    NIGHT = "night"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftSpan:
    """One line of a pattern, local wall time. An end that is not after the start is next morning.
    `weekdays`: of the local date on which it starts, Monday 0."""

    kind: ShiftKind
    start: time
    end: time
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftPattern:
    """How a ward works from a local date on, until a later pattern's date."""

    name: str
    effective_from: date
    spans: tuple[ShiftSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One shift: `date` is the local date on which it starts; the interval is half-open, UTC."""

    kind: ShiftKind
    date: date
    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        """Real hours, also on the nights on which clocks change."""
        return (self.end - self.start) / timedelta(hours=1)


Patterns = tuple[ShiftPattern, ...]


def shifts_between(
    patterns: Patterns, zone: ZoneInfo, start: datetime, end: datetime
) -> tuple[Shift, ...]:
    """Every shift that overlaps [start, end), in order of start, then of kind.

    Args: aware datetimes of any zone.
    """
    first = start.astimezone(zone).date() - ONE_DAY
    last = end.astimezone(zone).date()
    found = (shift for day in _days(first, last) for shift in _shifts_on(patterns, zone, day))
    inside = (shift for shift in found if shift.start < end and shift.end > start)
    return tuple(sorted(inside, key=lambda shift: (shift.start, shift.kind)))


def on_duty(patterns: Patterns, zone: ZoneInfo, at: datetime) -> tuple[Shift, ...]:
    """The shifts at work at a moment, earliest start first; several while they overlap."""
    return tuple(
        shift
        for shift in shifts_between(patterns, zone, at, at + timedelta(microseconds=1))
        if shift.start <= at
    )


def incoming(patterns: Patterns, zone: ZoneInfo, at: datetime) -> Shift:
    """The shift to which an event belongs when no roster is known: of those at work the one
    that started last, else the next to start. Raises: ValueError when none starts in two weeks."""
    working = on_duty(patterns, zone, at)
    if working:
        return working[-1]
    for shift in shifts_between(patterns, zone, at, at + HORIZON):
        return shift
    raise ValueError(f"no shift starts in the {HORIZON.days} days after {at}")


def whole_shifts(
    patterns: Patterns, zone: ZoneInfo, since: datetime, until: datetime
) -> tuple[Shift, ...]:
    """The shifts that lie wholly within [since, until]."""
    if until <= since:
        return ()
    return tuple(
        shift
        for shift in shifts_between(patterns, zone, since, until)
        if shift.start >= since and shift.end <= until
    )


def shift_starts(
    patterns: Patterns, zone: ZoneInfo, since: datetime, until: datetime
) -> tuple[datetime, ...]:
    """The moments in [since, until) at which a shift starts, in order, each once."""
    starts = {shift.start for shift in shifts_between(patterns, zone, since, until)}
    return tuple(sorted(start for start in starts if since <= start < until))


def pattern_on(patterns: Patterns, day: date) -> ShiftPattern | None:
    """The pattern in force for shifts that start on a local date."""
    begun = [pattern for pattern in patterns if pattern.effective_from <= day]
    return max(begun, key=lambda pattern: pattern.effective_from, default=None)


def local_start(zone: ZoneInfo, day: date, wall: time) -> datetime:
    """The first moment at which local clocks show a wall time, or that follows the gap it is in."""
    return _moment(zone, day, wall, fold=0)


def local_end(zone: ZoneInfo, day: date, wall: time) -> datetime:
    """The last moment at which local clocks show a wall time, or that follows the gap it is in."""
    return _moment(zone, day, wall, fold=1)


def _moment(zone: ZoneInfo, day: date, wall: time, *, fold: int) -> datetime:
    moment = datetime.combine(day, wall, tzinfo=zone).replace(fold=fold).astimezone(UTC)
    shown = moment.astimezone(zone).replace(tzinfo=None)
    if shown == datetime.combine(day, wall):
        return moment
    # In the gap of spring: with fold 0 Python answers with the offset from before it.
    return datetime.combine(day, wall, tzinfo=zone).replace(fold=0).astimezone(UTC)


def _shifts_on(patterns: Patterns, zone: ZoneInfo, day: date) -> Iterator[Shift]:
    pattern = pattern_on(patterns, day)
    if pattern is None:
        return
    for span in pattern.spans:
        if day.weekday() in span.weekdays:
            yield _shift(span, zone, day)


def _shift(span: ShiftSpan, zone: ZoneInfo, day: date) -> Shift:
    last_day = day if span.end > span.start else day + ONE_DAY
    return Shift(
        kind=span.kind,
        date=day,
        start=local_start(zone, day, span.start),
        end=local_end(zone, last_day, span.end),
    )


def _days(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += ONE_DAY
