"""Every fault drill on real processes: what stands in the report was measured there."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.errors import ExitCode
from orchestrator.reports.fault_drills import Fault
from tests.e2e.stage import WARD

pytestmark = [pytest.mark.real, pytest.mark.timeout(1000)]
DRILL = (sys.executable, "-m", "orchestrator.cli.main", "practice", "drill")


def test_whatever_is_dead_the_ward_comes_home_in_time(tmp_path):
    out = tmp_path / "drills"
    words = ("--lang", "en", "--format", "json", "--out", str(out))
    ran = subprocess.run(
        (*DRILL, *words), capture_output=True, text=True, timeout=900, check=False
    )  # fmt: skip
    assert ran.returncode == ExitCode.DONE, ran.stderr + ran.stdout
    said = json.loads(ran.stdout)
    rows = {row["fault"]: row for row in said["faults"]}
    assert list(rows) == [fault.value for fault in Fault]
    for row in rows.values():
        assert row["ward"] == WARD
        assert 0 < row["restored_s"] <= row["proven_s"] <= row["limit_s"]
        assert row["told"]["actor"].partition(":")[0] in {"sentinel", "guard"}
        assert row["is_recorded"]
    for fault in (Fault.DATABASE, Fault.PREFECT, Fault.API):
        assert "note_text_lost" in rows[fault]["told"]["trigger"], fault
    assert json.loads((out / "fault-drills.json").read_text()) == said
    page = (out / "fault-drills.html").read_text()
    assert page.count("Home in time") == len(Fault)
    assert "Breaking: database" in ran.stderr
    for fault in rows:
        logs = (out / fault / "logs").glob("sentinel.log")
        assert list(logs), "each fault has an installation of its own"


# A shell that runs tests in its background has its children ignore Ctrl-C.
HEARS_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from orchestrator.cli.main import main; main()"
)


def test_ctrl_c_ends_everything_that_was_started_and_leaves_no_report(tmp_path):
    out = tmp_path / "drills"
    out.mkdir()
    (out / "fault-drills.json").write_text('{"ok": true}')
    words = ("practice", "drill", "--faults", "candidate", "--out", str(out))
    command = (sys.executable, "-c", HEARS_CTRL_C, *words)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as drill:
        assert drill.stderr is not None
        for line in drill.stderr:
            if "Starting sentinel" in line:
                break
        assert wait_until(lambda: len(mentioning(out)) > 4, timeout_s=60), mentioning(out)
        drill.send_signal(signal.SIGINT)
        drill.communicate(timeout=120)
    assert drill.returncode == 130
    assert mentioning(out) == []
    assert not (out / "fault-drills.json").exists()


def mentioning(folder: Path) -> list[str]:
    """The command lines of living processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found
