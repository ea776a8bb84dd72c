"""The practice gateway and EHRs on a real API server with its fence; nobody works there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.practice.stage import STARTS_AT
from tests.traps.stage import Stage
from wards.practice.hospital import Hospital
from wards.practice.staffing import PracticeWard


@contextmanager
def on_a_cluster(folder: Path) -> Iterator[Stage]:
    """Ready; etcd writes to the disk before it answers, as in a region."""
    with Hospital.start(
        folder / "hospital",
        (PracticeWard(ward="first-1", beds=10),),
        starts_at=STARTS_AT,
        with_staff=False,
        kubernetes=True,
        sync=True,
    ) as hospital:
        yield Stage(hospital)
