"""What can be started from files is what the worker offers; and a run's pod is one that may be."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from orchestrator.adapters.planfile import load_plan
from tests.contract.test_fence import a_route, expose, forward
from tests.deploy.rendering import DEPLOY
from tests.deploy.test_accounts import MUST_NOT, PATCH, returned
from tests.flows.server import PrefectServer
from tests.real.kube_server import ApiError, read_documents
from tests.real.kube_site import ROUTES, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
FILE = DEPLOY / "prefect" / "prefect.yaml"
TEMPLATE = DEPLOY / "prefect" / "kubernetes-pool.json"
PLAN = DEPLOY.parent / "wards" / "data" / "practice.yaml"
# A drill's evidence opens a gate, and what is cancelled leaves a ward where it is.
FORWARD = {"programme", "ward", "approve", "drill", "cancel"}


def deployments() -> list[dict[str, Any]]:
    return YAML(typ="safe").load(FILE.read_text())["deployments"]


def in_pool(name: str) -> dict[str, str]:
    """Entrypoints of a pool's deployments by their names."""
    return {
        one["name"]: one["entrypoint"] for one in deployments() if one["work_pool"]["name"] == name
    }


def test_the_process_pool_has_what_the_worker_offers_for_every_plan() -> None:
    from flows.deployments import COMMAND, MODULES, POOL, offers

    offered = {
        offer.name: MODULES[offer.flow.name]
        for offer in offers(load_plan(PLAN).plan)
        if offer.flow.name != "ward"
    }
    assert in_pool(POOL) == offered
    assert {one["work_pool"]["job_variables"]["command"] for one in deployments()} == {COMMAND}


def test_the_kubernetes_pool_has_buttons_alone() -> None:
    from flows.deployments import MODULES

    buttons = {f"{name}-pod": MODULES[name] for name in MODULES.keys() - FORWARD}
    assert in_pool("wardshift-runs") == buttons


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    one = PrefectServer(tmp_path_factory.mktemp("prefect"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


def prefect(server: PrefectServer, *words: str) -> str:
    """What a command of Prefect's prints, run from the folder of the repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        (sys.executable, "-m", "prefect", "--no-prompt", *words),
        env={**kept, "PREFECT_API_URL": server.api, "PREFECT_HOME": str(server.home / "client")},
        cwd=DEPLOY.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_real_prefect_takes_pools_and_deployments(server: PrefectServer) -> None:
    prefect(server, "work-pool", "create", "wardshift", "--type", "process")
    template = ("--base-job-template", str(TEMPLATE))
    prefect(server, "work-pool", "create", "wardshift-runs", "--type", "kubernetes", *template)
    prefect(server, "deploy", "--all", "--prefect-file", str(FILE))
    listed = prefect(server, "deployment", "ls", "--output", "json")
    found = {one["name"]: one for one in json.loads(listed)}
    assert found.keys() == {one["name"] for one in deployments()}
    for one in deployments():
        made = found[one["name"]]
        assert made["work_pool_name"] == one["work_pool"]["name"]
        assert made["entrypoint"] == one["entrypoint"]
        assert not made["pull_steps"]


@pytest.fixture(scope="module")
def runs(kube: KubeSite) -> KubeSite:
    """The namespace of runs beside ours."""
    kube.server.apply_files([DEPLOY / "kubernetes" / "runs" / "runs.yaml"])
    return kube


def job() -> dict[str, Any]:
    """The Job that Prefect's worker makes of the template for one run."""
    from prefect.utilities.templating import apply_values

    template = json.loads(TEMPLATE.read_text())
    properties = template["variables"]["properties"]
    values = {name: one["default"] for name, one in properties.items() if "default" in one}
    values |= {"name": "rollback", "labels": {"run": "x"}, "command": ["python", "-m", "x"]}
    values |= {"env": [{"name": "PREFECT_API_URL", "value": "http://prefect.prefect:4200/api"}]}
    return apply_values(template["job_configuration"], values)["job_manifest"]


def test_a_runs_job_and_its_pod_are_taken(runs: KubeSite) -> None:
    made = job()
    runs.server.call("POST", "/apis/batch/v1/namespaces/wardshift-runs/jobs?dryRun=All", made)
    pod = {"metadata": {"name": "run"}, "spec": made["spec"]["template"]["spec"]}
    taken = runs.server.call("POST", "/api/v1/namespaces/wardshift-runs/pods?dryRun=All", pod)
    assert taken["spec"]["serviceAccountName"] == "button"


def test_every_account_of_the_namespace_of_runs_is_named(runs: KubeSite) -> None:
    documents = read_documents(DEPLOY / "kubernetes" / "runs" / "runs.yaml")
    names = {one["metadata"]["name"] for one in documents if one["kind"] == "ServiceAccount"}
    assert names == {"button", "prefect-worker"}


def test_a_run_returns_a_ward_and_moves_none_forward(runs: KubeSite) -> None:
    token = runs.server.service_account("button", namespace="wardshift-runs")
    ward = WardId("button-1")
    runs.create_route(a_route(ward))
    runs.grant(ward, 6)
    changed = runs.route(ward)
    forward(changed)
    with pytest.raises(ApiError, match="no_grant"):
        runs.server.call("PUT", f"{ROUTES}/ward-{ward}", changed, token=token)
    expose(runs, ward)
    runs.server.call("PUT", f"{ROUTES}/ward-{ward}", returned(runs, ward), token=token)


@pytest.mark.parametrize("name", ["button", "prefect-worker"])
def test_neither_can_make_a_pod_beside_the_sentinel(runs: KubeSite, name: str) -> None:
    token = runs.server.service_account(name, namespace="wardshift-runs")
    for path in ("/api/v1/namespaces/wardshift/pods", "/apis/batch/v1/namespaces/wardshift/jobs"):
        with pytest.raises(ApiError) as refused:
            runs.server.call("POST", path, {"metadata": {"name": "x"}}, token=token)
        assert refused.value.status == 403


@pytest.mark.parametrize("what", MUST_NOT)
@pytest.mark.parametrize("name", ["button", "prefect-worker"])
def test_neither_may_do_what_none_of_ours_may(runs: KubeSite, name: str, what: str) -> None:
    token = runs.server.service_account(name, namespace="wardshift-runs")
    method, path, body = MUST_NOT[what]
    kind = PATCH if method == "PATCH" else "application/json"
    with pytest.raises(ApiError, match=f"wardshift-runs:{name}. cannot") as refused:
        runs.server.call(method, path, body, token=token, content_type=kind)
    assert refused.value.status == 403
