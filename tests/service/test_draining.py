"""A return is proven when new requests reach legacy, and drained when nothing old is left."""

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import Side
from orchestrator.core.state import Phase
from orchestrator.service.draining import AGAIN_S
from orchestrator.service.rollback import DRAIN_PATIENCE_S
from tests.plans import FIRST, SLOW
from tests.property.world import World
from tests.stops import exposed_world

STREAM = (FIRST, Side.CANDIDATE)


@pytest.fixture
def world() -> World:
    """A ward that came home while somebody's stream stayed open in the candidate."""
    made = exposed_world()
    made.prober.open[STREAM] = 1
    made.numbers[SLOW] = 9.0
    turns(made, 3)
    return made


def turns(world: World, times: int) -> None:
    for _ in range(times):
        world.clock.advance(1.0)
        world.sentinels[0].turn()


def drained(world: World) -> list[ev.Draft]:
    return [one for one in world.drafts() if isinstance(one.happening, ev.RollbackDrained)]


def still_open(world: World) -> int | None:
    back = world.state().ward(FIRST).returned
    assert back is not None
    return back.still_open


def test_an_open_stream_keeps_a_return_undrained_and_not_unproven(world: World) -> None:
    turns(world, 3 * int(AGAIN_S))
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK
    assert still_open(world) == 1
    assert not drained(world)


def test_its_end_is_recorded_once(world: World) -> None:
    world.prober.open[STREAM] = 0
    turns(world, 3 * int(AGAIN_S))
    (said,) = drained(world)
    back = world.state().ward(FIRST).returned
    assert back is not None
    assert said.happening == ev.RollbackDrained(epoch=back.epoch or 0)
    assert still_open(world) == 0


def test_what_cannot_be_counted_is_not_nothing(world: World) -> None:
    world.prober.silent = True
    turns(world, 3 * int(AGAIN_S))
    assert still_open(world) == 1
    world.prober.silent = False
    world.prober.open[STREAM] = 0
    turns(world, 2 * int(AGAIN_S))
    assert still_open(world) == 0


def test_a_sentinel_that_starts_later_counts_on(world: World) -> None:
    world.prober.open[STREAM] = 0
    world.clock.advance(60.0)
    world.sentinels[0].start()
    turns(world, 20)
    assert still_open(world) == 0
    assert len(drained(world)) == 1


def test_a_request_that_ends_within_moments_is_no_stage_of_its_own() -> None:
    world = exposed_world()
    world.numbers[SLOW] = 9.0
    turns(world, 3 + int(DRAIN_PATIENCE_S))
    assert still_open(world) == 0
    assert not drained(world)
