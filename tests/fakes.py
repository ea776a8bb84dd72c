"""In-memory ports with faults on demand. Each one's contract tests also run on the real thing.

`fail_next(error)`: the next call raises before any effect. `apply_then_fail_next(error)`:
the next effect happens and its answer is lost. `down`: nothing answers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from orchestrator.core.ids import Side, SignalName, SliceName
from orchestrator.core.placing import Notice
from orchestrator.core.plan import Signal
from orchestrator.core.reading import Reading, SourceDown
from orchestrator.core.route import ObservedRoute, Route, diff, is_forward
from orchestrator.errors import Conflict, Refused, Unavailable, WardshiftError
from orchestrator.ports import AlertAnswer, LeaseRecord, Page, ProbeAnswer, Remembered, Routes
from wards.model import WardId


class FakeClock:
    """Stands still until it is advanced; `meanwhile` is called whenever somebody sleeps."""

    def __init__(self, start: datetime = datetime(2027, 3, 1, 6, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0
        self.meanwhile: Callable[[], None] | None = None

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        hook, self.meanwhile = self.meanwhile, None
        if hook is not None:
            hook()
            self.meanwhile = hook

    def advance(self, seconds: float) -> None:
        """Both clocks go on."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._now += timedelta(seconds=seconds)


class Faults:
    """What every fake can be told to do wrong."""

    def __init__(self) -> None:
        self.down = False
        self._before: list[WardshiftError] = []
        self._after: list[WardshiftError] = []

    def fail_next(self, error: WardshiftError) -> None:
        self._before.append(error)

    def apply_then_fail_next(self, error: WardshiftError) -> None:
        self._after.append(error)

    def check(self, port: str) -> None:
        if self.down:
            raise Unavailable(port, "down")
        if self._before:
            raise self._before.pop(0)

    def answer(self) -> None:
        if self._after:
            raise self._after.pop(0)


class FakeRoutes(Faults):
    """Compare-and-set and fence exactly as the gateway has them."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        super().__init__()
        self._versions = count(1)
        self._kept = {route.ward: self._versioned(route) for route in routes}
        self.before_write: Callable[[Route], None] | None = None
        self.writes: list[Route] = []
        self.fence_is_open = False
        self.rules_gone: tuple[str, ...] = ()

    def all(self) -> tuple[ObservedRoute, ...]:
        self.check("routes")
        return tuple(self._kept.values())

    def get(self, ward: WardId) -> ObservedRoute:
        self.check("routes")
        return self.get_quietly(ward)

    def get_quietly(self, ward: WardId) -> ObservedRoute:
        """As it is, whatever is down."""
        if ward not in self._kept:
            raise Refused("no_route", f"{ward} has no route")
        return self._kept[ward]

    def lose(self, ward: WardId) -> None:
        """Somebody takes the ward's route away."""
        del self._kept[ward]

    def replace(self, route: Route, *, resource_version: str) -> ObservedRoute:
        self.check("routes")
        if self.before_write is not None:
            hook, self.before_write = self.before_write, None
            hook(route)
        kept = self._judged(route, resource_version)
        if route != kept.route:
            self._kept[route.ward] = self._versioned(route)
        self.writes.append(route)
        self.answer()
        return self._kept[route.ward]

    def try_out(self, route: Route, *, resource_version: str) -> None:
        self.check("routes")
        self._judged(route, resource_version)

    def missing_rules(self) -> tuple[str, ...]:
        self.check("routes")
        return self.rules_gone

    def _judged(self, route: Route, resource_version: str) -> ObservedRoute:
        if self.fence_is_open:
            return self.get_quietly(route.ward)
        kept = self.get_quietly(route.ward)
        if route.epoch < kept.route.epoch:
            raise _stale(kept.route, route)
        if kept.resource_version != resource_version:
            raise Conflict("the route", expected=resource_version, found=kept.resource_version)
        if route.epoch == kept.route.epoch and diff(kept.route, route):
            raise _stale(kept.route, route)
        if is_forward(kept.route, route) and kept.granted != route.epoch:
            raise Refused("no_grant", f"{route.ward}: granted is {kept.granted}")
        return kept

    def grant(self, ward: WardId, epoch: int, *, resource_version: str) -> ObservedRoute:
        self.check("routes")
        kept = self.get_quietly(ward)
        if kept.resource_version != resource_version:
            raise Conflict("the route", expected=resource_version, found=kept.resource_version)
        self._kept[ward] = replace(self._versioned(kept.route), granted=epoch)
        self.answer()
        return self._kept[ward]

    def _versioned(self, route: Route) -> ObservedRoute:
        return ObservedRoute(route=route, resource_version=str(next(self._versions)))


def put_exposed(routes: Routes, route: Route) -> ObservedRoute:
    """Grant and write a route, as sentinel and worker do between them."""
    observed = routes.get(route.ward)
    granted = routes.grant(route.ward, route.epoch, resource_version=observed.resource_version)
    return routes.replace(route, resource_version=granted.resource_version)


def _stale(kept: Route, wanted: Route) -> Refused:
    return Refused("stale_epoch", f"epoch {wanted.epoch} is not after {kept.epoch}")


class FakeLeases(Faults):
    """Leases with versions."""

    def __init__(self) -> None:
        super().__init__()
        self._versions = count(1)
        self._kept: dict[str, LeaseRecord] = {}

    def all(self) -> tuple[LeaseRecord, ...]:
        self.check("leases")
        return tuple(self._kept.values())

    def put(
        self,
        name: str,
        *,
        holder: str,
        duration_s: float,
        transitions: int,
        notes: Mapping[str, str],
        resource_version: str,
    ) -> LeaseRecord:
        self.check("leases")
        kept = self._kept.get(name)
        found = "" if kept is None else kept.resource_version
        if found != resource_version:
            raise Conflict(f"lease {name}", expected=resource_version, found=found)
        self._kept[name] = LeaseRecord(
            name=name,
            holder=holder,
            duration_s=duration_s,
            transitions=transitions,
            notes=dict(notes),
            resource_version=str(next(self._versions)),
        )
        self.answer()
        return self._kept[name]


class FakeGuardMemory:
    """Keeps what it is given, as a disk does that outlives its process."""

    def __init__(self) -> None:
        self._kept: Remembered | None = None

    def load(self) -> Remembered | None:
        return self._kept

    def save(self, known: Remembered) -> None:
        self._kept = known


class FakeSource:
    """Gives the readings that it was given; what it was not given is down."""

    def __init__(self, readings: Mapping[tuple[WardId, SignalName], Reading]) -> None:
        self.readings = dict(readings)

    def read(
        self, signals: Sequence[Signal], wards: Sequence[WardId]
    ) -> Mapping[tuple[WardId, SignalName], Reading]:
        down = SourceDown(reason="not given")
        return {
            (ward, signal.name): self.readings.get((ward, signal.name), down)
            for ward in wards
            for signal in signals
        }


class FakeAlertSource(Faults):
    """Has the alerts that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: Sequence[Notice] = ()
        self.gaps = ""

    def read(self) -> AlertAnswer:
        self.check("alerts")
        return AlertAnswer(notices=tuple(self.notices), gaps=self.gaps)


class FakeProber:
    """Answers from the routes as a gateway would that is never late, unless `stuck` says so."""

    def __init__(self, routes: FakeRoutes) -> None:
        self._routes = routes
        self.stuck: Route | None = None
        self.silent = False
        self.open: dict[tuple[WardId, Side], int] = {}

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        route = self.stuck or self._routes.get_quietly(ward).route
        is_drilled = bool(drill) and route.drill == drill
        sides = {
            rule.slice_name: Side.CANDIDATE if is_drilled else rule.side for rule in route.rules
        }
        answers = (self._answer(name, sides.get(name), route.epoch) for name in slices)
        return tuple(answers)

    def open_on(self, ward: WardId, side: Side) -> int | None:
        return None if self.silent else self.open.get((ward, side), 0)

    def _answer(self, name: SliceName, side: Side | None, epoch: int) -> ProbeAnswer:
        answer = ProbeAnswer(
            gateway="gateway-0", slice_name=name, side=side, epoch=epoch, took_ms=1.0
        )
        if self.silent or side is None:
            return replace(answer, side=None, epoch=None, problem="no answer")
        return answer


class FakeNotifier:
    """Keeps the pages."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    def page(self, page: Page) -> None:
        self.pages.append(page)
