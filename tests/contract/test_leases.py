"""The leases port, on the fake and on the real practice gateway."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count

import pytest

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.leases import KubeLeases
from orchestrator.adapters.practice_gateway import PracticeLeases
from orchestrator.errors import Conflict, Indeterminate, Unavailable
from orchestrator.ports import LeaseRecord, Leases
from tests.fakes import FakeLeases
from tests.real.kube_proxy import kube_proxy
from tests.real.kube_site import NAMESPACE, KubeSite
from tests.real.practice_parts import PracticeSite
from tests.real.servers import Reply, losing_answers, web_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
_numbers = count(1)


@dataclass(frozen=True)
class Case:
    """One implementation and a lease name that nobody else uses."""

    leases: Leases
    unheard: Leases
    name: str
    break_down: Callable[[], None]
    repair: Callable[[], None]


@pytest.fixture(params=["fake", "practice gateway", "kubernetes"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    name = f"ward-leases-{next(_numbers)}"
    if request.param == "fake":
        yield fake_case(name)
        return
    if request.param == "kubernetes":
        with kube_case(request.getfixturevalue("kube"), name) as made:
            yield made
        return
    site: PracticeSite = request.getfixturevalue("site")
    with (
        losing_answers(site.admin) as lossy,
        closing(PracticeLeases(site.admin, timeout_s=5.0)) as leases,
        closing(PracticeLeases(lossy, timeout_s=5.0)) as unheard,
    ):
        yield Case(leases, unheard, name, lambda: site.behave(refuse_admin=True), site.behave)


@contextmanager
def kube_case(kube: KubeSite, name: str) -> Iterator[Case]:
    """The guard's hands at a real API server, by a good door and by one that loses answers."""
    token = kube.tokens["guard"]
    with kube_proxy(kube.server) as door, kube_proxy(kube.server) as lossy:
        lossy.lose = 1
        configs = [
            kube.server.kubeconfig(f"{name}-{number}", token, url=each.url)
            for number, each in enumerate((door, lossy))
        ]
        with (
            closing(Cluster(configs[0], timeout_s=5.0)) as good,
            closing(Cluster(configs[1], timeout_s=5.0)) as bad,
        ):
            yield Case(
                KubeLeases(good, SystemClock(), namespace=NAMESPACE),
                KubeLeases(bad, SystemClock(), namespace=NAMESPACE),
                name,
                lambda: setattr(door, "down", True),
                lambda: setattr(door, "down", False),
            )


def fake_case(name: str) -> Case:
    leases = FakeLeases()

    def set_down(*, down: bool) -> None:
        leases.down = down

    unheard = FakeLeases()
    unheard._kept = leases._kept
    unheard.apply_then_fail_next(Indeterminate("leases", "PUT"))
    return Case(leases, unheard, name, lambda: set_down(down=True), lambda: set_down(down=False))


def put(leases: Leases, name: str, version: str, *, holder: str = "a") -> LeaseRecord:
    return leases.put(
        name,
        holder=holder,
        duration_s=8.5,
        transitions=3,
        notes={"legacy": "pass"},
        resource_version=version,
    )


def found(case: Case) -> LeaseRecord | None:
    return next((lease for lease in case.leases.all() if lease.name == case.name), None)


def test_a_lease_is_created_and_read_back_whole(case: Case) -> None:
    assert found(case) is None
    made = put(case.leases, case.name, "")
    assert made == LeaseRecord(
        name=case.name,
        holder="a",
        duration_s=8.5,
        transitions=3,
        notes={"legacy": "pass"},
        resource_version=made.resource_version,
    )
    assert found(case) == made


def test_a_renewal_shows_as_a_new_version(case: Case) -> None:
    made = put(case.leases, case.name, "")
    renewed = put(case.leases, case.name, made.resource_version)
    assert renewed.resource_version != made.resource_version
    assert found(case) == renewed


def test_what_exists_is_not_created_again(case: Case) -> None:
    made = put(case.leases, case.name, "")
    with pytest.raises(Conflict):
        put(case.leases, case.name, "", holder="b")
    assert found(case) == made


def test_a_lost_race_for_a_lease_is_a_conflict_and_changes_nothing(case: Case) -> None:
    made = put(case.leases, case.name, "")
    taken = put(case.leases, case.name, made.resource_version, holder="b")
    with pytest.raises(Conflict):
        put(case.leases, case.name, made.resource_version)
    assert found(case) == taken


def test_a_lease_that_is_not_there_cannot_be_renewed(case: Case) -> None:
    with pytest.raises(Conflict):
        put(case.leases, case.name, "7")
    assert found(case) is None


def test_leases_that_are_down_are_unavailable(case: Case) -> None:
    case.break_down()
    with pytest.raises(Unavailable):
        case.leases.all()
    with pytest.raises(Unavailable):
        put(case.leases, case.name, "")
    case.repair()
    assert found(case) is None


def test_a_renewal_whose_answer_is_lost_is_indeterminate(case: Case) -> None:
    with pytest.raises(Indeterminate):
        put(case.unheard, case.name, "")
    assert found(case) is not None


NONSENSE = {
    "no_json": "<html>",
    "no_items": "{}",
    "no_holder": json.dumps({"items": [{"name": "x", "resource_version": "1"}]}),
    "duration_is_a_word": json.dumps(
        {
            "items": [
                {
                    "name": "x",
                    "holder": "a",
                    "duration_s": "long",
                    "transitions": 0,
                    "resource_version": "1",
                }
            ]
        }
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_leases_without_sense_are_no_answer(name: str) -> None:
    with (
        web_server(lambda _: Reply(body=NONSENSE[name])) as server,
        closing(PracticeLeases(server.url, timeout_s=5.0)) as leases,
    ):
        with pytest.raises(Unavailable):
            leases.all()
        with pytest.raises(Indeterminate):
            put(leases, "x", "1")


def test_a_lease_that_was_removed_is_not_made_again_by_a_late_renewal(kube: KubeSite) -> None:
    """A PUT of a missing Lease creates it, unless it says which object it means."""
    name = f"ward-removed-{next(_numbers)}"
    with closing(Cluster(kube.kubeconfig("sentinel"), timeout_s=5.0)) as cluster:
        leases = KubeLeases(cluster, SystemClock(), namespace=NAMESPACE)
        made = put(leases, name, "")
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{name}"
        kube.server.call("DELETE", path)
        with pytest.raises(Conflict):
            put(leases, name, made.resource_version)
        assert all(lease.name != name for lease in leases.all())
        again = KubeLeases(cluster, SystemClock(), namespace=NAMESPACE)
        with pytest.raises(Conflict):
            put(again, name, made.resource_version)
