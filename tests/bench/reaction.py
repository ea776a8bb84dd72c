"""From a breach being visible in a real Prometheus to a proven return, 40 wards watched.

Real: Prometheus (scraping every 250 ms), the practice gateway with its routes, the
sentinel's own watch, journal and probes. The exporter is the bench's; one ward's number is
made bad at a random phase of the tick, and the ticks are put off by a random part of one for
each measurement, for they would else keep step with the scrapes. Visible: the first
moment at which Prometheus shows it to a tight poll. The legacy probe is left out: its time
belongs to legacy.
"""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.practice_gateway import PracticeRoutes
from orchestrator.adapters.prober import GatewayProber
from orchestrator.adapters.prometheus import PrometheusSource
from orchestrator.core.event import (
    Actor,
    Draft,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
)
from orchestrator.core.ids import ActorKind, SignalName
from orchestrator.core.plan import Plan, PromQuery
from orchestrator.core.route import Annotation, desired_route
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply
from orchestrator.core.threshold import Direction, Limit
from orchestrator.ledger import FileJournal
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.watch import Watch
from tests.bench.figures import p50, p99
from tests.fakes import FakeNotifier, put_exposed
from tests.plans import plan, signal, ward
from tests.real.practice_parts import practice_site
from tests.real.prometheus_server import prometheus_running
from tests.real.servers import Reply, web_server
from wards.model import WardId

WARDS = 40
TARGETS_S = {1.0: 0.85, 0.25: 0.3, 5.0: None}  # a tick, and what the median may be
AT_MOST_S = 1.0  # a longer tick is measured a fifth as often
HARM = SignalName("bench_harm")
PARTS = {RollbackIntended: "decided", RollbackWritten: "written", RollbackProven: "proven"}


def run(quick: bool) -> list[dict[str, Any]]:
    """One row a tick length."""
    times = 10 if quick else 100
    return [_measure(tick_s, times if tick_s <= AT_MOST_S else times // 5) for tick_s in TARGETS_S]


class Life:
    """The record of the bench: what was heard of each ward, until it is sent out again."""

    def __init__(self, of: Plan, clock: SystemClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stage = of.stages[2].name
        order = tuple(one.id for one in of.wards)
        self._state = ProgrammeState(plan_hash="h", order=order)
        self.heard: dict[str, float] = {}
        for one in order:
            self.send_out(one, 2)

    def state(self) -> ProgrammeState:
        """The wards as they are."""
        with self._lock:
            return self._state

    def read_after(self, moment_s: float) -> bool:
        """Nothing is stray here."""
        return False

    def behind_s(self) -> float:
        return 0.0

    def hear(self, draft: Draft) -> None:
        """Note when a part of the return was reached."""
        name = PARTS.get(type(draft.happening))
        with self._lock:
            self._state = apply(self._state, draft)
        if name is not None:
            self.heard[name] = self._clock.monotonic()

    def send_out(self, one: WardId, epoch: int) -> None:
        """The ward works its notes in the candidate again."""
        fresh = WardState(ward=one, phase=Phase.AT_STAGE, stage=self._stage, epoch=epoch)
        with self._lock:
            wards = {**self._state.wards, one: fresh}
            self._state = replace(self._state, wards=wards, freeze=None)


class OneSource:
    """Prometheus as the set of all sources."""

    def __init__(self, source: PrometheusSource) -> None:
        self._source = source

    def read_all(self, signals: Any, wards: Any, *, deadline_s: float) -> Any:
        """One query a signal."""
        return self._source.read(signals, wards)


def bench_plan(tick_s: float) -> Plan:
    """40 wards, one signal that acts at once."""
    base = plan()
    harm = replace(
        signal(HARM, Limit(direction=Direction.AT_MOST, limit=1.0)),
        query=PromQuery(promql="max by (ward) (bench_harm)"),
        fresh_within_s=10.0,
    )
    return replace(
        base,
        wards=tuple(ward(WardId(f"w{number}")) for number in range(WARDS)),
        signals=(harm,),
        policy=replace(base.policy, tick_s=tick_s),
    )


def _measure(tick_s: float, times: int) -> dict[str, Any]:
    of, clock, numbers = bench_plan(tick_s), SystemClock(), {}
    numbers.update({one.id: 0.0 for one in of.wards})

    def page(_asked: Any) -> Reply:
        return Reply(
            body="".join(
                f'bench_harm{{ward="{name}"}} {value}\n' for name, value in numbers.items()
            ),
            headers={"Content-Type": "text/plain; version=0.0.4"},
        )

    with (
        TemporaryDirectory() as folder,
        web_server(page) as exporter,
        practice_site(_made(folder, "site"), replicas=1) as site,
        prometheus_running(_made(folder, "prom"), [exporter.address]) as prometheus,
        ThreadPoolExecutor(8) as pool,
    ):
        routes = PracticeRoutes(site.admin, timeout_s=2.0)
        for one in of.wards:
            site.create_route(one.id)
        life = Life(of, clock)
        actor = Actor(kind=ActorKind.SENTINEL, name="bench")
        journal = FileJournal(_made(folder, "journal"), "bench")
        scribe = Scribe(journal, clock, actor=actor, plan_hash="h", code_version="bench")
        scribe.listen(life.hear)
        prefixes = {item.name: item.path_prefix for item in of.slices}
        prober = GatewayProber(site.gateways, site.admin, prefixes, timeout_s=2.0)
        hands = Hands(
            routes=routes, prober=prober, scribe=scribe, clock=clock, proof=of.policy.proof
        )
        watch = Watch(
            plan=of,
            hands=hands,
            readers=OneSource(PrometheusSource(prometheus.url, timeout_s=1.0)),
            record=life,
            notifier=FakeNotifier(),
            executor=pool,
        )
        shifts: SimpleQueue[float] = SimpleQueue()
        bench = _Bench(of, clock, numbers, routes, life, prometheus, shifts)
        for one in of.wards:
            bench.send_out(one.id)
        stop = threading.Event()
        pace = (watch, clock, tick_s, shifts, stop)
        thread = threading.Thread(target=_pace, args=pace, daemon=True)
        thread.start()
        rows = [bench.once(tick_s) for _ in range(times)]
        stop.set()
        thread.join()
    return _row(tick_s, rows)


class _Bench:
    def __init__(
        self, of: Plan, clock: Any, numbers: Any, routes: Any, life: Life, prom: Any, shifts: Any
    ):
        self._shifts = shifts
        self._plan, self._clock, self._numbers = of, clock, numbers
        self._routes, self._life, self._prom = routes, life, prom
        self._chance = random.Random(1)

    def once(self, tick_s: float) -> dict[str, float]:
        one = self._chance.choice(self._plan.wards).id
        self._await(lambda: self._shown(one) == 0.0)
        self._shifts.put(self._chance.random() * tick_s)
        self._clock.sleep((2.0 + self._chance.random()) * tick_s)
        self._life.heard.clear()
        self._numbers[one] = 9.0
        self._await(lambda: self._shown(one) == 9.0, every_s=0.002)
        visible_s = self._clock.monotonic()
        self._await(lambda: "proven" in self._life.heard)
        heard = {name: at - visible_s for name, at in self._life.heard.items()}
        self._numbers[one] = 0.0
        self._await(lambda: self._shown(one) == 0.0)
        self._clock.sleep(tick_s * 1.1)
        self.send_out(one)
        return heard

    def send_out(self, one: WardId) -> None:
        observed = self._routes.get(one)
        epoch = observed.route.epoch + 1
        note = Annotation(who="flow:bench", why="enter notes")
        route = desired_route(self._plan, one, self._plan.stages[2], epoch=epoch, annotation=note)
        put_exposed(self._routes, route)
        self._life.send_out(one, epoch)

    def _shown(self, one: WardId) -> float | None:
        found: Any = self._prom.query(f'bench_harm{{ward="{one}"}}')
        return float(found[0]["value"][1]) if found else None

    def _await(self, condition: Any, *, every_s: float = 0.02) -> None:
        until_s = self._clock.monotonic() + 30.0
        while not condition():
            if self._clock.monotonic() > until_s:
                raise RuntimeError("the bench waited in vain")
            self._clock.sleep(every_s)


def _pace(
    watch: Watch,
    clock: SystemClock,
    tick_s: float,
    shifts: "SimpleQueue[float]",
    stop: threading.Event,
) -> None:
    due_s = clock.monotonic()
    while not stop.is_set():
        watch.tick()
        if not shifts.empty():
            due_s += shifts.get()
        due_s = max(due_s + tick_s, clock.monotonic())
        stop.wait(due_s - clock.monotonic())


def _row(tick_s: float, rows: list[dict[str, float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"tick_s": tick_s, "n": len(rows), "wards": WARDS}
    for name in PARTS.values():
        values = [one[name] for one in rows]
        row[f"{name}_p50_s"], row[f"{name}_p99_s"] = round(p50(values), 3), round(p99(values), 3)
    target_s = TARGETS_S[tick_s]
    row["target_written_p50_s"] = target_s
    row["ratio"] = None if target_s is None else round(row["written_p50_s"] / target_s, 2)
    return row


def _made(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path
