"""A control plane of these tests' own: the processes under test look at every route there is."""

from collections.abc import Iterator

import pytest

from tests.kube.stage import PROCESSES, Accounts
from tests.real.kube_site import DEPLOYED, NAMESPACE, KubeSite, kube_site
from wards.practice.cluster.control_plane import read_documents

GROUP = "wardshift-operations"


@pytest.fixture(scope="package")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeSite]:
    with kube_site(tmp_path_factory.mktemp("kube")) as site:
        site.tokens["operator"] = site.server.service_account("operator")
        for binding in _operator():
            site.server.apply(binding)
        yield site


@pytest.fixture(scope="package")
def accounts(kube: KubeSite) -> Iterator[Accounts]:
    first = PROCESSES.Process(target=print)  # what all others come from; it imports for seconds
    first.start()
    first.join()
    made = Accounts.of(kube)
    yield made
    made.close()


def _operator() -> Iterator[dict[str, object]]:
    """A person's hands: bound to whatever the group of such people is bound to."""
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": NAMESPACE}
    for document in read_documents(DEPLOYED / "rbac.yaml"):
        if any(one["name"] == GROUP for one in document.get("subjects", ())):
            named = {**document["metadata"], "name": f"operator-{document['roleRef']['name']}"}
            yield {**document, "metadata": named, "subjects": [subject]}
