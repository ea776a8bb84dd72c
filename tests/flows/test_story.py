"""Which returns there were, from entries alone."""

import pytest

from flows.record import show_story
from flows.story import Telling, tell
from orchestrator.core.event import ResumeAgreed, RollbackDrained, RollbackRepeated, WardStarted
from tests.flows.tales import BREACH, GUARD, NOTES, READINESS, Tale
from tests.plans import CSO, FIRST, LEAD, SECOND, plan


def told(tale: Tale) -> Telling:
    return tell(Telling(), tale.entries())


def test_a_whole_return_is_one_story_with_its_numbers() -> None:
    (story,) = told(Tale().begun().at().returned()).stories
    assert (story.ward, story.stage, story.cause) == (FIRST, NOTES, BREACH)
    assert story.written is not None
    assert story.written[1].epoch == 7
    assert story.proven is not None
    assert story.proven[1].probes == 24
    assert [line.after_s for line in story.lines] == [None, 0.21, 0.83]


def test_the_telling_is_the_same_read_at_once_or_piece_by_piece() -> None:
    entries = Tale().begun().at().returned().entries()
    piecemeal = Telling()
    for entry in entries:
        piecemeal = tell(piecemeal, (entry,))
    assert piecemeal == tell(Telling(), entries)


def another_hand_while_it_returns(tale: Tale) -> Tale:
    return tale.intended().intended(by=GUARD).written().proven()


def another_hand_drained_after_the_proof(tale: Tale) -> Tale:
    tale.intended().written().proven()
    from orchestrator.core.event import RollbackIntended
    from tests.flows.tales import START

    intended = RollbackIntended(cause=BREACH, seen_at=START)
    return tale.say(FIRST, intended, by=GUARD, at_s=-3.0)


def another_hand_that_had_not_heard_of_it_and_died(tale: Tale) -> Tale:
    return tale.intended().written().proven().intended(by=GUARD)


def asked_for_again(tale: Tale) -> Tale:
    return tale.intended().written().proven().say(FIRST, RollbackRepeated(cause=BREACH))


@pytest.mark.parametrize(
    "go_on",
    [
        another_hand_while_it_returns,
        another_hand_drained_after_the_proof,
        another_hand_that_had_not_heard_of_it_and_died,
        asked_for_again,
    ],
    ids=lambda how: how.__name__,
)
def test_a_second_trigger_belongs_to_the_same_return(go_on) -> None:
    (story,) = told(go_on(Tale().begun().at())).stories
    assert len(story.lines) == 4


def test_a_ward_that_goes_back_twice_is_two_stories() -> None:
    tale = Tale().begun().at().returned()
    tale.say(FIRST, ResumeAgreed(role=CSO, reason="x"), ResumeAgreed(role=LEAD, reason="x"))
    tale.say(FIRST, WardStarted(stage=READINESS)).returned()
    first, second = told(tale).stories
    assert first.seq < second.seq
    assert first.proven is not None
    assert second.proven is not None


def test_a_stray_exposure_after_the_return_is_a_return_of_its_own() -> None:
    tale = Tale().begun().at().returned().intended().written(epoch=9).proven(epoch=9)
    assert [story.written[1].epoch for story in told(tale).stories if story.written] == [7, 9]


def test_two_wards_do_not_mix() -> None:
    tale = Tale().begun().at().intended().intended(SECOND).written(SECOND).written()
    stories = {story.ward: story for story in told(tale).stories}
    assert all(stories[ward].written is not None for ward in (FIRST, SECOND))
    assert all(len(story.lines) == 2 for story in stories.values())


def test_a_page_because_of_sick_legacy_is_not_a_return() -> None:
    telling = told(Tale().begun().at().breached().blocked())
    assert telling.stories == ()
    assert [sick.ward for sick in telling.sicknesses] == [FIRST]


def test_the_same_place_in_another_ledger_has_another_mark() -> None:
    (one,) = told(Tale().begun().at().returned()).stories
    (other,) = told(Tale().later().begun().at().returned()).stories
    assert one.seq == other.seq
    assert one.mark != other.mark


def test_what_was_left_open_is_told_until_it_has_ended() -> None:
    """The tale's proof leaves two requests open."""
    tale = Tale().begun().at().returned()
    (story,) = told(tale).stories
    assert story.drained_at is None
    assert "| still open on the candidate | 2 |" in show_story(plan(), story).page
    (of_another,) = told(tale.say(FIRST, RollbackDrained(epoch=5))).stories
    assert of_another.drained_at is None
    (story,) = told(tale.say(FIRST, RollbackDrained(epoch=7))).stories
    assert story.drained_at is not None
    assert "| still open on the candidate | 2, none since " in show_story(plan(), story).page
