"""Child processes: started again, ended by their pids, and never left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.processes import HomeLock, Job, Supervisor, free_port, is_taken
from orchestrator.cli.everything import Wishes, clear, start_everything
from orchestrator.cli.machine import Cluster, practice_plan, where_to_look
from orchestrator.errors import ExitCode, Unavailable
from tests.cli.running import wardshift

LIMIT_S = 30.0
SLEEPS = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
FAILS = "import sys; print('no such table', file=sys.stderr); sys.exit(7)"
HOST = """
import json, sys
from pathlib import Path
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.processes import Job, Supervisor
folder = Path(sys.argv[1])
supervisor = Supervisor(folder, SystemClock())
for name in ("one", "two"):
    code = "import time; time.sleep(600)"
    supervisor.start(Job(name=name, command=(sys.executable, "-c", code), environment={}))
print(json.dumps(dict(supervisor.pids())), flush=True)
SystemClock().sleep(600)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "logs", SystemClock())
    try:
        yield made
    finally:
        made.stop()


def job(name: str, code: str, *, restart: bool = True, grace_s: float = 10.0) -> Job:
    command = (sys.executable, "-c", code)
    return Job(name=name, command=command, environment={}, restart=restart, grace_s=grace_s)


def state(pid: int) -> str:
    """The kernel's letter for what a process does; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not collected does not."""
    return state(pid) not in ("", "Z")


def is_stopped(pid: int) -> bool:
    """Whether a process comes to be stopped."""
    return wait_until(lambda: state(pid) == "T", timeout_s=LIMIT_S)


def is_ready(supervisor: Supervisor, name: str) -> bool:
    return wait_until(lambda: "ready" in supervisor.last_lines(name), timeout_s=LIMIT_S)


def test_a_child_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    pid = supervisor.start(job("one", SLEEPS))
    supervisor.signal("one", signal.SIGKILL)
    assert wait_until(lambda: supervisor.pids().get("one", pid) != pid, timeout_s=LIMIT_S)
    assert not lives(pid)


def test_a_child_that_keeps_failing_is_counted_and_its_last_words_kept(
    supervisor: Supervisor,
) -> None:
    supervisor.start(job("one", FAILS))
    assert wait_until(lambda: supervisor.failures("one") >= 2, timeout_s=LIMIT_S)
    assert "no such table" in supervisor.last_lines("one")


def test_a_child_that_is_not_to_be_restarted_stays_ended(supervisor: Supervisor) -> None:
    supervisor.start(job("one", FAILS, restart=False))
    assert wait_until(lambda: supervisor.ended("one") == 7, timeout_s=LIMIT_S)
    assert dict(supervisor.pids()) == {}


def test_an_ended_child_is_not_started_again_and_others_go_on(supervisor: Supervisor) -> None:
    one = supervisor.start(job("one", SLEEPS))
    two = supervisor.start(job("two", SLEEPS))
    supervisor.end("one")
    assert not lives(one)
    assert dict(supervisor.pids()) == {"two": two}


def test_a_child_that_will_not_end_is_made_to(supervisor: Supervisor) -> None:
    pid = supervisor.start(job("one", STUBBORN, grace_s=0.2))
    assert is_ready(supervisor, "one")
    supervisor.end("one")
    assert not lives(pid)


def test_a_stopped_child_ends_too(supervisor: Supervisor) -> None:
    pid = supervisor.start(job("one", SLEEPS))
    supervisor.signal("one", signal.SIGSTOP)
    assert is_stopped(pid)
    supervisor.end("one")
    assert supervisor.ended("one") == -signal.SIGTERM  # it was asked, not made to


def test_a_command_that_does_not_exist_is_said(supervisor: Supervisor) -> None:
    with pytest.raises(Unavailable):
        supervisor.start(Job(name="one", command=("/nowhere/at/all",), environment={}))


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "stopped"])
def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path, frozen: bool) -> None:
    host = subprocess.Popen(
        (sys.executable, "-c", HOST, str(tmp_path)), stdout=subprocess.PIPE, text=True
    )
    try:
        assert host.stdout is not None
        pids = json.loads(host.stdout.readline()).values()
        assert all(lives(pid) for pid in pids)
        if frozen:
            os.kill(next(iter(pids)), signal.SIGSTOP)
            assert is_stopped(next(iter(pids)))
    finally:
        host.kill()
        host.wait()
        assert host.stdout is not None
        host.stdout.close()
    assert wait_until(lambda: not any(lives(pid) for pid in pids), timeout_s=LIMIT_S)


def test_a_second_supervisor_of_a_home_is_refused_by_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path / "home")
    lock.take()
    try:
        ran = wardshift("up", "--practice", home=tmp_path / "home")
    finally:
        lock.release()
    assert (ran.code, ran.out) == (ExitCode.UNAVAILABLE, "")
    assert f"process {os.getpid()}" in ran.err
    lock.take()
    lock.release()


@pytest.mark.parametrize("option", ["--prefect-port", "--sentinel-port"])
def test_a_port_in_use_is_said_before_anything_is_started(tmp_path: Path, option: str) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert is_taken(port)
        ran = wardshift("up", "--practice", option, str(port), home=tmp_path / "home")
    assert (ran.code, ran.out) == (ExitCode.UNAVAILABLE, "")
    assert f"port {port} is in use" in ran.err
    assert not (tmp_path / "home").exists()
    assert not is_taken(free_port())


def test_up_without_a_plan_says_what_to_name(tmp_path: Path) -> None:
    ran = wardshift("up", home=tmp_path / "home")
    assert ran.code == ExitCode.USAGE
    assert "--practice" in ran.err


def test_a_cluster_goes_with_the_practice_hospital_only(tmp_path: Path) -> None:
    ran = wardshift("up", "--kubernetes", home=tmp_path / "home")
    assert ran.code == ExitCode.USAGE
    assert "--kubernetes goes with --practice" in ran.err


def test_without_its_parts_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    wishes = Wishes(practice=True, kubernetes=True)
    told: list[str] = []
    with pytest.raises(Unavailable, match="make parts"):
        start_everything(practice_plan(), tmp_path / "home", wishes, told.append)
    assert told == []
    assert not (tmp_path / "home").exists()


def test_a_folder_that_something_runs_in_is_not_cleared(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path / "home")
    lock.take()
    (tmp_path / "home" / "ledger.sqlite").write_text("in use")
    with pytest.raises(Unavailable, match="already running"):
        clear(tmp_path / "home")
    assert (tmp_path / "home" / "ledger.sqlite").read_text() == "in use"
    lock.release()
    clear(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_what_is_special_on_a_cluster_is_said(tmp_path: Path) -> None:
    cluster = Cluster(url="https://127.0.0.1:6443", kubeconfig=tmp_path / "operations.kubeconfig")
    said = where_to_look("http://127.0.0.1:4200", 8080, tmp_path, cluster)
    assert "https://127.0.0.1:6443" in said
    assert f"kubectl --kubeconfig {tmp_path}/operations.kubeconfig -n wardshift get httproutes" in (
        said
    )
    for words in ("http://127.0.0.1:8080/stop", "wardshift stop-code nurse", "wardshift drill"):
        assert words in said
    assert "wardshift practice outage kube-apiserver" in said


def test_without_a_cluster_none_is_named(tmp_path: Path) -> None:
    said = where_to_look("http://127.0.0.1:4200", 8080, tmp_path)
    assert "kube" not in said
    assert "http://127.0.0.1:8080/stop" in said
    assert "wardshift drill" in said
