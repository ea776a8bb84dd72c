"""A fenced control plane as a region has it, with hands to look and to act as any account."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.route import Route
from tests.real.kube_server import KubeServer, kube_running
from wards.model import WardId
from wards.practice.cluster import fenced
from wards.practice.cluster.control_plane import NAMESPACE
from wards.practice.cluster.fenced import BACKENDS, DEPLOYED, FEATURES, GATEWAY, ROUTES

__all__ = [
    "BACKENDS",
    "DEPLOYED",
    "FEATURES",
    "GATEWAY",
    "NAMESPACE",
    "ROUTES",
    "KubeSite",
    "kube_site",
]


@dataclass
class KubeSite:
    """A fenced control plane; tokens of the accounts that the manifests name."""

    server: KubeServer
    tokens: dict[str, str]

    def create_route(self, route: Route) -> dict[str, Any]:
        """A ward's first route, made by the administrator."""
        return fenced.create_route(self.server, route)

    def route(self, ward: WardId) -> dict[str, Any]:
        """A route as it is stored, asked without the code under test."""
        return self.server.call("GET", f"{ROUTES}/ward-{ward}")

    def grant(self, ward: WardId, epoch: int) -> None:
        """What the sentinel writes before a promotion."""
        found = self.route(ward)
        notes = found["metadata"]["annotations"]
        notes["wardshift.io/granted"] = str(epoch)
        notes["wardshift.io/granted-at"] = notes["wardshift.io/epoch"]
        self.server.call("PUT", f"{ROUTES}/ward-{ward}", found, token=self.tokens["sentinel"])

    def kubeconfig(self, account: str) -> Path:
        """A kubeconfig of an account."""
        return self.server.kubeconfig(account, self.tokens[account])

    def say_features(self, names: Sequence[str]) -> None:
        """What the gateway's class says that it supports."""
        fenced.say_features(self.server, names)


@contextmanager
def kube_site(folder: Path, *, sync: bool = False) -> Iterator[KubeSite]:
    """A control plane with everything of the manifests that is ours, and one gateway."""
    with kube_running(folder, sync=sync) as server:
        fenced.install(server)
        accounts = ("sentinel", "guard", "worker", "gateway")
        yield KubeSite(
            server=server, tokens={name: server.service_account(name) for name in accounts}
        )
