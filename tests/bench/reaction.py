"""From a breach being visible in a real Prometheus to a proven return, 40 wards watched.

Real: Prometheus (scraping every 250 ms), etcd and kube-apiserver with the fence, the practice
gateway that follows HTTPRoutes by watch, the sentinel's own watch with its picture of the routes,
journal and probes. The exporter is the bench's; one ward's number is made bad at a random phase of
the tick, and the ticks are put off by a random part of one for each measurement, for they would
else keep step with the scrapes. Visible: the first moment at which Prometheus shows it to a tight
poll. The legacy probe is left out: its time belongs to legacy.
"""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.adapters.clock import SystemClock, wait_until
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
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply
from orchestrator.core.threshold import Direction, Limit
from orchestrator.ledger import FileJournal
from orchestrator.ports import Routes
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.switch import NotYet
from orchestrator.service.watch import TickReport, Watch
from tests.bench.figures import p50, p99
from tests.bench.hospital import on_a_cluster
from tests.bench.progress import counted
from tests.fakes import FakeNotifier
from tests.plans import plan, signal, ward
from tests.real.kube_server import kube_parts
from tests.real.prometheus_server import PrometheusServer, prometheus_running
from tests.real.servers import Reply, web_server
from tests.traps.stage import NOTES, Stage
from wards.model import WardId
from wards.practice.cluster import fenced

WARDS = 40
TARGETS_S = {1.0: 0.85, 0.25: 0.3, 5.0: None}  # a tick, and what the median may be
AT_MOST_S = 1.0  # a longer tick is measured a fifth as often
LIMIT_S = 60.0
CLOCK = SystemClock()
HARM = SignalName("bench_harm")
PARTS = {RollbackIntended: "decided", RollbackWritten: "written", RollbackProven: "proven"}


def run(quick: bool) -> Iterator[dict[str, Any]]:
    """One row a tick length."""
    kube_parts()
    times = 10 if quick else 100
    for tick_s in TARGETS_S:
        yield measured(tick_s, times if tick_s <= AT_MOST_S else times // 5)


class Life:
    """The record of the bench: what was heard of each ward, until it is sent out again."""

    def __init__(self, of: Plan, clock: SystemClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stage = of.stages[2].name
        order = tuple(one.id for one in of.wards)
        self._state = ProgrammeState(plan_hash="h", order=order)
        self.heard: dict[WardId, dict[str, float]] = {}
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
        """Note when a part of a ward's return was first reached."""
        name = PARTS.get(type(draft.happening))
        with self._lock:
            self._state = apply(self._state, draft)
        if name is not None and draft.ward is not None:
            self.heard[draft.ward].setdefault(name, self._clock.monotonic())

    def send_out(self, one: WardId, epoch: int) -> None:
        """The ward works its notes in the candidate again. Which epochs were returns stays known:
        a picture of the routes that is a moment old still shows the last one."""
        with self._lock:
            fresh = WardState(
                ward=one,
                phase=Phase.AT_STAGE,
                stage=self._stage,
                epoch=epoch,
                home_epoch=self._state.ward(one).home_epoch,
            )
            wards = {**self._state.wards, one: fresh}
            self._state = replace(self._state, wards=wards, freeze=None)
            self.heard[one] = {}


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


def measured(tick_s: float, times: int) -> dict[str, Any]:
    """The row of that tick length, of so many returns. Raises: RuntimeError."""
    of = bench_plan(tick_s)
    numbers = {one.id: 0.0 for one in of.wards}

    def page(_asked: Any) -> Reply:
        lines = (f'bench_harm{{ward="{name}"}} {value}\n' for name, value in numbers.items())
        return Reply(body="".join(lines), headers={"Content-Type": "text/plain; version=0.0.4"})

    with (
        TemporaryDirectory() as folder,
        web_server(page) as exporter,
        on_a_cluster(_made(folder, "site")) as stage,
        prometheus_running(_made(folder, "prom"), [exporter.address]) as prometheus,
        ThreadPoolExecutor(8) as pool,
        _followed(stage, of) as routes,
    ):
        life = Life(of, CLOCK)
        hands = _hands(of, stage, routes, life, _made(folder, "journal"))
        watch = Watch(
            plan=of,
            hands=hands,
            readers=OneSource(PrometheusSource(prometheus.url, timeout_s=1.0)),
            record=life,
            notifier=FakeNotifier(),
            executor=pool,
        )
        pace = _Pace(watch, tick_s)
        bench = _Bench(of, numbers, stage, life, prometheus, pace)
        for one in of.wards:
            bench.send_out(one.id)
        with pace.kept():
            rows = [bench.once(tick_s) for _ in counted(f"reaction, tick {tick_s:g} s", times)]
    return _row(tick_s, rows)


@contextmanager
def _followed(stage: Stage, of: Plan) -> Iterator[Routes]:
    """A route for every ward, as the sentinel has them: a picture that a watch keeps."""
    for one in of.wards:
        fenced.create_route(stage.plane, fenced.all_by_name(one.id, epoch=1))
    routes = stage.routes("sentinel")
    routes.follow()
    try:
        yield routes
    finally:
        routes.close()


def _hands(of: Plan, stage: Stage, routes: Routes, life: Life, folder: Path) -> Hands:
    actor = Actor(kind=ActorKind.SENTINEL, name="bench")
    journal = FileJournal(folder, "bench")
    scribe = Scribe(journal, CLOCK, actor=actor, plan_hash="h", code_version="bench")
    scribe.listen(life.hear)
    return Hands(
        routes=routes, prober=stage.prober, scribe=scribe, clock=CLOCK, proof=of.policy.proof
    )


@dataclass
class _Pace:
    """The watch's ticks, on a thread of their own; `last`: what the newest ended one saw."""

    watch: Watch
    tick_s: float
    last: TickReport | None = None
    _put_off: SimpleQueue[float] = field(default_factory=SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Ticks until the end, also where that is an error: none goes on beside the next bench."""
        thread = threading.Thread(target=self._go, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def put_off(self, by_s: float) -> None:
        """Let the ticks after the next one come so much later."""
        self._put_off.put(by_s)

    def has_forgotten(self, one: WardId, since_s: float) -> bool:
        """Whether a whole tick since then had nothing to watch in the ward."""
        report = self.last
        return (
            report is not None
            and report.began_at_s > since_s
            and bool(report.wards)  # else it took too long, and concluded nothing
            and all(item.view.ward != one for item in report.wards)
        )

    def _go(self) -> None:
        due_s = CLOCK.monotonic()
        while not self._stop.is_set():
            self.last = self.watch.tick()
            if not self._put_off.empty():
                due_s += self._put_off.get()
            due_s = max(due_s + self.tick_s, CLOCK.monotonic())
            self._stop.wait(due_s - CLOCK.monotonic())


@dataclass
class _Bench:
    of: Plan
    numbers: dict[WardId, float]
    stage: Stage
    life: Life
    prometheus: PrometheusServer
    pace: _Pace
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    asked_s: float = 0.0  # when Prometheus was asked last

    def once(self, tick_s: float) -> dict[str, float]:
        """Seconds from a ward's breach being visible to each part of its return."""
        one = self.chance.choice(self.of.wards).id
        self._await(lambda: self._shown(one) == 0.0)
        self.pace.put_off(self.chance.random() * tick_s)
        CLOCK.sleep((2.0 + self.chance.random()) * tick_s)
        self._check_all_out()
        self.numbers[one] = 9.0
        self._await(lambda: self._shown(one) == 9.0, every_s=0.002)
        visible_s = self.asked_s
        self._await(lambda: "proven" in self.life.heard[one])
        heard = {name: at_s - visible_s for name, at_s in self.life.heard[one].items()}
        self.numbers[one] = 0.0
        self._await(lambda: self._shown(one) == 0.0)
        well_s = CLOCK.monotonic()
        self._await(lambda: self.pace.has_forgotten(one, well_s))
        self.send_out(one)
        return heard

    def send_out(self, one: WardId) -> None:
        """Granted and written as in the product, known to the record, and proven."""
        route = self.stage.expose(one, NOTES)
        self.life.send_out(one, route.epoch)
        match self.stage.prove(route):
            case NotYet(waiting_for=waiting_for):
                raise RuntimeError(f"{one} was sent out and did not arrive: {waiting_for}")
            case _:
                pass

    def _check_all_out(self) -> None:
        """A ward that returned for anything but its breach would be waited for in vain."""
        for name, state in self.life.state().wards.items():
            if state.phase is not Phase.AT_STAGE:
                why = "" if state.returned is None else state.returned.cause.reason
                raise RuntimeError(f"{name} returned, and its number was well: {why}")

    def _shown(self, one: WardId) -> float | None:
        self.asked_s = CLOCK.monotonic()
        found: Any = self.prometheus.query(f'bench_harm{{ward="{one}"}}')
        return float(found[0]["value"][1]) if found else None

    def _await(self, condition: Callable[[], bool], *, every_s: float = 0.02) -> None:
        if not wait_until(condition, timeout_s=LIMIT_S, every_s=every_s):
            raise RuntimeError("the bench waited in vain")


def _row(tick_s: float, rows: list[dict[str, float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"tick_s": tick_s, "n": len(rows), "wards": WARDS}
    for name in PARTS.values():
        values = [one[name] for one in rows]
        row[f"{name}_p50_s"], row[f"{name}_p99_s"] = round(p50(values), 3), round(p99(values), 3)
    target_s = TARGETS_S.get(tick_s)
    row["target_written_p50_s"] = target_s
    row["ratio"] = None if target_s is None else round(row["written_p50_s"] / target_s, 2)
    return row


def _made(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path
