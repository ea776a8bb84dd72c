"""The fence at the resource itself: whoever writes, and however (PUT, patch, apply)."""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.documents import observed, written
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import NO_GRANT, Annotation, Route, Rule, all_legacy, is_exposed
from orchestrator.errors import Conflict, Refused
from orchestrator.service.fence import breaches
from tests.contract.bent_routes import (
    BROKEN,
    EPOCH,
    FILTERED,
    PRETENDERS,
    WORD,
    Document,
    drill,
    epoch_of,
    forward,
    self_granted,
    without_the_word,
)
from tests.real.kube_server import ApiError
from tests.real.kube_site import BACKENDS, DEPLOYED, NAMESPACE, ROUTES, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
WHO = Annotation(who="test", why="made")
_numbers = count(1)


def a_route(ward: WardId, *, epoch: int = 5, notes: Side = Side.LEGACY) -> Route:
    names = {"notes": notes, "results": Side.LEGACY}
    rules = tuple(
        Rule(slice_name=SliceName(name), path_prefix=f"/{name}", side=side)
        for name, side in names.items()
    )
    return Route(ward=ward, epoch=epoch, rules=rules, annotation=WHO)


@pytest.fixture
def ward(kube: KubeSite) -> WardId:
    name = WardId(f"fence-{next(_numbers)}")
    kube.create_route(a_route(name))
    return name


def put(kube: KubeSite, path: str, changed: Document) -> None:
    kube.server.call("PUT", path, changed)


def merge_patch(kube: KubeSite, path: str, changed: Document) -> None:
    metadata = {key: changed["metadata"][key] for key in ("annotations", "labels")}
    body = {"metadata": metadata, "spec": changed["spec"]}
    kube.server.call("PATCH", path, body, content_type="application/merge-patch+json")


def json_patch(kube: KubeSite, path: str, changed: Document) -> None:
    parts = {"/spec": changed["spec"]} | {
        f"/metadata/{key}": changed["metadata"][key] for key in ("annotations", "labels")
    }
    body = [{"op": "replace", "path": key, "value": value} for key, value in parts.items()]
    kube.server.call("PATCH", path, body, content_type="application/json-patch+json")


def apply(kube: KubeSite, path: str, changed: Document) -> None:
    document = copy.deepcopy(changed)
    document["metadata"] = {
        key: document["metadata"][key] for key in ("name", "namespace", "labels", "annotations")
    }
    document.pop("status", None)
    kube.server.apply(document)


@pytest.mark.parametrize("write", [put, merge_patch, json_patch, apply])
@pytest.mark.parametrize("name", BROKEN)
def test_every_rule_is_refused_by_its_code_whoever_writes_and_however(
    kube: KubeSite, ward: WardId, name: str, write: Callable[..., None]
) -> None:
    breaks, code = BROKEN[name]
    stored = kube.route(ward)
    changed = copy.deepcopy(stored)
    breaks(changed)
    with pytest.raises(ApiError) as refused:
        write(kube, f"{ROUTES}/ward-{ward}", changed)
    assert f"denied request: {code}: " in refused.value.body["message"], refused.value.body
    assert kube.route(ward) == stored


@pytest.mark.parametrize("name", PRETENDERS)
def test_what_pretends_to_be_a_drill_counts_as_exposure(
    kube: KubeSite, ward: WardId, name: str
) -> None:
    """Where no fence stands, what is read at the route is still no drill."""
    pretender = kube.route(ward)
    PRETENDERS[name][0](pretender)
    seen = observed(pretender, BACKENDS).route
    assert is_exposed(seen)
    assert not seen.drill
    home = written(pretender, all_legacy(seen, epoch=9, annotation=WHO), BACKENDS)
    assert {one["backendRefs"][0]["name"] for one in home["spec"]["rules"]} == {"ehr-legacy"}


@pytest.mark.parametrize("name", FILTERED)
def test_a_filter_that_is_not_ours_counts_as_exposure(
    kube: KubeSite, ward: WardId, name: str
) -> None:
    """Where no fence stands, it is seen, and a return takes it away."""
    bent = kube.route(ward)
    FILTERED[name][0](bent)
    seen = observed(bent, BACKENDS).route
    assert is_exposed(seen)
    home = written(bent, all_legacy(seen, epoch=9, annotation=WHO), BACKENDS)
    assert not is_exposed(observed(home, BACKENDS).route)


@pytest.mark.parametrize("account", ["worker", "sentinel", "guard"])
def test_a_drill_needs_no_grant(kube: KubeSite, ward: WardId, account: str) -> None:
    changed = kube.route(ward)
    drill(changed)
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}", changed, token=kube.tokens[account])
    seen = observed(kube.route(ward), BACKENDS).route
    assert (seen.drill, is_exposed(seen)) == (WORD, False)


def test_a_drill_does_not_become_exposure_later(kube: KubeSite, ward: WardId) -> None:
    changed = kube.route(ward)
    drill(changed)
    put(kube, f"{ROUTES}/ward-{ward}", changed)
    stored = kube.route(ward)
    changed = copy.deepcopy(stored)
    epoch_of(changed, "7")
    without_the_word(changed["spec"]["rules"][-2])
    with pytest.raises(ApiError, match="no_grant"):
        put(kube, f"{ROUTES}/ward-{ward}", changed)
    assert kube.route(ward) == stored


def test_what_is_in_order_is_let_through(kube: KubeSite, ward: WardId) -> None:
    changed = kube.route(ward)
    epoch_of(changed, "6")
    put(kube, f"{ROUTES}/ward-{ward}", changed)
    assert kube.route(ward)["metadata"]["annotations"][EPOCH] == "6"


def test_the_annotation_cannot_be_taken_away(kube: KubeSite, ward: WardId) -> None:
    body = {"metadata": {"annotations": {EPOCH: None}}}
    with pytest.raises(ApiError, match="no_epoch"):
        kube.server.call(
            "PATCH", f"{ROUTES}/ward-{ward}", body, content_type="application/merge-patch+json"
        )


def test_a_second_route_for_a_ward_is_refused_in_every_namespace(
    kube: KubeSite, ward: WardId
) -> None:
    document = kube.route(ward)
    document["metadata"] = {"name": f"ward-{ward}-b", "labels": document["metadata"]["labels"],
                            "annotations": document["metadata"]["annotations"]}  # fmt: skip
    with pytest.raises(ApiError, match=r"not_a_ward|other_ward"):
        kube.server.call("POST", ROUTES, document)
    elsewhere_ns = f"elsewhere-{next(_numbers)}"
    kube.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": elsewhere_ns}})
    document["metadata"] = {"name": "mine"}
    with pytest.raises(ApiError, match="second_route"):
        kube.server.call("POST", ROUTES.replace(NAMESPACE, elsewhere_ns), document)
    for rule in document["spec"]["rules"]:
        rule["matches"] = [{"path": {"type": "Exact", "value": "/notes/fhir/Patient"}}]
    document["spec"]["parentRefs"] = [{"name": "wards"}]
    kube.server.call("POST", ROUTES.replace(NAMESPACE, elsewhere_ns), document)
    document["metadata"] = {"name": "on-the-wards-gateway"}
    document["spec"]["parentRefs"] = [{"name": "wards", "namespace": NAMESPACE}]
    with pytest.raises(ApiError, match="second_route"):
        kube.server.call("POST", ROUTES.replace(NAMESPACE, elsewhere_ns), document)


def test_a_grpc_route_is_a_second_route_too(kube: KubeSite, ward: WardId) -> None:
    header = {"type": "Exact", "name": "X-Ward", "value": ward}
    rule = {"matches": [{"headers": [header]}], "backendRefs": [{"name": "elsewhere", "port": 80}]}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": f"ward-{ward}", "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "another"}], "rules": [rule]},
    }
    with pytest.raises(ApiError, match="other_kind"):
        kube.server.call("POST", ROUTES.replace("httproutes", "grpcroutes"), route)


def test_a_route_is_not_made_exposed(kube: KubeSite) -> None:
    with pytest.raises(ApiError, match="no_grant"):
        kube.create_route(a_route(WardId(f"fence-{next(_numbers)}"), notes=Side.CANDIDATE))


def test_a_route_is_not_removed_under_an_exposed_ward(kube: KubeSite, ward: WardId) -> None:
    expose(kube, ward)
    with pytest.raises(ApiError, match="return the ward to legacy"):
        kube.server.call("DELETE", f"{ROUTES}/ward-{ward}")


@pytest.mark.parametrize("account", ["guard", "sentinel"])
def test_only_the_worker_goes_forward(kube: KubeSite, ward: WardId, account: str) -> None:
    kube.grant(ward, 6)
    changed = kube.route(ward)
    forward(changed)
    path = f"{ROUTES}/ward-{ward}"
    with pytest.raises(ApiError, match="no_grant"):
        kube.server.call("PUT", path, changed, token=kube.tokens[account])
    kube.server.call("PUT", path, changed, token=kube.tokens["worker"])


@pytest.mark.parametrize("account", ["guard", "worker"])
def test_only_the_sentinel_grants(kube: KubeSite, ward: WardId, account: str) -> None:
    changed = kube.route(ward)
    self_granted(changed)
    with pytest.raises(ApiError, match="not_yours"):
        kube.server.call("PUT", f"{ROUTES}/ward-{ward}", changed, token=kube.tokens[account])


@pytest.mark.parametrize("account", ["guard", "worker", "sentinel"])
def test_whoever_may_write_takes_a_grant_away(kube: KubeSite, ward: WardId, account: str) -> None:
    """The guard does so where the sentinel that gave it is dead."""
    kube.grant(ward, 7)
    with closing(Cluster(kube.kubeconfig(account), timeout_s=5.0)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        observed = routes.get(ward)
        assert observed.granted == 7
        left = routes.grant(ward, NO_GRANT, resource_version=observed.resource_version)
        assert not left.granted


def test_an_exposed_slice_may_stay_while_another_returns(kube: KubeSite, ward: WardId) -> None:
    expose(kube, ward)
    changed = kube.route(ward)
    epoch_of(changed, "7")
    changed["metadata"]["annotations"]["wardshift.io/why"] = "giving up"
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}", changed, token=kube.tokens["guard"])


def expose(kube: KubeSite, ward: WardId) -> None:
    """The ward's notes go to the candidate under epoch 6."""
    kube.grant(ward, 6)
    changed = kube.route(ward)
    forward(changed)
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}", changed, token=kube.tokens["worker"])


def test_two_controllers_that_fight_never_promote_past_a_return(
    kube: KubeSite, ward: WardId
) -> None:
    """Workers that re-read after each lost race and write their old intent again, against a guard
    that returns: once the return is written, no old intent ever lands."""
    config = {name: kube.kubeconfig(name) for name in ("worker", "guard", "sentinel")}
    returned, landed = threading.Event(), threading.Event()
    landed_late: list[int] = []
    with (
        closing(Cluster(config["worker"], timeout_s=10)) as worker,
        closing(Cluster(config["guard"], timeout_s=10)) as guard,
        closing(Cluster(config["sentinel"], timeout_s=10)) as sentinel,
    ):
        forth, back, grants = (
            KubeRoutes(each, BACKENDS, namespace=NAMESPACE) for each in (worker, guard, sentinel)
        )

        def promote(epoch: int) -> None:
            tries_after_the_return = 0
            while tries_after_the_return < 5:
                is_late = returned.is_set()
                tries_after_the_return += is_late
                observed = forth.get(ward)
                try:
                    seen = grants.get(ward)
                    if not is_late:
                        grants.grant(ward, epoch, resource_version=seen.resource_version)
                    observed = forth.get(ward)
                    wanted = a_route(ward, epoch=epoch, notes=Side.CANDIDATE)
                    forth.replace(wanted, resource_version=observed.resource_version)
                except (Conflict, Refused):
                    continue
                landed.set()
                if is_late:
                    landed_late.append(epoch)

        def go_back() -> None:
            landed.wait(60)  # there is something to return from, and the others go on
            for _ in range(200):
                observed = back.get(ward)
                home = all_legacy(observed.route, epoch=100, annotation=replace(WHO, why="home"))
                try:
                    back.replace(home, resource_version=observed.resource_version)
                except Conflict:
                    continue
                returned.set()
                return

        with ThreadPoolExecutor(5) as pool:
            promotions = [pool.submit(promote, epoch) for epoch in (6, 7, 8, 9)]
            pool.submit(go_back).result()
            for one in promotions:
                one.result()
        assert landed.is_set()
        assert returned.is_set()
        assert not landed_late
        final = back.get(ward)
        assert not is_exposed(final.route)
        assert final.route.epoch == 100


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_the_proof_finds_the_fence_standing_and_changes_nothing(
    kube: KubeSite, ward: WardId, is_mirrored: bool
) -> None:
    if is_mirrored:
        plain = a_route(ward, epoch=6)
        rules = tuple(replace(rule, mirrored=True) for rule in plain.rules)
        document = written(kube.route(ward), replace(plain, rules=rules), BACKENDS)
        put(kube, f"{ROUTES}/ward-{ward}", document)
    stored = kube.route(ward)
    for account in ("sentinel", "worker"):
        with closing(Cluster(kube.kubeconfig(account), timeout_s=10)) as cluster:
            routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
            assert breaches(routes, routes.get(ward)) == ()
    assert kube.route(ward) == stored


def test_without_its_binding_the_fence_is_found_open(kube: KubeSite, ward: WardId) -> None:
    base = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    with closing(Cluster(kube.kubeconfig("worker"), timeout_s=10)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        kube.server.call("DELETE", f"{base}/wardshift-fence")
        try:
            assert wait_until(lambda: len(breaches(routes, routes.get(ward))) == 3, timeout_s=30)
        finally:
            kube.server.apply_files([DEPLOYED / "fence.yaml"])
        assert wait_until(lambda: not breaches(routes, routes.get(ward)), timeout_s=30)
