"""People's words: only about what the speaker saw, only from roles of the programme's own plan."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, Role, StageName
from orchestrator.core.state import Phase
from orchestrator.errors import Conflict, Refused
from orchestrator.service.desk import Desk
from orchestrator.service.record import Book
from tests.plans import CSO, FIRST, LEAD, SECOND
from tests.property.world import World

NOTES = StageName("notes")


@pytest.fixture
def world():
    """A started programme whose first ward was returned."""
    made = World()
    made.desk.start()
    returns(made, FIRST)
    return made


def returns(world, ward):
    cause = ev.Cause(trigger=ev.Trigger.BREACH, reason="wrong dose")
    happenings = (
        ev.RollbackIntended(cause=cause, seen_at=world.clock.now()),
        ev.RollbackWritten(epoch=world.epoch() + 2, after_s=0.1),
        ev.RollbackProven(epoch=world.epoch() + 2, probes=3, after_s=0.2, still_open=0),
    )
    world.ledger.append([world.desk.scribe.draft(ward, one) for one in happenings])


def test_a_word_about_one_freeze_does_not_end_a_newer_one(world):
    seen = world.state().ward(FIRST).seq
    returns(world, SECOND)
    with pytest.raises(Conflict, match=SECOND):
        world.desk.agree_to_resume(None, CSO, reason="cause found", expect_seq=seen)
    assert world.state().freeze.agreed == frozenset()


def test_roles_of_another_plan_cannot_thaw(world):
    roles = (Role("intern"), Role("visitor"))
    mine = replace(world.plan, policy=replace(world.plan.policy, resume_roles=roles))
    desk = Desk(
        plan=mine,
        plan_hash="another plan",
        book=Book(world.ledger),
        scribe=world.scribe(ActorKind.PERSON, "intern"),
    )
    for role in roles:
        with pytest.raises(Refused, match="Nothing was recorded"):
            desk.agree_to_resume(None, role, reason="go")
    assert world.state().freeze is not None


def test_a_hold_outlives_the_return_and_the_resume(world):
    world.desk.hold(FIRST, reason="not before the supplier's fix")
    for role in (CSO, LEAD):
        world.desk.agree_to_resume(FIRST, role, reason="agreed")
    assert world.state().ward(FIRST).phase is Phase.WAITING
    assert world.state().ward(FIRST).held == "not before the supplier's fix"


@pytest.mark.parametrize("verb", ["approve", "hold", "resume"])
def test_words_with_an_identity_number_are_refused_and_not_kept(world, verb):
    text, before = "after talking to 19121212-1212", world.ledger.head()
    says = {
        "approve": lambda: world.desk.approve(SECOND, NOTES, CSO, comment=text),
        "hold": lambda: world.desk.hold(FIRST, reason=text),
        "resume": lambda: world.desk.agree_to_resume(FIRST, CSO, reason=text),
    }
    with pytest.raises(Refused, match="identity number"):
        says[verb]()
    assert world.ledger.head() == before


@pytest.mark.parametrize("verb", ["approve", "withdraw"])
def test_an_unknown_stage_is_answered_with_the_stages_there_are(world, verb):
    with pytest.raises(Refused, match="shadow"):
        getattr(world.desk, verb)(SECOND, StageName("nowhere"), CSO, comment="")
