"""The keeper against a real Prefect server: runs die and start again, never two for a ward."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Pending, Running, Suspended

from flows import runs
from flows.keeper import RunKeeper
from flows.life import RUN_NOTE
from flows.story import Telling, tell
from flows.wanted import APPROVE, PROGRAMME, WARD, ward_run_lease
from orchestrator.core.event import ApprovalGiven, GateAnswered, WardStarted
from tests.flows.stage import MARKS, Stage, in_prefect
from tests.flows.tales import NOTES, READINESS, Tale
from tests.plans import CSO, FIRST, HEAD, plan

pytestmark = MARKS
WARD_RUN = f"{WARD}/{FIRST}"


class Round:
    """One ledger, one keeper's clock, any number of keepers."""

    def __init__(self, stage: Stage, tale: Tale, ids: Mapping[str, UUID]) -> None:
        self.stage = stage
        self.tale = tale
        self.ids = ids
        self.keeper = self.another()

    def another(self) -> RunKeeper:
        return RunKeeper(
            plan=plan(), leases=self.stage.leases, clock=self.stage.clock, deployments=self.ids
        )

    def go(self, keeper: RunKeeper | None = None) -> None:
        telling = tell(Telling(), self.tale.entries())
        in_prefect(lambda client: (keeper or self.keeper).round(client, telling))

    def live(self, deployment: str) -> list[FlowRun]:
        found = in_prefect(lambda client: runs.live_runs(client, (PROGRAMME, WARD, APPROVE)))
        return [run for run in found if run.deployment_id == self.ids[deployment]]

    def put(self, run: FlowRun, state: State) -> None:
        in_prefect(lambda client: client.set_flow_run_state(run.id, state, force=True))

    def again(self, run: FlowRun) -> FlowRun:
        return in_prefect(lambda client: client.read_flow_run(run.id))

    def sign(self, run: FlowRun, version: str = "") -> str:
        """The process that carries a run shows its sign of life."""
        record = self.stage.leases.put(
            ward_run_lease(FIRST),
            holder="process",
            duration_s=plan().policy.lease_s,
            transitions=0,
            notes={RUN_NOTE: str(run.id)},
            resource_version=version,
        )
        return record.resource_version


@pytest.fixture
def scene(ids: Mapping[str, UUID], tmp_path: Path) -> Round:
    """A programme that has just begun, on a server without any run that lives."""
    tale = Tale().begun()

    async def clean(client: PrefectClient) -> None:
        kept = FlowFilter(name=FlowFilterName(any_=[PROGRAMME, WARD, APPROVE]))
        for run in await client.read_flow_runs(flow_filter=kept):
            await client.delete_flow_run(run.id)

    in_prefect(clean)
    return Round(Stage(tmp_path, tale), tale, ids)


def test_starts_the_programme_and_its_first_ward_once(scene: Round) -> None:
    scene.go()
    scene.go()
    scene.go(scene.another())
    (programme,) = scene.live(f"{PROGRAMME}/{PROGRAMME}")
    (ward,) = scene.live(WARD_RUN)
    assert programme.name == "test: 2 wards → 2026.11.3"
    assert (ward.name, ward.parameters) == (f"{FIRST} → 2026.11.3", {"ward": FIRST})


def test_a_killed_run_is_ended_and_another_started(scene: Round) -> None:
    scene.go()
    (first,) = scene.live(WARD_RUN)
    scene.put(first, Running())
    scene.go()
    scene.stage.clock.advance(30)
    scene.go()
    gone = scene.again(first)
    assert (gone.state_type, gone.state_name) == (StateType.CRASHED, "Gone")
    scene.stage.clock.advance(6)
    scene.go()
    (second,) = scene.live(WARD_RUN)
    assert second.id != first.id


def test_a_run_whose_process_shows_a_sign_of_life_is_left_alone(scene: Round) -> None:
    scene.go()
    (run,) = scene.live(WARD_RUN)
    scene.put(run, Running())
    version = ""
    for _ in range(12):
        version = scene.sign(run, version)
        scene.go()
        scene.stage.clock.advance(4)
    assert [one.id for one in scene.live(WARD_RUN)] == [run.id]


def test_a_sign_of_life_of_another_run_keeps_no_dead_one(scene: Round) -> None:
    scene.go()
    (run,) = scene.live(WARD_RUN)
    scene.put(run, Running())
    other = run.model_copy(update={"id": UUID(int=1)})
    version = ""
    for _ in range(12):
        version = scene.sign(other, version)
        scene.go()
        scene.stage.clock.advance(4)
    assert scene.again(run).state_name == "Gone"


def test_a_dead_run_of_a_ward_that_went_back_ends_as_it_would_have(scene: Round) -> None:
    scene.go()
    (run,) = scene.live(WARD_RUN)
    scene.put(run, Running())
    scene.go()
    scene.tale.at().returned()
    scene.stage.clock.advance(30)
    scene.go()
    ended = scene.again(run)
    assert (ended.state_type, ended.state_name) == (StateType.FAILED, "RolledBack")
    assert ended.state is not None
    assert "3.4 s, limit 2" in str(ended.state.message)


def test_what_a_person_cancelled_stays_cancelled(scene: Round) -> None:
    scene.go()
    (programme,) = scene.live(f"{PROGRAMME}/{PROGRAMME}")
    (ward,) = scene.live(WARD_RUN)
    for run in (programme, ward):
        scene.put(run, Cancelled())
    for _ in range(3):
        scene.stage.clock.advance(10)
        scene.go()
    assert scene.live(WARD_RUN) == [] == scene.live(f"{PROGRAMME}/{PROGRAMME}")


def test_a_form_is_opened_once_and_closed_when_the_command_line_answered(scene: Round) -> None:
    scene.tale.say(FIRST, WardStarted(stage=READINESS))
    scene.tale.at_shadow().say(FIRST, GateAnswered(stage=NOTES, closed=("approved",)))
    scene.go()
    scene.go(scene.another())
    (form,) = scene.live(f"{APPROVE}/{APPROVE}")
    assert form.name == f"Approve {FIRST} · {NOTES}"
    scene.put(form, Suspended(timeout_seconds=3600))
    scene.go()
    assert scene.live(f"{APPROVE}/{APPROVE}")
    for role in (CSO, HEAD):
        scene.tale.say(FIRST, ApprovalGiven(stage=NOTES, role=role))
    scene.go()
    assert scene.again(form).state_name == "Answered"


def test_a_form_that_was_out_for_days_is_not_buried_when_it_is_answered(scene: Round) -> None:
    scene.tale.say(FIRST, WardStarted(stage=READINESS))
    scene.tale.at_shadow().say(FIRST, GateAnswered(stage=NOTES, closed=("approved",)))
    scene.go()
    (form,) = scene.live(f"{APPROVE}/{APPROVE}")
    for state in (Pending(), Suspended(timeout_seconds=999_999), Pending(), Running()):
        scene.put(form, state)
        scene.go()
        scene.stage.clock.advance(110)
        scene.go()
    assert scene.again(form).state_name == "Running"
