"""Stops as Prefect shows them and as its buttons make them; no Prefect server is needed for it."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from flows import record, stop_hand
from flows.ending import FROZEN, ROLLED_BACK, STOPPED, TAKEN_BACK, programme_end
from flows.record import Showing
from flows.story import Telling, tell
from flows.wanted import REFUSED
from orchestrator.adapters.notify import FanOut
from orchestrator.core import event as ev
from orchestrator.core.route import is_exposed
from orchestrator.ports import Page
from tests.flows.stage import Stage
from tests.flows.tales import Tale
from tests.plans import CSO, FIRST, HEAD, SECOND
from tests.stops import NURSE, stop_plan

MADE = ev.StopReported(report="kcdf", role=NURSE, reporter="a", words="text vanishes")


def shown(tale: Tale) -> tuple[Showing, ...]:
    return record.showings(stop_plan(), tell(Telling(), tale.entries()))


def test_a_report_runs_until_somebody_has_answered_for_it() -> None:
    tale = Tale().begun().at().say(FIRST, MADE)
    (running,) = shown(tale)
    assert running.end is None
    assert "kcdf" in running.name
    assert "wardshift acknowledge kcdf" in running.page
    tale.say(FIRST, ev.StopAcknowledged(report="kcdf", role=CSO))
    (ended,) = shown(tale)
    assert ended.end is not None
    assert (ended.key, ended.end.name) == (running.key, STOPPED)
    assert CSO in ended.end.message


def test_a_report_that_was_taken_back_ends_green_and_an_unproven_one_says_so() -> None:
    back = ev.ReturnCancelled(trigger=ev.Trigger.STOP, subject="kcdf", role=CSO, reason="exercise")
    unproven = ev.StopUnproven(report="zzzz", role=HEAD, words="")
    first, second = shown(Tale().begun().at().say(FIRST, MADE, back, unproven))
    assert first.end is not None
    assert (first.end.is_good, first.end.name) == (True, TAKEN_BACK)
    assert second.name.startswith("UNCONFIRMED STOP")
    assert second.end is None


def test_a_stopped_programme_is_shown_red_with_what_to_do() -> None:
    (one,) = shown(Tale().begun().say(None, ev.ProgrammeStopped(role=CSO, reason="doses")))
    assert one.name == f"PROGRAMME STOPPED by {CSO}: doses"
    assert one.end is not None
    assert not one.end.is_good
    assert "wardshift resume --programme" in one.end.message


def test_a_programme_frozen_by_a_report_does_not_end_with_an_older_return() -> None:
    agreed = tuple(ev.ResumeAgreed(role=role, reason="mended") for role in (CSO, "programme_lead"))
    tale = Tale().begun().at().returned().say(FIRST, *agreed).say(None, *agreed).say(FIRST, MADE)
    end = programme_end(stop_plan(), tell(Telling(), tale.entries()))
    assert end is not None
    assert end.name == FROZEN
    assert "kcdf" in end.message


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Two wards whose routes are on the candidate; the record knows of the first."""
    made = Stage(tmp_path, Tale().begun().at())
    installation = replace(made.installation, plan=stop_plan())
    installation.__dict__.update(
        {
            name: value
            for name, value in made.installation.__dict__.items()
            if name not in ("site", "plan", "plan_hash")
        }
    )
    made.installation = installation
    return made


def is_on_candidate(stage: Stage, ward=FIRST) -> bool:
    return is_exposed(stage.routes.get_quietly(ward).route)


def happened(stage: Stage, kind: type) -> list:
    kept = (entry.draft.happening for entry in stage.ledger.kept())
    return [one for one in kept if isinstance(one, kind)]


def test_the_stop_button_freezes_and_a_role_alone_returns_the_ward(stage: Stage) -> None:
    end = stop_hand.stop(stage.installation, FIRST, role=NURSE, words="text")
    assert (end.is_good, end.name) == (True, STOPPED)
    assert is_on_candidate(stage)
    end = stop_hand.stop(stage.installation, FIRST, role=HEAD, words="text")
    assert end.name == ROLLED_BACK
    assert not is_on_candidate(stage)
    assert len(happened(stage, ev.StopReported)) == 2
    assert len(happened(stage, ev.RollbackIntended)) == 1


def test_a_stop_needs_no_ledger(stage: Stage) -> None:
    stage.ledger.down = True
    stop_hand.stop_everything(stage.installation, role=CSO, reason="doses")
    assert not is_on_candidate(stage)
    assert not is_on_candidate(stage, SECOND)
    stage.ledger.down = False
    stop_hand.acknowledge(stage.installation, "none", role=CSO)  # any later look drains
    assert len(happened(stage, ev.ProgrammeStopped)) == 1


def test_taking_in_hand_and_taking_back(stage: Stage) -> None:
    stop_hand.stop(stage.installation, FIRST, role=NURSE, words="text")
    (made,) = happened(stage, ev.StopReported)
    assert stop_hand.acknowledge(stage.installation, made.report, role=CSO).is_good
    assert len(happened(stage, ev.StopAcknowledged)) == 1

    def cancel(role, subject=made.report, trigger=ev.Trigger.STOP):
        return stop_hand.cancel(
            stage.installation, FIRST, trigger, subject, role=role, reason="an exercise"
        )

    assert cancel(NURSE).name == REFUSED
    assert cancel(CSO, trigger=ev.Trigger.BREACH).name == REFUSED
    assert cancel(CSO).name == TAKEN_BACK
    assert stop_hand.acknowledge(stage.installation, "zzzz", role=CSO).name == REFUSED
    assert stop_hand.stop(stage.installation, FIRST, role="janitor", words="").name == REFUSED


class AtTheEnd(FanOut):
    """Tells nobody before it is asked whether all is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._may_tell = threading.Event()
        super().__init__((self._Slow(self.told, self._may_tell),))

    def settle(self, *, timeout_s: float) -> bool:
        self._may_tell.set()
        return super().settle(timeout_s=timeout_s)

    class _Slow:
        def __init__(self, told: list[str], may_tell: threading.Event) -> None:
            self._told, self._may_tell = told, may_tell

        def page(self, page: Page) -> None:
            self._may_tell.wait(60)
            self._told.append(page.code)


def test_a_run_does_not_end_before_its_pages_are_told(stage: Stage) -> None:
    """They go out on threads that end with the run's process."""
    pager = AtTheEnd()
    stage.installation.__dict__["notifier"] = pager
    stop_hand.stop(stage.installation, FIRST, role=NURSE, words="text vanishes")
    assert pager.told == ["stop_reported"]
    again = AtTheEnd()
    stage.installation.__dict__["notifier"] = again
    stop_hand.stop_everything(stage.installation, role=CSO, reason="doses")
    assert again.told == ["programme_stopped"]
