"""Faults of comparable systems, each played on the real services over fakes.

The table in docs/explanation/traps.md says where the others are tested.
"""

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.state import Phase
from orchestrator.service.rollback import Outcome, roll_back
from tests.plans import CSO, FIRST, HEAD, SLOW
from tests.property.world import Crash, World, entered_stages

CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")
TURNS = 200


def around(world: World, *, hours: float = 4.0) -> None:
    """Some hours go by for the hospital, and a moment for the processes around the ward."""
    world.clock.jump(hours * 3600.0)
    for turn in (world.sentinels[0].turn, world.guards[0].turn, world.flows[0].turn):
        world.clock.advance(2.1)
        turn()


def climb(world: World, until: Phase | StageName) -> None:
    for _ in range(TURNS):
        ward = world.state().ward(FIRST)
        if until in (ward.phase, ward.stage):
            return
        around(world)
    raise AssertionError(f"the ward never reached {until}: {world.state().ward(FIRST)}")


def tick(world: World, times: int) -> None:
    for _ in range(times):
        world.clock.advance(1.0)
        world.sentinels[0].turn()


def happenings(world: World, kind: type) -> list:
    return [draft.happening for draft in world.drafts() if isinstance(draft.happening, kind)]


@pytest.fixture
def world() -> World:
    """A started programme in which the first two approvals are given."""
    made = World()
    made.clock.meanwhile = made.sentinels[0].turn
    made.desk.start()
    for role in (CSO, HEAD):
        made.desk.approve(FIRST, StageName("notes"), role, comment="")
    return made


def test_a_breach_while_the_ward_waits_at_a_closed_gate_returns_it(world: World) -> None:
    """flagger#1801: a breach seen while a gate is closed was not acted on."""
    climb(world, StageName("all"))
    for _ in range(10):
        around(world)
    ward = world.state().ward(FIRST)
    assert (ward.phase, ward.closed_gates) == (Phase.AT_STAGE, ("approved",))
    assert world.exposed()
    world.numbers[SLOW] = 9.0
    tick(world, 2)
    assert not world.exposed()


@pytest.mark.parametrize("trigger", ["breach", "person"])
def test_a_ward_comes_back_also_after_its_last_promotion(world: World, trigger: str) -> None:
    """argo-rollouts#4461: an abort after the full promotion was ignored."""
    world.desk.approve(FIRST, StageName("accepted"), CSO, comment="")
    climb(world, Phase.ACCEPTED)
    assert world.exposed()
    if trigger == "breach":
        world.numbers[SLOW] = 9.0
        tick(world, 2)
    else:
        scribe = world.scribe(ActorKind.PERSON, "cso")
        report = roll_back(
            world.hands(scribe, world.routes), world.state().ward(FIRST), CAUSE, is_fresh=True
        )
        assert report.outcome is Outcome.PROVEN
    assert not world.exposed()
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_return_that_was_intended_is_written_by_the_process_that_starts_next(
    world: World, dies: str
) -> None:
    """Killed around the route write: the restarted process completes it, once."""
    climb(world, StageName("notes"))
    sentinel = world.sentinels[0]
    writes_so_far = len(world.routes.writes)
    world.numbers[SLOW] = 9.0
    tick(world, 1)
    _kill_at_the_route_write(world, dies)
    tick(world, 1)
    assert sentinel.starts == 2
    assert len(happenings(world, ev.RollbackIntended)) == 1
    assert world.exposed() is (dies == "before")
    for _ in range(15):
        tick(world, 1)
    assert not world.exposed()
    assert len(world.routes.writes) == writes_so_far + 1
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK
    assert len(happenings(world, ev.RollbackIntended)) == 1


def _kill_at_the_route_write(world: World, dies: str) -> None:
    """Whoever writes the next route dies just before it, or just after."""

    def die(_route: object) -> None:
        raise Crash

    if dies == "before":
        world.routes.before_write = die
    else:
        world.routes.apply_then_fail_next(Crash())  # type: ignore[arg-type]


def test_what_people_approved_is_still_approved_after_every_process_was_restarted(
    world: World,
) -> None:
    """flagger's gates live in the memory of its load tester, and close when it restarts."""
    climb(world, StageName("shadow"))
    for process in (*world.sentinels, *world.guards, *world.flows):
        process.start()
    climb(world, StageName("notes"))
    assert entered_stages(world)[-1] == "notes"
    assert world.exposed()


def test_a_yes_that_was_never_given_is_not_there_after_a_restart(world: World) -> None:
    """The other direction: a restart opens nothing."""
    climb(world, StageName("all"))
    for process in (*world.sentinels, *world.guards, *world.flows):
        process.start()
    for _ in range(10):
        around(world)
    assert world.state().ward(FIRST).stage == "all"


def test_a_ward_of_which_nothing_was_ever_seen_goes_no_further(world: World) -> None:
    """argo-rollouts#228: an analysis that never ran counted as a success."""
    for signal in world.plan.signals:
        world.numbers[signal.name] = None
    for _ in range(30):
        around(world)
    assert "notes" not in entered_stages(world)
    assert not world.exposed()
