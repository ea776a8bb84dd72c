"""The ledger port's contract, on the fake and on both databases."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.state import fold
from orchestrator.errors import Conflict, Corrupt
from tests.drafts import draft
from tests.ledger.stage import KINDS, held, ledger_of
from tests.plans import FIRST

pytestmark = pytest.mark.real


@pytest.fixture(params=KINDS)
def ledger(request, tmp_path):
    with ledger_of(request.param, tmp_path) as made:
        yield made


def test_it_begins_empty(ledger):
    assert ledger.head() == 0
    assert ledger.entries() == ()


def test_what_is_appended_is_read_in_order(ledger):
    drafts = [held(number) for number in range(5)]
    written = ledger.append(drafts)
    assert [entry.seq for entry in written] == [1, 2, 3, 4, 5]
    assert ledger.entries() == written
    assert [entry.draft for entry in written] == drafts
    assert ledger.entries(after=3) == written[3:]
    assert ledger.entries(after=1, limit=2) == written[1:3]
    assert ledger.head() == 5


def test_each_entry_names_the_one_before(ledger):
    first, second = ledger.append([held(1), held(2)])
    assert first.prev_hash == "0" * 64
    assert second.prev_hash == first.hash


def test_compare_and_set(ledger):
    ledger.append([held(1)], expected_seq=0)
    with pytest.raises(Conflict) as lost:
        ledger.append([held(2)], expected_seq=0)
    assert (lost.value.expected, lost.value.found) == (0, 1)
    assert ledger.head() == 1
    ledger.append([held(3)], expected_seq=1)


def test_a_draft_is_kept_once_however_often_it_is_sent(ledger):
    one = held(1)
    (first,) = ledger.append([one])
    assert ledger.append([one]) == (first,)
    assert ledger.append([one], expected_seq=99) == (first,)
    again, new = ledger.append([one, held(2)])
    assert (again, new.seq) == (first, 2)


def test_the_same_id_for_something_else_is_refused(ledger):
    one = held(1)
    ledger.append([one])
    with pytest.raises(Corrupt):
        ledger.append([replace(one, happening=ev.HoldLifted(reason="other"))])
    assert ledger.head() == 1


def test_all_or_nothing(ledger):
    one = held(1)
    ledger.append([one])
    with pytest.raises(Corrupt):
        ledger.append([held(2), replace(one, happening=ev.HoldLifted(reason="other"))])
    assert ledger.head() == 1


def test_a_second_reader_sees_the_same_state(ledger):
    ledger.append([draft(None, ev.ProgrammeStarted(wards=(FIRST,))), held(1)])
    state = fold(ledger.entries())
    assert (state.head, state.ward(FIRST).held) == (2, "reason 1")
