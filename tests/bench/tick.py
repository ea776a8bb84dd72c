"""What a tick costs: 1, 40 and 1,000 exposed wards with 20 signals each.

Read from one page for all wards, and from a real Prometheus that scrapes that page; parsed and
judged by the sentinel's own code. Routes are a fake that answers at once. Processor time of this
process, as a share of one core at a 5 s tick; queries as the other end counted them.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.prometheus import PrometheusSource
from orchestrator.adapters.scrape import ScrapeSource
from orchestrator.core.event import Actor
from orchestrator.core.ids import ActorKind, SignalName
from orchestrator.core.plan import Plan, PromQuery
from orchestrator.core.route import Annotation, desired_route
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.ports import SignalSource
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.watch import Watch
from tests.bench.figures import p50, processor_s
from tests.fakes import FakeNotifier, FakeProber, FakeRoutes
from tests.fakes_ledger import FakeJournal
from tests.plans import plan, signal, ward
from tests.real.prometheus_server import prometheus_running
from tests.real.servers import Reply, web_server
from wards.model import WardId

COUNTS = (1, 40, 1000)
SIGNALS = 20
TICK_S = 5.0


def run(quick: bool) -> list[dict[str, Any]]:
    """One row a source and number of wards."""
    ticks = 3 if quick else 10
    return [_measure(of, wards, ticks) for of in (_of_a_page, _of_prometheus) for wards in COUNTS]


def big_plan(wards: int, signals: int) -> Plan:
    """So many wards, watched by so many signals."""
    names = [SignalName(f"bench_{number}") for number in range(signals)]
    base = plan()
    return replace(
        base,
        wards=tuple(ward(WardId(f"w{number}")) for number in range(wards)),
        signals=tuple(replace(signal(name), fresh_within_s=60.0) for name in names),
        policy=replace(base.policy, query_budget_s=20.0, lease_s=60.0),
    )


class Standing:
    """A record in which every ward works its notes in the candidate."""

    def __init__(self, of: Plan) -> None:
        stage = of.stages[2].name
        wards = {
            one.id: WardState(ward=one.id, phase=Phase.AT_STAGE, stage=stage) for one in of.wards
        }
        self._state = ProgrammeState(plan_hash="h", order=tuple(wards), wards=wards)

    def state(self) -> ProgrammeState:
        """Always the same."""
        return self._state

    def read_after(self, moment_s: float) -> bool:
        """Nothing is stray here."""
        return False

    def behind_s(self) -> float:
        return 0.0


class OneSource:
    """One source as the set of all sources."""

    def __init__(self, source: SignalSource) -> None:
        self._source = source

    def read_all(self, signals: Any, wards: Any, *, deadline_s: float) -> Any:
        """Everything from it."""
        return self._source.read(signals, wards)


@dataclass(frozen=True)
class Bench:
    """A plan, the source that its signals are read from, and how often that was asked so far."""

    name: str
    plan: Plan
    source: SignalSource
    asked: Callable[[], float]


Made = Callable[[int], AbstractContextManager[Bench]]


def _page(of: Plan) -> Reply:
    lines = (f'{one.name}{{ward="{each.id}"}} 0.5\n' for one in of.signals for each in of.wards)
    return Reply(body="".join(lines), headers={"content-type": "text/plain; version=0.0.4"})


@contextmanager
def _of_a_page(wards: int) -> Iterator[Bench]:
    of = big_plan(wards, SIGNALS)
    page = _page(of)
    every = tuple(each.id for each in of.wards)
    with web_server(lambda _: page) as server:
        source = ScrapeSource(server.url, of.signals, every, SystemClock(), timeout_s=20.0)
        yield Bench("page", of, source, lambda: float(len(server.asked)))


@contextmanager
def _of_prometheus(wards: int) -> Iterator[Bench]:
    scraped = big_plan(wards, SIGNALS)
    asked = tuple(replace(one, query=PromQuery(promql=one.name)) for one in scraped.signals)
    page = _page(scraped)
    with (
        TemporaryDirectory() as folder,
        web_server(lambda _: page) as target,
        prometheus_running(Path(folder), [target.address], scrape_every_s=1.0) as server,
        closing(PrometheusSource(server.url, timeout_s=20.0)) as source,
    ):
        if not wait_until(lambda: len(server.query(asked[-1].name)) == wards, timeout_s=60):
            raise RuntimeError("Prometheus does not show the page")

        def count() -> float:
            return counter_of(server.url)

        yield Bench("prometheus", replace(scraped, signals=asked), source, count)


def counter_of(prometheus: str) -> float:
    """How many queries a Prometheus has been asked, as it says itself."""
    with urlopen(f"{prometheus}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "prometheus_http_requests_total"
        and sample.labels.get("handler", "").startswith("/api/v1/query")
    )


def _measure(made: Made, wards: int, ticks: int) -> dict[str, Any]:
    with made(wards) as bench, ThreadPoolExecutor(1) as pool:
        watch = _watch(bench.plan, SystemClock(), bench.source, pool)
        watch.tick()
        asked = bench.asked()
        used = []
        for _ in range(ticks):
            before_s = processor_s()
            report = watch.tick()
            used.append(processor_s() - before_s)
            assert len(report.wards) == wards
        asked = bench.asked() - asked
    return {
        "read from": bench.name,
        "wards": wards,
        "signals": SIGNALS,
        "processor_s_p50": round(p50(used), 4),
        "share_of_core_at_5_s": round(p50(used) / TICK_S, 4),
        "queries_a_tick": asked / ticks,
    }


def _watch(of: Plan, clock: SystemClock, source: SignalSource, pool: ThreadPoolExecutor) -> Watch:
    note = Annotation(who="flow:bench", why="enter notes")
    stage = of.stages[2]
    routes = FakeRoutes(
        desired_route(of, each.id, stage, epoch=2, annotation=note) for each in of.wards
    )
    actor = Actor(kind=ActorKind.SENTINEL, name="bench")
    scribe = Scribe(FakeJournal(), clock, actor=actor, plan_hash="h", code_version="bench")
    hands = Hands(
        routes=routes,
        prober=FakeProber(routes),
        scribe=scribe,
        clock=clock,
        proof=of.policy.proof,
    )
    return Watch(
        plan=of,
        hands=hands,
        readers=OneSource(source),
        record=Standing(of),
        notifier=FakeNotifier(),
        executor=pool,
    )
