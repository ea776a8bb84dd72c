"""One hospital on a real API server for all traps; each test uses wards of its own."""

from collections.abc import Iterator

import pytest

from tests.practice.stage import STARTS_AT
from tests.real.kube_server import kube_parts
from tests.traps.stage import Stage
from wards.practice.hospital import Hospital
from wards.practice.staffing import PracticeWard


@pytest.fixture(scope="session")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two replicas, nobody at work; systems are waited for three seconds."""
    kube_parts()  # found, waited for or built
    with Hospital.start(
        tmp_path_factory.mktemp("trapped"),
        (PracticeWard(ward="first-1", beds=10),),
        starts_at=STARTS_AT,
        replicas=2,
        backend_timeout_s=3.0,
        with_staff=False,
        kubernetes=True,
    ) as hospital:
        yield Stage(hospital)


@pytest.fixture
def stage(trapped: Stage) -> Iterator[Stage]:
    """The stage, behaving as usual before and after the test."""
    yield trapped
    trapped.hospital.clear_faults()
    trapped.hospital.behave(
        lateness_s=0, status="early", mirrors=True, unready=[], strict_edge=True
    )
