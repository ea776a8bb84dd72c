"""Whether the fence's policies stand, on a real API server of these tests' own: they take policies
away and put them back, and whoever writes a route right after it would find a gap.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.policies import INSIDE, OUTSIDE
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.errors import Unavailable
from tests.real.kube_site import BACKENDS, DEPLOYED, NAMESPACE, KubeSite, kube_site

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
Document = dict[str, Any]
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MADE_WEAK: Mapping[str, tuple[str, str, Document | None]] = {
    "unbound": ("DELETE", "validatingadmissionpolicybindings", None),
    "gone": ("DELETE", "validatingadmissionpolicies", None),
    "only warns": (
        "PATCH",
        "validatingadmissionpolicybindings",
        {"spec": {"validationActions": ["Warn"]}},
    ),
    "may fail": (
        "PATCH",
        "validatingadmissionpolicies",
        {"spec": {"failurePolicy": "Ignore"}},
    ),
    "has an exception": (
        "PATCH",
        "validatingadmissionpolicies",
        {"spec": {"matchConditions": [{"name": "not-mine", "expression": "false"}]}},
    ),
    "for some objects": (
        "PATCH",
        "validatingadmissionpolicies",
        {"spec": {"matchConstraints": {"objectSelector": {"matchLabels": {"some": "yes"}}}}},
    ),
    "for some namespaces": (
        "PATCH",
        "validatingadmissionpolicybindings",
        {"spec": {"matchResources": {"namespaceSelector": {"matchLabels": {"some": "yes"}}}}},
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeSite]:
    with kube_site(tmp_path_factory.mktemp("policies")) as made:
        yield made


@pytest.mark.parametrize("how", MADE_WEAK)
@pytest.mark.parametrize("name", [*INSIDE, *OUTSIDE])
def test_a_policy_that_does_not_stand_as_it_should_is_missed(
    site: KubeSite, name: str, how: str
) -> None:
    """By the sentinel's own account, whether or not what it tries is refused meanwhile."""
    method, kind, body = MADE_WEAK[how]
    with closing(Cluster(site.kubeconfig("sentinel"), timeout_s=10)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        assert routes.missing_rules() == ()
        path = f"{ADMISSION}/{kind}/{name}"
        site.server.call(method, path, body, content_type="application/merge-patch+json")
        try:
            assert routes.missing_rules() == (name,)
        finally:
            if body is not None:  # what another hand wrote is not taken back by an apply
                site.server.call("DELETE", path)
            site.server.apply_files([DEPLOYED / "fence.yaml"])
        assert routes.missing_rules() == ()


def test_who_may_not_look_does_not_say_that_all_stands(site: KubeSite) -> None:
    with closing(Cluster(site.kubeconfig("guard"), timeout_s=10)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        with pytest.raises(Unavailable, match="cannot get"):
            routes.missing_rules()


def test_every_policy_is_looked_at(site: KubeSite) -> None:
    listed = site.server.call("GET", f"{ADMISSION}/validatingadmissionpolicies")["items"]
    names = {one["metadata"]["name"] for one in listed}
    ours = {name for name in names if name.startswith("wardshift-")}
    assert ours == {*INSIDE, *OUTSIDE}
    bindings = site.server.call("GET", f"{ADMISSION}/validatingadmissionpolicybindings")["items"]
    denying = {one["spec"]["policyName"] for one in bindings
               if one["spec"]["validationActions"] == ["Deny"]}  # fmt: skip
    failing = {one["metadata"]["name"] for one in listed if one["spec"]["failurePolicy"] == "Fail"}
    assert ours <= denying & failing
