"""A ward is exposed on real processes, something is broken, then the ward is harmed."""

import os
import signal

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import Side
from orchestrator.core.state import Phase
from tests.e2e.stage import CLOCK, THIRD, WARD
from tests.e2e.ticks import TICKS_TO_DECIDE

pytestmark = pytest.mark.real
SLACK_S = 2.0
HARM_S = 20.0  # the plan's own harm window is 30 s; a slow machine may need some of it


def is_home(stage) -> bool:
    return stage.state().ward(WARD).phase is Phase.ROLLED_BACK


def test_harm_returns_the_ward_proves_it_and_leaves_the_others_alone(exposed):
    assert exposed.ticks_to_decide(HARM_S) <= TICKS_TO_DECIDE, exposed.why()
    assert exposed.eventually(lambda: is_home(exposed)), exposed.why()
    state = exposed.state()
    back = state.ward(WARD).returned
    assert back is not None
    assert back.actor.startswith("sentinel:")
    assert back.cause.signal == "note_text_lost"
    assert state.freeze is not None
    CLOCK.sleep(2.0)
    after = [
        line
        for line in exposed.log_lines()
        if line["ward"] == WARD and line["at"] > back.proven_at.isoformat(timespec="milliseconds")
    ]
    assert after
    assert {line["system"] for line in after if not line["mirrored"]} == {"legacy"}
    third = [line for line in exposed.log_lines() if line["ward"] == THIRD]
    assert "candidate" not in {line["system"] for line in third}


def assert_told_once(exposed) -> None:
    """The ledger came to hear of the return, once."""
    assert exposed.eventually(lambda: is_home(exposed)), exposed.why()
    CLOCK.sleep(2.0)
    for kind in (ev.RollbackIntended, ev.RollbackWritten, ev.RollbackProven):
        assert len(exposed.happenings(kind)) == 1


def test_ledger_gone_the_ward_returns_and_the_ledger_learns_it_once(exposed):
    with exposed.ledger_away():
        exposed.break_notes()
        assert exposed.home_within(HARM_S), exposed.why()
    assert_told_once(exposed)


def test_ledger_gone_and_sentinel_killed_the_ward_returns_and_the_ledger_learns_it_once(exposed):
    with exposed.ledger_away():
        exposed.break_notes()
        exposed.everything.kill("sentinel")
        unwatched_s = exposed.longest_unwatched_s(lambda: not exposed.exposed())
        assert unwatched_s <= exposed.lease_s + SLACK_S, exposed.why()
    assert_told_once(exposed)


def test_sentinel_killed_over_and_over_the_ward_goes_home(exposed):
    epoch = exposed.epoch()

    def kill_and_look():
        pid = exposed.everything.pids().get("sentinel")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return not exposed.exposed()

    assert exposed.longest_unwatched_s(kill_and_look) <= exposed.lease_s + SLACK_S
    assert exposed.epoch() > epoch


def test_sentinel_killed_once_the_ward_is_watched_or_home_within_a_lease(exposed):
    exposed.everything.kill("sentinel")
    exposed.break_notes()
    unwatched_s = exposed.longest_unwatched_s(lambda: not exposed.exposed())
    assert unwatched_s <= exposed.lease_s + SLACK_S, exposed.why()


def test_sentinel_stopped_the_guard_returns_the_ward_and_going_on_changes_nothing(exposed):
    exposed.everything.hang("sentinel")
    unwatched_s = exposed.longest_unwatched_s(lambda: not exposed.exposed())
    assert unwatched_s <= exposed.lease_s + SLACK_S, exposed.why()
    epoch = exposed.epoch()
    exposed.everything.go_on("sentinel")
    assert exposed.eventually(lambda: is_home(exposed)), exposed.why()
    assert exposed.epoch() == epoch
    back = exposed.state().ward(WARD).returned
    assert back is not None
    assert back.cause.trigger is ev.Trigger.LEASE


def test_candidate_gone_the_ward_returns(exposed):
    exposed.hospital.outage("candidate")
    assert exposed.home_within(HARM_S), exposed.why()
    assert exposed.eventually(lambda: is_home(exposed)), exposed.why()


def test_sight_lost_the_ward_holds_and_returns_after_its_patience(exposed):
    exposed.hospital.outage("clinicians")
    assert exposed.home_within(10 + HARM_S), exposed.why()
    assert exposed.eventually(lambda: is_home(exposed)), exposed.why()
    back = exposed.state().ward(WARD).returned
    assert back is not None
    assert back.cause.trigger is ev.Trigger.BLIND


def test_gateway_late_the_return_is_pending_and_then_proven(exposed):
    exposed.hospital.behave(lateness_s=3.0, admin_delay_s=0.2)
    exposed.break_notes()
    assert exposed.eventually(lambda: is_home(exposed), 60.0), exposed.why()
    (proven,) = exposed.happenings(ev.RollbackProven)
    (written,) = exposed.happenings(ev.RollbackWritten)
    assert proven.after_s - written.after_s > 2.0


def test_legacy_sick_nothing_is_switched_and_people_are_told_what_to_do(exposed):
    exposed.hospital.outage("legacy")
    CLOCK.sleep(2.0)
    exposed.break_notes()
    assert exposed.eventually(lambda: bool(exposed.pages())), exposed.why()
    assert exposed.exposed()
    (page, *_) = exposed.pages()
    procedure = exposed.installation.plan.ward(WARD).downtime_procedure
    assert procedure in str(page)
    assert exposed.eventually(lambda: bool(exposed.happenings(ev.RollbackBlocked)))
    exposed.hospital.restart("legacy")
    assert exposed.home_within(HARM_S), exposed.why()


def test_guard_killed_no_further_exposure(stage):
    stage.expose(until="notes")
    stage.everything.hang("guard")
    CLOCK.sleep(stage.lease_s + 1)
    climber = stage.climber()
    for _ in range(12):
        climber.step(WARD)
        CLOCK.sleep(0.3)
    assert stage.state().ward(WARD).stage == "notes"
    assert "guard_alive" in stage.state().ward(WARD).closed_gates
    route = stage.installation.routes.get(WARD).route
    assert [rule.slice_name for rule in route.rules if rule.side is Side.CANDIDATE] == ["notes"]
