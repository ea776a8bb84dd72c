"""A tool that applies manifests again and again next to us undoes no return and exposes nothing.

It writes as Argo CD and Flux do: server-side apply under a name of its own.
"""

import copy
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from orchestrator.adapters.kubernetes.client import FIELD_MANAGER, Cluster
from orchestrator.adapters.kubernetes.documents import observed
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.core.ids import Side
from orchestrator.core.route import Annotation, all_legacy, is_exposed
from tests.deploy.rendering import DEPLOY
from tests.real.kube_server import ApiError, read_documents
from tests.real.kube_site import BACKENDS, NAMESPACE, ROUTES, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
EXAMPLE = DEPLOY / "kubernetes" / "example-route.yaml"
_numbers = count(1)
Document = dict[str, Any]


def manifest(ward: WardId) -> Document:
    """The example, for a ward of this test."""
    text = EXAMPLE.read_text().replace("geriatrik-1", ward)
    (document,) = _documents(text)
    return document


def _documents(text: str) -> Iterator[Document]:
    from ruamel.yaml import YAML

    yield from YAML(typ="safe").load_all(text)


def sync(kube: KubeSite, document: Document, *, force: bool) -> Document:
    """What such a tool sends."""
    path = f"{ROUTES}/{document['metadata']['name']}?fieldManager=gitops&force={str(force).lower()}"
    return kube.server.call("PATCH", path, document, content_type="application/apply-patch+yaml")


@pytest.fixture
def ward(kube: KubeSite) -> WardId:
    """A ward whose first route such a tool has made."""
    name = WardId(f"gitops-{next(_numbers)}")
    sync(kube, manifest(name), force=True)
    return name


@pytest.fixture
def sentinel(kube: KubeSite) -> Iterator[KubeRoutes]:
    with closing(Cluster(kube.kubeconfig("sentinel"), timeout_s=10)) as cluster:
        yield KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)


def go_home(routes: KubeRoutes, ward: WardId, epoch: int) -> None:
    """A return as it is written."""
    seen = routes.get(ward)
    home = all_legacy(seen.route, epoch=epoch, annotation=Annotation(who="sentinel:a", why="slow"))
    routes.replace(home, resource_version=seen.resource_version)


def test_the_example_is_a_route_on_legacy(kube: KubeSite, ward: WardId) -> None:
    (example,) = read_documents(EXAMPLE)
    assert example["metadata"]["name"] == "ward-geriatrik-1"
    seen = observed(kube.route(ward), BACKENDS).route
    assert (seen.epoch, is_exposed(seen)) == (1, False)
    assert [(rule.slice_name, rule.side) for rule in seen.rules] == [("notes", Side.LEGACY)]


def test_what_we_wrote_is_ours_by_name(kube: KubeSite, ward: WardId, sentinel: KubeRoutes) -> None:
    go_home(sentinel, ward, 5)
    owners = {
        one["manager"]: one["fieldsV1"] for one in kube.route(ward)["metadata"]["managedFields"]
    }
    ours = owners[FIELD_MANAGER]
    assert "f:rules" in ours["f:spec"]
    assert "f:wardshift.io/epoch" in ours["f:metadata"]["f:annotations"]


def test_a_sync_that_does_not_force_is_told_whose_the_fields_are(
    kube: KubeSite, ward: WardId, sentinel: KubeRoutes
) -> None:
    go_home(sentinel, ward, 5)
    stored = kube.route(ward)
    with pytest.raises(ApiError, match=FIELD_MANAGER) as refused:
        sync(kube, manifest(ward), force=False)
    assert refused.value.status == 409
    assert kube.route(ward) == stored


@pytest.mark.parametrize("epoch", ["1", "5", "6"])
def test_a_sync_that_forces_an_exposed_route_is_refused_by_the_fence(
    kube: KubeSite, ward: WardId, sentinel: KubeRoutes, epoch: str
) -> None:
    go_home(sentinel, ward, 5)
    stored = kube.route(ward)
    exposed = manifest(ward)
    exposed["metadata"]["annotations"]["wardshift.io/epoch"] = epoch
    exposed["spec"]["rules"][0]["backendRefs"][0]["name"] = "ehr-candidate"
    for rule in exposed["spec"]["rules"]:
        for each in rule["filters"]:
            (kind,) = each.keys() - {"type"}
            each[kind]["set"][0]["value"] = epoch
    with pytest.raises(ApiError, match=r"denied request: (stale_epoch|no_grant): "):
        sync(kube, exposed, force=True)
    assert kube.route(ward) == stored


def test_a_sync_that_leaves_our_fields_out_changes_none_of_them(
    kube: KubeSite, ward: WardId, sentinel: KubeRoutes
) -> None:
    """What both tools send once they are told which fields to ignore."""
    go_home(sentinel, ward, 5)
    stored = kube.route(ward)
    rest = copy.deepcopy(manifest(ward))
    del rest["spec"]["rules"]
    rest["metadata"]["annotations"] = {"team": "network"}
    after = sync(kube, rest, force=True)
    assert after["spec"] == stored["spec"]
    kept = {
        key: value
        for key, value in stored["metadata"]["annotations"].items()
        if key.startswith("wardshift.io/")
    }
    assert kept.items() <= after["metadata"]["annotations"].items()
    assert after["metadata"]["annotations"]["team"] == "network"


def test_what_other_hands_wrote_beside_ours_stays(
    kube: KubeSite, ward: WardId, sentinel: KubeRoutes
) -> None:
    changed = manifest(ward)
    changed["metadata"]["annotations"]["team"] = "network"
    sync(kube, changed, force=True)
    go_home(sentinel, ward, 5)
    assert kube.route(ward)["metadata"]["annotations"]["team"] == "network"
    seen = sentinel.get(ward)
    assert replace(seen.route.annotation, run="") == Annotation(who="sentinel:a", why="slow")
