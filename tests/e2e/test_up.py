"""`wardshift up` as a person runs it: it says where to look, and that is so; it ends on Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.bootstrap import install
from orchestrator.errors import ExitCode
from orchestrator.service.leases import SENTINEL
from tests.cli.running import wardshift
from tests.e2e.stage import alive, family

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
LIMIT_S = 200.0
LAST_WORDS = "Ctrl-C ends everything."
SLACK_S = 2.0


@contextmanager
def up(home: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """It runs, and has said all that it says."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "up", "--home", str(home), *options]
    said = home.with_name("said.txt")
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file)
    try:
        assert wait_until(
            lambda: LAST_WORDS in said.read_text("utf-8") or process.poll() is not None,
            timeout_s=LIMIT_S,
        )
        assert process.poll() is None, said.read_text("utf-8")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def leader(home: Path) -> int:
    """The process that holds the sentinel's lease; 0 when nobody does."""
    held = {one.name: one.holder for one in install(home).leases.all()}
    parts = held.get(SENTINEL, "").split("-")
    return int(parts[-2]) if len(parts) >= 3 else 0


def test_it_says_where_to_look_a_standby_takes_over_and_ctrl_c_ends_it_all(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with up(home, "--practice", "--standby") as process:
        said = (tmp_path / "said.txt").read_text("utf-8")
        pages = re.findall(r"http://127\.0\.0\.1:\d+\S*", said)
        looked_at = {page for page in pages if not page.endswith(("/alerts", "/stop"))}
        assert len(looked_at) >= 3, said
        for page in looked_at:
            answer = httpx2.get(page, timeout=20.0, trust_env=False, follow_redirects=True)
            assert answer.status_code == 200, page

        second = wardshift("up", "--practice", home=home)
        assert second.code == ExitCode.UNAVAILABLE
        assert f"process {process.pid}" in second.err

        listed = wardshift("list", "--format", "json", home=home)
        assert (listed.code, len(listed.json["wards"])) == (0, 3)

        first = leader(home)
        assert first in family(process.pid)
        within_s = install(home).plan.policy.lease_s + SLACK_S
        os.kill(first, signal.SIGKILL)
        assert wait_until(lambda: leader(home) not in (0, first), timeout_s=within_s)

        ours = family(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert not [pid for pid in ours if alive(pid)]
