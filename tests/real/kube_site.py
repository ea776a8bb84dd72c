"""A control plane as a region has it: the fence, the accounts, a gateway that says what it can."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.kubernetes.documents import Backend, first_route, written
from orchestrator.core.ids import Side
from orchestrator.core.route import Route
from tests.real.kube_server import ApiError, KubeServer, kube_running
from wards.model import WardId

DEPLOYED = Path(__file__).parents[2] / "deploy" / "kubernetes" / "base"
NAMESPACE = "wardshift"
GATEWAY = "wards"
BACKENDS = {
    Side.LEGACY: Backend(name="ehr-legacy", port=80),
    Side.CANDIDATE: Backend(name="ehr-candidate", port=80),
}
FEATURES = ("HTTPRoute", "HTTPRouteResponseHeaderModification", "HTTPRouteRequestMirror")
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
CLASSES = "/apis/gateway.networking.k8s.io/v1/gatewayclasses"
FENCE_LIMIT_S = 30.0


@dataclass
class KubeSite:
    """A fenced control plane; tokens of the accounts that the manifests name."""

    server: KubeServer
    tokens: dict[str, str]

    def create_route(self, route: Route) -> dict[str, Any]:
        """A ward's first route, made by the administrator."""
        document = written(first_route(route.ward, GATEWAY, NAMESPACE), route, BACKENDS)
        return self.server.call("POST", ROUTES, document)

    def route(self, ward: WardId) -> dict[str, Any]:
        """A route as it is stored, asked without the code under test."""
        return self.server.call("GET", f"{ROUTES}/ward-{ward}")

    def grant(self, ward: WardId, epoch: int) -> None:
        """What the sentinel writes before a promotion."""
        found = self.route(ward)
        found["metadata"]["annotations"]["wardshift.io/granted"] = str(epoch)
        self.server.call("PUT", f"{ROUTES}/ward-{ward}", found, token=self.tokens["sentinel"])

    def kubeconfig(self, account: str) -> Path:
        """A kubeconfig of an account."""
        return self.server.kubeconfig(account, self.tokens[account])

    def say_features(self, names: Sequence[str]) -> None:
        """What the gateway's class says that it supports."""
        found = self.server.call("GET", f"{CLASSES}/practice")
        found["status"] = {
            "conditions": [],
            "supportedFeatures": [{"name": name} for name in sorted(names)],
        }
        self.server.call("PUT", f"{CLASSES}/practice/status", found)


@contextmanager
def kube_site(folder: Path, *, sync: bool = False) -> Iterator[KubeSite]:
    """A control plane with everything of the manifests that is ours, and one gateway."""
    with kube_running(folder, sync=sync) as server:
        server.apply_files([DEPLOYED / name for name in ("namespace.yaml", "rbac.yaml")])
        server.apply_files([DEPLOYED / "fence.yaml"])
        tokens = {name: server.service_account(name) for name in ("sentinel", "guard", "worker")}
        site = KubeSite(server=server, tokens=tokens)
        _install_gateway(site)
        _await_fence(site)
        yield site


def _install_gateway(site: KubeSite) -> None:
    version = "gateway.networking.k8s.io/v1"
    site.server.apply(
        {
            "apiVersion": version,
            "kind": "GatewayClass",
            "metadata": {"name": "practice"},
            "spec": {"controllerName": "wardshift.io/practice"},
        }
    )
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    site.server.apply(
        {
            "apiVersion": version,
            "kind": "Gateway",
            "metadata": {"name": GATEWAY, "namespace": NAMESPACE},
            "spec": {"gatewayClassName": "practice", "listeners": [listener]},
        }
    )
    site.say_features(FEATURES)


def _await_fence(site: KubeSite) -> None:
    """A policy takes effect a moment after it was made."""
    shapeless = first_route(WardId("fence"), GATEWAY, NAMESPACE)

    def is_refused() -> bool:
        with suppress(ApiError):
            site.server.call("POST", f"{ROUTES}?dryRun=All", shapeless)
            return False
        return True

    assert wait_until(is_refused, timeout_s=FENCE_LIMIT_S), "the fence takes no effect"
