"""A practice gateway that follows a real API server, and every hand that moves a ward there."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.adapters.prober import GatewayProber
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.plan import ProofPolicy
from orchestrator.core.route import Annotation, Route, all_legacy
from orchestrator.errors import Conflict
from orchestrator.service.switch import NotYet, Proof, prove
from tests.fakes import put_exposed
from wards.model import WardId
from wards.practice.cluster import fenced
from wards.practice.cluster.control_plane import NAMESPACE, ControlPlane
from wards.practice.cluster.fenced import BACKENDS, ROUTES
from wards.practice.gateway.httproute import says
from wards.practice.hospital import Hospital
from wards.practice.wire import SLICES

WHO = Annotation(who="test", why="made")
CLOCK = SystemClock()
PREFIXES = {SliceName(name): f"/{name}" for name in SLICES}
NOTES, VITALS = SliceName("notes"), SliceName("vitals")
PATIENCE_S = 30.0
_numbers = itertools.count(1)


class Stage:
    """One hospital on a cluster; each test uses wards of its own."""

    def __init__(self, hospital: Hospital) -> None:
        assert hospital.cluster is not None
        self.hospital = hospital
        self.plane: ControlPlane = hospital.cluster
        self.prober = GatewayProber(
            hospital.addresses["gateway_urls"],
            hospital.addresses["gateway_admin_url"],
            PREFIXES,
            timeout_s=2.0,
        )

    def new_ward(self) -> WardId:
        """A ward whose route every replica serves, and whose status says so."""
        ward = WardId(f"trap-{next(_numbers)}")
        fenced.create_route(self.plane, fenced.all_by_name(ward, epoch=1))
        self.eventually(lambda: self.sees(ward) == {("legacy", "1")})
        self.eventually(lambda: self.says_done(ward))  # the status is a write of its own
        return ward

    def routes(self, account: str, *, timeout_s: float = 2.0) -> KubeRoutes:
        """The routes port as an account."""
        cluster = Cluster(self.hospital.kubeconfigs[account], timeout_s=timeout_s)
        return KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)

    def expose(self, ward: WardId, *slices: SliceName, mirrored: bool = False) -> Route:
        """Grant as the sentinel, write as the worker: both want the same version."""
        worker, sentinel = self.routes("worker"), self.routes("sentinel")

        class Both:
            get = worker.get
            grant = sentinel.grant
            replace = worker.replace

        observed = worker.get(ward).route
        rules = tuple(
            self._rule(rule, rule.slice_name in slices, mirrored) for rule in observed.rules
        )
        wanted = Route(ward=ward, epoch=observed.epoch + 1, rules=rules, annotation=WHO)
        return self._put(lambda: put_exposed(Both(), wanted).route)  # type: ignore[arg-type]

    def send_home(self, ward: WardId) -> Route:
        """Return it as the guard."""
        guard = self.routes("guard")

        def write() -> Route:
            observed = guard.get(ward)
            home = all_legacy(observed.route, epoch=observed.route.epoch + 1, annotation=WHO)
            return guard.replace(home, resource_version=observed.resource_version).route

        return self._put(write)

    def prove(self, route: Route, *, deadline_s: float = PATIENCE_S) -> Proof | NotYet:
        """Through the data plane, as everything that moves a ward does."""
        policy = ProofPolicy(probes=3, every_s=0.05, deadline_s=deadline_s)
        return prove(self.prober, CLOCK, policy, route, route.ward)

    def ask(self, ward: str, path: str = "/notes/fhir/metadata", **more: Any) -> httpx2.Response:
        """One request as that ward; `replica`, `method`."""
        replica, method = more.pop("replica", 0), more.pop("method", "GET")
        url = self.hospital.addresses["gateway_urls"][replica] + path
        headers = {"x-ward": ward}
        with httpx2.Client(trust_env=False, timeout=PATIENCE_S) as client:
            return client.request(method, url, headers=headers, **more)

    def sees(self, ward: WardId, path: str = "/notes/fhir/metadata") -> set[tuple[Any, Any]]:
        """(system, epoch) as each replica answers; (None, status) where none does."""
        answers = [self.ask(ward, path, replica=number) for number in range(2)]
        return {
            (answer.headers["x-ehr-system"], answer.headers["x-wardshift-epoch"])
            if answer.is_success
            else (None, answer.status_code)
            for answer in answers
        }

    def stored(self, ward: WardId) -> dict[str, Any]:
        """The HTTPRoute as it is stored."""
        return self.plane.call("GET", f"{ROUTES}/ward-{ward}")

    def told(self, ward: WardId) -> dict[str, tuple[str, int]]:
        """What the route's status says: condition -> (status, observed generation)."""
        return {kind: (status, seen) for kind, status, seen in says(self.stored(ward))}

    def says_done(self, ward: WardId) -> bool:
        """Whether the status claims that the newest generation is accepted and resolved."""
        told, newest = self.told(ward), self.stored(ward)["metadata"]["generation"]
        return told == {"Accepted": ("True", newest), "ResolvedRefs": ("True", newest)}

    def health(self) -> int:
        """What the gateway's health page answers."""
        url = self.hospital.addresses["gateway_admin_url"]
        return httpx2.get(f"{url}/healthz", trust_env=False).status_code

    def open_on_candidate(self, ward: WardId) -> int | None:
        """Counted by the gateway."""
        return self.prober.open_on(ward, Side.CANDIDATE)

    def eventually(self, condition: Callable[[], bool]) -> None:
        """Poll in real time."""
        assert wait_until(condition, timeout_s=PATIENCE_S, every_s=0.05)

    def _rule(self, rule: Any, candidate: bool, mirrored: bool) -> Any:
        side = Side.CANDIDATE if candidate else Side.LEGACY
        return replace(rule, side=side, mirrored=mirrored)

    def _put(self, write: Callable[[], Route]) -> Route:
        """The gateway writes its status into the same object: a lost race is decided again."""
        for _ in range(10):
            try:
                return write()
            except Conflict:
                continue
        return write()
