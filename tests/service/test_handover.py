"""Legacy that one sentinel knows to be sick is sick for the next one, and for who stands by."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.plan import Plan
from orchestrator.core.threshold import Repetition
from orchestrator.core.verdict import Level
from orchestrator.errors import Refused
from orchestrator.service.leases import LEGACY, RELEASED, SENTINEL, ward_lease
from orchestrator.service.sentinel import TICKED_AT
from tests.plans import FIRST, LEGACY_UP, SLOW, plan
from tests.property import world as worlds
from tests.property.world import World
from tests.service import test_two_hands as two_hands
from tests.stops import turns


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


@pytest.fixture
def held_unrecorded(monkeypatch: pytest.MonkeyPatch) -> World:
    """The same with a dead ledger: what is known of legacy stands on the ward's lease alone."""
    made = patient()
    monkeypatch.setattr(two_hands, "World", lambda: worlds.World(made))
    world = two_hands.reached("notes")
    for process in world.sentinels:
        process.follower.round()
    turns(world, 3)
    world.ledger.down = True
    world.numbers[LEGACY_UP] = 0.0
    turns(world, 5)
    alert(world, 0)
    turns(world, 5)
    assert world.exposed()
    return world


def noted(world: World) -> str:
    (lease,) = (one for one in world.leases.all() if one.name == ward_lease(FIRST))
    return lease.notes[LEGACY]


def test_a_dead_ledger_is_no_reason_to_forget_it_at_a_restart(held_unrecorded: World) -> None:
    world = held_unrecorded
    world.sentinels[0].start()
    alert(world, 0)
    for _ in range(30):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
        world.guards[0].turn()
        assert world.exposed()
        assert noted(world) == "breach"
    assert world.sentinels[0].sentinel.is_active


def test_nor_at_a_handover(held_unrecorded: World) -> None:
    world = held_unrecorded
    world.sentinels[0].sentinel.stand_down()
    alert(world, 1)
    for _ in range(5):
        world.clock.advance(1.0)
        world.sentinels[1].turn()
        assert world.exposed()
        assert noted(world) == "breach"
    assert world.sentinels[1].sentinel.is_active


def test_nor_for_who_stands_by(held_unrecorded: World) -> None:
    world = held_unrecorded
    alert(world, 1)
    assert world.sentinels[1].sentinel.watch.attend(FIRST) is None
    assert world.exposed()


def test_legacy_that_answers_again_ends_what_was_left_on_the_lease(held_unrecorded: World) -> None:
    world = held_unrecorded
    world.sentinels[0].sentinel.stand_down()
    alert(world, 1)
    world.numbers[LEGACY_UP] = 1.0
    for _ in range(6):
        world.clock.advance(1.0)
        world.sentinels[1].turn()
    assert not world.exposed()


def test_who_led_once_goes_by_nothing_that_it_saw_then(held: World) -> None:
    """Hours ago legacy was well in its eyes; the one that leads now knows better."""
    before, after = (process.sentinel for process in held.sentinels)
    before.watch._recall(FIRST).verdicts = tuple(
        replace(one, level=Level.PASS) for one in before.watch._recall(FIRST).verdicts
    )
    before.stand_down()
    held.sentinels[1].turn()
    assert after.is_active
    held.sentinels[0].follower.round()
    assert before.watch.attend(FIRST) is None
    assert held.exposed()


@pytest.mark.parametrize("lag_s", [1, 2, 3])
def test_what_was_just_seen_of_legacy_is_on_the_lease_at_once(lag_s: int) -> None:
    """A sentinel that dies right after it would else leave the guard the word before."""
    world = two_hands.reached("notes")
    turns(world, 6 + lag_s)
    world.numbers[LEGACY_UP] = 0.0
    world.clock.advance(1.0)
    world.sentinels[0].turn()
    assert noted(world) == "breach"
    for _ in range(30):
        world.clock.advance(1.0)
        world.guards[0].turn()
    assert world.exposed()
    assert "lease_lapsed" in [page.code for page in world.notifier.pages]


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


@pytest.mark.parametrize("said", ["", "yesterday", "99999-01-01", "2027-03-01T06:00:00"])
def test_a_sign_of_life_that_nobody_can_read_keeps_nobody_from_leading(said: str) -> None:
    """It says since when nobody looked, which is then simply not known."""
    world = two_hands.reached("notes")
    (lease,) = (one for one in world.leases.all() if one.name == SENTINEL)
    world.leases.put(
        SENTINEL, holder=RELEASED, duration_s=lease.duration_s, transitions=lease.transitions,
        notes={**lease.notes, TICKED_AT: said}, resource_version=lease.resource_version,
    )  # fmt: skip
    world.sentinels[0].start()
    next_one = world.sentinels[0].sentinel
    next_one.step()
    assert next_one.watch.leads
    taken = [one.happening for one in world.drafts() if isinstance(one.happening, ev.WatchTaken)]
    assert taken[-1].unwatched_since is None
