"""A small world for interleavings: real services over fakes, with crashes between effects.

A crash is a BaseException that no service catches; the actor that met it is thrown away
and made anew, as a supervisor would, with nothing but what was on disk.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from orchestrator.core.event import Actor, Draft, Entry, StageEntered
from orchestrator.core.ids import ActorKind
from orchestrator.core.plan import Plan
from orchestrator.core.reading import SourceDown, Value
from orchestrator.core.route import Annotation, desired_route, is_exposed
from orchestrator.core.state import ProgrammeState, fold
from orchestrator.core.threshold import Limit
from orchestrator.service.advance import Climber, Did
from orchestrator.service.desk import Desk
from orchestrator.service.draining import DrainWatch
from orchestrator.service.drill import Driller, Leftovers, patience_s
from orchestrator.service.fence import FenceWatch
from orchestrator.service.follow import Follower
from orchestrator.service.gateways import GatewayWatch
from orchestrator.service.guard import Guard
from orchestrator.service.leases import Keeper, LeaseBook
from orchestrator.service.record import Book
from orchestrator.service.rollback import Hands, roll_back
from orchestrator.service.scribe import Scribe
from orchestrator.service.sentinel import Sentinel
from orchestrator.service.watch import TickReport, Watch
from tests.fakes import FakeClock, FakeGuardMemory, FakeLeases, FakeNotifier, FakeProber, FakeRoutes
from tests.fakes_ledger import FakeJournal, FakeLedger
from tests.plans import FIRST, LEGACY_UP, plan

How = Literal["before", "after", "in_flight", "preempted"]
EFFECTS = frozenset({"replace", "grant", "put", "append", "write", "settle"})


class Crash(BaseException):
    """kill -9, here."""


class Fuse:
    """Counts effects of one actor. At the one it is set to: the process dies before it, dies
    after it, dies while the effect is still on its way and lands later, or is preempted."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.how: How = "before"
        self.meanwhile: Callable[[], None] | None = None
        self.in_flight: list[Callable[[], Any]] = []

    def arm(self, effects: int, how: "How", meanwhile: Callable[[], None] | None = None) -> None:
        self.left, self.how, self.meanwhile = effects, how, meanwhile

    def through(self, call: Callable[[], Any]) -> Any:
        if self.left is None:
            return call()
        self.left -= 1
        if self.left > 0:
            return call()
        self.left = None
        return self._now(call)

    def _now(self, call: Callable[[], Any]) -> Any:
        match self.how:
            case "preempted":
                if self.meanwhile is not None:
                    self.meanwhile()
                return call()
            case "after":
                call()
            case "in_flight":
                self.in_flight.append(call)
            case "before":
                pass
        raise Crash

    def land(self) -> None:
        """What a dead process had sent arrives now."""
        from orchestrator.errors import WardshiftError

        for call in self.in_flight:
            with suppress(WardshiftError):
                call()
        self.in_flight.clear()


class Fused:
    """A port whose effects go through a fuse."""

    def __init__(self, port: Any, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in EFFECTS:
            return method
        return lambda *args, **kwargs: self._fuse.through(lambda: method(*args, **kwargs))


class InlineExecutor(Executor):
    """Runs at once, so that an interleaving is what the test says it is."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class NullGauges:
    """Shows nothing."""

    def ticked(self, report: TickReport, *, exposed: int, blind: int) -> None: ...

    def active(self, *, is_active: bool) -> None: ...

    def lease(self, ward: str, age_s: float) -> None: ...

    def legacy(self, ward: str, *, is_ready: bool) -> None: ...

    def detected(self, after_s: float) -> None: ...


class MemoryReplica:
    """A replica file that outlives its process."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []

    def load(self) -> tuple[Entry, ...]:
        return tuple(self.kept)

    def extend(self, entries: Iterable[Entry]) -> None:
        self.kept.extend(entry for entry in entries if entry.seq > len(self.kept))


class World:
    """One hospital: the ward, the processes around it, and what is true of them."""

    def __init__(self, made: Plan | None = None) -> None:
        made = made or plan()
        self.plan = replace(
            made, signals=tuple(s for s in made.signals if isinstance(s.threshold, Limit))
        )
        self.clock = FakeClock()
        self.routes = FakeRoutes(self._first_routes())
        self.leases = FakeLeases()
        self.ledger = FakeLedger()
        self.prober = FakeProber(self.routes)
        self.notifier = FakeNotifier()
        self.numbers: dict[str, float | None] = {s.name: 0.0 for s in self.plan.signals}
        self.numbers[LEGACY_UP] = 1.0
        self.journals: list[FakeJournal] = []
        self._folded = ProgrammeState()
        self.sentinels = [SentinelProcess(self, "a"), SentinelProcess(self, "b")]
        self.guards = [GuardProcess(self, "g")]
        self.flows = [FlowProcess(self, "f1"), FlowProcess(self, "f2")]
        self.desk = Desk(
            plan=self.plan,
            plan_hash="h",
            book=Book(self.ledger),
            scribe=self.scribe(ActorKind.PERSON, "cso"),
        )

    def _first_routes(self) -> tuple[Any, ...]:
        return tuple(
            desired_route(
                self.plan,
                ward.id,
                None,
                epoch=1,
                annotation=Annotation(who="person:test", why="new"),
            )
            for ward in self.plan.wards
        )

    def scribe(self, kind: ActorKind, name: str, fuse: Fuse | None = None) -> Scribe:
        journal = FakeJournal()
        self.journals.append(journal)
        port = journal if fuse is None else Fused(journal, fuse)
        return Scribe(
            port, self.clock, actor=Actor(kind=kind, name=name), plan_hash="h", code_version="t"
        )

    def hands(self, scribe: Scribe, routes: Any) -> Hands:
        return Hands(
            routes=routes,
            prober=self.prober,
            scribe=scribe,
            clock=self.clock,
            proof=self.plan.policy.proof,
        )

    def drain(self) -> None:
        for journal in self.journals:
            pending = journal.pending()
            if pending:
                self.ledger.append(pending)
                journal.settle(draft.id for draft in pending)

    def journalled(self) -> list[Draft]:
        """What the journals hold for the ledger, in order of time."""
        return sorted((d for j in self.journals for d in j.pending()), key=lambda d: d.at)

    def read_all(self, signals: Any, wards: Any, *, deadline_s: float) -> Any:
        return {
            (ward, signal.name): self._reading(signal.name) for ward in wards for signal in signals
        }

    def _reading(self, name: str) -> Any:
        number = self.numbers[name]
        return SourceDown(reason="lost") if number is None else Value(number=number, n=9, age_s=0.0)

    def state(self) -> ProgrammeState:
        """What the ledger and every journal together say; the truth of the record."""
        entries = self.ledger.kept()
        state = self._folded = fold(entries[self._folded.head :], self._folded)
        pending = self.journalled()
        seen = {entry.draft.id for entry in entries} if pending else set()
        from orchestrator.core.state import apply

        for draft in (d for d in pending if d.id not in seen):
            state = apply(state, draft)
        return state

    def exposed(self) -> bool:
        return is_exposed(self.routes.get_quietly(FIRST).route)

    def epoch(self) -> int:
        return self.routes.get_quietly(FIRST).route.epoch

    def drafts(self) -> tuple[Draft, ...]:
        pending = tuple(d for j in self.journals for d in j.pending())
        return (*(entry.draft for entry in self.ledger.kept()), *pending)


class SentinelProcess:
    """A sentinel that can crash and is started again with its replica."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.replica = MemoryReplica()
        self.is_busy = False
        self.fuse = Fuse()
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        world, fuse = self.world, self.fuse
        fuse.left = None
        routes, leases = Fused(world.routes, fuse), Fused(world.leases, fuse)
        scribe = world.scribe(ActorKind.SENTINEL, self.name, fuse)
        self.follower = Follower(
            Fused(world.ledger, fuse),
            world.clock,
            replica=self.replica,
            drain=world.drain,
            every_s=1.0,
            journalled=world.journalled,
        )
        scribe.listen(self.follower.add)
        watch = Watch(
            plan=world.plan,
            hands=world.hands(scribe, routes),
            readers=world,
            record=self.follower,
            notifier=world.notifier,
            executor=InlineExecutor(),
        )
        book = LeaseBook(world.clock)
        holder = f"{self.name}{self.starts}"
        lease_s = world.plan.policy.lease_s
        self.sentinel = Sentinel(
            fence=FenceWatch(world.routes, world.routes, world.clock, InlineExecutor()),
            gateways=GatewayWatch(
                FakeProber(world.routes),
                world.clock,
                InlineExecutor(),
                lambda _asked, _failed: None,
            ),
            drains=DrainWatch(world.prober, scribe, world.clock, InlineExecutor()),
            watch=watch,
            leases=leases,
            keeper=Keeper(leases, book, holder=holder, duration_s=lease_s),
            book=book,
            gauges=NullGauges(),
            clock=world.clock,
            lease_s=lease_s,
            plan_hash="h",
            leftovers=Leftovers(
                plan=world.plan,
                routes=routes,
                scribe=scribe,
                clock=world.clock,
                patience_s=patience_s(world.plan.policy.proof.deadline_s),
            ),
        )

    def turn(self) -> None:
        if self.is_busy:  # its own return is sleeping; on real threads it would not tick itself
            return
        self.is_busy = True
        try:
            self.follower.round()
            self.sentinel.step()
        except Crash:
            self.start()
        finally:
            self.is_busy = False


class GuardProcess:
    """A guard that can crash."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.memory = FakeGuardMemory()
        self.fuse = Fuse()
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        world, fuse = self.world, self.fuse
        fuse.left = None
        routes, leases = Fused(world.routes, fuse), Fused(world.leases, fuse)
        scribe = world.scribe(ActorKind.GUARD, self.name, fuse)
        book = LeaseBook(world.clock)
        lease_s = world.plan.policy.lease_s
        self.guard = Guard(
            routes=routes,
            leases=leases,
            keeper=Keeper(leases, book, holder=f"{self.name}{self.starts}", duration_s=lease_s),
            book=book,
            notifier=world.notifier,
            clock=world.clock,
            executor=InlineExecutor(),
            hands_for=lambda _route: world.hands(scribe, routes),
            lease_s=lease_s,
            memory=self.memory,
        )

    def turn(self) -> None:
        try:
            self.guard.step()
        except Crash:
            self.start()


class FlowProcess:
    """A ward's flow run that can crash and begins again at line 1."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.fuse = Fuse()
        self.did: list[Did] = []
        self.start()

    def start(self) -> None:
        world, fuse = self.world, self.fuse
        fuse.left = None
        self.scribe = world.scribe(ActorKind.FLOW, self.name, fuse)
        self.routes = Fused(world.routes, fuse)
        self.climber = Climber(
            fence=world.routes,
            plan=world.plan,
            plan_hash="h",
            book=Book(Fused(world.ledger, fuse)),
            routes=self.routes,
            leases=Fused(world.leases, fuse),
            lease_book=LeaseBook(world.clock),
            prober=world.prober,
            clock=world.clock,
            scribe=self.scribe,
        )
        self.driller = Driller(
            plan=world.plan,
            plan_hash="h",
            book=Book(Fused(world.ledger, fuse)),
            hands=world.hands(self.scribe, self.routes),
        )

    def turn(self) -> None:
        from orchestrator.errors import WardshiftError

        try:
            step = self.climber.step(FIRST)
            self.did.append(step.did)
            if step.wants_drill:
                self.driller.drill(FIRST)
                self.world.drain()
        except WardshiftError:
            return
        except Crash:
            self.start()

    def roll_back(self, cause: Any) -> None:
        state = self.world.state().ward(FIRST)
        try:
            roll_back(self.world.hands(self.scribe, self.routes), state, cause, is_fresh=True)
        except Crash:
            self.start()


def entered_stages(world: World) -> list[str]:
    """The stages that the ledger says were entered, in order."""
    return [
        entry.draft.happening.stage
        for entry in world.ledger.kept()
        if isinstance(entry.draft.happening, StageEntered)
    ]
