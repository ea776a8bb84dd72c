"""A control plane as a region has it: the fence, the accounts, a gateway that says what it can."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.kubernetes.documents import Backend, first_route, written
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import Annotation, Route, Rule
from orchestrator.errors import Unavailable
from wards.model import WardId
from wards.practice.cluster.control_plane import NAMESPACE, ApiError, ControlPlane
from wards.practice.wire import SLICES

DEPLOYED = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes" / "base"
MANIFESTS = ("namespace.yaml", "rbac.yaml", "fence.yaml")
OWN = Path(__file__).with_name("manifests.yaml")
GATEWAY = "wards"
CLASS = "practice"
FEATURES = (
    "HTTPRoute",
    "HTTPRouteMethodMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteResponseHeaderModification",
)
BACKENDS = {
    Side.LEGACY: Backend(name="ehr-legacy", port=80),
    Side.CANDIDATE: Backend(name="ehr-candidate", port=80),
}
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
CLASSES = "/apis/gateway.networking.k8s.io/v1/gatewayclasses"
FENCE_LIMIT_S = 60.0
CONFLICT = 409


def install(plane: ControlPlane) -> None:
    """The manifests of a region and of a practice hospital; returns behind a fence that refuses.

    Raises: Unavailable.
    """
    if not DEPLOYED.is_dir():
        raise Unavailable("kubernetes", f"{DEPLOYED} is not there: run this from a source checkout")
    try:
        plane.apply_files([DEPLOYED / name for name in MANIFESTS])
        plane.apply_files([OWN])
        say_features(plane, FEATURES)
    except ApiError as error:
        raise Unavailable("kubernetes", f"a manifest was refused: {error}") from error
    _await_fence(plane)


def say_features(plane: ControlPlane, names: Sequence[str]) -> None:
    """What the gateway's class says that it supports. Raises: ApiError."""
    found = plane.call("GET", f"{CLASSES}/{CLASS}")
    found["status"] = {
        "conditions": [],
        "supportedFeatures": [{"name": name} for name in sorted(names)],
    }
    plane.call("PUT", f"{CLASSES}/{CLASS}/status", found)


def create_routes(plane: ControlPlane, wards: Iterable[str], *, epoch: int) -> None:
    """Every ward's first route, made by the administrator; one that is there stays as it is.

    Raises: Unavailable.
    """
    for ward in wards:
        try:
            create_route(plane, all_by_name(WardId(ward), epoch=epoch))
        except ApiError as error:
            if error.status != CONFLICT:
                raise Unavailable("kubernetes", f"the route of {ward}: {error}") from error


def create_route(plane: ControlPlane, route: Route) -> Any:
    """One route, made by the administrator. Raises: ApiError."""
    document = written(first_route(route.ward, GATEWAY, NAMESPACE), route, BACKENDS)
    return plane.call("POST", ROUTES, document)


def all_by_name(ward: WardId, *, epoch: int) -> Route:
    """The route with which a ward begins: every slice by name, all on legacy."""
    rules = tuple(
        Rule(slice_name=SliceName(name), path_prefix=f"/{name}", side=Side.LEGACY)
        for name in SLICES
    )
    annotation = Annotation(who="practice hospital", why="first route")
    return Route(ward=ward, epoch=epoch, rules=rules, annotation=annotation)


def _await_fence(plane: ControlPlane) -> None:
    """A policy takes effect a moment after it was made."""
    shapeless = first_route(WardId("fence"), GATEWAY, NAMESPACE)

    def is_refused() -> bool:
        with suppress(ApiError):
            plane.call("POST", f"{ROUTES}?dryRun=All", shapeless)
            return False
        return True

    if not wait_until(is_refused, timeout_s=FENCE_LIMIT_S):
        raise Unavailable("kubernetes", "the fence takes no effect")
