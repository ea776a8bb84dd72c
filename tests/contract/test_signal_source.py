"""The signal-source port, on the fake and on every real source: one reading for every pair.

What each source makes of its own pages and answers is in the files of their names.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.probe import ProbeSource
from orchestrator.adapters.prometheus import PrometheusSource
from orchestrator.adapters.scrape import ScrapeSource
from orchestrator.core.ids import Side, SignalName
from orchestrator.core.plan import (
    ProbeKind,
    ProbeQuery,
    PromQuery,
    Query,
    Reduce,
    ScrapeQuery,
    Signal,
)
from orchestrator.core.reading import SourceDown, Value
from orchestrator.ports import SignalSource
from tests import plans
from tests.fakes import FakeSource
from tests.real.prometheus_server import prometheus_running
from tests.real.servers import Asked, Reply, WebServer, web_server
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]
WARDS = tuple(WardId(name) for name in ("a", "b", "stranger"))
KNOWN = WARDS[:2]
LIMIT_S = 20.0
TEXT = {"content-type": "text/plain; version=0.0.4"}
PAGE = "".join(
    f'{metric}{{ward="{ward}"}} {number}\n'
    for metric, number in (("lost", 3), ("slow", 4))
    for ward in KNOWN
)


@dataclass(frozen=True)
class Kind:
    """A source that knows two signals of two wards, and a hand that takes its other end away."""

    source: SignalSource
    signals: tuple[Signal, Signal]
    break_it: Callable[[], None]


def signals(one: Query, other: Query) -> tuple[Signal, Signal]:
    named = plans.signal(SignalName("lost")), plans.signal(SignalName("slow"))
    first, second = (replace(signal, fresh_within_s=60.0) for signal in named)
    return replace(first, query=one), replace(second, query=other)


def _fake(_: ExitStack, __: Path) -> Kind:
    asked = signals(
        ScrapeQuery(metric="lost", reduce=Reduce.LATEST),
        ScrapeQuery(metric="slow", reduce=Reduce.LATEST),
    )
    one = Value(number=1.0, n=1, age_s=0.0)
    source = FakeSource({(ward, signal.name): one for ward in KNOWN for signal in asked})
    return Kind(source, asked, source.readings.clear)


def _page(ends: ExitStack) -> WebServer:
    return ends.enter_context(web_server(lambda _: Reply(body=PAGE, headers=TEXT)))


def _gone(server: WebServer) -> Callable[[], None]:
    def break_it() -> None:
        server.answer = lambda _: Reply(status=503)

    return break_it


def _mute(server: WebServer) -> Callable[[], None]:
    def hang_up(_: Asked) -> Reply:
        raise ConnectionResetError

    def break_it() -> None:
        server.answer = hang_up

    return break_it


def _scrape(ends: ExitStack, _: Path) -> Kind:
    server = _page(ends)
    asked = signals(
        ScrapeQuery(metric="lost", reduce=Reduce.LATEST),
        ScrapeQuery(metric="slow", reduce=Reduce.LATEST),
    )
    source = ScrapeSource(f"{server.url}/metrics", asked, WARDS, SystemClock(), timeout_s=LIMIT_S)
    return Kind(ends.enter_context(closing(source)), asked, _gone(server))


def _prometheus(ends: ExitStack, folder: Path) -> Kind:
    target = _page(ends)
    server = ends.enter_context(prometheus_running(folder, [target.address]))
    assert wait_until(lambda: len(server.query("slow")) == len(KNOWN), timeout_s=60)
    asked = signals(PromQuery(promql="lost"), PromQuery(promql="slow"))
    source = ends.enter_context(closing(PrometheusSource(server.url, timeout_s=LIMIT_S)))
    return Kind(source, asked, server.kill)


def _probe(ends: ExitStack, _: Path) -> Kind:
    server = ends.enter_context(web_server(lambda _: Reply()))
    one = ProbeQuery(kind=ProbeKind.HTTP, of=Side.LEGACY, path="/one")
    asked = signals(one, replace(one, path="/other"))
    source = ends.enter_context(closing(ProbeSource(server.url, timeout_s=LIMIT_S)))
    return Kind(source, asked, _mute(server))


KINDS = {"fake": _fake, "scrape": _scrape, "prometheus": _prometheus, "probe": _probe}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    with ExitStack() as ends:
        yield KINDS[request.param](ends, tmp_path)


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[Kind]:
    with ExitStack() as ends:
        yield _probe(ends, tmp_path)


@pytest.fixture(params=sorted(KINDS.keys() - {"probe"}))
def other_than_probe(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    with ExitStack() as ends:
        yield KINDS[request.param](ends, tmp_path)


def pairs(kind: Kind) -> set[tuple[WardId, SignalName]]:
    return {(ward, signal.name) for ward in WARDS for signal in kind.signals}


def test_every_pair_that_is_asked_has_exactly_one_reading(kind: Kind) -> None:
    readings = kind.source.read(kind.signals, WARDS)
    assert set(readings) == pairs(kind)
    known = [readings[ward, signal.name] for ward in KNOWN for signal in kind.signals]
    assert all(isinstance(one, Value) for one in known), known


def test_only_what_is_asked_is_answered(kind: Kind) -> None:
    one = kind.signals[0]
    assert set(kind.source.read([one], WARDS[:1])) == {(WARDS[0], one.name)}
    assert dict(kind.source.read([], WARDS)) == {}
    assert dict(kind.source.read(kind.signals, [])) == {}


def test_who_asks_twice_is_told_the_same(kind: Kind) -> None:
    def numbers() -> dict[tuple[WardId, SignalName], float | str]:
        readings = kind.source.read(kind.signals, WARDS)
        return {
            pair: one.number if isinstance(one, Value) else type(one).__name__
            for pair, one in readings.items()
        }

    assert numbers() == numbers()


def test_a_source_that_does_not_answer_is_down_for_every_pair_and_raises_nothing(
    other_than_probe: Kind,
) -> None:
    other_than_probe.break_it()
    readings = other_than_probe.source.read(other_than_probe.signals, WARDS)
    assert set(readings) == pairs(other_than_probe)
    assert {type(one) for one in readings.values()} == {SourceDown}, readings


def test_silence_is_what_a_probe_asks_about_and_no_loss_of_sight(probe: Kind) -> None:
    probe.break_it()
    readings = probe.source.read(probe.signals, WARDS)
    assert set(readings) == pairs(probe)
    numbers = [one.number for one in readings.values() if isinstance(one, Value)]
    assert numbers == [0.0] * len(readings), readings
