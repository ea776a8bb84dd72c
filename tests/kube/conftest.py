"""A control plane of these tests' own: the processes under test look at every route there is."""

from collections.abc import Iterator

import pytest

from tests.kube.stage import PROCESSES, Accounts
from tests.real.kube_site import NAMESPACE, KubeSite, kube_site

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="package")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeSite]:
    with kube_site(tmp_path_factory.mktemp("kube")) as site:
        site.tokens["operator"] = site.server.service_account("operator")
        site.server.apply(_operator())
        yield site


@pytest.fixture(scope="package")
def accounts(kube: KubeSite) -> Iterator[Accounts]:
    first = PROCESSES.Process(target=print)  # what all others come from; it imports for seconds
    first.start()
    first.join()
    made = Accounts.of(kube)
    yield made
    made.close()


def _operator() -> dict[str, object]:
    """A person's hands, by the role that people are given."""
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": NAMESPACE}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "operator", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "wardshift-operations"},
        "subjects": [subject],
    }
