"""A ward's lease that somebody bent is no reason for a guard to leave the ward where it is: the
sentinel is dead, the ward is exposed, and the Lease object is what the API server let through."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.documents import lease_document, observed
from orchestrator.adapters.kubernetes.leases import KubeLeases
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.bootstrap import RETURNS_AT_ONCE
from orchestrator.core.event import Actor, ActorKind
from orchestrator.core.plan import ProofPolicy
from orchestrator.core.route import is_exposed
from orchestrator.ledger import FileJournal
from orchestrator.service.guard import Guard
from orchestrator.service.leases import Keeper, LeaseBook, ward_lease
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from tests.contract.test_fence import a_route, expose
from tests.fakes import FakeGuardMemory, FakeNotifier, FakeProber, FakeRoutes
from tests.real.kube_site import BACKENDS, NAMESPACE, KubeSite
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
LEASE_S = 1.0
GUARD_ACTS_WITHIN_S = 10.0
CLOCK = SystemClock()
Document = dict[str, Any]
Bend = Callable[[Document], object]
DURATION = "wardshift.io/duration-s"
_numbers = count(1)


def noted(value: str) -> Bend:
    return lambda lease: lease["metadata"]["annotations"].update({DURATION: value})


def unnoted(lease: Document) -> None:
    del lease["metadata"]["annotations"][DURATION]
    lease["spec"]["leaseDurationSeconds"] = 2**31 - 1


ODD: dict[str, Bend] = {
    "as ours": lambda lease: None,
    "without our label": lambda lease: lease["metadata"].pop("labels"),
    "without a holder": lambda lease: lease["spec"].pop("holderIdentity"),
    "without anything": lambda lease: lease.update(spec={}),
    "not a number of seconds": noted("nan"),
    "for ever": noted("inf"),
    "for a lifetime": noted("1e9"),
    "in words": noted("two"),
    "less than nothing": noted("-5"),
    "for a lifetime by its spec": unnoted,
    "taken as often as can be": lambda lease: lease["spec"].update(leaseTransitions=2**31 - 1),
}


@pytest.mark.parametrize("name", ODD)
def test_a_dead_sentinel_s_ward_returns_whatever_its_lease_says(
    kube: KubeSite, tmp_path: Path, name: str
) -> None:
    ward = WardId(f"odd-{next(_numbers)}")
    kube.create_route(a_route(ward))
    expose(kube, ward)
    lease = lease_document(
        ward_lease(ward), namespace=NAMESPACE, holder="dead", duration_s=LEASE_S, transitions=0,
        notes={"guard": "restore", "legacy": "pass"}, resource_version="", renewed_at=CLOCK.now(),
    )  # fmt: skip
    ODD[name](lease)
    kube.server.call("POST", LEASES, lease)

    def is_home() -> bool:
        one.step()
        return not is_exposed(observed(kube.route(ward), BACKENDS).route)

    with closing(Cluster(kube.kubeconfig("guard"), timeout_s=10)) as cluster:
        one = guard(cluster, tmp_path)
        assert wait_until(is_home, timeout_s=GUARD_ACTS_WITHIN_S)


def test_a_lease_that_is_not_ours_to_read_is_still_renewed(kube: KubeSite) -> None:
    """The sentinel's own hands: a label that a tool took away comes back with the next renewal."""
    name = f"ward-odd-{next(_numbers)}"
    with closing(Cluster(kube.kubeconfig("sentinel"), timeout_s=10)) as cluster:
        book, leases = LeaseBook(CLOCK), KubeLeases(cluster, CLOCK, namespace=NAMESPACE)
        keeper = Keeper(leases, book, holder="me", duration_s=LEASE_S)
        assert keeper.hold(name, {})
        body = {"metadata": {"labels": None}}
        kind = "application/merge-patch+json"
        kube.server.call("PATCH", f"{LEASES}/{name}", body, content_type=kind)
        book.see(leases.all())
        assert keeper.hold(name, {})


def guard(cluster: Cluster, folder: Path) -> Guard:
    """One with real hands; its proofs come from nowhere, for what counts here is the write."""
    routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
    leases, book = KubeLeases(cluster, CLOCK, namespace=NAMESPACE), LeaseBook(CLOCK)
    hands = Hands(
        routes=routes,
        prober=FakeProber(FakeRoutes()),
        scribe=Scribe(
            journal=FileJournal(folder, "g"), clock=CLOCK,
            actor=Actor(kind=ActorKind.GUARD, name="g"), plan_hash="", code_version="",
        ),
        clock=CLOCK,
        proof=ProofPolicy(probes=1, every_s=0.1, deadline_s=0.2),
    )  # fmt: skip
    return Guard(
        routes=routes,
        leases=leases,
        keeper=Keeper(leases, book, holder="guard", duration_s=LEASE_S),
        book=book,
        notifier=FakeNotifier(),
        clock=CLOCK,
        executor=ThreadPoolExecutor(RETURNS_AT_ONCE),  # other tests left wards out
        hands_for=lambda _route: hands,
        lease_s=LEASE_S,
        memory=FakeGuardMemory(),
    )
