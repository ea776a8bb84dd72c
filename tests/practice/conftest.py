"""What all tests here share: a client, and a hospital in which nobody works."""

from collections.abc import Iterator

import pytest

from tests.practice.stage import STARTS_AT, client
from wards.practice.hospital import Hospital
from wards.practice.staffing import PracticeWard


@pytest.fixture(scope="session", autouse=True)
def one_client() -> Iterator[None]:
    yield
    client().close()
    client.cache_clear()


@pytest.fixture(scope="session")
def quiet_hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """Nobody works in it; two gateway replicas; systems are waited for one second."""
    with Hospital.start(
        tmp_path_factory.mktemp("quiet"),
        (PracticeWard(ward="empty-1", beds=10),),
        starts_at=STARTS_AT,
        replicas=2,
        backend_timeout_s=1.0,
        with_staff=False,
    ) as hospital:
        yield hospital


@pytest.fixture
def quiet(quiet_hospital: Hospital) -> Iterator[Hospital]:
    """The hospital without staff, put back to its usual self afterwards."""
    yield quiet_hospital
    for name in ("legacy", "candidate"):
        quiet_hospital.resume(name)
    quiet_hospital.clear_faults()
    quiet_hospital.behave(
        lateness_s=0,
        status="early",
        answer_delay_s=0,
        admin_delay_s=0,
        refuse_admin=False,
        refuse_routes=False,
        unready=[],
        strict_edge=True,
    )
