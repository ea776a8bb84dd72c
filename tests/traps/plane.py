"""The practice gateway's own data plane before a hospital of fakes, on one clock with it.

Real HTTP, real probes, a real return: only time is the test's, so that nobody waits 40 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.prober import GatewayProber
from orchestrator.adapters.processes import free_port
from orchestrator.core import route as core
from orchestrator.web.pages import serve
from tests.property.world import World
from wards.practice.gateway.backend import Backend, Call, Failure
from wards.practice.gateway.dataplane import DataPlane
from wards.practice.gateway.requestlog import RequestLog
from wards.practice.gateway.route import Route, Rule, Spec, segments
from wards.practice.gateway.served import Served
from wards.practice.wire import EPOCH_HEADER, FALLBACK, LEGACY, SYSTEM_HEADER, SYSTEMS, WARD_HEADER

HOST = "127.0.0.1"
PATIENCE_S = 30.0


class Healthy(Backend):
    """A system that answers everything, and says who it is."""

    def __init__(self, system: str) -> None:
        super().__init__(f"http://{HOST}", timeout_s=1.0)
        self._system = system

    async def ask(self, call: Call) -> httpx2.Response | Failure:
        """An answer at once."""
        return httpx2.Response(200, headers={SYSTEM_HEADER: self._system}, content=b"{}")


class Plane:
    """One replica in this process, before the world's own routes."""

    def __init__(self, world: World, url: str, served: Served) -> None:
        self.url = url
        self.prober = GatewayProber([url], "", _prefixes(world), timeout_s=PATIENCE_S)
        self._served = served

    def behave(self, **settings: object) -> None:
        """From now on."""
        self._served.behave(replace(self._served.behaviour, **settings))  # type: ignore[arg-type]

    def ask(self, path: str, *wards: str) -> tuple[int, str | None, str | None]:
        """Status, system and epoch of the answer to a request that names these wards."""
        headers = [(WARD_HEADER, ward) for ward in wards]
        answer = httpx2.get(self.url + path, headers=headers, trust_env=False, timeout=PATIENCE_S)
        return (
            answer.status_code,
            answer.headers.get(SYSTEM_HEADER),
            answer.headers.get(EPOCH_HEADER),
        )


@contextmanager
def before(world: World, folder: Path) -> Iterator[Plane]:
    """The data plane serves what the world's routes say, and the world's probes go through it."""
    clock = world.clock
    first = [_as_served(world, one.route) for one in world.routes.all()]
    served = Served(first, clock=clock, replicas=1)  # type: ignore[arg-type]
    log = RequestLog(folder / "log.jsonl", clock)  # type: ignore[arg-type]
    backends = {system: Healthy(system) for system in SYSTEMS}
    plane = DataPlane(
        served.replicas[0],
        control=served,
        backends=backends,
        mirrors=backends,
        log=log,
        clock=clock,  # type: ignore[arg-type]
    )
    port = free_port()
    server = serve(Starlette(routes=[Mount("", app=plane)]), port, host=HOST)
    made = Plane(world, f"http://{HOST}:{port}", served)
    _attach(world, made, served)
    try:
        assert wait_until(lambda: server.started, timeout_s=PATIENCE_S)
        yield made
    finally:
        server.should_exit = True
        made.prober.close()
        log.close()


def _attach(world: World, plane: Plane, served: Served) -> None:
    written_by_the_fake = world.routes.replace

    def replaced(route: core.Route, *, resource_version: str) -> core.ObservedRoute:
        written = written_by_the_fake(route, resource_version=resource_version)
        served.hand_over(_as_served(world, written.route))
        return written

    world.routes.replace = replaced  # type: ignore[method-assign]
    world.prober.probe = plane.prober.probe  # type: ignore[method-assign]


def _as_served(world: World, route: core.Route) -> Route:
    prefixes = _prefixes(world)
    rules = [
        _rule(str(rule.slice_name), prefixes[rule.slice_name], rule.side.value, route.epoch)
        for rule in route.rules
    ]
    everything_else = _rule(FALLBACK, "/", LEGACY, route.epoch)
    return Route(
        spec=Spec(ward=route.ward, epoch=route.epoch, rules=(*rules, everything_else)),
        annotations={},
        generation=route.epoch,
        resource_version=str(route.epoch),
    )


def _rule(name: str, prefix: str, system: str, epoch: int) -> Rule:
    return Rule(
        name=name,
        path_prefix=prefix,
        segments=segments(prefix),
        backend=system,
        mirror=None,
        epoch=epoch,
    )


def _prefixes(world: World) -> dict[core.SliceName, str]:
    return {one.name: one.path_prefix for one in world.plan.slices}
