from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.reading import Absence, NoData, Reading, SourceDown, Value, reading_of
from orchestrator.core.threshold import BaselineRatio, Direction, Limit, Repetition, Tripwire
from orchestrator.core.verdict import Code, Level, Memory, Reference, judge, worst
from tests.plans import signal

AT_MOST_2 = Limit(direction=Direction.AT_MOST, limit=2.0, warn=1.0)
AT_LEAST_9 = Limit(direction=Direction.AT_LEAST, limit=9.0, warn=10.0)
TWO_OF_THREE = Limit(direction=Direction.AT_MOST, limit=2.0, repetition=Repetition(m=2, n=3))
TRIPLE = BaselineRatio(direction=Direction.AT_MOST, times=3.0, warn_times=2.0, least_limit=0.5)


def value(number: float, *, n: int = 10, age_s: float = 0.0) -> Value:
    return Value(number=number, n=n, age_s=age_s)


@pytest.mark.parametrize(
    ("threshold", "reading", "level", "code"),
    [
        pytest.param(AT_MOST_2, value(0.5), Level.PASS, Code.WITHIN, id="well below"),
        pytest.param(AT_MOST_2, value(1.0), Level.PASS, Code.WITHIN, id="at the warning limit"),
        pytest.param(AT_MOST_2, value(1.5), Level.WARN, Code.NEAR_LIMIT, id="near"),
        pytest.param(AT_MOST_2, value(2.0), Level.WARN, Code.NEAR_LIMIT, id="the limit is healthy"),
        pytest.param(AT_MOST_2, value(2.1), Level.BREACH, Code.BEYOND_LIMIT, id="beyond"),
        pytest.param(AT_LEAST_9, value(11), Level.PASS, Code.WITHIN, id="high enough"),
        pytest.param(AT_LEAST_9, value(9.5), Level.WARN, Code.NEAR_LIMIT, id="low"),
        pytest.param(AT_LEAST_9, value(8.9), Level.BREACH, Code.BEYOND_LIMIT, id="too low"),
        pytest.param(TWO_OF_THREE, value(9.0), Level.WARN, Code.BEYOND_ONCE, id="once of two"),
        pytest.param(Tripwire(), value(0), Level.PASS, Code.WITHIN, id="never happened"),
        pytest.param(Tripwire(), value(1), Level.BREACH, Code.OCCURRED, id="happened once"),
        pytest.param(Tripwire(), value(1, n=0), Level.BREACH, Code.OCCURRED, id="needs no minimum"),
        pytest.param(AT_MOST_2, value(0.5, age_s=6), Level.BLIND, Code.STALE, id="stale"),
        pytest.param(Tripwire(), value(0, age_s=6), Level.BLIND, Code.STALE, id="stale zero"),
        pytest.param(AT_MOST_2, value(0.5, n=2), Level.BLIND, Code.TOO_FEW, id="too few"),
        pytest.param(
            AT_MOST_2, NoData(reason=Absence.NOT_FINITE), Level.BLIND, Code.NO_DATA, id="nan"
        ),
        pytest.param(
            AT_MOST_2, NoData(reason=Absence.AMBIGUOUS), Level.BLIND, Code.NO_DATA, id="two series"
        ),
        pytest.param(
            AT_MOST_2, SourceDown(reason="refused"), Level.BLIND, Code.SOURCE_DOWN, id="down"
        ),
        pytest.param(TRIPLE, value(0.1), Level.BLIND, Code.NO_BASELINE, id="no baseline"),
    ],
)
def test_one_reading(threshold, reading, level, code):
    judged = signal(threshold=threshold, min_samples=3)
    _, verdict = judge(judged, Memory(), reading, Reference(), at_s=100.0)
    assert (verdict.level, verdict.code) == (level, code)


@pytest.mark.parametrize(
    ("baseline", "number", "level"),
    [
        pytest.param(1.0, 2.0, Level.PASS, id="twice"),
        pytest.param(1.0, 2.5, Level.WARN, id="two and a half times"),
        pytest.param(1.0, 3.1, Level.BREACH, id="more than three times"),
        pytest.param(0.01, 0.4, Level.PASS, id="a tiny baseline does not make noise a breach"),
        pytest.param(0.01, 0.6, Level.BREACH, id="above the least limit"),
    ],
)
def test_baseline(baseline, number, level):
    reference = Reference(baseline=baseline)
    _, verdict = judge(signal(threshold=TRIPLE), Memory(), value(number), reference, at_s=0.0)
    assert verdict.level is level


@pytest.mark.parametrize(
    ("numbers", "last"),
    [
        pytest.param((9, 1, 1), Level.PASS, id="one of three"),
        pytest.param((9, 9), Level.BREACH, id="two of two"),
        pytest.param((9, 1, 9), Level.BREACH, id="first and third"),
        pytest.param((9, 1, 1, 9), Level.WARN, id="the first has left the window"),
        pytest.param((9, None, 9), Level.BREACH, id="blind between"),
        pytest.param((9, 9, None), Level.BREACH, id="blindness does not heal a breach"),
        pytest.param((1, 1, None), Level.BLIND, id="blind after health"),
    ],
)
def test_m_of_n(numbers, last):
    memory = Memory()
    verdict = None
    for tick, number in enumerate(numbers):
        reading: Reading = SourceDown(reason="x") if number is None else value(number)
        memory, verdict = judge(
            signal(threshold=TWO_OF_THREE), memory, reading, Reference(), at_s=float(tick)
        )
    assert verdict is not None
    assert verdict.level is last


def test_blindness_is_timed_from_the_last_sight_and_made_up_for_by_sight():
    memory, first = judge(signal(), Memory(), SourceDown(reason="x"), Reference(), at_s=10.0)
    memory, second = judge(signal(), memory, SourceDown(reason="x"), Reference(), at_s=17.5)
    memory, _ = judge(signal(), memory, value(0.1), Reference(), at_s=18.0)
    memory, third = judge(signal(), memory, SourceDown(reason="x"), Reference(), at_s=20.0)
    memory, _ = judge(signal(), memory, value(0.1), Reference(), at_s=40.0)
    _, fourth = judge(signal(), memory, SourceDown(reason="x"), Reference(), at_s=41.0)
    times = [one.blind_for_s for one in (first, second, third, fourth)]
    assert times == [0.0, 7.5, 9.0, 1.0]


def test_one_good_reading_in_five_neither_hides_blindness_nor_a_breach():
    """A source that flaps: what it shows now and then is bad, or it shows almost nothing."""
    memory, longest = Memory(), 0.0
    for tick in range(60):
        reading: Reading = value(0.1) if tick % 5 == 0 else SourceDown(reason="x")
        memory, verdict = judge(signal(), memory, reading, Reference(), at_s=float(tick))
        longest = max(longest, verdict.blind_for_s)
    assert longest >= signal().blind_patience_s
    memory, levels = Memory(), []
    for tick in range(8):
        reading = value(9) if tick % 4 == 0 else SourceDown(reason="x")
        at_s = float(tick)
        memory, verdict = judge(
            signal(threshold=TWO_OF_THREE), memory, reading, Reference(), at_s=at_s
        )
        levels.append(verdict.level)
    assert Level.BREACH in levels


def test_a_never_event_after_its_counter_began_again_is_new():
    tripwire = signal(threshold=Tripwire())
    dealt_with = Reference(settled_occurrences=1.0)
    memory, levels = Memory(), []
    for tick, count in enumerate((1, 0, 1)):
        memory, verdict = judge(tripwire, memory, value(count), dealt_with, at_s=float(tick))
        levels.append(verdict.level)
    assert levels == [Level.PASS, Level.PASS, Level.BREACH]


def test_a_never_event_is_judged_by_its_whole_count_against_what_was_dealt_with():
    tripwire = signal(threshold=Tripwire())
    _, verdict = judge(tripwire, Memory(), value(3), Reference(settled_occurrences=2.0), at_s=0.0)
    assert (verdict.level, verdict.value, verdict.limit) == (Level.BREACH, 3, 2)


@pytest.mark.parametrize(
    ("settled", "count", "level"),
    [
        pytest.param(3, 3, Level.PASS, id="nothing new"),
        pytest.param(3, 4, Level.BREACH, id="one more"),
        pytest.param(3, 1, Level.BREACH, id="the counter was reset and counts again"),
        pytest.param(3, 0, Level.PASS, id="the counter was reset"),
    ],
)
def test_occurrences_that_people_dealt_with_do_not_trip_again(settled, count, level):
    reference = Reference(settled_occurrences=float(settled))
    _, verdict = judge(signal(threshold=Tripwire()), Memory(), value(count), reference, at_s=0.0)
    assert verdict.level is level


@pytest.mark.parametrize(
    ("counts", "last"),
    [
        pytest.param((1, None, None, 1), (Level.WARN, Code.PERHAPS_NEW), id="as many as before"),
        pytest.param((1, None, 1, 1, 1), (Level.WARN, Code.PERHAPS_NEW), id="it stays in doubt"),
        pytest.param((None, 1), (Level.WARN, Code.PERHAPS_NEW), id="never seen before"),
        pytest.param((1, None, 2), (Level.BREACH, Code.OCCURRED), id="one more"),
        pytest.param((1, None, 0), (Level.PASS, Code.WITHIN), id="seen to have begun again"),
        pytest.param((1, None, 0, 1), (Level.BREACH, Code.OCCURRED), id="and one anew"),
        pytest.param((1, 1), (Level.PASS, Code.WITHIN), id="always in sight"),
    ],
)
def test_a_never_events_count_that_was_out_of_sight_is_not_simply_what_was_dealt_with(counts, last):
    tripwire, memory, verdict = signal(threshold=Tripwire()), Memory(), None
    for tick, count in enumerate(counts):
        reading: Reading = SourceDown(reason="x") if count is None else value(count)
        memory, verdict = judge(
            tripwire, memory, reading, Reference(settled_occurrences=1.0), at_s=float(tick)
        )
    assert verdict is not None
    assert (verdict.level, verdict.code) == last


def test_without_settled_occurrences_a_failed_look_casts_no_doubt():
    tripwire = signal(threshold=Tripwire())
    memory, _ = judge(tripwire, Memory(), SourceDown(reason="x"), Reference(), at_s=0.0)
    assert judge(tripwire, memory, value(0), Reference(), at_s=1.0)[1].level is Level.PASS


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_no_value(number):
    assert reading_of(number, n=5, age_s=0.0) == NoData(reason=Absence.NOT_FINITE)
    with pytest.raises(ValueError, match="finite"):
        Value(number=number, n=5, age_s=0.0)


levels = st.sampled_from(list(Level))


@given(st.lists(levels), st.lists(levels), st.lists(levels))
def test_worst_is_a_semilattice_on_what_is_seen(a, b, c):
    if a and b and c:
        assert worst([worst(a), worst(b)]) == worst([worst(b), worst(a)]) == worst(a + b)
        assert worst([worst([worst(a), worst(b)]), worst(c)]) == worst(
            [worst(a), worst([worst(b), worst(c)])]
        )
    assert worst([worst(a), worst(a)]) == worst(a)


def test_nothing_seen_is_blind():
    assert worst(()) is Level.BLIND


finite = st.floats(min_value=-1e6, max_value=1e6)
marks = st.lists(st.booleans(), max_size=3).map(tuple)


@given(
    finite,
    finite,
    marks,
    st.sampled_from([AT_MOST_2, TWO_OF_THREE, TRIPLE, AT_LEAST_9, Tripwire()]),
)
def test_a_worse_number_never_gives_a_better_verdict(one, other, before, threshold):
    better, worse = sorted((one, other), reverse=threshold is AT_LEAST_9)
    memory, reference = Memory(marks=before), Reference(baseline=1.5)
    verdicts = [
        judge(signal(threshold=threshold), memory, value(number), reference, at_s=0.0)[1].level
        for number in (better, worse)
    ]
    assert verdicts[0] <= verdicts[1]


@given(finite, marks, st.sampled_from([AT_MOST_2, AT_LEAST_9, TWO_OF_THREE, Tripwire()]))
def test_absence_is_never_healthy(_number, before, threshold):
    memory = Memory(marks=before)
    for reading in (
        SourceDown(reason="x"),
        *(NoData(reason=reason) for reason in Absence),
        value(0.0, age_s=5.01),
    ):
        verdict = judge(signal(threshold=threshold), memory, reading, Reference(), at_s=0.0)[1]
        assert verdict.level >= Level.BLIND


def test_the_order_of_verdicts_is_written_once():
    assert all(a < b for a, b in pairwise([Level.PASS, Level.WARN, Level.BLIND, Level.BREACH]))
