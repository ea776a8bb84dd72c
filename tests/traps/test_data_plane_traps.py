"""Traps of a real data plane, played by the practice gateway's own on the hospital's clock: a whole
return by the sentinel, through real probes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core import event as ev
from orchestrator.core.state import Phase
from tests.plans import FIRST, SECOND, SLOW
from tests.property.world import World
from tests.stops import exposed_world
from tests.traps.plane import Plane, before

pytestmark = pytest.mark.timeout(240)
NOTES = "/notes/fhir/metadata"


@pytest.fixture
def world() -> World:
    """A ward whose notes are worked in the candidate."""
    return exposed_world()


@pytest.fixture
def plane(world: World, tmp_path: Path) -> Iterator[Plane]:
    """The data plane before it."""
    with before(world, tmp_path) as made:
        yield made


def tick(world: World, times: int = 1) -> None:
    for _ in range(times):
        world.sentinels[0].turn()
        world.clock.advance(1.0)


def happenings(world: World, kind: type) -> list:
    return [draft.happening for draft in world.drafts() if isinstance(draft.happening, kind)]


def phase(world: World) -> Phase:
    return world.state().ward(FIRST).phase


def test_a_return_waits_40_s_for_a_late_data_plane_and_is_proven_then(
    world: World, plane: Plane
) -> None:
    """As after an outage of the API server. Every look meanwhile says what is waited for."""
    plane.behave(lateness_s=40.0)
    old = ("candidate", str(world.epoch()))
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    written_at_s = world.clock.monotonic()
    assert (phase(world), world.exposed()) == (Phase.RETURNING, False)
    while phase(world) is Phase.RETURNING:
        assert world.clock.monotonic() < written_at_s + 60.0
        if world.clock.monotonic() < written_at_s + 30.0:
            assert plane.ask(NOTES, FIRST) == (200, *old)
            assert not happenings(world, ev.RollbackProven)
        tick(world)
    assert phase(world) is Phase.ROLLED_BACK
    assert plane.ask(NOTES, FIRST) == (200, "legacy", str(world.epoch()))
    assert 40.0 <= happenings(world, ev.RollbackProven)[0].after_s < 50.0
    waits = happenings(world, ev.RollbackPending)
    assert {one.waiting_for.partition(" still ")[2] for one in waits} == {
        "serves notes from candidate"
    }
    assert len(happenings(world, ev.RollbackWritten)) == 1


def test_a_legacy_without_endpoints_proves_nothing_and_the_return_goes_on_and_says_so(
    world: World, plane: Plane
) -> None:
    """503 for what the route sends to legacy, while the route is written and its status is good."""
    plane.behave(unready=("legacy",))
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    assert plane.ask(NOTES, FIRST) == (503, None, None)
    looked = len(happenings(world, ev.RollbackPending))
    tick(world, 5)
    waits = happenings(world, ev.RollbackPending)
    assert len(waits) >= looked + 5
    assert all("answered 503" in one.waiting_for for one in waits)
    assert not happenings(world, ev.RollbackProven)
    assert phase(world) is Phase.RETURNING
    plane.behave(unready=())
    tick(world, 2)
    assert phase(world) is Phase.ROLLED_BACK
    assert len(happenings(world, ev.RollbackIntended)) == 1
    assert len(happenings(world, ev.RollbackWritten)) == 1


def test_behind_a_bad_edge_a_request_for_two_wards_gets_either_until_the_ward_is_back(
    world: World, plane: Plane
) -> None:
    """So the edge must overwrite x-ward. A probe names one ward, and its proof is of that one."""
    assert plane.ask(NOTES, FIRST, SECOND)[0] == 400
    plane.behave(strict_edge=False)
    alone = {ward: plane.ask(NOTES, ward)[1] for ward in (FIRST, SECOND)}
    assert alone == {FIRST: "candidate", SECOND: "legacy"}
    assert plane.ask(NOTES, FIRST, SECOND)[1] in alone.values()
    world.numbers[SLOW] = 9.0
    tick(world, 4)
    assert phase(world) is Phase.ROLLED_BACK
    assert plane.ask(NOTES, FIRST) == (200, "legacy", str(world.epoch()))
    assert plane.ask(NOTES, FIRST, SECOND)[:2] == (200, "legacy")
