"""The pen of a process: it loses nothing, keeps no identity, and never holds a return up."""

import threading

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind
from orchestrator.core.text import DROPPED, MOST_CHARACTERS, plain
from orchestrator.errors import WardshiftError
from orchestrator.ledger import BoundedJournal
from orchestrator.service.follow import Follower
from orchestrator.service.scribe import Scribe
from tests.fakes import FakeClock
from tests.fakes_ledger import FakeJournal, FakeLedger
from tests.plans import FIRST
from tests.property.world import MemoryReplica


class Choosy(FakeJournal):
    """A file that cannot hold one kind of text."""

    def write(self, draft):
        if "poison" in draft.happening.reason:
            raise ValueError("not finite")
        super().write(draft)


class SlowDisk(FakeJournal):
    """Every line takes a third of a second of the clock."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def write(self, draft):
        self._clock.advance(0.3)
        super().write(draft)


def pen(journal, clock=None):
    actor = ev.Actor(kind=ActorKind.SENTINEL, name="s")
    return Scribe(journal, clock or FakeClock(), actor=actor, plan_hash="h", code_version="t")


def held(text):
    return ev.HoldPlaced(reason=text)


@pytest.mark.parametrize("wrap", [lambda one: one, BoundedJournal], ids=["plain", "bounded"])
def test_what_can_never_be_written_holds_nothing_up_behind_it(wrap):
    journal = Choosy()
    scribe = pen(wrap(journal))
    for text in ("before", "poison", "after"):
        scribe.note(FIRST, held(text))
    assert scribe.flush() == 0
    assert [draft.happening.reason for draft in journal.pending()] == ["before", "after"]


def test_what_cannot_be_written_just_now_is_kept_and_said(monkeypatch):
    """The process may start no thread for a moment: nothing of what is said then is lost."""
    journal = FakeJournal()
    scribe = pen(BoundedJournal(journal))

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        scribe.note(FIRST, held("first"))
        assert scribe.flush() == scribe.unwritten() == 1
    scribe.note(FIRST, held("second"))
    assert scribe.flush() == 0
    assert [draft.happening.reason for draft in journal.pending()] == ["first", "second"]


@pytest.mark.parametrize("fault", [OSError("bad"), MemoryError(), KeyError("x")])
def test_no_other_fault_of_a_journal_loses_a_word(fault):
    class Faulty(FakeJournal):
        def write(self, draft):
            if not self.down:
                return super().write(draft)
            raise fault

    journal = Faulty()
    scribe = pen(journal)
    journal.down = True
    scribe.note(FIRST, held("a"))
    assert scribe.flush() == 1
    journal.down = False
    assert scribe.flush() == 0
    assert len(journal.pending()) == 1


def test_a_slow_disk_is_waited_for_once_and_not_for_every_line_before_ours():
    clock = FakeClock()
    journal = SlowDisk(clock)
    scribe = pen(journal, clock)
    journal.down = True
    for number in range(30):
        scribe.note(FIRST, held(f"verdict {number}"))
    journal.down = False
    before_s = clock.monotonic()
    scribe.note(FIRST, held("the return of another ward"))
    assert clock.monotonic() - before_s <= 0.3
    while scribe.flush():
        pass
    assert len(journal.pending()) == 31


def test_text_is_kept_as_one_plain_line_without_identities():
    journal = FakeJournal()
    draft = pen(journal).note(FIRST, held("f\udcf6r 191212121212\nnu\x00" + "x" * 999))
    assert draft.happening.reason.startswith(f"f?r {DROPPED} nu")
    assert len(draft.happening.reason) == MOST_CHARACTERS


@pytest.mark.parametrize(
    "number",
    [
        "19121212-1212",
        "191212121212",
        "121212+1212",
        "1912 12 12-1212",
        "19121212.1212",
        "19121212\u20131212",
        "1912-12-12-1212",
        "id19121212-1212",
        "19121272-1212",
        "19121212-T12A",
    ],
)
def test_every_usual_writing_of_an_identity_number_is_known(number):
    assert plain(f"patient {number}, bed 4") == plain(f"patient {DROPPED}, bed 4").replace(
        "patient " + DROPPED, f"patient {'id' if number.startswith('id') else ''}{DROPPED}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 15:45:30",
        "2026-11-24T15:45:30.123456Z",
        "20261124T154530Z",
        "took 0.1912121212 s",
        "127.0.0.1:43120",
        "epoch 1912, 12 of 1212 doses",
        "plan 0a19121212121299cafe4711",
    ],
)
def test_times_addresses_and_counts_are_no_identities(text):
    assert plain(text) == text


def test_a_drain_that_fails_does_not_stop_the_reading():
    ledger, clock = FakeLedger(), FakeClock()
    ledger.append([pen(FakeJournal(), clock).draft(FIRST, held("wait"))])

    for fault in (WardshiftError("down"), KeyError("seq")):

        def fails(fault=fault):
            raise fault

        follower = Follower(ledger, clock, replica=MemoryReplica(), drain=fails, every_s=1.0)
        assert follower.round()
        assert follower.state().ward(FIRST).held == "wait"
