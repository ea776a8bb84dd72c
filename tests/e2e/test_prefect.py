"""Prefect is stopped, hung or killed while a ward is exposed: safety is the same without it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from orchestrator.cli.everything import Wishes
from orchestrator.core import event as ev
from orchestrator.core.state import Phase
from tests.e2e.stage import WARD, Stage, family
from tests.e2e.ticks import TICKS_TO_DECIDE

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


def prefect_answers(stage: Stage) -> bool:
    """Whether its API does."""
    try:
        return httpx2.get(
            f"{stage.everything.prefect_ui}/api/health", timeout=1.0, trust_env=False
        ).is_success
    except httpx2.HTTPError:
        return False


def rollback_runs(stage: Stage) -> list[str]:
    """The names of the runs by which Prefect shows returns."""
    try:
        answer = httpx2.post(
            f"{stage.everything.prefect_ui}/api/flow_runs/filter",
            json={"flow_runs": {"name": {"like_": "ROLLBACK"}}, "limit": 50},
            timeout=10.0,
            trust_env=False,
        )
    except httpx2.HTTPError:
        return []
    return [run["name"] for run in answer.json()] if answer.is_success else []


def gone(stage: Stage) -> None:
    """Kill -9; its supervisor starts it again, which takes longer than the ward's return."""
    stage.everything.kill("prefect")
    assert not prefect_answers(stage)


BREAKS: dict[str, tuple[Callable[[Stage], None], Callable[[Stage], None]]] = {
    "stopped": (
        lambda stage: stage.everything.hang("prefect"),
        lambda stage: stage.everything.go_on("prefect"),
    ),
    "killed": (gone, lambda stage: None),
}


@pytest.mark.parametrize("how", BREAKS)
def test_without_prefect_the_ward_returns_as_fast_and_prefect_shows_it_once_it_is_back(
    exposed: Stage, how: str
) -> None:
    break_it, mend_it = BREAKS[how]
    break_it(exposed)
    assert exposed.ticks_to_decide(HARM_S) <= TICKS_TO_DECIDE, exposed.why()
    assert not prefect_answers(exposed)
    assert exposed.eventually(lambda: exposed.state().ward(WARD).phase is Phase.ROLLED_BACK)
    mend_it(exposed)
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
