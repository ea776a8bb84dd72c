"""A practice hospital that the command line leaves running, and who ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from tests.e2e.stage import alive, family
from wards.practice.hospital import ADDRESSES

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_told_to_end_leaves_nothing_running(tmp_path: Path, number: int) -> None:
    """Told by another program, it has nobody at a terminal whose Ctrl-C reaches all of them."""
    command = (sys.executable, "-m", "orchestrator.cli.main", "practice", "up")
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--home", str(tmp_path)], stdout=out, stderr=out, start_new_session=True
        )
    there: list[int] = []
    try:
        addresses = tmp_path / "practice" / ADDRESSES
        assert wait_until(addresses.exists, timeout_s=90.0), (tmp_path / "out").read_text()
        there = family(process.pid)
        assert len(there) > 3
        os.kill(process.pid, number)
        assert wait_until(lambda: process.poll() is not None, timeout_s=60.0)
        assert wait_until(lambda: not any(map(alive, there)), timeout_s=60.0)
    finally:
        for pid in filter(alive, {process.pid, *there}):
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=10)
