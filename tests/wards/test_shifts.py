from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wards.calendar import holiday, is_workday
from wards.shifts import (
    ShiftKind,
    ShiftPattern,
    ShiftSpan,
    incoming,
    local_end,
    local_start,
    on_duty,
    shifts_between,
    whole_shifts,
)
from wards.windows import ClosureCode, WindowPolicy, closures, next_open

ZONE = ZoneInfo("Europe/Stockholm")
DAILY = frozenset(range(7))


def pattern(name, day, evening, night, since=date(2020, 1, 1)):
    spans = zip((ShiftKind.DAY, ShiftKind.EVENING, ShiftKind.NIGHT), (day, evening, night),
                strict=True)  # fmt: skip
    return ShiftPattern(
        name=name,
        effective_from=since,
        spans=tuple(
            ShiftSpan(kind=kind, start=time.fromisoformat(a), end=time.fromisoformat(b),
                      weekdays=DAILY)
            for kind, (a, b) in spans
        ),
    )  # fmt: skip


OLD = pattern("old", ("06:45", "15:30"), ("13:30", "22:00"), ("21:00", "07:15"))
NEW = pattern("30F", ("07:30", "16:00"), ("13:00", "21:30"), ("21:00", "07:45"))
KI = pattern("KI", ("07:00", "15:30"), ("13:00", "21:30"), ("21:00", "07:00"))


def local(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("used", "kinds", "attributed"),
    [
        pytest.param(OLD, ["night", "day"], "day", id="old: day minute 3, night still on"),
        pytest.param(KI, ["night"], "night", id="KI: night, 12 minutes before day"),
        pytest.param(NEW, ["night"], "night", id="30F: night"),
    ],
)
def test_0648_on_a_monday(used, kinds, attributed):
    at = local("2026-11-23 06:48")
    assert [shift.kind for shift in on_duty((used,), ZONE, at)] == kinds
    assert incoming((used,), ZONE, at).kind == attributed


def test_the_long_overlap_of_30f_has_two_shifts_on_duty():
    kinds = [shift.kind for shift in on_duty((NEW,), ZONE, local("2026-11-23 14:00"))]
    assert kinds == ["day", "evening"]


@pytest.mark.parametrize(
    ("evening", "hours"),
    [
        ("2026-11-23", 10), ("2026-03-28", 9), ("2026-10-24", 11),
        ("2027-03-27", 9), ("2027-10-30", 11),
    ],
)  # fmt: skip
def test_real_hours_of_a_night(evening, hours):
    at = local(f"{evening} 23:00")
    (night,) = on_duty((KI,), ZONE, at)
    assert night.hours == hours


def test_a_wall_time_that_occurs_twice_and_one_that_does_not():
    twice = date(2026, 10, 25)
    assert local_start(ZONE, twice, time(2, 30)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert local_end(ZONE, twice, time(2, 30)) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    never = date(2026, 3, 29)
    for moment in (local_start, local_end):
        shown = moment(ZONE, never, time(2, 30)).astimezone(ZONE)
        assert shown.time() == time(3, 30)


def test_a_pattern_changes_on_its_day_without_gap_or_double():
    both = (OLD, pattern("new", ("07:30", "16:00"), ("13:00", "21:30"), ("21:00", "07:45"),
                         since=date(2026, 12, 1)))  # fmt: skip
    shifts = shifts_between(both, ZONE, local("2026-11-30 00:00"), local("2026-12-02 00:00"))
    starts = [shift.start.astimezone(ZONE).strftime("%d %H:%M") for shift in shifts]
    assert starts == [
        "29 21:00", "30 06:45", "30 13:30", "30 21:00", "01 07:30", "01 13:00", "01 21:00",
    ]  # fmt: skip


FIRST, LAST = (datetime.fromisoformat(f"{year}-01-01") for year in (2026, 2028))
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
lengths = st.timedeltas(timedelta(0), timedelta(days=4))


@given(moments, lengths, st.sampled_from([OLD, NEW, KI]))
def test_whole_shifts_are_those_that_fit(since, length, used):
    until = since + length
    every = shifts_between((used,), ZONE, since, until)
    whole = whole_shifts((used,), ZONE, since, until)
    assert set(whole) == {s for s in every if s.start >= since and s.end <= until}


@given(moments, st.sampled_from([OLD, NEW, KI]))
def test_somebody_is_always_on_duty_and_the_incoming_shift_is_the_latest_started(at, used):
    working = on_duty((used,), ZONE, at)
    assert working
    assert all(shift.start <= at < shift.end for shift in working)
    assert incoming((used,), ZONE, at).start == max(shift.start for shift in working)


HOLIDAYS = [
    "2026-01-01",
    "2026-01-06",
    "2026-04-03",
    "2026-04-05",
    "2026-04-06",
    "2026-05-01",
    "2026-05-14",
    "2026-05-24",
    "2026-06-06",
    "2026-06-20",
    "2026-10-31",
    "2026-12-25",
    "2026-12-26",
    "2027-01-01",
    "2027-01-06",
    "2027-03-26",
    "2027-03-28",
    "2027-03-29",
    "2027-05-01",
    "2027-05-06",
    "2027-05-16",
    "2027-06-06",
    "2027-06-26",
    "2027-11-06",
    "2027-12-25",
    "2027-12-26",
]
EVES = ["2026-06-19", "2026-12-24", "2026-12-31", "2027-06-25", "2027-12-24", "2027-12-31"]


@pytest.mark.parametrize("day", [*HOLIDAYS, *EVES])
def test_days_off(day):
    assert holiday(date.fromisoformat(day)) is not None
    assert not is_workday(date.fromisoformat(day))


@pytest.mark.parametrize("day", ["2026-11-24", "2027-03-01", "2026-06-18"])
def test_ordinary_days(day):
    assert is_workday(date.fromisoformat(day))


POLICY = WindowPolicy(
    opens=time(8),
    closes=time(16, 30),
    weekdays=frozenset(range(5)),
    minutes_before_handover=30,
    minutes_after_handover=30,
    hours_before_busiest_login=3,
)


def codes(policy, text, used=OLD):
    return {closure.code for closure in closures(policy, (used,), ZONE, local(text))}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("2026-11-24 09:00", set(), id="a Tuesday morning"),
        pytest.param("2026-11-24 13:20", {ClosureCode.HANDOVER}, id="before the evening shift"),
        pytest.param("2026-11-24 13:59", {ClosureCode.HANDOVER}, id="after its start"),
        pytest.param("2026-11-24 14:00", set(), id="the long overlap is not all handover"),
        pytest.param("2026-11-28 09:00", {ClosureCode.WEEKDAY}, id="Saturday"),
        pytest.param("2026-12-25 09:00", {ClosureCode.HOLIDAY}, id="Christmas Day"),
        pytest.param("2026-12-24 09:00", {ClosureCode.HOLIDAY}, id="Christmas Eve"),
        pytest.param("2026-12-23 09:00", {ClosureCode.BEFORE_DAY_OFF}, id="the day before it"),
        pytest.param(
            "2024-11-12 05:30",
            {ClosureCode.OUTSIDE_HOURS, ClosureCode.BEFORE_BUSIEST_LOGIN},
            id="the go-live of 2024, 75 minutes before the day shift",
        ),
    ],
)
def test_windows(at, expected):
    assert codes(POLICY, at) == expected


@given(moments)
def test_next_open_is_open_and_nothing_before_it_is(at):
    found = next_open(POLICY, (OLD,), ZONE, at)
    assert found is not None
    assert not closures(POLICY, (OLD,), ZONE, found)
    before = found - timedelta(minutes=1)
    if before >= at:
        assert closures(POLICY, (OLD,), ZONE, before)


def test_a_window_that_never_opens_is_none():
    never = WindowPolicy(opens=time(3), closes=time(3), weekdays=frozenset())
    assert next_open(never, (OLD,), ZONE, local("2026-11-24 09:00")) is None
