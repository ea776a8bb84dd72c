"""What a process journalled is known to the next one, although no ledger has heard of it."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, Role
from orchestrator.core.state import Phase
from orchestrator.ledger import FileJournal, pending_in
from orchestrator.service.follow import Follower
from orchestrator.service.scribe import Scribe
from tests.fakes import FakeClock
from tests.fakes_ledger import FakeLedger
from tests.plans import FIRST, SLOW
from tests.property.world import MemoryReplica, World
from tests.service.test_handover import NoWrites
from tests.service.test_two_hands import reached


@pytest.fixture
def cut_off() -> World:
    """An exposed ward whose ledger has just died; one host, so one folder of journals."""
    world = reached("notes")
    world.clock.meanwhile = None
    world.sentinels[0].follower.round()
    world.ledger.down = True
    turns(world, 3)
    return world


def turns(world: World, seconds: int) -> None:
    for _ in range(seconds):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
        world.guards[0].turn()


def restart(world: World) -> None:
    world.sentinels[0].sentinel.stand_down()
    world.sentinels[0].start()


def report(world: World, number: str, reporter: str) -> None:
    watch = world.sentinels[0].sentinel.watch
    said = ev.StopReported(report=number, role=Role("nurse"), reporter=reporter, words="")
    watch.hands.scribe.note(FIRST, said)
    watch.attend(FIRST)


def test_a_report_from_before_the_restart_confirms_one_after_it(cut_off: World) -> None:
    report(cut_off, "bcdfghjk", "nurse-1")
    turns(cut_off, 2)
    restart(cut_off)
    turns(cut_off, 2)
    report(cut_off, "bcdfghjl", "nurse-2")
    turns(cut_off, 2)
    assert not cut_off.exposed()


def test_a_return_that_was_decided_before_the_restart_is_made_after_it(cut_off: World) -> None:
    watch = cut_off.sentinels[0].sentinel.watch
    watch.hands = replace(watch.hands, routes=NoWrites(cut_off.routes))
    watch._returns.hands = watch.hands
    cut_off.numbers[SLOW] = 1e9
    turns(cut_off, 2)
    cut_off.numbers[SLOW] = 0.0
    turns(cut_off, 1)
    assert cut_off.state().ward(FIRST).phase is Phase.RETURNING
    assert cut_off.exposed()
    restart(cut_off)
    turns(cut_off, 2)
    assert not cut_off.exposed()


@pytest.fixture
def noted(tmp_path):
    """A journal on disk with one hold in it, and a ledger that has not heard of it."""
    clock = FakeClock()
    actor = ev.Actor(kind=ActorKind.SENTINEL, name="before")
    scribe = Scribe(FileJournal(tmp_path, "s"), clock, actor=actor, plan_hash="h", code_version="t")
    return clock, tmp_path, scribe.note(FIRST, ev.HoldPlaced(reason="wait"))


def test_what_is_drained_later_counts_once(noted):
    clock, folder, draft = noted
    ledger = FakeLedger()
    follower = Follower(
        ledger, clock, replica=MemoryReplica(), drain=lambda: None, every_s=1.0,
        journalled=lambda: pending_in(folder),
    )  # fmt: skip
    assert follower.state().ward(FIRST).held == "wait"
    assert follower.pending() == 1
    ledger.append((draft,))
    assert follower.round()
    assert (follower.pending(), follower.state().head) == (0, 1)


def test_what_the_replica_has_already_is_not_told_twice(noted):
    clock, folder, draft = noted
    ledger, replica = FakeLedger(), MemoryReplica()
    replica.extend(ledger.append((draft,)))
    follower = Follower(
        ledger, clock, replica=replica, drain=lambda: None, every_s=1.0,
        journalled=lambda: pending_in(folder),
    )  # fmt: skip
    assert follower.pending() == 0
    assert follower.state().ward(FIRST).held == "wait"


def test_a_journal_that_cannot_be_read_keeps_nobody_from_watching(noted):
    clock, _, draft = noted
    ledger = FakeLedger()
    ledger.append((draft,))

    def unreadable():
        raise PermissionError("journal")

    follower = Follower(
        ledger, clock, replica=MemoryReplica(), drain=lambda: None, every_s=1.0,
        journalled=unreadable,
    )  # fmt: skip
    assert follower.round()
    assert follower.state().ward(FIRST).held == "wait"
