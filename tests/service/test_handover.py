"""Legacy that one sentinel knows to be sick is sick for the next one, and for who stands by."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.plan import Plan
from orchestrator.core.threshold import Repetition
from orchestrator.errors import Refused
from tests.plans import FIRST, LEGACY_UP, SLOW, plan
from tests.property import world as worlds
from tests.property.world import World
from tests.service import test_two_hands as two_hands


def patient() -> Plan:
    """Legacy is sick only when two looks of three say so, as in the programmes we ship."""
    made = plan()
    signals = tuple(
        replace(one, threshold=replace(one.threshold, repetition=Repetition(m=2, n=3)))
        if one.name == LEGACY_UP
        else one
        for one in made.signals
    )
    return replace(made, signals=signals)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> World:
    """An exposed ward with an alert that asks for its return, and legacy dead for a minute."""
    made = patient()
    monkeypatch.setattr(two_hands, "World", lambda: worlds.World(made))
    world = two_hands.reached("notes")
    world.numbers[LEGACY_UP] = 0.0
    turns(world, 5)
    alert(world, 0)
    turns(world, 60)
    assert world.exposed()
    assert world.state().ward(FIRST).blocked is not None
    return world


def turns(world: World, seconds: int) -> None:
    for _ in range(seconds):
        world.clock.advance(1.0)
        for process in world.sentinels:
            process.turn()
        world.guards[0].turn()


def alert(world: World, which: int) -> None:
    heard = ev.AlertHeard(
        name="X", fingerprint="f" * 16, weight=ev.Weight.RETURN, status=ev.AlertStatus.FIRING,
        via=ev.Via.WEBHOOK, started_at=world.clock.now(),
    )  # fmt: skip
    world.sentinels[which].sentinel.watch.hands.scribe.note(FIRST, heard)


def test_an_orderly_handover_switches_no_ward_to_a_dead_legacy(held: World) -> None:
    held.sentinels[0].sentinel.stand_down()
    turns(held, 5)
    assert held.sentinels[1].sentinel.is_active or held.sentinels[0].sentinel.is_active
    assert held.exposed()


def test_so_does_no_restart(held: World) -> None:
    held.sentinels[0].start()
    turns(held, 5)
    assert held.exposed()


def test_once_legacy_answers_again_the_next_one_returns_the_ward(held: World) -> None:
    held.sentinels[0].sentinel.stand_down()
    turns(held, 2)
    held.numbers[LEGACY_UP] = 1.0
    turns(held, 6)
    assert not held.exposed()


def test_who_stands_by_goes_by_the_record_and_switches_nothing(held: World) -> None:
    for process in held.sentinels:
        process.follower.round()
    alert(held, 1)
    assert held.sentinels[1].sentinel.watch.attend(FIRST) is None
    assert held.exposed()


class NoWrites:
    """Routes to which this account is let no more."""

    def __init__(self, routes: object) -> None:
        self._routes = routes

    def __getattr__(self, name: str) -> object:
        return getattr(self._routes, name)

    def replace(self, *_: object, **__: object) -> None:
        raise Refused("http_403", "the sentinel's account may not update routes")

    grant = replace


def test_a_ward_that_the_sentinel_cannot_write_is_left_to_the_guard() -> None:
    """Who renews a lease says that the ward is looked after; this one could not do it."""
    world = two_hands.reached("notes")
    watch = world.sentinels[0].sentinel.watch
    watch.hands = replace(watch.hands, routes=NoWrites(world.routes))
    watch._returns.hands = watch.hands
    world.numbers[SLOW] = 1e9
    for _ in range(int(4 * world.plan.policy.lease_s)):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
        world.guards[0].turn()
    assert not world.exposed()
    assert [page.code for page in world.notifier.pages] == ["rollback_delayed"]
