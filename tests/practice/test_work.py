"""How the staff's work is paced, and what their workplaces tell about it."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from wards.practice.clinicians.telemetry import HOLD_WINDOW_S, Holds
from wards.practice.clinicians.tempo import RUSH, WEIGHTS, Pacer, Task, Turns, pace, weights
from wards.practice.staffing import ROUND_THE_CLOCK, USUAL, ZONE, staffing_from, staffing_json

PATTERNS = (ROUND_THE_CLOCK,)


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-24T{text}:00+01:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "busy", "rush"),
    [
        pytest.param("03:00", 0.6, False, id="night"),
        pytest.param("06:48", 1.0, True, id="day-has-begun"),
        pytest.param("10:00", 1.0, False, id="day"),
        pytest.param("13:40", 1.0, True, id="evening-has-begun"),
        pytest.param("18:00", 0.8, False, id="evening"),
        pytest.param("21:05", 0.8, True, id="night-has-begun"),
    ],
)
def test_work_follows_the_shifts(at: str, busy: float, rush: bool) -> None:
    assert pace(PATTERNS, ZONE, local(at)) == busy
    logins = WEIGHTS[Task.LOGIN] * (RUSH if rush else 1.0)
    assert weights(PATTERNS, ZONE, local(at))[Task.LOGIN] == logins


def test_a_ward_without_a_pattern_still_works() -> None:
    assert pace((), ZONE, local("10:00")) > 0


def test_every_task_has_its_share_of_the_turns() -> None:
    turns = Turns()
    seen = Counter(turns.next(WEIGHTS) for _ in range(720))
    assert {task: seen[task] for task in Task} == {
        task: pytest.approx(720 * WEIGHTS[task] / sum(WEIGHTS.values()), abs=2) for task in Task
    }


def test_a_ward_begins_with_a_patient_and_no_task_waits_long() -> None:
    turns = Turns()
    order = [turns.next(WEIGHTS) for _ in range(100)]
    assert order[0] is Task.ADMIT
    for begun in range(80):
        assert set(order[begun : begun + 20]) == set(Task)


def test_requests_keep_below_the_rate() -> None:
    pacer = Pacer(rate_per_s=10)
    for _ in range(4):
        pacer.charge(100.0, pace=0.5)
    assert pacer.wait_s(100.0) == pytest.approx(0.8)
    assert pacer.wait_s(101.0) == 0.0
    pacer.charge(101.0, pace=1.0)
    assert pacer.wait_s(101.0) == pytest.approx(0.1)


def write(holds: Holds, begun: float, ended: float) -> None:
    holds.finish(holds.end(holds.begin(begun)), ended)


def test_a_held_write_shows_and_is_forgotten_after_a_while() -> None:
    holds = Holds()
    holds.read(10.0, 0.1)
    write(holds, 10.0, 14.1)
    assert holds.longest_s(15.0) == pytest.approx(4.0)
    assert holds.longest_s(14.1 + HOLD_WINDOW_S + 1) == 0.0


def test_slowness_that_reads_share_is_no_hold() -> None:
    holds = Holds()
    holds.read(10.0, 2.0)
    write(holds, 10.0, 12.0)
    assert holds.longest_s(12.0) == 0.0


def test_a_write_that_still_waits_counts() -> None:
    holds = Holds()
    holds.begin(10.0)
    assert holds.longest_s(17.0) == pytest.approx(7.0)


def test_a_wards_file_says_what_was_meant() -> None:
    assert staffing_from(staffing_json(USUAL)) == USUAL.__class__(
        zone=USUAL.zone,
        wards=tuple(
            ward.__class__(ward=ward.ward, beds=ward.beds, patterns=ward.patterns)
            for ward in USUAL.wards
        ),
    )


def test_a_shift_is_rushed_only_at_its_start() -> None:
    start = local("06:45")
    rushed = [
        weights(PATTERNS, ZONE, start + timedelta(minutes=minutes))[Task.LOGIN] > 1.0
        for minutes in (-1, 0, 19, 20)
    ]
    assert rushed == [False, True, True, False]
