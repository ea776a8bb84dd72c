"""A freeze stands as long as any report that came during it, whatever their clocks said."""

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import Role
from orchestrator.core.state import ProgrammeState, fold
from tests.drafts import draft, entries
from tests.plans import CSO, FIRST, LEAD, SECOND


def report(number, ward=FIRST, after_h=0.0):
    said = ev.StopReported(report=number, role=Role("nurse"), reporter=number, words="")
    return draft(ward, said, after_h=after_h)


def taken_back(number, ward=FIRST):
    word = ev.ReturnCancelled(trigger=ev.Trigger.STOP, subject=number, role=LEAD, reason="x")
    return draft(ward, word, after_h=1)


def frozen_by(*drafts):
    state: ProgrammeState = fold(entries(*drafts))
    return None if state.freeze is None else state.freeze.report


@pytest.mark.parametrize("after_h", [0.001, -0.001], ids=["after", "by a clock that is behind"])
def test_a_report_taken_back_leaves_the_freeze_of_the_next_to_come(after_h):
    both = (report("a"), report("b", SECOND, after_h))
    assert frozen_by(*both, taken_back("a")) == "b"
    assert frozen_by(*both, taken_back("b", SECOND)) == "a"
    assert frozen_by(*both, taken_back("a"), taken_back("b", SECOND)) is None
    assert frozen_by(*both, taken_back("b", SECOND), taken_back("a")) is None


def test_of_three_the_last_one_keeps_it():
    three = (report("a"), report("b", SECOND, -0.002), report("c", FIRST, -0.001))
    assert frozen_by(*three, taken_back("a"), taken_back("b", SECOND)) == "c"


def test_a_report_of_an_earlier_freeze_that_two_roles_ended_keeps_no_other():
    agreed = (draft(None, ev.ResumeAgreed(role=role, reason="x")) for role in (CSO, LEAD))
    assert frozen_by(report("a"), *agreed, report("b", SECOND), taken_back("b", SECOND)) is None
