"""One practice site and one control plane for all contract tests of a run; each test uses wards
of its own."""

from collections.abc import Iterator

import pytest

from tests.real.kube_site import KubeSite, kube_site
from tests.real.practice_parts import PracticeSite, practice_site


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeSite]:
    with practice_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(running_site: PracticeSite) -> Iterator[PracticeSite]:
    """The site, behaving as usual before and after the test."""
    yield running_site
    running_site.behave()
    for system in running_site.ehrs:
        running_site.break_ehr(system)


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeSite]:
    """A real control plane behind its fence."""
    with kube_site(tmp_path_factory.mktemp("kube")) as site:
        yield site
