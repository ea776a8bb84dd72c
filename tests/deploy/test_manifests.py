"""Every manifest as a region applies it, taken by a real API server; and that they fit together."""

import copy
import json

import pytest

from orchestrator.adapters.planfile import load_plan
from orchestrator.settings import Site
from tests.deploy.rendering import DEPLOY, OVERLAYS, Document, of_kind, pod_of, rendered
from tests.real.kube_server import ApiError
from tests.real.kube_site import KubeSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
OURS = ("sentinel", "guard", "worker")
PODS = "/api/v1/namespaces/wardshift/pods?dryRun=All"
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
each_process = pytest.mark.parametrize("name", OURS)


@each_overlay
def test_the_api_server_takes_every_manifest(kube: KubeSite, overlay: str) -> None:
    documents = rendered(overlay)
    assert set(of_kind(documents, "Deployment")) == set(OURS)
    for document in documents:
        kube.server.apply(document, dry_run=True)


def test_a_misspelt_field_would_have_been_refused(kube: KubeSite) -> None:
    document = copy.deepcopy(of_kind(rendered("base"), "Deployment")["guard"])
    document["spec"]["template"]["spec"]["automountServiceAcountToken"] = True
    with pytest.raises(ApiError, match="automountServiceAcountToken"):
        kube.server.apply(document, dry_run=True)


@pytest.fixture(scope="module")
def restricted(kube: KubeSite) -> KubeSite:
    """Pods may name our priority."""
    kube.server.apply(of_kind(rendered("base"), "PriorityClass")["wardshift-brake"])
    return kube


@each_process
def test_pods_keep_within_the_restricted_profile_of_their_namespace(
    restricted: KubeSite, name: str
) -> None:
    pod = pod_of(of_kind(rendered("overlays/region"), "Deployment")[name])
    made = restricted.server.call("POST", PODS, pod)
    assert made["spec"]["serviceAccountName"] == name
    assert any(volume["name"].startswith("kube-api-access") for volume in made["spec"]["volumes"])


@each_process
def test_a_pod_that_asks_for_more_is_refused(restricted: KubeSite, name: str) -> None:
    pod = copy.deepcopy(pod_of(of_kind(rendered("base"), "Deployment")[name]))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ApiError, match="PodSecurity"):
        restricted.server.call("POST", PODS, pod)


@each_process
def test_nothing_can_be_written_but_the_home_and_temporary_files(name: str) -> None:
    spec = of_kind(rendered("base"), "Deployment")[name]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    writable = {one["name"] for one in spec["volumes"] if "emptyDir" in one}
    assert {mounts[one] for one in writable} == {"/var/lib/wardshift", "/tmp"}


@each_overlay
def test_what_selects_pods_finds_some(overlay: str) -> None:
    documents = rendered(overlay)
    labels = [
        pod_of(one)["metadata"]["labels"] for one in of_kind(documents, "Deployment").values()
    ]
    selectors = [
        *(one["spec"]["selector"] for one in of_kind(documents, "Service").values()),
        *(
            one["spec"]["selector"]["matchLabels"]
            for one in of_kind(documents, "PodDisruptionBudget").values()
        ),
        *(
            one["spec"]["podSelector"].get("matchLabels", {})
            for one in of_kind(documents, "NetworkPolicy").values()
        ),
    ]
    for selector in selectors:
        assert any(selector.items() <= one.items() for one in labels), selector


def allowed_out(name: str) -> set[str]:
    """Which policies let a process's connections out."""
    documents = rendered("overlays/region")
    labels = pod_of(of_kind(documents, "Deployment")[name])["metadata"]["labels"].items()
    return {
        policy["metadata"]["name"]
        for policy in of_kind(documents, "NetworkPolicy").values()
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels
        and policy["spec"].get("egress")
    }


def test_each_process_reaches_what_it_needs_and_nothing_else() -> None:
    common = {"names", "api-server", "gateway", "pager"}
    assert allowed_out("guard") == common
    assert allowed_out("sentinel") == {*common, "sentinel", "outside"}
    assert allowed_out("worker") == {*common, "worker"}


def test_everything_is_denied_first() -> None:
    deny = of_kind(rendered("base"), "NetworkPolicy")["deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_sentinel_is_spoken_to() -> None:
    policies = of_kind(rendered("overlays/region"), "NetworkPolicy")
    assert [name for name, one in policies.items() if one["spec"].get("ingress")] == ["sentinel"]


@pytest.mark.parametrize("overlay", OVERLAYS[1:])
def test_the_settings_are_settings_and_the_plan_finds_its_addresses(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, maps = site_of(overlay, monkeypatch)
    assert site.kubeconfig == "mounted"
    assert site.plan is not None
    (plans,) = (data for name, data in maps.items() if name.startswith("plan-"))
    assert site.plan.parent.as_posix() == "/etc/wardshift/plan"
    assert site.plan.name in plans
    plan = load_plan(DEPLOY.parent / "wards" / "data" / site.plan.name).plan
    assert {one.address for one in plan.providers} <= site.addresses.keys()
    assert str(plan.policy.lease_s) == setting(maps, "WARDSHIFT_GUARD_LEASE_S")


def site_of(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Site, dict[str, dict[str, str]]]:
    """The site as a pod reads it from its environment, and every ConfigMap."""
    maps = {name: one["data"] for name, one in of_kind(rendered(overlay), "ConfigMap").items()}
    (data,) = (data for name, data in maps.items() if name.startswith("site-"))
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    return Site(), maps


def setting(maps: dict[str, dict[str, str]], name: str) -> str:
    """One setting; a whole number of seconds written as the plan's."""
    (data,) = (data for each, data in maps.items() if each.startswith("site-"))
    return str(float(data[name]))


@each_overlay
def test_the_pages_are_probed_where_they_listen(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, _ = site_of(overlay, monkeypatch)
    deployment = of_kind(rendered(overlay), "Deployment")["sentinel"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert site.listen_host.is_unspecified
    assert container["ports"] == [{"name": "http", "containerPort": site.sentinel_port}]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_a_hung_sentinel_is_started_anew_only_after_minutes() -> None:
    deployment = of_kind(rendered("base"), "Deployment")["sentinel"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    probe = container["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


@each_overlay
def test_no_secret_is_in_any_manifest(overlay: str) -> None:
    documents = rendered(overlay)
    assert not of_kind(documents, "Secret")
    text = json.dumps(documents)
    assert "postgresql://" not in text
    assert text.count('"secretKeyRef"') == 3


def test_every_sentinel_has_the_same_doors_and_starts_without_them() -> None:
    (spec,) = (
        one["spec"]["template"]["spec"]
        for name, one in of_kind(rendered("base"), "Deployment").items()
        if name == "sentinel"
    )
    (door,) = (one for one in spec["volumes"] if one["name"] == "door")
    assert door["secret"] == {"secretName": "door", "optional": True}
    (container,) = spec["containers"]
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == door["name"])
    site = Site(_env_file=DEPLOY / "kubernetes" / "base" / "site.env")  # pyright: ignore[reportCallIssue]
    files = {site.alert_tokens_file, site.stop_codes_file, site.stop_key_file}
    assert {str(file.parent) for file in files} == {mount["mountPath"]}
    assert {file.name for file in files} == {"alert-tokens", "stop-codes.json", "stop-key"}


@each_process
def test_every_process_can_page_and_starts_without_the_pagers_token(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = of_kind(rendered("overlays/region"), "Deployment")[name]["spec"]["template"]["spec"]
    (token,) = (one for one in spec["volumes"] if one["name"] == "pager")
    assert token["secret"] == {"secretName": "pager", "optional": True}
    (mount,) = (one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "pager")
    site, _ = site_of("overlays/region", monkeypatch)
    assert site.pager
    assert site.pager_token is not None
    assert site.pager_token.as_posix() == f"{mount['mountPath']}/token"


def test_the_guard_has_neither_plan_nor_ledger() -> None:
    guard = json.dumps(of_kind(rendered("overlays/region"), "Deployment")["guard"])
    assert "ledger" not in guard
    assert "plan" not in guard


def containers(documents: tuple[Document, ...]) -> dict[str, list[str]]:
    return {
        name: one["spec"]["template"]["spec"]["containers"][0]["args"]
        for name, one in of_kind(documents, "Deployment").items()
    }


@each_process
def test_each_command_is_one_that_there_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from orchestrator.cli.main import run

    verb, *options = containers(rendered("base"))[name]
    assert verb == name
    assert run([verb, "--help"]) == 0
    said = capsys.readouterr().out
    for option in options:
        assert not option.startswith("--") or option in said
