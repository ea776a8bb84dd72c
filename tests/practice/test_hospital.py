"""The hospital as a whole: it starts, is broken and mended, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.errors import ConfigError, Unavailable
from tests.practice.stage import STARTS_AT, admin, ask, eventually, has_ended, metric
from wards.practice import console
from wards.practice.actions import Behave, Handle, SetFaults, SetSpeed
from wards.practice.hospital import Hospital
from wards.practice.processes import free_ports
from wards.practice.staffing import USUAL, PracticeWard

pytestmark = pytest.mark.real

WARDS = (PracticeWard(ward="ward-1", beds=4),)
NAMES = {"legacy", "candidate", "gateway", "clinicians"}
REPOSITORY = Path(__file__).resolve().parents[2]


def test_it_starts_and_leaves_no_process(tmp_path: Path) -> None:
    with Hospital.start(tmp_path, WARDS, starts_at=STARTS_AT, replicas=2) as hospital:
        written = json.loads((tmp_path / "practice.json").read_text(encoding="utf-8"))
        assert written == hospital.addresses
        pids = written["pids"]
        assert (set(pids), len(written["gateway_urls"])) == (NAMES, 2)
        assert not any(has_ended(pid) for pid in pids.values())
        [route] = ask("GET", admin(hospital, "/routes")).json()["items"]
        assert (route["spec"]["ward"], route["spec"]["epoch"]) == ("ward-1", 1)
        assert {rule["backend"] for rule in route["spec"]["rules"]} == {"legacy"}
        assert abs(hospital.clock.now() - STARTS_AT) < timedelta(hours=2)
        with pytest.raises(Unavailable):
            Hospital.start(tmp_path, WARDS, starts_at=STARTS_AT)
        hospital.hang("candidate")  # a hung process must end as well
    assert all(has_ended(pid) for pid in pids.values())
    assert not (tmp_path / "practice.json").exists()


def test_a_schedule_is_kept_in_practice_time(quiet: Hospital) -> None:
    now = quiet.clock.now()
    quiet.schedule(
        (
            (now + timedelta(seconds=4), Behave(settings={"status": "stale"})),
            (now + timedelta(seconds=2), SetFaults(system="candidate", faults={"latency_s": 0.1})),
            (now + timedelta(seconds=3), SetFaults(system="legacy", faults={"nonsense": 1})),
            (now + timedelta(days=9), Handle(verb="outage", process="legacy")),
        )
    )
    behaviour = admin(quiet, "/behaviour")
    eventually(lambda: ask("GET", behaviour).json()["status"] == "stale")
    assert ask("GET", f"{quiet.addresses['candidate_url']}/faults").json()["latency_s"] == 0.1
    assert ask("GET", f"{quiet.addresses['legacy_url']}/healthz").status_code == 200


def test_a_restarted_process_keeps_its_address_and_forgets_its_faults(quiet: Hospital) -> None:
    url, pid = quiet.addresses["candidate_url"], quiet.addresses["pids"]["candidate"]
    quiet.fault("candidate", error_rate=1.0)
    quiet.restart("candidate")
    assert quiet.addresses["candidate_url"] == url
    assert quiet.addresses["pids"]["candidate"] != pid
    assert ask("GET", f"{url}/faults").json()["error_rate"] == 0.0
    written = json.loads((quiet.home / "practice.json").read_text(encoding="utf-8"))
    assert written == quiet.addresses


def test_a_wrong_wish_is_refused_in_words(quiet: Hospital) -> None:
    for wrong in (
        lambda: quiet.fault("candidate", nonsense=1),
        lambda: quiet.behave(status="honest"),
        lambda: quiet.set_speed(-1),
        lambda: quiet.outage("sentinel"),
    ):
        with pytest.raises(ConfigError):
            wrong()


def test_a_dead_process_is_named_when_it_is_asked(quiet: Hospital) -> None:
    quiet.outage("candidate")
    with pytest.raises(Unavailable, match="/faults"):
        quiet.fault("candidate", latency_s=1)
    quiet.restart("candidate")


def test_an_action_says_what_was_done(quiet: Hospital) -> None:
    assert "candidate" in quiet.do(Handle(verb="restart", process="candidate"))
    assert "60" in quiet.do(SetSpeed(rate=60.0))
    faulty = quiet.do(SetFaults(system="legacy", faults={"latency_s": 0, "error_rate": 0}))
    assert faulty.endswith(": latency_s=0 error_rate=0")  # as it was typed


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(50))) == 50


def test_a_process_that_cannot_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "gateway.json").write_text("no book", encoding="utf-8")
    with pytest.raises(Unavailable, match="gateway did not become healthy"):
        Hospital.start(tmp_path, WARDS, starts_at=STARTS_AT, with_staff=False)
    # What had started has ended, so that the home is free again.
    (tmp_path / "gateway.json").unlink()
    with Hospital.start(tmp_path, WARDS, starts_at=STARTS_AT, with_staff=False) as hospital:
        assert set(hospital.addresses["pids"]) == NAMES - {"clinicians"}


@pytest.fixture(scope="module")
def left_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A hospital that `up` leaves running, and that is ended the hard way."""
    home = tmp_path_factory.mktemp("up")
    command = [sys.executable, "-m", "wards.practice", "up", f"--home={home}", "--speed=600"]
    up = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        ready = wait_until((home / "practice.json").exists, timeout_s=60)
        assert ready
        assert up.stdout is not None
        guide = os.read(up.stdout.fileno(), 100_000).decode()
        assert str(home) in guide
        assert guide.count("curl") == 3
        pids = json.loads((home / "practice.json").read_text(encoding="utf-8"))["pids"].values()
        yield home
        up.kill()  # nothing of `up` runs any more to end its processes
        up.wait()
        assert wait_until(lambda: all(map(has_ended, pids)), timeout_s=20)
    finally:
        up.kill()
        up.communicate()


def told(home: Path, *words: str) -> int:
    verb, *rest = words
    return console.main([verb, f"--home={home}", *rest])


def addresses(home: Path) -> dict[str, str]:
    return json.loads((home / "practice.json").read_text(encoding="utf-8"))


def test_a_second_hospital_in_one_home_is_refused(
    left_running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(left_running, "up") == 4
    assert "already running" in capsys.readouterr().err


def test_it_is_broken_and_mended_from_another_process(
    left_running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = addresses(left_running)["candidate_url"]
    assert told(left_running, "fault", "candidate", "latency_s=0.1", "wards=ward-1,ward-2") == 0
    assert told(left_running, "fault", "candidate", "drop_text_rate=0.5") == 0
    faults = ask("GET", f"{url}/faults").json()
    assert (faults["latency_s"], faults["drop_text_rate"]) == (0.1, 0.5)
    assert faults["wards"] == ["ward-1", "ward-2"]
    assert told(left_running, "clear") == 0
    assert not any(ask("GET", f"{url}/faults").json().values())
    assert told(left_running, "behave", "status=stale", "lateness_s=[0.5]") == 0
    assert told(left_running, "speed", "120") == 0
    assert "120" in capsys.readouterr().out


def test_a_process_is_ended_and_started_from_another_process(left_running: Path) -> None:
    before = addresses(left_running)
    assert told(left_running, "outage", "candidate") == 0
    assert told(left_running, "fault", "candidate", "latency_s=1") == 2
    assert told(left_running, "restart", "candidate") == 0
    after = addresses(left_running)
    assert after["candidate_url"] == before["candidate_url"]
    assert ask("GET", f"{after['candidate_url']}/healthz").status_code == 200


def test_its_usual_wards_are_at_work(left_running: Path) -> None:
    page = addresses(left_running)["staff_metrics_url"]
    for ward in USUAL.wards:
        eventually(lambda ward=ward.ward: metric(page, "staff_tasks_total", ward=ward) > 0)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("fault", "candidate", "latency_s=-1"), 2),
        (("fault", "candidate", "latency_s"), 2),
        (("speed", "0"), 2),
    ],
    ids=str,
)
def test_a_wrong_word_is_refused(left_running: Path, words: tuple[str, ...], code: int) -> None:
    assert told(left_running, *words) == code


def test_without_a_hospital_there_is_nothing_to_break(tmp_path: Path) -> None:
    assert told(tmp_path, "clear") == 4


def test_a_wards_file_that_is_none_is_a_problem_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wards.json"
    wrong.write_text("{}", encoding="utf-8")
    assert told(tmp_path, "up", f"--wards={wrong}") == 2
    assert str(wrong) in capsys.readouterr().err


def test_up_ends_its_processes_when_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wards.practice", "up", f"--home={tmp_path}"]
    up = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    try:
        assert wait_until((tmp_path / "practice.json").exists, timeout_s=60)
        pids = addresses(tmp_path)["pids"].values()  # pyright: ignore[reportAttributeAccessIssue]
        up.send_signal(signal.SIGTERM)
        assert up.wait(20) == 0
        assert all(has_ended(pid) for pid in pids)
    finally:
        up.kill()
        up.wait()
