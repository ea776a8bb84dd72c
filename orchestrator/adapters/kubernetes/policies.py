"""The parts of the fence that are against other people's objects: looked for, as nobody of ours may
write those objects even to try.

Whether the rules in them still say what they should is not compared: a region may change them.
Source: design rule 4; `deploy/kubernetes/base/fence.yaml`.
"""

from orchestrator.adapters.kubernetes.client import Cluster, Kind
from orchestrator.adapters.kubernetes.documents import Document
from orchestrator.errors import Refused, Unavailable

PORT = "fence"
GROUP = "admissionregistration.k8s.io"
POLICIES = Kind(group=GROUP, version="v1", plural="validatingadmissionpolicies", namespace="")
BINDINGS = Kind(group=GROUP, version="v1", plural="validatingadmissionpolicybindings", namespace="")
LOOKED_FOR = ("wardshift-one-route", "wardshift-keep", "wardshift-one-kind")


class Policies:
    """The admission policies that stand beside the one that is tried out. Thread-safe."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def missing(self) -> tuple[str, ...]:
        """See ports.Fence. Raises: Unavailable, also when they may not be looked at."""
        return tuple(name for name in LOOKED_FOR if not self._stands(name))

    def _stands(self, name: str) -> bool:
        try:
            return self._judges(name) and self._denies(name)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable(PORT, f"the policy {name} was not understood") from error

    def _judges(self, name: str) -> bool:
        spec = self._spec(POLICIES, name)
        return bool(spec.get("validations")) and spec.get("failurePolicy", "Fail") == "Fail"

    def _denies(self, name: str) -> bool:
        spec = self._spec(BINDINGS, name)
        return spec.get("policyName") == name and "Deny" in spec.get("validationActions", ())

    def _spec(self, kind: Kind, name: str) -> Document:
        """Empty when the object is not there."""
        try:
            return self._cluster.read(PORT, kind, name)["spec"]
        except Refused:  # of a read: it is not there
            return {}
