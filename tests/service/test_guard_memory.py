"""A guard that is killed or hangs, together with the sentinel, costs a ward no second lease."""

from orchestrator.service.leases import ward_lease
from orchestrator.service.rollback import Hands
from tests.fakes import FakeGuardMemory
from tests.plans import FIRST
from tests.property.world import Crash, GuardProcess, World
from tests.service.test_two_hands import reached

LOOK_S = 1.0  # more often than a quarter of a lease


def guarded_and_left() -> World:
    """A ward on the candidate; the guard has just seen the sentinel's last sign of life."""
    world = reached("notes")
    world.sentinels[0].turn()
    world.guards[0].turn()
    assert world.exposed()
    return world


def looks(world: World, seconds: float) -> None:
    for _ in range(int(seconds / LOOK_S)):
        world.clock.advance(LOOK_S)
        world.guards[0].turn()


def test_a_guard_that_was_killed_goes_on_from_what_it_had_seen() -> None:
    world = guarded_and_left()
    lease_s = world.plan.policy.lease_s
    looks(world, lease_s - 2)
    world.guards[0].start()
    looks(world, 4)  # of the time until its first look nothing counts
    assert not world.exposed()


def test_one_that_remembers_nothing_takes_a_lease_of_its_own() -> None:
    """What the memory is for: this is the case that it ends."""
    world = guarded_and_left()
    lease_s = world.plan.policy.lease_s
    looks(world, lease_s - 2)
    world.guards[0].memory = FakeGuardMemory()
    world.guards[0].start()
    looks(world, lease_s)
    assert world.exposed()
    looks(world, 2)
    assert not world.exposed()


def test_time_in_which_no_guard_looked_counts_for_nobody() -> None:
    """The API server may have been away as well, so that nobody could have renewed."""
    world = guarded_and_left()
    lease_s = world.plan.policy.lease_s
    looks(world, 2)
    world.clock.advance(10 * lease_s)
    world.guards[0].start()
    looks(world, lease_s - 3)
    assert world.exposed()


def test_a_lease_that_was_renewed_meanwhile_is_timed_anew() -> None:
    world = guarded_and_left()
    lease_s = world.plan.policy.lease_s
    looks(world, lease_s - 1)
    world.sentinels[0].turn()
    world.guards[0].start()
    looks(world, lease_s - 1)
    assert world.exposed()


def test_what_it_took_before_it_was_killed_is_gone_on_with_at_once() -> None:
    world = guarded_and_left()
    one = world.guards[0]
    name = one.guard.keeper.holder
    looks(world, world.plan.policy.lease_s)
    one.fuse.arm(1, "after")
    looks(world, 1)
    assert one.guard.keeper.holder != name, "it was killed"
    (lease,) = (lease for lease in world.leases.all() if lease.name == ward_lease(FIRST))
    assert lease.holder == name, "after it had taken the lease, to act on it"
    assert world.exposed()
    looks(world, 1)
    assert not world.exposed()


def hangs(_: object) -> Hands:
    """It is stopped right after it took the ward's lease to act on it, and has said nothing yet."""
    raise Crash


def taken_by_one_that_hangs() -> World:
    """The sentinel is gone, and the first of two guards stands still with the ward's lease."""
    world = guarded_and_left()
    first = world.guards[0]
    world.guards.append(GuardProcess(world, "second"))
    first.guard.hands_for = hangs
    for _ in range(2 * int(world.plan.policy.lease_s)):
        world.clock.advance(LOOK_S)
        world.guards[1].turn()
        try:
            first.guard.step()
        except Crash:
            break
    (lease,) = (one for one in world.leases.all() if one.name == ward_lease(FIRST))
    assert lease.holder == first.guard.keeper.holder
    assert world.exposed()
    return world


def looks_needed(world: World, which: int) -> int:
    """How many looks it takes that guard to bring the ward back."""
    for done in range(2 * int(world.plan.policy.lease_s)):
        if not world.exposed():
            return done
        world.clock.advance(LOOK_S)
        world.guards[which].turn()
    raise AssertionError("nobody brought it back")


def test_one_that_hangs_after_taking_the_lease_costs_a_short_look() -> None:
    world = taken_by_one_that_hangs()
    assert looks_needed(world, 1) * LOOK_S <= world.plan.policy.lease_s / 4 + 2 * LOOK_S


def test_so_does_one_whose_whole_machine_is_gone() -> None:
    """The one started in its place elsewhere has neither its name nor its memory."""
    world = taken_by_one_that_hangs()
    world.guards[0].memory = FakeGuardMemory()
    world.guards[0].start()
    assert looks_needed(world, 0) * LOOK_S <= world.plan.policy.lease_s / 4 + 2 * LOOK_S


def test_and_one_that_was_killed_there_and_started_again_nothing() -> None:
    world = taken_by_one_that_hangs()
    world.guards[0].start()
    assert looks_needed(world, 0) == 1


def test_a_sentinel_that_lives_again_keeps_what_a_guard_took() -> None:
    world = taken_by_one_that_hangs()
    world.sentinels[0].turn()
    looked = int(world.plan.policy.lease_s) - 1
    for _ in range(looked):
        world.clock.advance(LOOK_S)
        world.guards[1].turn()
    assert world.exposed()


def test_an_outage_between_its_start_and_its_first_look_is_nobodys_silence() -> None:
    """Guard and API server begin again together: the sentinel is given a moment to show itself."""
    world = guarded_and_left()
    lease_s = world.plan.policy.lease_s
    looks(world, 2)
    world.routes.down = world.leases.down = True
    world.guards[0].start()
    for _ in range(int(2 * lease_s)):
        world.clock.advance(LOOK_S)
        world.guards[0].turn()
    world.routes.down = world.leases.down = False
    world.guards[0].turn()
    world.sentinels[0].turn()
    looks(world, 1)
    assert world.exposed()


def test_a_lease_without_a_holder_is_nobodys() -> None:
    world = guarded_and_left()
    (lease,) = (one for one in world.leases.all() if one.name == ward_lease(FIRST))
    world.leases.put(
        lease.name, holder="", duration_s=8.0, transitions=2, notes={},
        resource_version=lease.resource_version,
    )  # fmt: skip
    looks(world, 1)
    assert world.exposed()
