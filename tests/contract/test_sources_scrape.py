"""A /metrics page as a signal source: what counts, what is missing, and what is nonsense."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from math import inf, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters.scrape import ScrapeSource, incomplete
from orchestrator.adapters.scrape_page import PageReader, PageUnreadable
from orchestrator.adapters.scrape_window import Counters, Increase, quantile
from orchestrator.core.ids import SignalName
from orchestrator.core.plan import Reduce, ScrapeQuery, Signal
from orchestrator.core.reading import Absence, NoData, Reading, SourceDown, Value
from tests import plans
from tests.fakes import FakeClock
from tests.real.servers import Reply, WebServer, refused_url, web_server
from wards.model import WardId

pytestmark = pytest.mark.timeout(60)
A, B = WardId("a"), WardId("b")
LOST = ScrapeQuery(metric="lost_total", reduce=Reduce.LATEST)
RATE = ScrapeQuery(metric="orders_total", reduce=Reduce.RATE_PER_S, window_s=60.0)
RATIO = ScrapeQuery(
    metric="logins_total",
    labels=(("result", "failed"),),
    per="logins_total",
    reduce=Reduce.RATIO,
    window_s=60.0,
)
MEDIAN = ScrapeQuery(metric="open_seconds", reduce=Reduce.QUANTILE, quantile=0.5, window_s=60.0)
QUERIES = {"lost": LOST, "rate": RATE, "ratio": RATIO, "median": MEDIAN}
MISSING = NoData(reason=Absence.NO_SERIES)
WARMING_UP = NoData(reason=Absence.WARMING_UP)
NOT_FINITE = NoData(reason=Absence.NOT_FINITE)


class Exporter:
    """A source over a page that a test writes, with a clock that a test moves."""

    def __init__(self, server: WebServer, queries: dict[str, ScrapeQuery]) -> None:
        self.server = server
        self.clock = FakeClock()
        self.signals = [signal(name, query) for name, query in queries.items()]
        self.source = ScrapeSource(
            f"{server.url}/metrics", self.signals, (A, B), self.clock, timeout_s=20.0
        )

    def see(self, page: str, *, after_s: float = 1.0, status: int = 200) -> dict[str, Reading]:
        """Ward a's readings from this page, some seconds after the one before."""
        return self.see_both(page, after_s=after_s, status=status)[A]

    def see_both(
        self, page: str, *, after_s: float = 1.0, status: int = 200
    ) -> dict[WardId, dict[str, Reading]]:
        self.server.answer = lambda _: Reply(status=status, body=page)
        self.clock.advance(after_s)
        readings = self.source.read(self.signals, (A, B))
        assert set(readings) == {(ward, s.name) for ward in (A, B) for s in self.signals}
        return {ward: {s.name: readings[ward, s.name] for s in self.signals} for ward in (A, B)}


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with serving(QUERIES) as made:
        yield made


def serving(queries: dict[str, ScrapeQuery]) -> "Serving":
    return Serving(queries)


class Serving:
    """An exporter for the time of a block."""

    def __init__(self, queries: dict[str, ScrapeQuery]) -> None:
        self._queries = queries

    def __enter__(self) -> Exporter:
        self._server = web_server(lambda _: Reply())
        self._exporter = Exporter(self._server.__enter__(), self._queries)
        return self._exporter

    def __exit__(self, *_: object) -> None:
        self._exporter.source.close()
        self._server.__exit__(None, None, None)


def signal(name: str, query: ScrapeQuery) -> Signal:
    return replace(plans.signal(SignalName(name)), query=query)


def value(number: float, n: int = 1) -> Value:
    return Value(number=number, n=n, age_s=0.0)


def page(**series: float) -> str:
    """`lost_total__b=3` is lost_total of ward b."""
    lines = []
    for name, number in series.items():
        metric, _, ward = name.partition("__")
        lines.append(f'{metric}{{ward="{ward or "a"}"}} {number}')
    return "\n".join(lines) + "\n"


# What stands on the page now


def test_a_latest_value_is_the_number_on_the_page(exporter: Exporter) -> None:
    seen = exporter.see_both(page(lost_total=0.0, lost_total__b=2.0))
    assert (seen[A]["lost"], seen[B]["lost"]) == (value(0.0), value(2.0))


def test_series_of_a_ward_are_summed_over_other_labels(exporter: Exporter) -> None:
    lines = (
        'lost_total{ward="a",system="legacy"} 1',
        'lost_total{system="candidate",ward="a"} 2.5',
        'lost_total{ward="b",system="candidate"} 40',
    )
    assert exporter.see("\n".join(lines) + "\n")["lost"] == value(3.5)


def test_only_series_that_match_every_label_count() -> None:
    query = replace(LOST, labels=(("system", "candidate"), ("kind", "text")))
    with serving({"lost": query}) as exporter:
        lines = (
            'lost_total{ward="a",system="candidate",kind="text"} 1',
            'lost_total{ward="a",system="legacy",kind="text"} 10',
            'lost_total{ward="a",system="candidate",kind="dose"} 100',
            'lost_total{ward="a",system="candidate"} 1000',
        )
        assert exporter.see("\n".join(lines) + "\n")["lost"] == value(1.0)


PAGES_WITHOUT_A_NUMBER: dict[str, tuple[str, Reading]] = {
    "other_ward_only": (page(lost_total__b=1.0), MISSING),
    "misspelt_metric": (page(lots_total=1.0), MISSING),
    "longer_name": (page(lost_total_more=1.0), MISSING),
    "no_ward_label": ("lost_total 1\n", MISSING),
    "empty_ward_label": ('lost_total{ward=""} 1\n', MISSING),
    "nothing_but_a_line_end": ("\n", MISSING),
    "nan": ('lost_total{ward="a"} NaN\n', NOT_FINITE),
    "infinite": ('lost_total{ward="a"} +Inf\n', NOT_FINITE),
    "one_nan_among_series": (
        'lost_total{ward="a",k="1"} 1\nlost_total{ward="a",k="2"} NaN\n',
        NOT_FINITE,
    ),
}


@pytest.mark.parametrize("name", PAGES_WITHOUT_A_NUMBER)
def test_a_page_without_the_number_gives_no_value(exporter: Exporter, name: str) -> None:
    text, expected = PAGES_WITHOUT_A_NUMBER[name]
    assert exporter.see(text)["lost"] == expected


GOOD_LINE = 'lost_total{ward="a"} 0\n'
UNREADABLE: dict[str, tuple[str, int]] = {
    "empty": ("", 200),
    "cut_in_a_value": ('lost_total{ward="a"} 0\nlost_total{ward="b"} 1', 200),
    "html": ("<html><body>Sign in</body></html>\n", 200),
    "the_same_series_twice": (GOOD_LINE * 2, 200),
    "twice_in_other_order": (
        'lost_total{ward="a",k="1"} 0\nlost_total{k="1",ward="a"} 0\n',
        200,
    ),
    "time_stamp_of_its_own": ('lost_total{ward="a"} 0 1700000000000\n', 200),
    "a_word_for_a_value": ('lost_total{ward="a"} none\n', 200),
    "no_value": ('lost_total{ward="a"}\n', 200),
    "broken_labels": (GOOD_LINE + "lost_total{ward=a} 0\n", 200),
    "bucket_without_bound": (GOOD_LINE + 'open_seconds_bucket{ward="a"} 0\n', 200),
    "404": (GOOD_LINE, 404),
    "500": (GOOD_LINE, 500),
    "204": (GOOD_LINE, 302),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_page_is_no_page(exporter: Exporter, name: str) -> None:
    text, status = UNREADABLE[name]
    for readings in exporter.see_both(text, status=status).values():
        assert all(isinstance(reading, SourceDown) for reading in readings.values())


def test_a_page_that_is_not_served_is_down_for_every_pair() -> None:
    source = ScrapeSource(refused_url(), [signal("lost", LOST)], (A,), FakeClock(), timeout_s=20.0)
    with closing(source):
        (reading,) = source.read([signal("lost", LOST)], (A,)).values()
    assert isinstance(reading, SourceDown)


def test_one_fetch_serves_all_signals_and_wards(exporter: Exporter) -> None:
    exporter.see(page(lost_total=1.0))
    assert len(exporter.server.asked) == 1


def test_the_age_is_that_of_the_fetch(exporter: Exporter) -> None:
    def slow(_: object) -> Reply:
        exporter.clock.advance(3.0)
        return Reply(body=page(lost_total=1.0))

    exporter.server.answer = slow
    reading = exporter.source.read(exporter.signals, (A,))[A, SignalName("lost")]
    assert reading == Value(number=1.0, n=1, age_s=3.0)


def test_nothing_of_an_earlier_page_is_told_when_there_is_none_now(exporter: Exporter) -> None:
    exporter.see(page(lost_total=1.0))
    assert isinstance(exporter.see("", status=503)["lost"], SourceDown)
    assert exporter.see("\n")["lost"] == MISSING


def test_a_signal_that_was_not_named_at_the_start_is_not_asked(exporter: Exporter) -> None:
    stranger = signal("stranger", LOST)
    exporter.server.answer = lambda _: Reply(body=page(lost_total=1.0))
    (reading,) = exporter.source.read([stranger], (A,)).values()
    assert reading == NoData(reason=Absence.NOT_ASKED)


# What grew within the window


def test_a_rate_needs_two_pages(exporter: Exporter) -> None:
    assert exporter.see(page(orders_total=10.0))["rate"] == WARMING_UP
    assert exporter.see(page(orders_total=16.0), after_s=2.0)["rate"] == value(3.0, n=6)


def test_a_rate_looks_back_no_further_than_its_window(exporter: Exporter) -> None:
    exporter.see(page(orders_total=0.0))
    exporter.see(page(orders_total=600.0), after_s=1.0)
    assert exporter.see(page(orders_total=600.0), after_s=60.0)["rate"] == value(0.0, n=0)


def test_after_a_gap_longer_than_the_window_it_warms_up_again(exporter: Exporter) -> None:
    exporter.see(page(orders_total=0.0))
    exporter.see(page(orders_total=1.0))
    assert exporter.see(page(orders_total=2.0), after_s=60.1)["rate"] == WARMING_UP


def test_a_short_gap_is_bridged(exporter: Exporter) -> None:
    exporter.see(page(orders_total=0.0))
    exporter.see("", status=503)
    assert exporter.see(page(orders_total=6.0), after_s=2.0)["rate"] == value(2.0, n=6)


def test_a_counter_that_fell_was_reset(exporter: Exporter) -> None:
    exporter.see(page(orders_total=100.0))
    assert exporter.see(page(orders_total=4.0))["rate"] == value(4.0, n=4)
    assert exporter.see(page(orders_total=5.0))["rate"] == value(2.5, n=5)


def test_one_series_that_is_reset_does_not_hide_another(exporter: Exporter) -> None:
    first = 'orders_total{ward="a",k="1"} 100\norders_total{ward="a",k="2"} 100\n'
    second = 'orders_total{ward="a",k="1"} 2\norders_total{ward="a",k="2"} 103\n'
    exporter.see(first)
    assert exporter.see(second)["rate"] == value(5.0, n=5)


def test_a_series_born_under_our_eyes_counts_from_its_birth(exporter: Exporter) -> None:
    exporter.see('orders_total{ward="a",k="1"} 100\n')
    born = 'orders_total{ward="a",k="1"} 100\norders_total{ward="a",k="2"} 3\n'
    assert exporter.see(born)["rate"] == value(3.0, n=3)


def test_a_ward_that_appears_begins_where_it_stands(exporter: Exporter) -> None:
    exporter.see(page(orders_total__b=1.0))
    assert exporter.see(page(orders_total__b=1.0, orders_total=5000.0))["rate"] == WARMING_UP
    seen = exporter.see(page(orders_total__b=1.0, orders_total=5001.0))
    assert seen["rate"] == value(1.0, n=1)


def test_a_ward_that_was_gone_and_comes_back_as_another_series_begins_where_it_stands(
    exporter: Exporter,
) -> None:
    exporter.see('orders_total{ward="a",k="1"} 100\n')
    exporter.see(page(orders_total__b=1.0))
    back = exporter.see('orders_total{ward="a",k="2"} 5000\n')
    assert back["rate"] == value(0.0, n=0)


def test_labels_in_another_order_are_the_same_series(exporter: Exporter) -> None:
    exporter.see('orders_total{ward="a",k="1"} 100\n')
    assert exporter.see('orders_total{k="1",ward="a"} 101\n')["rate"] == value(1.0, n=1)


def test_a_series_that_went_away_and_came_back_goes_on(exporter: Exporter) -> None:
    exporter.see('orders_total{ward="a",k="1"} 100\norders_total{ward="a",k="2"} 7\n')
    exporter.see('orders_total{ward="a",k="1"} 100\n')
    back = exporter.see('orders_total{ward="a",k="1"} 100\norders_total{ward="a",k="2"} 8\n')
    assert back["rate"] == value(0.5, n=1)


@pytest.mark.parametrize("odd", ["NaN", "+Inf", "-Inf", "-1"])
def test_a_counter_that_is_no_count_is_not_finite_and_goes_on_afterwards(
    exporter: Exporter, odd: str
) -> None:
    exporter.see(page(orders_total=100.0))
    assert exporter.see(f'orders_total{{ward="a"}} {odd}\n')["rate"] == NOT_FINITE
    assert exporter.see(page(orders_total=104.0))["rate"] == value(2.0, n=4)


def test_a_counter_that_is_missing_now_gives_no_rate(exporter: Exporter) -> None:
    exporter.see(page(orders_total=1.0))
    exporter.see(page(orders_total=2.0))
    assert exporter.see(page(orders_total__b=3.0))["rate"] == MISSING


def logins(failed: float, good: float) -> str:
    return (
        f'logins_total{{ward="a",result="failed"}} {failed}\n'
        f'logins_total{{ward="a",result="good"}} {good}\n'
    )


def test_a_ratio_is_increase_over_increase_and_counts_the_denominator(exporter: Exporter) -> None:
    assert exporter.see(logins(0, 100))["ratio"] == WARMING_UP
    assert exporter.see(logins(3, 109))["ratio"] == value(0.25, n=12)


def test_a_ratio_of_nothing_is_no_data(exporter: Exporter) -> None:
    exporter.see(logins(3, 100))
    assert exporter.see(logins(3, 100))["ratio"] == MISSING


def test_a_ratio_without_its_part_is_no_data_and_not_zero(exporter: Exporter) -> None:
    only_good = 'logins_total{ward="a",result="good"} '
    exporter.see(f"{only_good}1\n")
    assert exporter.see(f"{only_good}9\n")["ratio"] == MISSING


def histogram(*counts: float, bounds: Sequence[str] = ("0.5", "1", "2", "+Inf")) -> str:
    lines = (
        f'open_seconds_bucket{{ward="a",le="{bound}"}} {count}'
        for bound, count in zip(bounds, counts, strict=True)
    )
    return "\n".join((*lines, f'open_seconds_count{{ward="a"}} {counts[-1]}')) + "\n"


def test_a_quantile_is_of_what_was_observed_within_the_window(exporter: Exporter) -> None:
    exporter.see(histogram(100, 100, 100, 100))
    assert exporter.see(histogram(100, 104, 108, 108))["median"] == value(1.0, n=8)
    assert exporter.see(histogram(100, 104, 108, 116))["median"] == value(2.0, n=16)


def test_a_quantile_of_nothing_is_no_data(exporter: Exporter) -> None:
    exporter.see(histogram(1, 2, 3, 4))
    assert exporter.see(histogram(1, 2, 3, 4))["median"] == MISSING


def test_a_histogram_without_its_last_bucket_is_no_data(exporter: Exporter) -> None:
    bounds = ("0.5", "1", "2")
    exporter.see(histogram(0, 0, 0, bounds=bounds))
    assert exporter.see(histogram(1, 2, 3, bounds=bounds))["median"] == MISSING


# Pure parts

QUANTILES: dict[str, tuple[float, tuple[float, ...], tuple[float, ...], float | None]] = {
    "middle_of_a_bucket": (0.5, (1.0, 2.0, inf), (0.0, 10.0, 10.0), 1.5),
    "first_bucket_begins_at_zero": (0.5, (1.0, inf), (10.0, 10.0), 0.5),
    "first_bound_below_zero": (0.5, (-1.0, 2.0, inf), (10.0, 10.0, 10.0), -1.0),
    "beyond_the_last_bound": (0.9, (1.0, 2.0, inf), (0.0, 1.0, 10.0), 2.0),
    "highest": (1.0, (1.0, 2.0, inf), (5.0, 10.0, 10.0), 2.0),
    "lowest": (0.0, (1.0, 2.0, inf), (5.0, 10.0, 10.0), 0.0),
    "nothing_observed": (0.5, (1.0, inf), (0.0, 0.0), None),
    "only_the_rest": (0.5, (inf,), (3.0,), None),
    "no_rest": (0.5, (1.0, 2.0), (1.0, 2.0), None),
    "no_bucket": (0.5, (), (), None),
}


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles(name: str) -> None:
    q, bounds, counts, expected = QUANTILES[name]
    assert quantile(q, bounds, counts) == expected


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.floats(0.5, 30.0), st.integers(0, 50), st.booleans()), min_size=1, max_size=120
    ),
    window_s=st.sampled_from([5.0, 60.0, 300.0]),
)
def test_an_increase_is_what_really_happened_over_the_span_it_tells(
    steps: list[tuple[float, int, bool]], window_s: float
) -> None:
    """Whatever is thinned out or reset, the increase is the truth about the span that is told,
    and that span is within the window and nearly all of it.
    """
    counters = Counters(longest_window_s=300.0)
    cell = counters.new_cell()
    at_s, raw, true_total = 0.0, 0.0, 0.0
    history = [(0.0, 0.0)]
    counters.take([(cell, float("nan"), 0.0)], 0.0)
    for wait_s, grown, reset in steps:
        before, at_s = raw, at_s + wait_s
        raw = float(grown) if reset and grown < before else before + grown
        true_total += raw - before if raw >= before else raw
        counters.take([(cell, before, raw)], at_s)
        history.append((at_s, true_total))
    got = counters.increase((cell,), window_s)
    inside = [(moment, total) for moment, total in history[:-1] if at_s - moment <= window_s]
    if not inside:
        assert got is Absence.WARMING_UP
        return
    assert isinstance(got, Increase)
    assert got.span_s <= window_s
    assert got.span_s >= (at_s - inside[0][0]) * 29 / 30 - 1e-6
    assert any(
        isclose(at_s - moment, got.span_s) and isclose(true_total - total, got.by[0], abs_tol=1e-6)
        for moment, total in inside
    )


def test_memory_does_not_grow_with_the_number_of_pages() -> None:
    counters = Counters(longest_window_s=3600.0)
    cell = counters.new_cell()
    counters.take([(cell, float("nan"), 0.0)], 0.0)
    for tick in range(1, 8000):
        counters.take([(cell, float(tick - 1), float(tick))], float(tick))
    assert len(counters._frames) < 500
    assert counters._frames[0].at_s >= 7999 - 3600
    got = counters.increase((cell,), 3600.0)
    assert isinstance(got, Increase)
    assert 3600.0 * 29 / 30 <= got.span_s <= 3600.0


@settings(deadline=None)
@given(st.text(alphabet='lost_total{ward="a"} 0.1eNn+I\n#_\\,=\t', max_size=60))
def test_any_page_is_read_or_unreadable_and_nothing_else(text: str) -> None:
    reader = PageReader(lambda name, labels: labels)
    try:
        found = reader.read(text + "\n")
    except PageUnreadable:
        return
    assert all(isinstance(number, float) for _, number in found)


INCOMPLETE: dict[str, tuple[ScrapeQuery, bool]] = {
    "latest": (LOST, True),
    "rate": (RATE, True),
    "rate_without_window": (replace(RATE, window_s=None), False),
    "rate_with_no_window": (replace(RATE, window_s=0.0), False),
    "ratio_without_per": (replace(RATIO, per=None), False),
    "quantile_without_q": (replace(MEDIAN, quantile=None), False),
    "quantile_above_one": (replace(MEDIAN, quantile=1.5), False),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_query_that_lacks_something_is_found_before_it_is_asked(name: str) -> None:
    query, is_whole = INCOMPLETE[name]
    assert (not incomplete(query)) is is_whole
    make: Callable[[], ScrapeSource] = lambda: ScrapeSource(  # noqa: E731
        "http://127.0.0.1:1", [signal("x", query)], (A,), FakeClock(), timeout_s=1.0
    )
    if is_whole:
        make().close()
    else:
        with pytest.raises(ValueError):
            make()
