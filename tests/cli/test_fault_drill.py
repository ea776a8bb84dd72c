"""`wardshift practice drill`: which faults, and what is never begun. The drills: tests/e2e."""

from pathlib import Path

import pytest

from orchestrator.cli.fault_drill import ALL, chosen
from orchestrator.cli.faults import BREAKINGS, fault_drill
from orchestrator.cli.practice_stage import quick_plan
from orchestrator.errors import ConfigError, ExitCode
from orchestrator.reports.fault_drills import Fault
from tests.cli.running import wardshift


def test_all_faults_are_the_default_and_each_can_be_broken() -> None:
    assert chosen(ALL) == tuple(Fault)
    assert set(BREAKINGS) == set(Fault)
    assert [fault for fault in Fault if BREAKINGS[fault].needs_prefect] == [Fault.PREFECT]


def test_a_fault_named_twice_is_drilled_once() -> None:
    assert chosen("api, prometheus,signals,api") == (Fault.API, Fault.SIGNALS)


@pytest.mark.parametrize("text", ["", ",", "candidate,gateway"])
def test_what_is_no_fault_is_said_before_anything_starts(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        chosen(text)
    out = tmp_path / "out"
    ran = wardshift("practice", "drill", "--faults", text, "--out", str(out), home=tmp_path)
    assert ran.code == ExitCode.USAGE
    assert "candidate,database" in ran.err
    assert not out.exists()


def test_a_folder_with_other_things_is_not_emptied_and_the_row_says_so(tmp_path: Path) -> None:
    home = tmp_path / "api"
    home.mkdir()
    (home / "mine.txt").write_text("mine")
    row = fault_drill(Fault.API, plan=quick_plan(tmp_path), home=home, tell=lambda _: None)
    assert not row.is_good
    assert "holds other things" in row.problem
    assert (home / "mine.txt").read_text() == "mine"
