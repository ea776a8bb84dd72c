"""A standby that knows nothing of the programme still hears the bedside and the alerts.

The ledger is dead, its pod was started anew without a replica, and half of all words come to it.
"""

import pytest

from orchestrator.core import event as ev
from orchestrator.core.receipt import Became
from orchestrator.errors import Refused
from orchestrator.service.watch import Watch
from tests.plans import FIRST, LEGACY_UP
from tests.property.world import MemoryReplica, World
from tests.stops import HEAD, NURSE, exposed_world, line_of, turns


@pytest.fixture
def world() -> World:
    """An exposed ward whose leader lives; the second sentinel has never read anything."""
    made = exposed_world()
    turns(made, 3)
    made.ledger.down = True
    standby = made.sentinels[1]
    standby.replica = MemoryReplica()
    standby.start()
    turns(made, 3)
    assert not standby.sentinel.is_active
    assert standby.follower.state().ward(FIRST).stage is None
    return made


def watch_of(world: World) -> Watch:
    return world.sentinels[1].sentinel.watch


def alert(world: World) -> None:
    heard = ev.AlertHeard(
        name="X", fingerprint="f" * 16, weight=ev.Weight.RETURN, status=ev.AlertStatus.FIRING,
        via=ev.Via.WEBHOOK, started_at=world.clock.now(),
    )  # fmt: skip
    watch_of(world).hands.scribe.note(FIRST, heard)


def test_a_confirmed_stop_returns_the_ward_and_the_receipt_says_so(world: World) -> None:
    line = line_of(world, 1)
    first = line.report(FIRST, NURSE, reporter="a")
    assert first.became is Became.FROZEN, "it is not at home"
    second = line.report(FIRST, NURSE, reporter="b")
    assert second.became in (Became.RETURNING, Became.RETURNED)
    assert not world.exposed()


def test_a_receipt_of_one_report_whose_window_is_over_says_so(world: World) -> None:
    line = line_of(world, 1)
    made = line.report(FIRST, NURSE)
    world.clock.jump(901.0)
    found = line.receipt(made.report)
    assert found is not None
    assert found.became is Became.UNCONFIRMED


def test_a_ward_that_is_at_home_is_told_so(world: World) -> None:
    line = line_of(world, 1)
    line.report(FIRST, HEAD)
    assert not world.exposed()
    world.journals.clear()  # another machine, which has nothing of it
    world.sentinels[1].replica = MemoryReplica()
    world.sentinels[1].start()
    assert line_of(world, 1).report(FIRST, NURSE).became is Became.AT_HOME


def test_an_alert_returns_the_ward(world: World) -> None:
    alert(world)
    assert watch_of(world).attend(FIRST) is not None
    assert not world.exposed()


def test_sick_legacy_by_the_lease_blocks_it_and_people_are_told_once(world: World) -> None:
    world.numbers[LEGACY_UP] = 0.0
    turns(world, 5)
    alert(world)
    assert watch_of(world).attend(FIRST) is None
    assert watch_of(world).attend(FIRST) is None
    assert world.exposed()
    pages = [page.code for page in world.notifier.pages]
    assert pages.count("legacy_not_ready") == 1


def test_a_route_that_cannot_be_read_is_taken_for_exposed_until_it_could_be_written(
    world: World,
) -> None:
    world.routes.down = True
    alert(world)
    running = watch_of(world).attend(FIRST)
    assert running is not None
    assert world.exposed()
    world.routes.down = False
    turns(world, 1)
    assert not world.exposed()


def test_a_fresh_record_is_believed_while_the_route_cannot_be_read(world: World) -> None:
    """A ward that the record has at home is not returned for an API that is away."""
    world.ledger.down = False
    standby = world.sentinels[1]
    for draft in ({"trigger": ev.Trigger.PERSON, "reason": "back"},):
        world.sentinels[0].sentinel.watch.hands.scribe.note(
            FIRST, ev.RollbackIntended(cause=ev.Cause(**draft), seen_at=world.clock.now())
        )
    turns(world, 4)
    assert standby.follower.round()
    assert not world.exposed()
    world.routes.down = True
    alert(world)
    assert watch_of(world).attend(FIRST) is None


def test_routes_that_do_not_answer_are_not_asked_for_every_ward_of_a_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question may take as long as a request may, and the sender waits."""
    asked: list[str] = []

    def get(ward: str) -> None:
        asked.append(ward)
        raise Refused("http_503", "away")

    monkeypatch.setattr(world.routes, "get", get)
    watch = watch_of(world)
    for _ in range(5):
        assert watch.may_be_exposed(FIRST)
    assert len(asked) == 1
    world.clock.advance(2.0)
    watch.may_be_exposed(FIRST)
    assert len(asked) == 2
