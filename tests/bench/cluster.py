"""The way back on a real API server: message to write, to proof; a lapse; a hundred at once.

Real: etcd and kube-apiserver with the fence, the practice gateway that follows HTTPRoutes by
watch, the sentinel's own door, watch, journal and probes, the guard with its own account. In
memory: the ledger, which a return never waits for. The bare write is one PUT of the same route by
the same client between the measurements, so that the ratio is of one run.
"""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.leases import KubeLeases
from orchestrator.adapters.kubernetes.routes import LABELS
from orchestrator.adapters.prober import GatewayProber
from orchestrator.adapters.processes import free_port
from orchestrator.adapters.tokens import TokenFile, add_token
from orchestrator.core.event import Actor, Draft, RollbackProven, RollbackWritten
from orchestrator.core.ids import ActorKind
from orchestrator.core.plan import Plan, ProofPolicy
from orchestrator.core.route import Annotation, Route, all_legacy
from orchestrator.ledger import BoundedJournal, FileJournal
from orchestrator.service.guard import Guard
from orchestrator.service.hearing import Hearing
from orchestrator.service.leases import Keeper, LeaseBook, ward_lease
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.watch import Watch
from orchestrator.web.alerts import Receiver
from orchestrator.web.pages import app, serve
from tests.bench.figures import p50, p99
from tests.bench.hospital import on_a_cluster
from tests.bench.progress import counted
from tests.bench.reaction import Life
from tests.fakes import FakeGuardMemory, FakeNotifier
from tests.plans import plan, ward
from tests.real.kube_server import kube_parts
from tests.traps.stage import NOTES, PREFIXES, Stage
from tests.web import door
from wards.model import WardId
from wards.practice.cluster import fenced
from wards.practice.cluster.control_plane import NAMESPACE

CLOCK = SystemClock()
AT_ONCE = 100
LEASE_S = 2.0
TICK_S = 1.0
LIMIT_S = 60.0
TARGETS_S = {"written": 0.1, "proven": 0.5, "hundred": 3.0}
MOST_TIMES_BARE = 5.0
PROOF = ProofPolicy(probes=3, every_s=0.05, deadline_s=LIMIT_S)


def run(quick: bool) -> Iterator[dict[str, Any]]:
    """One row a way back; seconds of real time."""
    kube_parts()
    times = 10 if quick else 100
    with TemporaryDirectory() as folder, on_a_cluster(Path(folder)) as stage:
        bench = _Bench(stage, Path(folder))
        with bench.serving():
            bare, written, proven = bench.messages(times)
            yield _row("bare write", bare, None)
            yield _row("message -> written", written, TARGETS_S["written"], bare=p99(bare))
            yield _row("message -> proven", proven, TARGETS_S["proven"])
            all_at_once = bench.hundreds(max(1, times // 30))
            what = f"{AT_ONCE} wards in one message -> written"
            yield _row(what, all_at_once, TARGETS_S["hundred"])
        yield _row("lapse -> written (guard)", bench.lapses(max(5, times // 10)), None)


@dataclass
class _Moments:
    """When each ward's return was written and proven, on the monotonic clock."""

    written: dict[WardId, float]
    proven: dict[WardId, float]

    def hear(self, draft: Draft) -> None:
        """Note the moment."""
        kept = {RollbackWritten: self.written, RollbackProven: self.proven}.get(
            type(draft.happening)
        )
        if kept is not None and draft.ward is not None:
            kept.setdefault(draft.ward, CLOCK.monotonic())


class _Nothing:
    def read_all(self, signals: Any, wards: Any, *, deadline_s: float) -> Any:
        return {}


class _Bench:
    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage, self._folder = stage, folder
        self._plan = _many(plan())
        for one in self._plan.wards:
            fenced.create_route(stage.plane, fenced.all_by_name(one.id, epoch=1))
        self._life = Life(self._plan, CLOCK)
        self._moments = _Moments({}, {})
        self._sentinel = stage.routes("sentinel")
        self._cluster = Cluster(stage.hospital.kubeconfigs["sentinel"], timeout_s=5.0)
        self._token = add_token(folder / "tokens", "bench")
        self._port = free_port()
        self._numbers = iter(range(1_000_000))

    def _hands(self, kind: ActorKind, routes: Any) -> Hands:
        journal = FileJournal(self._folder / "journal", kind.value)
        scribe = Scribe(
            BoundedJournal(journal), CLOCK, actor=Actor(kind=kind, name="bench"), plan_hash="h",
            code_version="bench",
        )  # fmt: skip
        scribe.listen(self._life.hear)
        scribe.listen(self._moments.hear)
        addresses = self._stage.hospital.addresses
        prober = GatewayProber(
            addresses["gateway_urls"], addresses["gateway_admin_url"], PREFIXES, timeout_s=2.0
        )
        return Hands(routes=routes, prober=prober, scribe=scribe, clock=CLOCK, proof=PROOF)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """A sentinel's door with its own watch behind it."""
        hands = self._hands(ActorKind.SENTINEL, self._sentinel)
        notifier = FakeNotifier()
        watch = Watch(
            plan=self._plan, hands=hands, readers=_Nothing(), record=self._life,
            notifier=notifier, executor=ThreadPoolExecutor(AT_ONCE),
        )  # fmt: skip
        hearing = Hearing(
            self._plan, returns=watch, known=self._life, scribe=hands.scribe, notifier=notifier,
            clock=CLOCK,
        )  # fmt: skip
        receiver = Receiver(hearing, TokenFile(self._folder / "tokens"), CLOCK, lambda _: None)
        server = serve(app(door._pages(), receiver.routes()), self._port, host="127.0.0.1")
        try:
            _await(lambda: server.started)
            watch.take_over(None)
            watch.tick()  # the routes as they are, as the sentinel that leads has them at any time
            self._watch = watch
            yield
        finally:
            door._end(server)

    def messages(self, times: int) -> tuple[list[float], list[float], list[float]]:
        """Seconds of a bare write, from a message to its write, and to its proof."""
        bare, written, proven = [], [], []
        for number in counted("cluster, messages", times):
            one = self._plan.wards[number % len(self._plan.wards)].id
            bare.append(self._bare(one))
            self._send_out(one)
            self._watch.tick()
            began_s = CLOCK.monotonic()
            self._post([one])
            self._await_all({one})
            written.append(self._moments.written[one] - began_s)
            proven.append(self._moments.proven[one] - began_s)
        return bare, written, proven

    def hundreds(self, times: int) -> list[float]:
        """Seconds from one message about every ward to the last of its writes."""
        what = f"cluster, {AT_ONCE} wards at once"
        return [self._hundred() for _ in counted(what, times)]

    def _hundred(self) -> float:
        wards = {one.id for one in self._plan.wards}
        for one in sorted(wards):
            self._send_out(one)
        # Wards that have worked in the candidate for a while: the gateway has told their statuses.
        _await(self._is_told)
        self._watch.tick()
        began_s = CLOCK.monotonic()
        self._post(sorted(wards))
        self._await_all(wards)
        return max(self._moments.written.values()) - began_s

    def _is_told(self) -> bool:
        listed = self._cluster.list("bench", self._sentinel._kind, LABELS)["items"]
        return all(
            condition["observedGeneration"] == item["metadata"]["generation"]
            for item in listed
            for parent in item.get("status", {}).get("parents", ())
            for condition in parent["conditions"]
        )

    def lapses(self, times: int) -> list[float]:
        """Seconds from the moment a ward's lease has lapsed to the guard's write."""
        numbers = counted("cluster, lapses", times)
        return [self._lapse(self._plan.wards[number].id) for number in numbers]

    def _lapse(self, one: WardId) -> float:
        self._send_out(one)
        leases = KubeLeases(self._cluster, CLOCK, namespace=NAMESPACE)
        dead = Keeper(leases, LeaseBook(CLOCK), holder="dead", duration_s=LEASE_S)
        dead._book.see(leases.all())
        dead.hold(ward_lease(one), {"guard": "restore", "legacy": "pass"}, seize=True)
        lapsed_s = CLOCK.monotonic() + LEASE_S
        with _looking(self._guard()):
            if not self._are_home({one}, LIMIT_S):
                raise RuntimeError("the guard was waited for in vain")
        return self._moments.written[one] - lapsed_s

    def _guard(self) -> Guard:
        account = self._stage.hospital.kubeconfigs["guard"]
        leases = KubeLeases(Cluster(account, timeout_s=5.0), CLOCK, namespace=NAMESPACE)
        book = LeaseBook(CLOCK)
        routes = self._stage.routes("guard")
        hands = self._hands(ActorKind.GUARD, routes)
        return Guard(
            routes=routes, leases=leases, book=book, notifier=FakeNotifier(), clock=CLOCK,
            keeper=Keeper(leases, book, holder="guard", duration_s=LEASE_S),
            executor=ThreadPoolExecutor(8), hands_for=lambda _: hands, lease_s=LEASE_S,
            memory=FakeGuardMemory(),
        )  # fmt: skip

    def _bare(self, one: WardId) -> float:
        """One PUT of the ward's route under a new epoch, all on legacy."""
        observed = self._sentinel.get(one)
        note = Annotation(who="bench", why="bare")
        home = all_legacy(observed.route, epoch=observed.route.epoch + 1, annotation=note)
        body = self._sentinel._at(one, observed.resource_version)
        document = fenced.written(body, home, fenced.BACKENDS)
        began_s = CLOCK.monotonic()
        self._cluster.replace("bench", self._sentinel._kind, document)
        return CLOCK.monotonic() - began_s

    def _send_out(self, one: WardId) -> None:
        route: Route = self._stage.expose(one, NOTES)
        self._life.send_out(one, route.epoch)
        proof = self._stage.prove(route)
        assert hasattr(proof, "probes"), proof
        self._moments.written.pop(one, None)
        self._moments.proven.pop(one, None)

    def _post(self, wards: list[WardId]) -> None:
        alerts = [{"ward": one, "alertname": f"Bench{next(self._numbers)}"} for one in wards]
        said = {"Authorization": f"Bearer {self._token}"}
        message = json.dumps(door.message(*alerts)).encode()
        status, answer = door.post_to(self._port, message, said)
        assert status == 200, answer

    def _await_all(self, wards: set[WardId]) -> None:
        """The sentinel ticks meanwhile, as it does: a write that found no answer is begun again."""
        until_s = CLOCK.monotonic() + LIMIT_S
        while not self._are_home(wards, TICK_S):
            if CLOCK.monotonic() > until_s:
                raise RuntimeError("the bench waited in vain")
            self._watch.tick()

    def _are_home(self, wards: set[WardId], within_s: float) -> bool:
        return wait_until(
            lambda: wards <= self._moments.proven.keys(), timeout_s=within_s, every_s=0.002
        )


def _many(base: Plan) -> Plan:
    """A hundred wards, none of whose signals is read."""
    wards = tuple(ward(WardId(f"b{number}")) for number in range(AT_ONCE))
    return replace(base, wards=wards, signals=())


@contextmanager
def _looking(guard: Guard) -> Iterator[None]:
    """A guard at work, until the end also where that is an error."""
    stop = threading.Event()
    thread = threading.Thread(target=partial(_keep_looking, guard, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_looking(guard: Guard, stop: threading.Event) -> None:
    while not stop.is_set():
        guard.step()
        stop.wait(LEASE_S / 8)


def _await(condition: Any) -> None:
    if not wait_until(condition, timeout_s=LIMIT_S, every_s=0.002):
        raise RuntimeError("the bench waited in vain")


def _row(
    what: str, values: list[float], target_s: float | None, *, bare: float | None = None
) -> dict[str, Any]:
    tail = p99(values)
    return {
        "what": what,
        "n": len(values),
        "p50_ms": round(p50(values) * 1000, 1),
        "p99_ms": round(tail * 1000, 1),
        "target_p99_ms": None if target_s is None else round(target_s * 1000),
        "times_bare_p99": None if bare is None else round(tail / bare, 1),
        "most_times_bare": None if bare is None else MOST_TIMES_BARE,
    }
