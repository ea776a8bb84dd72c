"""Flows run as a worker's child runs them, against a real Prefect server, fakes at the ports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType

from flows.approve import approve
from flows.drill import drill
from flows.hold import WHOLE_PROGRAMME, hold, resume
from flows.programme import programme
from flows.rollback import rollback
from flows.ward import ward
from orchestrator.adapters.clock import wait_until
from orchestrator.core.event import (
    ApprovalGiven,
    ApprovalWithdrawn,
    DrillDone,
    HoldPlaced,
    ResumeAgreed,
    RollbackBlocked,
    RollbackIntended,
    WardAccepted,
    WardStarted,
)
from orchestrator.core.ids import ActorKind
from orchestrator.core.route import Annotation, desired_route, is_exposed
from orchestrator.core.verdict import Code, Level
from orchestrator.errors import Unavailable
from tests.fakes import FakeProber, FakeRoutes
from tests.flows.stage import MARKS, Stage, asked_for, in_prefect
from tests.flows.tales import NOTES, READINESS, SHADOW, Tale, legacy_verdict, verdict
from tests.plans import CSO, FIRST, HEAD, LEAD, SECOND

pytestmark = MARKS


def message(run: FlowRun) -> str:
    return "" if run.state is None else str(run.state.message)


def steps(run: FlowRun) -> list[tuple[str, str]]:
    """Name and end of each bar; Prefect hears of task runs by event, a moment later."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    found: list[Any] = []

    def have_ended() -> bool:
        found[:] = in_prefect(lambda client: client.read_task_runs(flow_run_filter=this))
        return bool(found) and all(step.state.is_final() for step in found)

    assert wait_until(have_ended, timeout_s=20, every_s=0.2)
    return [(step.name, step.state_name) for step in found]


def artifacts(run: FlowRun) -> set[str]:
    this = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    found = in_prefect(lambda client: client.read_artifacts(flow_run_filter=this))
    return {one.key for one in found}


def happenings(stage: Stage, kind: type[Any]) -> list[Any]:
    drafts = (entry.draft for entry in stage.ledger.kept())
    return [draft for draft in drafts if isinstance(draft.happening, kind)]


def test_a_returned_wards_run_is_red_and_says_everything(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun().at().returned())
    run = stage.run(ward, asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST}))
    assert (run.state_type, run.state_name) == (StateType.FAILED, "RolledBack")
    assert run.name.startswith(f"{FIRST} → 2026.11.3: back on legacy 06:00:10: slow screens")
    for fact in ("slow screens: 3.4 s, limit 2", "06:00:10", "24 probes", "wardshift resume"):
        assert fact in message(run)
    assert artifacts(run) == {f"signals-{FIRST}", f"gates-{FIRST}", f"soak-{FIRST}"}
    assert (f"next: wardshift resume {FIRST}, two roles", "Next") in steps(run)


def test_an_accepted_wards_run_is_green(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, Tale().begun().at().say(FIRST, WardAccepted(stage=NOTES)))
    run = stage.run(ward, asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST}))
    assert (run.state_type, run.state_name) == (StateType.COMPLETED, "Accepted")


def test_a_wards_run_is_the_second_line_behind_a_dead_sentinel(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    tale = Tale().begun().at().say(FIRST, legacy_verdict(Level.PASS)).breached()
    stage = Stage(tmp_path, tale)
    stage.clock.runs_by_itself = True
    run = stage.run(ward, asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST}))
    assert run.state_name == "RolledBack"
    assert not is_exposed(stage.routes.get_quietly(FIRST).route)
    (intended,) = happenings(stage, RollbackIntended)
    assert intended.actor.kind is ActorKind.FLOW
    assert (f"{FIRST} · {NOTES}", "RolledBack") in steps(run)


def test_a_second_run_of_a_ward_does_nothing(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, Tale().begun().at())
    stage.clock.runs_by_itself = True
    stage.leases.renewed_by_another(f"run-{FIRST}")
    run = stage.run(ward, asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST}))
    assert run.state_name == "Elsewhere"


def test_a_ward_that_is_not_in_the_plan_fails_by_name(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun())
    made = asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST})
    made.parameters["ward"] = "nowhere-9"
    assert "nowhere-9" in message(stage.run(ward, made))


def test_a_frozen_programme_is_red_and_shows_its_board(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun().at().returned())
    run = stage.run(programme, asked_for(ids["programme/programme"], {}))
    assert run.state_name == "RolledBack"
    assert FIRST in message(run)
    assert "resume --programme" in message(run)
    assert artifacts(run) == {"ward-board"}
    assert set(steps(run)) == {
        (f"ward {FIRST}", "RolledBack"),
        (f"next: wardshift resume {FIRST}, then --programme, two roles", "Next"),
    }


def test_a_finished_programme_is_green(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    tale = Tale().begun()
    for one in (FIRST, SECOND):
        tale.at(one).say(one, WardAccepted(stage=NOTES))
    run = Stage(tmp_path, tale).run(programme, asked_for(ids["programme/programme"], {}))
    assert (run.state_type, run.state_name) == (StateType.COMPLETED, "Accepted")


def test_a_programme_under_another_plan_is_refused_in_words(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun(), plan_hash="another")
    run = stage.run(programme, asked_for(ids["programme/programme"], {}))
    assert (run.state_type, run.state_name) == (StateType.FAILED, "Refused")
    assert "another" in message(run)


def form(ids: Mapping[str, UUID], stage: Stage) -> FlowRun:
    """An approval form that is out."""
    made = asked_for(ids["approve/approve"], {"ward": FIRST, "stage": NOTES})
    run = stage.run(approve, made)
    assert run.state is not None
    assert run.state.is_paused()
    return run


def at_shadow() -> Tale:
    return Tale().begun().say(FIRST, WardStarted(stage=READINESS)).at_shadow()


def answer(run: FlowRun, **fields: str | None) -> FlowRun:
    """Fill the form in, as the UI does."""

    async def send(client: Any) -> FlowRun:
        done = await client.resume_flow_run(run.id, run_input=fields)
        assert done.status.value == "ACCEPT", done
        return await client.read_flow_run(run.id)

    return in_prefect(send)


def test_an_answered_form_becomes_an_approval_by_role(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, at_shadow())
    resumed = answer(form(ids, stage), role=CSO, answer="yes", comment="evidence read")
    run = stage.run(approve, resumed)
    assert run.state_name == "Approved"
    (given,) = happenings(stage, ApprovalGiven)
    assert (given.happening.stage, given.happening.role) == (NOTES, CSO)
    assert (given.actor.kind, given.happening.comment) == (ActorKind.PERSON, "evidence read")


def test_a_no_closes_the_form_and_is_in_the_ledger(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, at_shadow())
    run = stage.run(approve, answer(form(ids, stage), role=HEAD, answer="no", comment="staff"))
    assert run.state_name == "Declined"
    assert len(happenings(stage, ApprovalWithdrawn)) == 1


def test_no_answer_leaves_the_form_open(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, at_shadow())
    run = stage.run(approve, answer(form(ids, stage), role=CSO, answer="later"))
    assert run.state is not None
    assert run.state.is_paused()
    run = stage.run(approve, answer(run, role=CSO, answer="yes"))
    assert run.state_name == "Approved"


@pytest.mark.parametrize("role", ["nobody", LEAD], ids=["no role", "a role that is not asked"])
def test_the_server_refuses_a_role_that_the_stage_does_not_ask(
    ids: Mapping[str, UUID], tmp_path: Path, role: str
) -> None:
    run = form(ids, Stage(tmp_path, at_shadow()))
    fields = {"role": role, "answer": "yes"}
    done = in_prefect(lambda client: client.resume_flow_run(run.id, run_input=fields))
    assert done.status.value == "REJECT"


def test_an_answer_after_the_command_line_says_that_it_is_there_already(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    tale = at_shadow()
    stage = Stage(tmp_path, tale)
    run = form(ids, stage)
    tale.say(FIRST, ApprovalGiven(stage=NOTES, role=CSO), ApprovalGiven(stage=NOTES, role=HEAD))
    run = stage.run(approve, answer(run, role=CSO, answer="yes"))
    assert run.state_name == "Answered"
    assert len(happenings(stage, ApprovalGiven)) == 2


def button(ids: Mapping[str, UUID], **fields: Any) -> FlowRun:
    given = {"ward": FIRST, "reason": "wrong doses", "role": CSO, **fields}
    return asked_for(ids["rollback/rollback"], given)


def test_the_rollback_button_brings_a_ward_back(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, Tale().begun().at())
    run = stage.run(rollback, button(ids))
    assert run.name == f"ROLLBACK {FIRST}: wrong doses"
    assert run.state_name == "RolledBack"
    assert "wrong doses" in message(run)
    assert "proven by" in message(run)
    assert not is_exposed(stage.routes.get_quietly(FIRST).route)
    (intended,) = happenings(stage, RollbackIntended)
    assert (intended.actor.kind, intended.actor.name) == (ActorKind.PERSON, CSO)


def test_the_rollback_button_needs_no_ledger(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, Tale().begun().at())
    stage.ledger.down = True
    run = stage.run(rollback, button(ids))
    assert run.state_name == "RolledBack"
    assert not is_exposed(stage.routes.get_quietly(FIRST).route)


def test_the_rollback_button_says_so_when_it_could_not(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun().at())
    for _ in range(5):
        stage.routes.fail_next(Unavailable("routes", "no answer"))
    run = stage.run(rollback, button(ids))
    assert (run.state_type, run.state_name) == (StateType.FAILED, "NotReturned")
    assert "red binder" in message(run)


def test_the_rollback_button_does_not_switch_blindly_to_a_sick_legacy(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun().at().say(FIRST, legacy_verdict(Level.BREACH)))
    assert stage.run(rollback, button(ids)).state_name == "NotReturned"
    assert len(happenings(stage, RollbackBlocked)) == 1
    assert is_exposed(stage.routes.get_quietly(FIRST).route)
    forced = stage.run(rollback, button(ids, legacy_is_sick=True))
    assert forced.state_name == "RolledBack"


def at_rest(stage: Stage) -> Stage:
    """The route as it is while the ward is in shadow."""
    shadow = stage.plan.stage(SHADOW)
    begin = Annotation(who="test", why="begin")
    resting = (
        desired_route(stage.plan, name, shadow, epoch=2, annotation=begin)
        for name in (FIRST, SECOND)
    )
    stage.routes = FakeRoutes(resting)
    stage.installation.__dict__.update(routes=stage.routes, prober=FakeProber(stage.routes))
    return stage


def test_the_drill_button_measures_the_return_and_says_the_times(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = at_rest(Stage(tmp_path, at_shadow()))
    fields = {"ward": FIRST, "rounds": 2, "role": CSO}
    run = stage.run(drill, asked_for(ids["drill/drill"], fields))
    assert (run.name, run.state_type) == (f"Drill {FIRST}", StateType.COMPLETED), message(run)
    assert run.state_name == "Drilled"
    assert "2 rounds, slowest restored in" in message(run)
    (done,) = happenings(stage, DrillDone)
    assert (done.happening.passed, done.happening.rounds) == (True, 2)
    assert (done.actor.kind, done.actor.name) == (ActorKind.PERSON, CSO)


def test_the_drill_button_does_not_touch_an_exposed_ward(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = Stage(tmp_path, Tale().begun().at())
    before = stage.routes.get_quietly(FIRST)
    run = stage.run(drill, asked_for(ids["drill/drill"], {"ward": FIRST}))
    assert (run.state_type, run.state_name) == (StateType.FAILED, "NotDrilled")
    assert f"{FIRST} was not drilled" in message(run)
    assert stage.routes.get_quietly(FIRST) == before
    assert happenings(stage, DrillDone) == []


def test_a_drill_that_is_too_slow_is_red_with_its_times(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    stage = at_rest(Stage(tmp_path, at_shadow()))
    limit_s = stage.plan.policy.drill.restore_within_s
    slow_down(stage, limit_s + 1)
    run = stage.run(drill, asked_for(ids["drill/drill"], {"ward": FIRST, "rounds": 1}))
    assert (run.state_type, run.state_name) == (StateType.FAILED, "NotDrilled")
    assert f"the limit is {limit_s:g} s" in message(run)


def slow_down(stage: Stage, write_s: float) -> None:
    """Each write of a route takes so long."""
    swift = stage.routes.replace

    def slow(*given: Any, **named: Any) -> Any:
        stage.clock.advance(write_s)
        return swift(*given, **named)

    stage.routes.replace = slow  # type: ignore[method-assign]


def test_hold_and_resume_go_through_the_ledger(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, Tale().begun().at())
    fields = {"ward": FIRST, "reason": "staffing", "role": CSO}
    held = stage.run(hold, asked_for(ids["hold/hold"], fields))
    assert held.state_name == "OnHold"
    assert len(happenings(stage, HoldPlaced)) == 1
    resumed = stage.run(resume, asked_for(ids["resume/resume"], fields))
    assert resumed.state_name == "Resumed"


def test_a_frozen_programme_needs_two_roles(ids: Mapping[str, UUID], tmp_path: Path) -> None:
    stage = Stage(tmp_path, Tale().begun().at().returned())
    for role, state in ((CSO, "Agreed"), (LEAD, "Resumed")):
        fields = {"ward": WHOLE_PROGRAMME, "reason": "cause found", "role": role}
        assert stage.run(resume, asked_for(ids["resume/resume"], fields)).state_name == state
    assert {one.happening.role for one in happenings(stage, ResumeAgreed)} == {CSO, LEAD}
    again = stage.run(resume, asked_for(ids["resume/resume"], fields))
    assert (again.state_type, again.state_name) == (StateType.FAILED, "Refused")


def test_a_verdict_of_a_signal_without_value_breaks_nothing(
    ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    tale = Tale().begun().at().say(FIRST, verdict(Level.BLIND, Code.NO_DATA, None)).returned()
    run = Stage(tmp_path, tale).run(ward, asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST}))
    assert run.state_name == "RolledBack"
