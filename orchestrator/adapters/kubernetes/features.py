"""What the gateway behind a route can do, by its class's own word.

Source: Gateway API, GatewayClass.status.supportedFeatures; design section 7.
"""

import threading
from collections.abc import Mapping

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.kubernetes.client import Cluster, Kind
from orchestrator.adapters.kubernetes.documents import Document
from orchestrator.errors import Refused, Unavailable

GROUP = "gateway.networking.k8s.io"
PORT = "gateway"
STAMP = "HTTPRouteResponseHeaderModification"
MIRROR = "HTTPRouteRequestMirror"
NEEDED_FOR: Mapping[str, str] = {
    STAMP: "stamp the epoch into answers, so no switch could ever be proven",
    MIRROR: "mirror reads; feed the candidate by legacy's exports and take `mirrored` out",
}
KEPT_S = 60.0
_clock = SystemClock()


class Features:
    """Supported features by gateway, asked again after a minute. Thread-safe."""

    def __init__(self, cluster: Cluster, *, namespace: str) -> None:
        self._cluster = cluster
        self._gateways = Kind(group=GROUP, version="v1", plural="gateways", namespace=namespace)
        self._classes = Kind(group=GROUP, version="v1", plural="gatewayclasses", namespace="")
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def check(self, route: Document, *, mirrors: bool) -> None:
        """Raises: Refused("unsupported_filter") when a gateway of the route does not say that it
        knows a filter that would be written; Unavailable when it cannot be asked."""
        needed = (STAMP, MIRROR) if mirrors else (STAMP,)
        for gateway in _parents(route):
            supported = self._of(gateway)
            for feature in needed:
                if feature not in supported:
                    raise Refused(
                        "unsupported_filter",
                        f"gateway {gateway} does not say that it supports {feature}: it could "
                        f"not {NEEDED_FOR[feature]}",
                    )

    def _of(self, gateway: str) -> frozenset[str]:
        with self._lock:
            known = self._known.get(gateway)
        if known is not None and _clock.monotonic() - known[0] < KEPT_S:
            return known[1]
        found = self._asked(gateway)
        with self._lock:
            self._known[gateway] = (_clock.monotonic(), found)
        return found

    def _asked(self, gateway: str) -> frozenset[str]:
        try:
            spec = self._cluster.read(PORT, self._gateways, gateway)["spec"]
            found = self._cluster.read(PORT, self._classes, spec["gatewayClassName"])
            listed = found.get("status", {}).get("supportedFeatures") or ()
            return frozenset(one["name"] for one in listed)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable(PORT, f"gateway {gateway} does not say what it can do") from error


def _parents(route: Document) -> tuple[str, ...]:
    refs = route["spec"].get("parentRefs") or ()
    names = tuple(str(ref["name"]) for ref in refs if ref.get("kind", "Gateway") == "Gateway")
    if not names:
        raise Refused("no_gateway", "the route is attached to no gateway")
    return names
