"""Whether the fence's policies are there and bound as they should be: looked at, as three of them
are against other people's objects, which nobody of ours may write even to try.

What their rules say is not compared: a region may change names in them. What `wardshift-fence`
refuses is tried out besides. Source: design rule 4; `deploy/kubernetes/base/fence.yaml`.
"""

from collections.abc import Mapping
from typing import Any

from orchestrator.adapters.kubernetes.client import Cluster, Kind
from orchestrator.adapters.kubernetes.documents import Document
from orchestrator.errors import Refused, Unavailable

PORT = "fence"
GROUP = "admissionregistration.k8s.io"
POLICIES = Kind(group=GROUP, version="v1", plural="validatingadmissionpolicies", namespace="")
BINDINGS = Kind(group=GROUP, version="v1", plural="validatingadmissionpolicybindings", namespace="")
INSIDE = ("wardshift-fence", "wardshift-keep", "wardshift-one-kind")  # of the wards' namespace
OUTSIDE = ("wardshift-one-route",)  # of every other one
NAMESPACE_NAME = "kubernetes.io/metadata.name"
# What takes something out of what a policy or its binding is for.
EXCEPTIONS = ("matchConditions", "paramKind", "paramRef")
NARROWER = ("objectSelector", "excludeResourceRules")


class Policies:
    """The admission policies around the routes of one namespace. Thread-safe."""

    def __init__(self, cluster: Cluster, *, namespace: str) -> None:
        self._cluster = cluster
        self._selectors: Mapping[str, Document] = {
            **{name: {"matchLabels": {NAMESPACE_NAME: namespace}} for name in INSIDE},
            **{name: _all_but(namespace) for name in OUTSIDE},
        }

    def missing_rules(self) -> tuple[str, ...]:
        """See ports.Fence. Raises: Unavailable, also when they may not be looked at."""
        return tuple(name for name in self._selectors if not self._stands(name))

    def _stands(self, name: str) -> bool:
        try:
            return self._judges(name) and self._denies(name)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable(PORT, f"the policy {name} was not understood") from error

    def _judges(self, name: str) -> bool:
        spec = self._spec(POLICIES, name)
        matches = spec.get("matchConstraints") or {}
        return (
            bool(spec.get("validations"))
            and spec.get("failurePolicy", "Fail") == "Fail"
            and _is_whole(spec, matches)
            and not matches.get("namespaceSelector")
        )

    def _denies(self, name: str) -> bool:
        spec = self._spec(BINDINGS, name)
        matches = spec.get("matchResources") or {}
        return (
            spec.get("policyName") == name
            and "Deny" in spec.get("validationActions", ())
            and _is_whole(spec, matches)
            and not matches.get("resourceRules")
            and matches.get("namespaceSelector") == self._selectors[name]
        )

    def _spec(self, kind: Kind, name: str) -> Document:
        """Empty when the object is not there."""
        try:
            return self._cluster.read(PORT, kind, name)["spec"]
        except Refused:  # of a read: it is not there
            return {}


def _is_whole(spec: Mapping[str, Any], matches: Mapping[str, Any]) -> bool:
    """Whether nothing is taken out of what it is for."""
    return not any(spec.get(one) for one in EXCEPTIONS) and not any(
        matches.get(one) for one in NARROWER
    )


def _all_but(namespace: str) -> Document:
    other = {"key": NAMESPACE_NAME, "operator": "NotIn", "values": [namespace]}
    return {"matchExpressions": [other]}
