"""Prometheus as a signal source, on the real one: one query, strict answers, nothing old."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from math import isclose
from urllib.parse import parse_qs

import pytest

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.prometheus import PrometheusSource
from orchestrator.adapters.promql import fresh_only, ranged_selectors
from orchestrator.adapters.scrape import ScrapeSource
from orchestrator.core.ids import SignalName
from orchestrator.core.plan import PromQuery, Reduce, ScrapeQuery, Signal
from orchestrator.core.reading import Absence, NoData, Reading, SourceDown, Value
from orchestrator.core.verdict import Level, Memory, Reference, judge
from tests import plans
from tests.real.prometheus_server import PrometheusServer, prometheus_running
from tests.real.servers import Asked, Reply, WebServer, refused_url, web_server
from wards.model import WardId

# Waiting for Prometheus to be built, the first time, is part of the first test.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]
A, B, C = WardId("a"), WardId("b"), WardId("c")
MISSING = NoData(reason=Absence.NO_SERIES)
FRESH_S = 30.0
BOUNDS = ("0.1", "0.5", "1", "2.5", "+Inf")
QUANTILES = (0.05, 0.5, 0.75, 0.9, 0.99, 1.0)

STEADY = """\
wait_seconds{ward="a"} 1.5
wait_seconds{ward="b"} 2
twice{ward="a",side="legacy"} 1
twice{ward="a",side="candidate"} 2
twice{ward="b",side="legacy"} 3
odd{ward="a"} NaN
odd{ward="b"} +Inf
odd{ward="c"} -Inf
programme_wide 3
"""


@dataclass
class Bench:
    """A real Prometheus, the page it scrapes, and the source under test."""

    prometheus: PrometheusServer
    exporter: WebServer
    source: PrometheusSource

    def show(self, page: str, until: str, *, is_there: bool = True) -> None:
        """Put a page up and wait until Prometheus shows (or no longer shows) that expression."""
        self.exporter.answer = lambda _: Reply(
            body=page, headers={"content-type": "text/plain; version=0.0.4"}
        )
        shown = wait_until(
            lambda: bool(self.prometheus.query(until)) is is_there, timeout_s=60, every_s=0.1
        )
        assert shown, until

    def ask(self, promql: str, *, fresh_within_s: float = FRESH_S) -> dict[WardId, Reading]:
        return ask(self.source, promql, fresh_within_s=fresh_within_s)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with (
        web_server(lambda _: Reply()) as exporter,
        prometheus_running(tmp_path_factory.mktemp("prometheus"), [exporter.address]) as prometheus,
        closing(PrometheusSource(prometheus.url, timeout_s=20.0)) as source,
    ):
        yield Bench(prometheus, exporter, source)


@pytest.fixture
def bench(running: Bench) -> Bench:
    """The bench with the steady page up."""
    running.show(STEADY, 'wait_seconds{ward="b"} == 2')
    return running


def signal(promql: str, *, fresh_within_s: float = FRESH_S, name: str = "s") -> Signal:
    return replace(
        plans.signal(SignalName(name)),
        query=PromQuery(promql=promql),
        fresh_within_s=fresh_within_s,
    )


def ask(
    source: PrometheusSource, promql: str, *, fresh_within_s: float = FRESH_S
) -> dict[WardId, Reading]:
    asked = signal(promql, fresh_within_s=fresh_within_s)
    readings = source.read([asked], (A, B, C))
    assert set(readings) == {(ward, asked.name) for ward in (A, B, C)}
    return {ward: readings[ward, asked.name] for ward in (A, B, C)}


def value(number: float) -> Value:
    return Value(number=number, n=1, age_s=FRESH_S)


# What is there, and what is not


def test_one_query_answers_for_every_ward(bench: Bench) -> None:
    assert bench.ask("wait_seconds") == {A: value(1.5), B: value(2.0), C: MISSING}


def test_two_series_of_one_ward_are_ambiguous_and_not_the_last_one(bench: Bench) -> None:
    assert bench.ask("twice") == {
        A: NoData(reason=Absence.AMBIGUOUS),
        B: value(3.0),
        C: MISSING,
    }


def test_not_a_number_and_infinity_are_not_values(bench: Bench) -> None:
    assert set(bench.ask("odd").values()) == {NoData(reason=Absence.NOT_FINITE)}


NO_SERIES = {
    "misspelt_metric": "wait_secnods",
    "no_ward_label": "programme_wide",
    "aggregated_away": "sum(wait_seconds)",
    "filtered_away": "wait_seconds > 1000",
    "misspelt_within_a_rate": "rate(wait_secnods_total[1m])",
}


@pytest.mark.parametrize("name", NO_SERIES)
def test_an_empty_answer_is_no_data_and_its_verdict_is_blind(bench: Bench, name: str) -> None:
    readings = bench.ask(NO_SERIES[name])
    assert set(readings.values()) == {MISSING}
    _, verdict = judge(signal("x"), Memory(), readings[A], Reference(), at_s=0.0)
    assert verdict.level is Level.BLIND


DOWN = {
    "syntax": "rate(wait_seconds",
    "scalar": "scalar(wait_seconds)",
    "text": '"one"',
    "matrix": "wait_seconds[1m]",
    "with_a_warning": "histogram_quantile(5, wait_seconds)",
    "execution": "wait_seconds * on (job) wait_seconds",
}


@pytest.mark.parametrize("name", DOWN)
def test_an_error_a_warning_or_another_kind_of_answer_is_no_answer(bench: Bench, name: str) -> None:
    for reading in bench.ask(DOWN[name]).values():
        assert isinstance(reading, SourceDown)
        assert "wait_seconds" not in reading.reason


# Old samples


def test_a_sample_older_than_the_limit_vanishes(bench: Bench) -> None:
    """With time stamps of its own a series gets no mark when it ends: it would live 5 minutes."""
    stamp_ms = (SystemClock().now().timestamp() - 40.0) * 1000
    bench.show(f'{STEADY}late{{ward="a"}} 7 {stamp_ms:.0f}\n', "late")
    assert bench.prometheus.query("late")
    assert bench.ask("late", fresh_within_s=30.0)[A] == MISSING
    assert bench.ask("late", fresh_within_s=250.0)[A] == Value(number=7.0, n=1, age_s=250.0)


def test_a_rate_over_a_series_that_ended_is_no_data_although_its_range_is_not_empty(
    bench: Bench,
) -> None:
    for count in (1, 5):
        bench.show(f'{STEADY}orders_total{{ward="a"}} {count}\n', f"orders_total == {count}")
    assert isinstance(bench.ask("rate(orders_total[5m])")[A], Value)
    bench.show(STEADY, "orders_total", is_there=False)
    assert bench.prometheus.query("rate(orders_total[5m])")
    assert bench.ask("rate(orders_total[5m])")[A] == MISSING
    assert bench.ask("sum by (ward) (increase(orders_total[5m])) / 2")[A] == MISSING


def test_a_target_that_is_gone_leaves_nothing(bench: Bench) -> None:
    bench.exporter.answer = lambda _: Reply(status=500)
    assert wait_until(lambda: not bench.prometheus.query("wait_seconds"), timeout_s=60)
    assert set(bench.ask("wait_seconds").values()) == {MISSING}


# The two ways to the same number


def histogram(scale: int) -> str:
    counts = [3, 10, 14, 40, 42]
    return "".join(
        f'open_seconds_bucket{{ward="{ward}",le="{bound}"}} {count * scale * times}\n'
        for ward, times in (("a", 1), ("b", 7))
        for bound, count in zip(BOUNDS, counts, strict=True)
    )


def test_quantiles_and_ratios_of_a_page_are_those_of_prometheus(bench: Bench) -> None:
    counters = 'logins_total{{ward="a",result="{}"}} {}\n'

    def page(scale: int) -> str:
        failed, good = counters.format("failed", 3 * scale), counters.format("good", 9 * scale)
        return STEADY + histogram(scale) + failed + good

    queries = {f"q{q}": scraped(q) for q in QUANTILES} | {"ratio": scraped_ratio()}
    signals = [replace(plans.signal(SignalName(n)), query=q) for n, q in queries.items()]
    url = f"{bench.exporter.url}/metrics"
    with closing(ScrapeSource(url, signals, (A, B), SystemClock(), timeout_s=20.0)) as scrape:
        bench.show(page(1), 'logins_total{result="good"} == 9')
        scrape.read(signals, (A, B))
        bench.show(page(5), 'logins_total{result="good"} == 45')
        readings = scrape.read(signals, (A, B))
    for q in QUANTILES:
        promql = f"histogram_quantile({q}, sum by (ward, le) (increase(open_seconds_bucket[5m])))"
        for ward in (A, B):
            assert same(bench.ask(promql)[ward], readings[ward, SignalName(f"q{q}")])
    promql = (
        'sum by (ward) (increase(logins_total{result="failed"}[5m])) '
        "/ sum by (ward) (increase(logins_total[5m]))"
    )
    assert same(bench.ask(promql)[A], readings[A, SignalName("ratio")])


def scraped(q: float) -> ScrapeQuery:
    return ScrapeQuery(metric="open_seconds", reduce=Reduce.QUANTILE, quantile=q, window_s=300.0)


def scraped_ratio() -> ScrapeQuery:
    return ScrapeQuery(
        metric="logins_total",
        labels=(("result", "failed"),),
        per="logins_total",
        reduce=Reduce.RATIO,
        window_s=300.0,
    )


def same(one: Reading, other: Reading) -> bool:
    assert isinstance(one, Value)
    assert isinstance(other, Value)
    return isclose(one.number, other.number, rel_tol=1e-9)


# Down, hung, and nonsense


def test_a_prometheus_that_hangs_is_down_until_it_goes_on(bench: Bench) -> None:
    with closing(PrometheusSource(bench.prometheus.url, timeout_s=0.5)) as source:
        bench.prometheus.pause()
        hung = ask(source, "wait_seconds")
        bench.prometheus.go_on()
    assert all(isinstance(reading, SourceDown) for reading in hung.values())
    assert bench.ask("wait_seconds")[A] == value(1.5)


def test_nobody_listens() -> None:
    with closing(PrometheusSource(refused_url(), timeout_s=20.0)) as source:
        assert all(isinstance(reading, SourceDown) for reading in ask(source, "up").values())


def vector(*samples: tuple[Mapping[str, str], str]) -> str:
    result = [{"metric": labels, "value": [1.0, number]} for labels, number in samples]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


ONE = json.loads(vector(({"ward": "a"}, "1")))
NONSENSE: dict[str, Reply] = {
    "no_json": Reply(body="<html>Sign in</html>"),
    "no_object": Reply(body="[]"),
    "no_status": Reply(body=json.dumps({"data": ONE["data"]})),
    "not_a_success": Reply(body=json.dumps(ONE | {"status": "error", "errorType": "timeout"})),
    "empty_matrix": Reply(body=vector().replace("vector", "matrix")),
    "warnings": Reply(body=json.dumps(ONE | {"warnings": ["one store did not answer"]})),
    "503": Reply(status=503, body=json.dumps({"status": "error", "errorType": "timeout"})),
    "404_with_a_good_body": Reply(status=404, body=json.dumps(ONE)),
    "a_word_for_a_number": Reply(body=vector(({"ward": "a"}, "one"))),
    "a_number_that_is_no_text": Reply(body=vector(({"ward": "a"}, "1")).replace('"1"', "true")),
    "a_histogram_for_a_number": Reply(
        body=vector(({"ward": "a"}, "1")).replace('"value"', '"histogram"')
    ),
    "no_labels": Reply(body=vector(({"ward": "a"}, "1")).replace('"metric"', '"labels"')),
    "a_list_for_labels": Reply(body=vector(([], "1"))),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("name", NONSENSE)
def test_an_answer_without_sense_is_no_answer(name: str) -> None:
    with (
        web_server(lambda _: NONSENSE[name]) as server,
        closing(PrometheusSource(server.url, timeout_s=20.0)) as source,
    ):
        assert all(isinstance(reading, SourceDown) for reading in ask(source, "x").values())


def test_each_signal_is_one_query_however_many_wards_there_are() -> None:
    signals = [signal(f"metric_{number}", name=f"s{number}") for number in range(20)]
    wards = [WardId(f"ward-{number}") for number in range(50)]
    body = vector(*(({"ward": ward}, "1") for ward in wards))
    with (
        web_server(lambda _: Reply(body=body)) as server,
        closing(PrometheusSource(server.url, timeout_s=20.0)) as source,
    ):
        readings = source.read(signals, wards)
        asked = sorted(parse_qs(one.body.decode())["query"][0] for one in server.asked)
    assert asked == sorted(f"metric_{number}" for number in range(20))
    assert set(readings.values()) == {value(1.0)}
    assert len(readings) == 1000


def test_the_server_is_told_how_long_and_how_far_back_it_may_look() -> None:
    with (
        web_server(lambda _: Reply(body=vector())) as server,
        closing(PrometheusSource(server.url, timeout_s=7.5)) as source,
    ):
        ask(source, "x", fresh_within_s=12.0)
        (asked,) = server.asked
    assert form(asked) == {"query": "x", "timeout": "7.500", "lookback_delta": "12.000"}


def form(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


def test_one_query_that_hangs_does_not_take_the_others_with_it() -> None:
    def answer(asked: Asked) -> Reply:
        if form(asked)["query"] == "slow":
            server.gate.clear()
            server.gate.wait(60)
        return Reply(body=vector(({"ward": "a"}, "1")))

    with (
        web_server(answer) as server,
        closing(PrometheusSource(server.url, timeout_s=1.0)) as source,
    ):
        slow, quick = signal("slow", name="slow"), signal("quick", name="quick")
        readings = source.read([quick, slow], (A,))
        server.gate.set()
    assert isinstance(readings[A, SignalName("slow")], SourceDown)


# Which selectors a range follows

RANGED: dict[str, tuple[str, tuple[str, ...]]] = {
    "bare": ("x", ()),
    "braces": ('x{a="b"}', ()),
    "range": ("rate(x[5m])", ("x",)),
    "range_with_labels": ('rate(x{a="b", c!="d"}[5m])', ('x{a="b", c!="d"}',)),
    "space_before_the_range": ('rate(x {a="b"} [5m])', ('x{a="b"}',)),
    "only_labels": ('rate({__name__="x"}[5m])', ('{__name__="x"}',)),
    "offset": ("rate(x[5m] offset 1h)", ("x",)),
    "two": ("rate(x[5m]) / rate(y:z_total[1m])", ("x", "y:z_total")),
    "the_same_twice": ("rate(x[5m]) / rate(x[1m])", ("x",)),
    "braces_and_brackets_in_a_text": ('rate(x{a="}[1m]"}[5m])', ('x{a="}[1m]"}',)),
    "escaped_quote": (r'rate(x{a="\"}"}[5m])', (r'x{a="\"}"}',)),
    "backticks": ('rate(x{a=`"}`}[5m])', ('x{a=`"}`}',)),
    "bracket_in_a_text_only": ('label_replace(x, "a", "[1m]", "", "")', ()),
    "comment": ("rate(x[5m]) # y[1m]", ("x",)),
    "subquery": ("max_over_time(rate(x[1m])[5m:10s])", ("x",)),
    "subquery_of_a_selector": ("max_over_time(x[5m:10s])", ("x",)),
    "grouping": ("sum by (ward) (increase(x[5m]))", ("x",)),
}


@pytest.mark.parametrize("name", RANGED)
def test_selectors_that_a_range_follows_are_found(name: str) -> None:
    promql, expected = RANGED[name]
    assert ranged_selectors(promql) == expected


@pytest.mark.parametrize("name", RANGED)
def test_a_guarded_query_is_still_a_query_for_prometheus(bench: Bench, name: str) -> None:
    promql = fresh_only(RANGED[name][0])
    assert bench.prometheus.query(promql) == []


def test_a_query_without_a_range_is_asked_as_it_is() -> None:
    assert fresh_only("wait_seconds > 1") == "wait_seconds > 1"
