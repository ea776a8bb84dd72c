"""What each account may do, found out by acting as it. What is refused is refused by RBAC (403
before any policy is asked) or by the fence; the same call by who may is let through beside it.
"""

import copy
import json
import ssl
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.contract.test_fence import a_route, epoch_of, expose, forward, self_granted
from tests.real.kube_server import ApiError
from tests.real.kube_site import ROUTES, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ACCOUNTS = ("sentinel", "guard", "worker")
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
OURS = "/api/v1/namespaces/wardshift"
OTHER = "deploy-elsewhere"
PATCH = "application/merge-patch+json"
NOTHING: Mapping[str, Any] = {"metadata": {"labels": {"touched": "yes"}}}
MUST_NOT: Mapping[str, tuple[str, str, Any]] = {
    "remove the fence": ("DELETE", f"{POLICIES}/wardshift-fence", None),
    "change the fence": (
        "PATCH",
        f"{POLICIES}/wardshift-fence",
        {"spec": {"failurePolicy": "Ignore"}},
    ),
    "unbind the fence": (
        "DELETE",
        f"{BINDINGS}/wardshift-fence",
        None,
    ),
    "turn the fence into a warning": (
        "PATCH",
        f"{BINDINGS}/wardshift-fence",
        {"spec": {"validationActions": ["Warn"]}},
    ),
    "let exposed routes be removed": (
        "DELETE",
        f"{BINDINGS}/wardshift-keep",
        None,
    ),
    "let a second route be made": (
        "DELETE",
        f"{POLICIES}/wardshift-one-route",
        None,
    ),
    "take the namespace out of the fence": ("PATCH", OURS, NOTHING),
    "remove the namespace": ("DELETE", OURS, None),
    "list the cluster's policies": ("GET", POLICIES, None),
    "read another's policy": ("GET", f"{POLICIES}/any", None),
    "read a secret": ("GET", f"{OURS}/secrets/ledger", None),
    "list secrets": ("GET", f"{OURS}/secrets", None),
    "take another account's token": (
        "POST",
        f"{OURS}/serviceaccounts/sentinel/token",
        {"spec": {"expirationSeconds": 600}},
    ),
    "start a pod as another account": (
        "POST",
        f"{OURS}/pods",
        {
            "metadata": {"name": "disguise"},
            "spec": {
                "serviceAccountName": "sentinel",
                "containers": [{"name": "one", "image": "wardshift"}],
            },
        },
    ),
    "enter a pod": ("POST", f"{OURS}/pods/any/exec?command=id", None),
    "give itself more": (
        "PATCH",
        f"{RBAC}/namespaces/wardshift/roles/wardshift-switch",
        {"rules": []},
    ),
    "bind itself to more": (
        "POST",
        f"{RBAC}/namespaces/wardshift/rolebindings",
        {
            "metadata": {"name": "more"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "cluster-admin"},
            "subjects": [],
        },
    ),
    "make a route": ("POST", ROUTES, {"metadata": {"name": "ward-new"}}),
    "remove a route": ("DELETE", f"{ROUTES}/ward-none", None),
    "patch a route": ("PATCH", f"{ROUTES}/ward-none", NOTHING),
    "remove a lease": (
        "DELETE",
        "/apis/coordination.k8s.io/v1/namespaces/wardshift/leases/sentinel",
        None,
    ),
    "change settings": ("POST", f"{OURS}/configmaps", {"metadata": {"name": "site"}}),
    "change the network's rules": (
        "DELETE",
        "/apis/networking.k8s.io/v1/namespaces/wardshift/networkpolicies/deny",
        None,
    ),
    "scale the guard away": (
        "PATCH",
        "/apis/apps/v1/namespaces/wardshift/deployments/guard",
        {"spec": {"replicas": 0}},
    ),
    "change the gateway": (
        "PATCH",
        ROUTES.replace("httproutes", "gateways/wards"),
        NOTHING,
    ),
    "look at another namespace's routes": ("GET", ROUTES.replace("wardshift", OTHER), None),
    "look at every namespace's routes": (
        "GET",
        "/apis/gateway.networking.k8s.io/v1/httproutes",
        None,
    ),
    "write leases of another namespace": (
        "POST",
        f"/apis/coordination.k8s.io/v1/namespaces/{OTHER}/leases",
        {"metadata": {"name": "ward-1"}},
    ),
}  # fmt: skip
_numbers = count(1)


@pytest.fixture(scope="module")
def elsewhere(kube: KubeSite) -> str:
    """Another namespace."""
    kube.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": OTHER}})
    return OTHER


@pytest.fixture
def ward(kube: KubeSite) -> WardId:
    name = WardId(f"account-{next(_numbers)}")
    kube.create_route(a_route(name))
    return name


@pytest.mark.parametrize("what", MUST_NOT)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_none_of_ours_may_do(kube: KubeSite, elsewhere: str, account: str, what: str) -> None:
    method, path, body = MUST_NOT[what]
    kind = PATCH if method == "PATCH" else "application/json"
    with pytest.raises(ApiError) as refused:
        kube.server.call(method, path, body, token=kube.tokens[account], content_type=kind)
    assert refused.value.status == 403, refused.value
    assert refused.value.body["reason"] == "Forbidden"
    assert f'User "system:serviceaccount:wardshift:{account}" cannot' in str(refused.value)


def test_the_refused_calls_are_calls_that_somebody_may_make(kube: KubeSite, elsewhere: str) -> None:
    """Asked of the administrator nothing of it is forbidden; only dry runs, so nothing happens."""
    for method, path, body in MUST_NOT.values():
        is_dry = method != "GET" and "exec" not in path and "token" not in path
        kind = PATCH if method == "PATCH" else "application/json"
        try:
            kube.server.call(method, f"{path}?dryRun=All" if is_dry else path, body,
                             content_type=kind)  # fmt: skip
        except ApiError as error:
            assert "cannot" not in str(error), error
            assert error.status in (400, 403, 404, 409, 422), error


@pytest.mark.parametrize("account", ACCOUNTS)
def test_each_returns_a_ward(kube: KubeSite, ward: WardId, account: str) -> None:
    expose(kube, ward)
    home = returned(kube, ward)
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}", home, token=kube.tokens[account])


@pytest.mark.parametrize(("account", "may"), [("sentinel", True), ("guard", True),
                                              ("worker", False)])  # fmt: skip
def test_only_those_who_look_all_the_time_follow_the_routes(
    kube: KubeSite, account: str, may: bool
) -> None:
    path = f"{ROUTES}?watch=true&timeoutSeconds=1"
    assert status_of(kube, "GET", path, token=kube.tokens[account]) == (200 if may else 403)


@pytest.mark.parametrize("kind", [POLICIES, BINDINGS])
@pytest.mark.parametrize(("account", "status"), [("sentinel", 200), ("guard", 403),
                                                 ("worker", 403)])  # fmt: skip
def test_the_sentinel_alone_sees_whether_the_policies_stand(
    kube: KubeSite, account: str, status: int, kind: str
) -> None:
    path = f"{kind}/wardshift-fence"
    assert status_of(kube, "GET", path, token=kube.tokens[account]) == status


class TestAPerson:
    """Somebody whom the region's identity provider puts into the group wardshift-operations."""

    def test_returns_a_ward(self, kube: KubeSite, ward: WardId) -> None:
        expose(kube, ward)
        answer = as_person(kube, "PUT", f"{ROUTES}/ward-{ward}", returned(kube, ward))
        assert answer[0] == 200, answer

    def test_does_not_promote_even_with_a_grant(self, kube: KubeSite, ward: WardId) -> None:
        kube.grant(ward, 6)
        changed = kube.route(ward)
        forward(changed)
        status, said = as_person(kube, "PUT", f"{ROUTES}/ward-{ward}", changed)
        assert status == 422
        assert "denied request: no_grant" in said

    def test_does_not_grant(self, kube: KubeSite, ward: WardId) -> None:
        changed = kube.route(ward)
        self_granted(changed)
        status, said = as_person(kube, "PUT", f"{ROUTES}/ward-{ward}", changed)
        assert status == 422
        assert "denied request: not_yours" in said

    @pytest.mark.parametrize("what", MUST_NOT)
    def test_may_do_nothing_that_ours_may_not(
        self, kube: KubeSite, elsewhere: str, what: str
    ) -> None:
        assert as_person(kube, *MUST_NOT[what])[0] == 403

    def test_gives_no_sign_of_life_for_others(self, kube: KubeSite) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/wardshift/leases"
        assert as_person(kube, "GET", path)[0] == 200
        assert as_person(kube, "POST", path, {"metadata": {"name": "ward-x"}})[0] == 403

    def test_is_nobody_without_the_group(self, kube: KubeSite) -> None:
        assert as_person(kube, "GET", ROUTES)[0] == 200
        assert as_person(kube, "GET", ROUTES, group="others")[0] == 403


@pytest.mark.parametrize(("account", "status"), [("worker", 403), ("guard", 201)])
def test_who_wants_to_go_forward_gives_no_sign_of_life(
    kube: KubeSite, account: str, status: int
) -> None:
    """A worker that could write leases could play a living sentinel, and a proven fence."""
    path = "/apis/coordination.k8s.io/v1/namespaces/wardshift/leases"
    body = {"metadata": {"name": f"sign-{next(_numbers)}"}}
    assert status_of(kube, "POST", path, body=body, token=kube.tokens[account]) == status


RUN_LEASES = "/apis/coordination.k8s.io/v1/namespaces/wardshift-runs/leases"


@pytest.mark.parametrize(("account", "made", "seen"), [("worker", 201, 200), ("guard", 403, 403)])
def test_a_run_shows_that_it_lives_where_no_ward_hangs_on_it(
    kube: KubeSite, account: str, made: int, seen: int
) -> None:
    """Without this the worker's runs would not begin."""
    name, token = f"run-{next(_numbers)}", kube.tokens[account]
    body = {"metadata": {"name": name}}
    assert status_of(kube, "POST", RUN_LEASES, body=body, token=token) == made
    assert status_of(kube, "GET", RUN_LEASES, token=token) == seen
    if made == 201:
        there = kube.server.call("GET", f"{RUN_LEASES}/{name}")
        assert status_of(kube, "PUT", f"{RUN_LEASES}/{name}", body=there, token=token) == 200


def returned(kube: KubeSite, ward: WardId) -> dict[str, Any]:
    """The ward's route with every slice on legacy, under a new epoch."""
    document = copy.deepcopy(kube.route(ward))
    epoch_of(document, "8")
    for rule in document["spec"]["rules"]:
        rule["backendRefs"][0]["name"] = "ehr-legacy"
    return document


def as_person(
    kube: KubeSite, method: str, path: str, body: Any = None, *, group: str = "wardshift-operations"
) -> tuple[int, str]:
    """One call as a member of a group."""
    persona = {"Impersonate-User": "on-call", "Impersonate-Group": group}
    return exchange(kube, method, path, body, persona, token=kube.server.token)


def status_of(kube: KubeSite, method: str, path: str, *, token: str, body: Any = None) -> int:
    return exchange(kube, method, path, body, {}, token=token)[0]


def exchange(
    kube: KubeSite, method: str, path: str, body: Any, headers: Mapping[str, str], *, token: str
) -> tuple[int, str]:
    """Status and text of one call; never raises for what is refused."""
    kind = PATCH if method == "PATCH" else "application/json"
    request = Request(
        f"{kube.server.url}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": kind, **headers},
    )
    trusted = ssl.create_default_context(cafile=str(kube.server.ca_file))
    try:
        with urlopen(request, timeout=30, context=trusted) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
