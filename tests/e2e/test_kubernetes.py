"""Every process of safety as its own account on a real API server, without Prefect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.everything import Wishes
from orchestrator.core import event as ev
from orchestrator.core.state import Phase
from orchestrator.errors import Refused
from tests.e2e.stage import WARD, Stage
from tests.fakes import put_exposed
from tests.real.kube_server import kube_parts, kube_running

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.fixture
def clustered(tmp_path: Path) -> Iterator[Stage]:
    """The first ward works its notes in the candidate, by its HTTPRoute."""
    kube_parts()  # found, waited for or built
    made = Stage(tmp_path, Wishes(practice=True, kubernetes=True, with_prefect=False))
    try:
        made.expose()
        yield made
    finally:
        made.stop()


def kubeconfig_of(pid: int) -> str:
    """The name of the account that a process was given."""
    content = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    mark = b"WARDSHIFT_KUBECONFIG="
    (found,) = [Path(one.removeprefix(mark).decode()) for one in content if one.startswith(mark)]
    return found.name


def test_each_acts_as_itself_and_the_guard_returns_the_ward(clustered: Stage) -> None:
    pids = clustered.everything.pids()
    assert kubeconfig_of(pids["sentinel"]) == "sentinel.kubeconfig"
    assert kubeconfig_of(pids["guard"]) == "guard.kubeconfig"
    assert Path(clustered.installation.site.kubeconfig).name == "operations.kubeconfig"

    # A person's own hands look and return; they expose nothing, and grant nothing.
    routes = clustered.installation.routes
    exposing = routes.get(WARD).route
    with pytest.raises(Refused) as refused:
        put_exposed(routes, exposing)
    assert refused.value.code == "not_yours"

    clustered.everything.hang("sentinel")
    assert clustered.home_within(clustered.lease_s * 3 + 10), clustered.why()
    clustered.everything.go_on("sentinel")
    assert clustered.eventually(
        lambda: clustered.state().ward(WARD).phase is Phase.ROLLED_BACK, 60.0
    ), clustered.why()
    triggers = {one.cause.trigger for one in clustered.happenings(ev.RollbackIntended)}
    assert triggers == {ev.Trigger.LEASE}
    assert routes.get(WARD).route.annotation.who.startswith("guard:")
    # The gateway followed: clinicians are answered by legacy, and nobody by an error of its own.
    last = [line for line in clustered.log_lines() if line["ward"] == WARD][-20:]
    assert {line["system"] for line in last[-3:] if not line["mirrored"]} == {"legacy"}


def test_a_control_plane_goes_on_with_what_it_had(tmp_path: Path) -> None:
    """As `up` does in a home folder that it was in before: the same data, other ports."""
    maps = "/api/v1/namespaces/wardshift/configmaps"
    with kube_running(tmp_path) as plane:
        plane.call("POST", maps, {"metadata": {"name": "kept"}, "data": {"word": "here"}})
        token = plane.service_account("sentinel")
    with kube_running(tmp_path) as plane:
        assert plane.call("GET", f"{maps}/kept")["data"] == {"word": "here"}
        again = plane.call("GET", "/api", token=token)  # an account's token outlives it too
        assert again["kind"] == "APIVersions"
