"""The routes port on the cluster: one HTTPRoute a ward, replaced whole, fenced by admission.

What is decided on is read anew each time, and written as it was read: whether it is still so, the
API server compares. The picture of all routes may come from a watch (`follow`), as long as the
watch shows signs of life; else it is read too.
Before a filter is written, the gateway's class must say that it knows it: one that does not
answers every request with an error, whatever the route's status says (measured).
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import structlog

from orchestrator.adapters.kubernetes.client import Cluster, Kind
from orchestrator.adapters.kubernetes.documents import (
    WARD_LABEL,
    Backends,
    Document,
    granting,
    observed,
    route_name,
    version_of,
    written,
)
from orchestrator.adapters.kubernetes.features import Features
from orchestrator.adapters.kubernetes.picture import Picture
from orchestrator.adapters.kubernetes.policies import Policies
from orchestrator.core.route import ObservedRoute, Route, is_forward
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from wards.model import WardId

log = structlog.get_logger()
PORT = "routes"
STATUS_RACES = 5  # lost to the gateway's own status, before a race is called lost
# More at once make none of them sooner, and each so slow that it is given up and sent again: a
# hundred wards are written in turns. Who waited for longer than a healthy write takes waits for
# writes that hang, perhaps for as long as they are sent again, and is written without a turn.
WRITES_AT_ONCE = 16
TURN_WITHIN_S = 2.0
LABELS = WARD_LABEL  # the one that the fence insists on; any other may be changed by any tool
GATEWAY_GROUP = "gateway.networking.k8s.io"


class KubeRoutes:
    """The routes port. Thread-safe."""

    def __init__(self, cluster: Cluster, backends: Backends, *, namespace: str) -> None:
        self._cluster = cluster
        self._backends = backends
        self._kind = Kind(
            group=GATEWAY_GROUP, version="v1", plural="httproutes", namespace=namespace
        )
        self._features = Features(cluster, namespace=namespace)
        self._policies = Policies(cluster, namespace=namespace)
        self._picture: Picture | None = None
        self._said: set[str] = set()
        self._decided_on: dict[WardId, Document] = {}  # a ward's route as `get` read it last
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(WRITES_AT_ONCE)

    def follow(self) -> None:
        """Keep a picture of all routes by a watch from now on, on a thread of its own."""
        if self._picture is None:
            self._picture = Picture(self._cluster, self._kind, LABELS)
            self._picture.start()

    def close(self) -> None:
        """End the watch; the connections are the cluster's."""
        if self._picture is not None:
            self._picture.stop()

    def all(self) -> tuple[ObservedRoute, ...]:
        """Every ward's route that can be understood: one that cannot is said, and hides no other.

        Raises: Unavailable, also when none of several is understood.
        """
        items = None if self._picture is None else self._picture.now()
        if items is None:
            items = tuple(self._cluster.list(PORT, self._kind, LABELS).get("items") or ())
        understood = tuple(one for one in map(self._observed_or_said, items) if one is not None)
        if items and not understood:
            raise Unavailable(PORT, "none of its routes makes sense")
        return understood

    def get(self, ward: WardId) -> ObservedRoute:
        """One ward's route, read now. Raises: Unavailable; Refused("no_route")."""
        document = self._read(ward)
        route = self._understood(document)
        self._decided_on[ward] = document
        return route

    def grant(self, ward: WardId, epoch: int, *, resource_version: str) -> ObservedRoute:
        """Allow one forward write under that epoch. It takes no turn: the thread that gives grants
        has leases to renew. Raises: as `replace`."""
        base = self._base(ward, resource_version)
        return self._write(base, ward, lambda base: granting(base, epoch))

    def replace(self, route: Route, *, resource_version: str) -> ObservedRoute:
        """Replace the whole route at once.

        Raises: Conflict; Refused ("stale_epoch", "no_route", "unsupported_filter", or the
            policy's own code); Unavailable when nothing was sent or taken; Indeterminate.
        """
        base = self._base(route.ward, resource_version)
        adds = is_forward(self._understood(base).route, route) or bool(route.drill)
        if adds or _is_mirrored(route):
            self._features.check(base, mirrors=_is_mirrored(route))
        with self._turn():
            return self._write(base, route.ward, lambda base: written(base, route, self._backends))

    def try_out(self, route: Route, *, resource_version: str) -> None:
        """See ports.Fence: a server-side dry run, which asks every admission policy."""
        base = self._at(route.ward, resource_version)
        body = written(base, route, self._backends)
        self._cluster.replace(PORT, self._kind, body, dry_run=True)

    def missing_rules(self) -> tuple[str, ...]:
        """See ports.Fence."""
        return self._policies.missing_rules()

    def _base(self, ward: WardId, resource_version: str) -> Document:
        """The document that was decided on, without asking for it again where it is the one that
        was read last. Raises: Conflict when it is another by now."""
        read = self._decided_on.get(ward)
        if read is not None and version_of(read) == resource_version:
            return read
        return self._at(ward, resource_version)

    def _at(self, ward: WardId, resource_version: str) -> Document:
        """The document that is to be replaced. Raises: Conflict when it is another by now."""
        base = self._read(ward)
        found = version_of(base)
        if found != resource_version:
            raise Conflict(f"route {ward}", expected=resource_version, found=found)
        return base

    def _write(
        self, base: Document, ward: WardId, change: Callable[[Document], Document]
    ) -> ObservedRoute:
        """Write what was decided on that document. A gateway that wrote its status into the object
        meanwhile took the race and nothing of the decision: then the same is written once more."""
        for _ in range(STATUS_RACES):
            try:
                return self._put(ward, change(base))
            except Conflict:
                again = self._at(ward, version_of(base))
                if _object_version(again) == _object_version(base):
                    raise  # it was no status that made the difference
                base = again
        return self._put(ward, change(base))

    @contextmanager
    def _turn(self) -> Generator[None]:
        is_ours = self._turns.acquire(timeout=TURN_WITHIN_S)
        try:
            yield
        finally:
            if is_ours:
                self._turns.release()

    def _put(self, ward: WardId, body: Document) -> ObservedRoute:
        try:
            answer = self._cluster.replace(PORT, self._kind, body)
        except Refused as error:
            if error.code == "not_found":
                raise _no_route(ward) from error
            raise
        try:
            return observed(answer, self._backends)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Indeterminate(PORT, "PUT (the answer makes no sense)") from error

    def _read(self, ward: WardId) -> Document:
        try:
            return self._cluster.read(PORT, self._kind, route_name(ward))
        except Refused as error:
            raise _no_route(ward) from error

    def _understood(self, document: Document) -> ObservedRoute:
        try:
            return observed(document, self._backends)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"the route {_name(document)} was not understood ({type(error).__name__})"
            raise Unavailable(PORT, problem) from error

    def _observed_or_said(self, document: Document) -> ObservedRoute | None:
        try:
            return self._understood(document)
        except Unavailable as error:
            log.error("route.not_understood", route=_name(document), problem=str(error))
            return None


def _object_version(document: Document) -> str:
    return str(document["metadata"]["resourceVersion"])


def _is_mirrored(route: Route) -> bool:
    return any(rule.mirrored for rule in route.rules)


def _name(document: Any) -> str:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"


def _no_route(ward: WardId) -> Refused:
    return Refused("no_route", f"{ward} has no route in the cluster; create it before the rollout")
