"""What a tick costs: 1, 40 and 1,000 exposed wards with 20 signals each.

Reading is one page for all wards, held in memory, parsed and judged by the sentinel's own
code; routes are a fake that answers at once. Processor time, as a share of one core at a 5 s tick.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.scrape import ScrapeSource
from orchestrator.core.event import Actor
from orchestrator.core.ids import ActorKind, SignalName
from orchestrator.core.plan import Plan
from orchestrator.core.route import Annotation, desired_route
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.watch import Watch
from tests.bench.figures import p50, processor_s
from tests.fakes import FakeNotifier, FakeProber, FakeRoutes
from tests.fakes_ledger import FakeJournal
from tests.plans import plan, signal, ward
from tests.real.servers import Reply, web_server
from wards.model import WardId

SIGNALS = 20
TICK_S = 5.0


def run(quick: bool) -> list[dict[str, Any]]:
    """One row a number of wards."""
    return [_measure(wards, 3 if quick else 10) for wards in (1, 40, 1000)]


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

    def read_after(self, _moment_s: float) -> bool:
        """Nothing is stray here."""
        return False

    def behind_s(self) -> float:
        return 0.0


class OneSource:
    """The scrape source as the set of all sources."""

    def __init__(self, source: ScrapeSource) -> None:
        self._source = source

    def read_all(self, signals: Any, wards: Any, *, deadline_s: float) -> Any:
        """One page for everything."""
        return self._source.read(signals, wards)


def _measure(wards: int, ticks: int) -> dict[str, Any]:
    of, clock = big_plan(wards, SIGNALS), SystemClock()
    page = "".join(
        f'{one.name}{{ward="{each.id}"}} 0.5\n' for one in of.signals for each in of.wards
    )
    with web_server(lambda _: Reply(body=page)) as server, ThreadPoolExecutor(1) as pool:
        every = tuple(each.id for each in of.wards)
        source = ScrapeSource(server.url, of.signals, every, clock, timeout_s=20.0)
        watch = _watch(of, clock, source, pool)
        watch.tick()
        server.asked.clear()
        used = []
        for _ in range(ticks):
            before_s = processor_s()
            report = watch.tick()
            used.append(processor_s() - before_s)
            assert len(report.wards) == wards
        asked = len(server.asked)
    return {
        "wards": wards,
        "signals": SIGNALS,
        "processor_s_p50": round(p50(used), 4),
        "share_of_core_at_5_s": round(p50(used) / TICK_S, 4),
        "queries_a_tick": asked / ticks,
    }


def _watch(of: Plan, clock: SystemClock, source: ScrapeSource, pool: ThreadPoolExecutor) -> Watch:
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
