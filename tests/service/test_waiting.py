"""A return that must wait: for how long, for what, and who is told; and what the guard may make of
a time in which it could not look itself."""

import pytest
from structlog.testing import capture_logs

from orchestrator.core import event as ev
from orchestrator.errors import Conflict, Indeterminate, Unavailable
from orchestrator.service.fence import AGAIN_AFTER_MISS_S, AGAIN_S, FenceWatch
from orchestrator.service.leases import GUARD, SENTINEL, ward_lease
from tests.plans import FIRST, SLOW
from tests.property.world import InlineExecutor
from tests.service.test_returning import happenings, tick, world

__all__ = ["world"]
OUTAGE_S = 30


@pytest.fixture
def delayed(world):
    """Harm, while the routes do not answer; and then they do."""
    world.numbers[SLOW] = 9.0
    world.routes.down = True
    with capture_logs() as lines:
        tick(world, OUTAGE_S)
        world.routes.down = False
        tick(world)
    assert not world.exposed()
    return world, [line for line in lines if line["event"] == "rollback.delayed"]


def test_how_long_a_return_took_is_counted_from_the_first_word(delayed):
    world, _ = delayed
    (written,) = happenings(world, ev.RollbackWritten)
    (proven,) = happenings(world, ev.RollbackProven)
    assert OUTAGE_S - 3 <= written.after_s <= OUTAGE_S + 1
    assert proven.after_s >= written.after_s


def test_a_delayed_return_says_what_it_waits_for_and_how_long_already(delayed):
    _, lines = delayed
    assert len(lines) >= OUTAGE_S - 3
    assert all("routes" in line["problem"] for line in lines)
    waited = [line["waited_s"] for line in lines]
    assert waited == sorted(waited)
    assert waited[-1] >= OUTAGE_S - 5


def test_people_are_told_once_and_how_the_ward_goes_on_meanwhile(delayed):
    world, _ = delayed
    (page,) = [page for page in world.notifier.pages if page.code == "rollback_delayed"]
    assert page.ward == FIRST
    assert "routes: down" in page.message
    assert world.plan.ward(FIRST).downtime_procedure in page.next_action


def test_a_return_that_is_written_at_once_pages_nobody(world):
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    assert not world.exposed()
    assert not [page for page in world.notifier.pages if page.code == "rollback_delayed"]


def test_the_next_return_is_counted_anew(delayed):
    world, _ = delayed
    world.numbers[SLOW] = 0.1
    for _ in range(3):
        tick(world)
    returns = world.sentinels[0].sentinel.watch._returns
    assert (returns._since_s, returns._told) == ({}, set())


def nobody_answers(world, seconds, *, guard_tries):
    """Routes and leases answer nobody; both processes go on trying."""
    world.routes.down = world.leases.down = True
    for _ in range(int(seconds)):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
        if guard_tries:
            world.guards[0].turn()
    world.routes.down = world.leases.down = False


@pytest.mark.parametrize("guard_tries", [True, False], ids=["it tried", "it was stopped"])
def test_after_an_outage_the_guard_gives_who_lives_a_moment_to_show_it(world, guard_tries):
    world.guards[0].turn()
    nobody_answers(world, OUTAGE_S, guard_tries=guard_tries)
    world.guards[0].turn()  # before the sentinel had a turn
    for _ in range(20):
        world.clock.advance(0.5)
        world.sentinels[0].turn()
        world.guards[0].turn()
    assert world.exposed()
    assert world.leases._kept[ward_lease(FIRST)].holder.startswith("a")


def test_after_an_outage_the_guard_returns_a_ward_whose_sentinel_died_in_it(world):
    world.guards[0].turn()
    nobody_answers(world, OUTAGE_S, guard_tries=True)
    lease_s = world.plan.policy.lease_s
    for _ in range(int(lease_s)):
        world.guards[0].turn()
        world.clock.advance(1.0)
    world.guards[0].turn()
    assert not world.exposed()


def test_a_guard_that_is_answered_only_now_and_then_still_acts(world):
    """What it does not see is excused, but not for ever."""
    world.guards[0].turn()
    for _ in range(6):
        world.leases.down = True
        for _ in range(10):
            world.clock.advance(1.0)
            world.guards[0].turn()
        world.leases.down = False
        world.guards[0].turn()
    assert not world.exposed()


def test_the_wall_clock_is_nothing_to_the_guard(world):
    for jump_s in (86_400.0, -172_800.0):
        world.guards[0].turn()
        world.clock.jump(jump_s)
        for _ in range(20):
            world.clock.advance(0.5)
            world.sentinels[0].turn()
            world.guards[0].turn()
    assert world.exposed()
    assert {SENTINEL, GUARD} <= set(world.leases._kept)


def test_a_try_of_the_fence_that_was_missed_is_made_again_soon(world):
    """Else nothing goes forward for half a minute because a route changed under the try."""
    watch = FenceWatch(world.routes, world.routes, world.clock, InlineExecutor())
    world.routes.fail_next(Unavailable("routes", "another version"))
    watch.look()
    assert watch.stands() is None
    world.clock.advance(AGAIN_AFTER_MISS_S)
    watch.look()
    assert watch.stands() is True


def test_a_fence_without_one_of_its_rules_does_not_stand(world):
    """What is tried out is refused, and still a second route could be made."""
    watch = FenceWatch(world.routes, world.routes, world.clock, InlineExecutor())
    world.routes.rules_gone = ("one-route",)
    watch.look()
    assert watch.stands() is False
    world.routes.rules_gone = ()
    world.clock.advance(AGAIN_S)
    watch.look()
    assert watch.stands() is True


@pytest.mark.parametrize(
    "error", [Indeterminate("leases", "write"), Conflict("lease", expected=1, found=2)]
)
def test_a_sentinel_whose_lease_takes_no_writes_goes_on_watching(world, error):
    """Nobody else leads: standing by would mean that nobody watches at all."""

    def refuse(*_args, **_rest):
        raise error

    world.leases.put = refuse
    for _ in range(3):
        tick(world, seconds=3.0)
    assert world.sentinels[0].sentinel.is_active
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    assert not world.exposed()


def test_a_sentinel_that_sees_another_one_lead_stands_by(world):
    leases = world.leases
    mine = leases._kept[SENTINEL]
    leases.put(
        SENTINEL,
        holder="another",
        duration_s=mine.duration_s,
        transitions=mine.transitions + 1,
        notes={},
        resource_version=mine.resource_version,
    )
    tick(world, seconds=3.0)
    assert not world.sentinels[0].sentinel.is_active
