"""Prefect is stopped, hung or killed while a ward is exposed: safety is the same without it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from orchestrator.cli.everything import Wishes
from orchestrator.core import event as ev
from orchestrator.core.state import Phase
from tests.e2e.stage import WARD, Stage

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
HARM_S = 20.0
STEPS = (ev.WardStarted, ev.PromotionIntended, ev.StageEntered)


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    """With Prefect and its worker."""
    made = Stage(tmp_path, Wishes(practice=True))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def exposed(stage) -> Stage:
    """The flows themselves bring the ward to the candidate."""
    stage.start_and_approve()
    assert stage.eventually(lambda: stage.state().ward(WARD).stage == "notes", 150.0), stage.why()
    return stage


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
    os.kill(exposed.everything.pids()["worker"], signal.SIGKILL)
    exposed.break_notes()
    assert exposed.home_within(HARM_S), exposed.why()
    assert exposed.eventually(lambda: exposed.state().ward(WARD).phase is Phase.ROLLED_BACK)


def test_all_flow_processes_killed_after_every_step_and_the_ward_still_arrives(stage):
    """The first entry of each kind about each stage is met with kill -9 of the worker and of
    every process that carries a run, wherever they happen to be: between an intent and its
    write, after the write, after the proof. What was intended may be abandoned and intended
    again; it is not killed a second time."""
    killed_after: set[tuple[str, str]] = set()

    def kill_when_something_happened() -> bool:
        steps = {
            (type(one).__name__, one.stage) for kind in STEPS for one in stage.happenings(kind)
        }
        if steps > killed_after:
            killed_after.update(steps)
            for pid in family(stage.everything.pids().get("worker")):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return stage.state().ward(WARD).stage == "notes"

    stage.start_and_approve()
    assert stage.eventually(kill_when_something_happened, 480.0), stage.why()
    assert {("WardStarted", "readiness"), ("PromotionIntended", "notes")} <= killed_after
    state = stage.state().ward(WARD)
    assert stage.epoch() == state.epoch
    exposing = [one for one in stage.happenings(ev.PromotionIntended) if one.exposes]
    (entered,) = [one for one in stage.happenings(ev.StageEntered) if one.stage == "notes"]
    assert entered.epoch in {one.epoch for one in exposing}
    served = {line["epoch"] for line in stage.log_lines() if is_of_the_ward(line)}
    assert served <= {one.epoch for one in exposing} | {None}
    stage.break_notes()
    assert stage.home_within(HARM_S), stage.why()


def is_of_the_ward(line: dict[str, Any]) -> bool:
    """Whether the candidate answered the ward itself, and not its copy or its drill."""
    return (
        line["system"] == "candidate"
        and line["ward"] == WARD
        and not line["mirrored"]
        and line["client"] != "drill"
    )


def family(pid: int | None) -> list[int]:
    """A process and all that descend from it."""
    if pid is None:
        return []
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(stat[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found
