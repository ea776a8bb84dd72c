"""Prefect is stopped, hung or killed while a ward is exposed: safety is the same without it."""

import os
import signal
from collections.abc import Iterator

import httpx2
import pytest

from orchestrator.cli.everything import Wishes
from orchestrator.core.state import Phase
from tests.e2e.stage import WARD, Stage

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
HARM_S = 20.0


@pytest.fixture
def exposed(tmp_path) -> Iterator[Stage]:
    """With Prefect and its worker; the flows themselves bring the ward to the candidate."""
    made = Stage(tmp_path, Wishes(practice=True))
    try:
        made.start_and_approve()
        assert made.eventually(lambda: made.state().ward(WARD).stage == "notes", 150.0), made.why()
        yield made
    finally:
        made.stop()


def rollback_runs(stage: Stage) -> list[str]:
    """The names of the runs by which Prefect shows returns."""
    answer = httpx2.post(
        f"{stage.everything.prefect_ui}/api/flow_runs/filter",
        json={"flow_runs": {"name": {"like_": "ROLLBACK"}}, "limit": 50},
        timeout=10.0,
        trust_env=False,
    )
    return [run["name"] for run in answer.json()] if answer.is_success else []


def test_prefect_hung_the_ward_returns_and_prefect_shows_it_once_it_goes_on(exposed):
    exposed.everything.hang("prefect")
    exposed.break_notes()
    assert exposed.home_within(HARM_S), exposed.why()
    assert exposed.eventually(lambda: exposed.state().ward(WARD).phase is Phase.ROLLED_BACK)
    exposed.everything.go_on("prefect")
    assert exposed.eventually(lambda: bool(rollback_runs(exposed)), 120.0)
    (name,) = rollback_runs(exposed)
    assert WARD in name or "Medicine 52" in name


def test_worker_killed_safety_is_the_same(exposed):
    """That progress resumes as well is shown in tests/flows/test_worker.py."""
    os.kill(exposed.everything.pids()["worker"], signal.SIGKILL)
    exposed.break_notes()
    assert exposed.home_within(HARM_S), exposed.why()
    assert exposed.eventually(lambda: exposed.state().ward(WARD).phase is Phase.ROLLED_BACK)
