"""A picture of the routes that is older than the record: the watch behind it stalled.

The ward was exposed since. Until the picture shows it, what the record says of exposure counts.
"""

from dataclasses import replace

import pytest

from orchestrator.core.ids import Side
from orchestrator.core.route import ObservedRoute
from orchestrator.service.leases import ward_lease
from tests.plans import FIRST, SECOND, SLOW
from tests.property.world import World
from tests.service.test_grants import about_to_expose, asleep_before_its_write
from tests.service.test_two_hands import reached


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> World:
    """An exposed ward that the sentinel's picture still has on legacy, under the epoch before."""
    world = reached("notes")
    world.sentinels[0].follower.round()
    now = world.routes.get_quietly(FIRST)
    rules = tuple(replace(rule, side=Side.LEGACY) for rule in now.route.rules)
    before = replace(now, route=replace(now.route, epoch=now.route.epoch - 1, rules=rules))

    def picture() -> tuple[ObservedRoute, ...]:
        return before, world.routes.get_quietly(SECOND)

    watch = world.sentinels[0].sentinel.watch
    watch.hands = replace(watch.hands, routes=Pictured(world.routes, picture))
    return world


class Pictured:
    """Routes whose list is a picture; what is read by name, and written, is real."""

    def __init__(self, routes: object, picture: object) -> None:
        self._routes = routes
        self.all = picture

    def __getattr__(self, name: str) -> object:
        return getattr(self._routes, name)


def turns(world: World, seconds: int) -> None:
    for _ in range(seconds):
        world.clock.advance(1.0)
        world.sentinels[0].turn()


def test_its_signals_are_judged_and_harm_returns_it(stalled: World) -> None:
    stalled.numbers[SLOW] = 1e9
    turns(stalled, 4)
    assert not stalled.exposed()


def test_somebody_is_seen_to_watch_it(stalled: World) -> None:
    def version() -> str:
        (lease,) = (one for one in stalled.leases.all() if one.name == ward_lease(FIRST))
        return lease.resource_version

    before = version()
    turns(stalled, 4)
    assert version() != before
    for _ in range(2 * int(stalled.plan.policy.lease_s)):
        turns(stalled, 1)
        stalled.guards[0].turn()
    assert stalled.exposed(), "no guard takes it for nobody's"


def test_a_promotion_that_is_not_written_yet_is_no_exposure() -> None:
    """Its route is behind the record as well, and rightly so."""
    world = about_to_expose()

    def meanwhile() -> None:
        turns(world, 1)
        report = world.sentinels[0].sentinel.last_tick
        assert report is not None
        (item,) = (one for one in report.wards if one.view.ward == FIRST)
        assert item.view.state.intent is not None
        assert not item.view.exposed

    asleep_before_its_write(world, meanwhile)
    assert world.exposed()
