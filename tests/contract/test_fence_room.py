"""What the fence lets stand on a route must never be able to keep the ward from going home, nor
lead anybody elsewhere by another way than a rule's one backend."""

import copy
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any

import pytest

from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.documents import observed
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.core.route import MOST_EPOCH, RETURN_MARK, Annotation, exposed_slices
from orchestrator.core.state import WardState
from orchestrator.errors import Refused
from orchestrator.service.rollback import write_legacy
from tests.contract.bent_routes import epoch_of, forward
from tests.contract.test_fence import a_route, expose
from tests.fakes import FakeRoutes
from tests.real.kube_server import ApiError
from tests.real.kube_site import BACKENDS, NAMESPACE, ROUTES, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
Document = dict[str, Any]
_numbers = count(1)
HOME = Annotation(who="guard:test", why=f"{RETURN_MARK}test")
CANDIDATE = {"name": "ehr-candidate", "port": 80}


@pytest.fixture
def ward(kube: KubeSite) -> WardId:
    name = WardId(f"room-{next(_numbers)}")
    kube.create_route(a_route(name))
    return name


def put(kube: KubeSite, ward: WardId, changed: Document, account: str = "guard") -> None:
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}", changed, token=kube.tokens[account])


def returned(kube: KubeSite, ward: WardId, *, known_epoch: int = 0) -> tuple[Any, ...]:
    """What is still exposed after the guard's return."""
    with closing(Cluster(kube.kubeconfig("guard"), timeout_s=10)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        write_legacy(routes, WardState(ward=ward, epoch=known_epoch), HOME, is_fresh=False)
    return exposed_slices(observed(kube.route(ward), BACKENDS).route)


def stamps(document: Document) -> list[Document]:
    """The header changes of the first rule."""
    filters = document["spec"]["rules"][0]["filters"]
    return [one.get("requestHeaderModifier") or one["responseHeaderModifier"] for one in filters]


def last_epoch(document: Document) -> None:
    epoch_of(document, str(MOST_EPOCH))


def second_stamp(document: Document) -> None:
    epoch_of(document, "7")
    for each in stamps(document):
        each["set"].append({"name": "X-Wardshift-Epoch", "value": str(MOST_EPOCH)})


def added_stamp(document: Document) -> None:
    epoch_of(document, "7")
    for each in stamps(document):
        each["add"] = [{"name": "x-wardshift-epoch", "value": "1"}]


def removed_stamp(document: Document) -> None:
    epoch_of(document, "7")
    for each in stamps(document):
        each["remove"] = ["X-Wardshift-Epoch"]


def another_ward_s_name(document: Document) -> None:
    epoch_of(document, "7")
    stamps(document)[0]["set"].append({"name": "X-Ward", "value": "somebody-else"})


def sent_away(document: Document) -> None:
    epoch_of(document, "7")
    redirect = {"hostname": "candidate.example", "statusCode": 302}
    document["spec"]["rules"][1]["backendRefs"][0]["filters"] = [
        {"type": "RequestRedirect", "requestRedirect": redirect}
    ]


def rewritten(document: Document) -> None:
    epoch_of(document, "7")
    document["spec"]["rules"][1]["filters"].append(
        {"type": "URLRewrite", "urlRewrite": {"hostname": "candidate.example"}}
    )


def extended(document: Document) -> None:
    epoch_of(document, "7")
    reference = {"group": "example.com", "kind": "Filter", "name": "x"}
    document["spec"]["rules"][1]["filters"].append(
        {"type": "ExtensionRef", "extensionRef": reference}
    )


def mirrored(document: Document, *, to: Document = CANDIDATE, method: str = "") -> None:
    epoch_of(document, "7")
    rule = document["spec"]["rules"][1]
    rule["filters"].append({"type": "RequestMirror", "requestMirror": {"backendRef": to}})
    if method:
        rule["matches"][0]["method"] = method


def mirrored_elsewhere(document: Document) -> None:
    mirrored(document, to={"name": "somewhere", "port": 80}, method="GET")


def of_another_group(document: Document) -> None:
    epoch_of(document, "7")
    document["spec"]["rules"][1]["backendRefs"][0]["group"] = "serving.knative.dev"


def without_a_gateway(document: Document) -> None:
    epoch_of(document, "7")
    document["spec"].pop("parentRefs", None)


def at_another_gateway(document: Document) -> None:
    epoch_of(document, "7")
    document["spec"]["parentRefs"] = [{"name": "another"}]


def at_another_host(document: Document) -> None:
    epoch_of(document, "7")
    document["spec"]["hostnames"] = ["elsewhere.example"]


BENT: dict[str, tuple[Callable[[Document], None], str]] = {
    "no room for a return": (last_epoch, "no_room"),
    "a second stamp in capitals": (second_stamp, "odd_filter"),
    "a stamp added": (added_stamp, "odd_filter"),
    "the stamp removed": (removed_stamp, "odd_filter"),
    "the ward's name changed": (another_ward_s_name, "odd_filter"),
    "a backend that sends away": (sent_away, "unknown_backend"),
    "a backend of another group": (of_another_group, "unknown_backend"),
    "a rewritten address": (rewritten, "odd_filter"),
    "a filter that nobody knows": (extended, "odd_filter"),
    "every request mirrored": (mirrored, "odd_filter"),
    "reads mirrored elsewhere": (mirrored_elsewhere, "odd_filter"),
    "no gateway": (without_a_gateway, "other_gateway"),
    "another gateway": (at_another_gateway, "other_gateway"),
    "another host": (at_another_host, "other_gateway"),
}


@pytest.mark.parametrize("name", BENT)
def test_an_exposed_ward_s_route_takes_nothing_odd(kube: KubeSite, ward: WardId, name: str) -> None:
    bend, code = BENT[name]
    expose(kube, ward)
    stored = kube.route(ward)
    changed = copy.deepcopy(stored)
    bend(changed)
    with pytest.raises(ApiError) as refused:
        put(kube, ward, changed)
    assert f"denied request: {code}: " in refused.value.body["message"], refused.value.body
    assert kube.route(ward) == stored
    assert returned(kube, ward) == ()


def test_reads_are_mirrored_to_the_candidate(kube: KubeSite, ward: WardId) -> None:
    changed = kube.route(ward)
    mirrored(changed, method="GET")
    put(kube, ward, changed, "worker")


@pytest.mark.parametrize("known_epoch", [0, MOST_EPOCH, 10**30])
def test_whatever_the_record_claims_a_ward_returns(
    kube: KubeSite, ward: WardId, known_epoch: int
) -> None:
    expose(kube, ward)
    assert returned(kube, ward, known_epoch=known_epoch) == ()
    assert returned(kube, ward, known_epoch=known_epoch) == ()


def test_after_the_last_epoch_nothing_goes_forward(kube: KubeSite, ward: WardId) -> None:
    changed = kube.route(ward)
    last_epoch(changed)
    put(kube, ward, changed)
    changed = kube.route(ward)
    changed["spec"]["rules"][0]["backendRefs"][0]["name"] = "ehr-candidate"
    with pytest.raises(ApiError, match="stale_epoch"):
        put(kube, ward, changed, "worker")


def test_a_rule_by_pattern_keeps_nobody_from_going_home(kube: KubeSite, ward: WardId) -> None:
    """Somebody's own rule beside the slices; its paths are the fallback's after a return."""
    expose(kube, ward)
    changed = kube.route(ward)
    epoch_of(changed, "7")
    rule = copy.deepcopy(changed["spec"]["rules"][1])
    rule["name"] = "labs"
    rule["matches"][0]["path"] = {"type": "RegularExpression", "value": "/labs/[0-9]+(/x)?"}
    changed["spec"]["rules"].insert(0, rule)
    put(kube, ward, changed)
    assert returned(kube, ward) == ()


def test_a_grant_ends_with_whatever_is_written_after_it(kube: KubeSite, ward: WardId) -> None:
    """A return by a hand that leaves our words on the route: the worker that sleeps on its grant
    finds it worth nothing."""
    kube.grant(ward, 9)
    changed = kube.route(ward)
    epoch_of(changed, "7")
    put(kube, ward, changed)
    late = kube.route(ward)
    assert late["metadata"]["annotations"]["wardshift.io/granted"] == "9"
    forward(late)
    epoch_of(late, "9")
    with pytest.raises(ApiError, match="no_grant"):
        put(kube, ward, late, "worker")


def test_nobody_makes_an_old_grant_count_anew(kube: KubeSite, ward: WardId) -> None:
    kube.grant(ward, 9)
    changed = kube.route(ward)
    epoch_of(changed, "7")
    changed["metadata"]["annotations"]["wardshift.io/granted-at"] = "7"
    with pytest.raises(ApiError, match="not_yours"):
        put(kube, ward, changed, "worker")


def test_no_other_kind_of_route_leads_past_the_wards(kube: KubeSite) -> None:
    base = ROUTES.replace("httproutes", "grpcroutes")
    match = {"headers": [{"name": "x-ward", "value": "a"}]}
    document = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "beside"},
        "spec": {"rules": [{"matches": [match], "backendRefs": [CANDIDATE]}]},
    }
    with pytest.raises(ApiError, match="other_kind"):
        kube.server.call("POST", base, document)


def test_no_route_of_another_namespace_stands_before_the_wards(kube: KubeSite) -> None:
    """A longer path wins over a header, so it would take every ward's requests."""
    kube.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": "before"}})
    document = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "before"},
        "spec": {
            "parentRefs": [{"name": "wards", "namespace": NAMESPACE}],
            "rules": [
                {"matches": [{"path": {"type": "PathPrefix", "value": "/notes/a"}}],
                 "backendRefs": [CANDIDATE]}
            ],
        },
    }  # fmt: skip
    with pytest.raises(ApiError, match="second_route"):
        kube.server.call("POST", ROUTES.replace(NAMESPACE, "before"), document)


def test_a_route_from_before_the_fence_returns_to_its_fallback_alone() -> None:
    """Sixteen rules and no fallback: one more than an HTTPRoute takes."""

    class Full(FakeRoutes):
        def replace(self, route: Any, *, resource_version: str) -> Any:
            if len(route.rules) > 1:
                raise Refused("invalid", "too many rules")
            return super().replace(route, resource_version=resource_version)

    routes = Full([a_route(WardId("old"))])
    home = write_legacy(routes, WardState(ward=WardId("old")), HOME, is_fresh=False)
    assert home.route.rules == ()
    assert home.route.annotation == HOME
