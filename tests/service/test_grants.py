"""A run that sleeps between its last look and its write does not find its grant when it wakes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import Role, StageName
from orchestrator.core.plan import GuardAction, Plan
from orchestrator.core.route import ObservedRoute
from orchestrator.errors import Conflict, Unavailable
from orchestrator.service.advance import Did
from orchestrator.service.leases import RELEASED, SENTINEL
from tests.plans import CSO, FIRST, HEAD, LEGACY_UP, SECOND, SLOW, plan
from tests.property.world import World
from tests.service.test_two_hands import around

HOUR_S = 3600


def about_to_expose(made: Plan | None = None) -> World:
    """The programme has begun and the first exposure is approved."""
    world = World(made)
    world.clock.meanwhile = world.sentinels[0].turn
    world.desk.start()
    for role in (CSO, HEAD):
        world.desk.approve(FIRST, StageName("notes"), role, comment="")
    return world


def asleep_before_its_write(world: World, meanwhile: Callable[[], None]) -> Did:
    """The run sleeps right before it exposes the ward; what its step came to when it woke."""
    slept: list[bool] = []

    def hook(route: object) -> None:
        exposes = any(rule.side == "candidate" for rule in route.rules)  # type: ignore[attr-defined]
        if exposes and not route.drill and not slept:  # type: ignore[attr-defined]
            slept.append(True)
            world.clock.meanwhile = None
            meanwhile()
        elif not slept:
            world.routes.before_write = hook

    for _ in range(60):
        around(world)
        world.routes.before_write = hook
        world.flows[0].turn()
        if slept:
            return world.flows[0].did[-1]
    raise AssertionError("the run never came to its write")


def turns(world: World, seconds: int) -> None:
    for _ in range(seconds):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
        world.guards[0].turn()


def guard_turns(world: World, seconds: int) -> None:
    """Nobody but the guard is left."""
    for _ in range(seconds):
        world.clock.advance(1.0)
        world.guards[0].turn()


def refused(*_: object, **__: object) -> ObservedRoute:
    raise Conflict("the route", expected="1", found="2")


def stopped(world: World) -> None:
    report = ev.StopReported(
        report="bcdfghjk", role=Role("nurse"), reporter="somebody", words="", slice_name=None
    )
    world.sentinels[0].sentinel.watch.hands.scribe.note(FIRST, report)


def alerted(world: World) -> None:
    heard = ev.AlertHeard(
        name="X", fingerprint="f" * 16, weight=ev.Weight.HOLD, status=ev.AlertStatus.FIRING,
        via=ev.Via.WEBHOOK, started_at=world.clock.now(),
    )  # fmt: skip
    world.sentinels[0].sentinel.watch.hands.scribe.note(FIRST, heard)


def held(world: World) -> None:
    world.desk.hold(FIRST, reason="wait")


def legacy_died(world: World) -> None:
    world.numbers[LEGACY_UP] = 0.0


CHANGED = {"a stop": stopped, "an alert": alerted, "a hold": held, "legacy died": legacy_died}


@pytest.mark.parametrize("what", CHANGED)
def test_what_speaks_against_it_takes_the_grant_back_at_once(what: str) -> None:
    world = about_to_expose()

    def meanwhile() -> None:
        assert world.routes.get_quietly(FIRST).granted
        CHANGED[what](world)
        turns(world, 3)
        assert not world.routes.get_quietly(FIRST).granted

    assert asleep_before_its_write(world, meanwhile) is Did.ABANDONED
    assert not world.exposed()


def test_a_grant_that_is_not_used_in_time_is_taken_back_and_not_given_again() -> None:
    """As when a role takes its word back, which the sentinel does not ask about."""
    world = about_to_expose()

    def meanwhile() -> None:
        world.drain()
        world.desk.withdraw(FIRST, StageName("notes"), CSO, comment="no")
        turns(world, HOUR_S)

    assert asleep_before_its_write(world, meanwhile) is Did.ABANDONED
    assert not world.exposed()


def test_a_grant_of_the_sentinel_before_lapses_as_well() -> None:
    world = about_to_expose()

    def meanwhile() -> None:
        world.drain()
        world.desk.withdraw(FIRST, StageName("notes"), CSO, comment="no")
        world.sentinels[0].start()
        turns(world, HOUR_S)

    assert asleep_before_its_write(world, meanwhile) is Did.ABANDONED
    assert not world.exposed()


def test_an_orderly_end_takes_back_what_was_allowed() -> None:
    world = about_to_expose()

    def meanwhile() -> None:
        world.sentinels[0].sentinel.stand_down()
        assert not world.routes.get_quietly(FIRST).granted

    assert asleep_before_its_write(world, meanwhile) is Did.ABANDONED
    assert not world.exposed()


def test_routes_that_do_not_answer_keep_nobody_from_ending() -> None:
    world = about_to_expose()

    def meanwhile() -> None:
        world.routes.down = True
        world.sentinels[0].sentinel.stand_down()
        world.routes.down = False
        (lease,) = (one for one in world.leases.all() if one.name == SENTINEL)
        assert lease.holder == RELEASED

    asleep_before_its_write(world, meanwhile)


def test_a_slow_end_leaves_the_rest_to_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each route may take as long as a request may; the lead is given up all the same."""
    world = about_to_expose()
    asked: list[str] = []

    def slow(ward: str) -> None:
        asked.append(ward)
        world.clock.advance(world.plan.policy.lease_s)
        raise Unavailable("routes", "no answer in time")

    def meanwhile() -> None:
        sentinel = world.sentinels[0].sentinel
        sentinel._grants._open.add(SECOND)
        monkeypatch.setattr(world.routes, "get", slow)
        sentinel.stand_down()
        monkeypatch.undo()
        assert len(asked) == 1
        assert not sentinel.is_active

    asleep_before_its_write(world, meanwhile)


@pytest.mark.parametrize("action", GuardAction)
def test_the_guard_takes_back_what_a_dead_sentinel_allowed(action: GuardAction) -> None:
    made = plan()
    world = about_to_expose(replace(made, policy=replace(made.policy, guard=action)))
    lease_s = int(world.plan.policy.lease_s)

    def meanwhile() -> None:
        guard_turns(world, lease_s - 2)
        assert world.routes.get_quietly(FIRST).granted, "the sentinel may live"
        guard_turns(world, 4)
        assert not world.routes.get_quietly(FIRST).granted

    assert asleep_before_its_write(world, meanwhile) is Did.ABANDONED
    assert not world.exposed()


def test_a_grant_that_the_guard_could_not_take_back_is_tried_again() -> None:
    world = about_to_expose()

    def meanwhile() -> None:
        guard_turns(world, int(world.plan.policy.lease_s))
        grant, world.routes.grant = world.routes.grant, refused
        guard_turns(world, 3)
        world.routes.grant = grant
        guard_turns(world, 1)
        assert not world.routes.get_quietly(FIRST).granted

    asleep_before_its_write(world, meanwhile)


@pytest.mark.parametrize("lost", ["the ledger", "its own lease"])
def test_who_may_not_know_of_a_hold_or_not_be_known_allows_nothing(lost: str) -> None:
    """A hold, a freeze, another sentinel: none of them could be seen from here."""
    world = about_to_expose()

    def meanwhile() -> None:
        if lost == "the ledger":
            world.sentinels[0].follower.round = lambda: False
        else:
            world.sentinels[0].sentinel.keeper.hold = lambda *_, **__: False
        turns(world, int(world.plan.policy.lease_s) + 2)
        assert not world.routes.get_quietly(FIRST).granted

    assert asleep_before_its_write(world, meanwhile) is Did.ABANDONED
    assert not world.exposed()


def test_a_run_that_is_quick_is_let_through() -> None:
    world = about_to_expose()
    assert asleep_before_its_write(world, lambda: turns(world, 3)) is Did.PROMOTED
    assert world.exposed()


def test_the_next_intent_has_a_grant_of_its_own() -> None:
    world = about_to_expose()
    asleep_before_its_write(world, lambda: turns(world, HOUR_S))
    assert not world.exposed()
    world.clock.meanwhile = world.sentinels[0].turn
    for _ in range(30):
        around(world)
        world.flows[0].turn()
    assert world.exposed()


def under_another_plan() -> World:
    """The sentinel was started with a file that is not the plan the programme runs under."""
    world = about_to_expose()
    for process in world.sentinels:
        process.sentinel.plan_hash = "another"
    return world


def test_a_sentinel_with_another_plan_allows_nothing_and_people_are_told_once() -> None:
    world = under_another_plan()
    for _ in range(30):
        around(world)
        world.flows[0].turn()
    assert not world.exposed()
    assert not world.routes.get_quietly(FIRST).granted
    assert [page.code for page in world.notifier.pages].count("other_plan") == 1


def test_it_goes_on_watching_returning_and_renewing() -> None:
    world = about_to_expose()
    asleep_before_its_write(world, lambda: turns(world, 3))
    assert world.exposed()
    world.sentinels[0].sentinel.plan_hash = "another"
    turns(world, int(3 * world.plan.policy.lease_s))
    assert world.exposed(), "its signs of life go on"
    world.numbers[SLOW] = 1e9
    turns(world, 5)
    assert not world.exposed()
    assert world.routes.get_quietly(FIRST).route.annotation.who.startswith("sentinel")


def test_with_the_programmes_own_plan_back_it_allows_again() -> None:
    world = under_another_plan()
    for _ in range(20):
        around(world)
        world.flows[0].turn()
    assert not world.exposed()
    for process in world.sentinels:
        process.sentinel.plan_hash = "h"
    for _ in range(20):
        around(world)
        world.flows[0].turn()
    assert world.exposed()
