"""Words that reach the ledger late, from a host whose link was down, undo nothing that is newer;
and where it is in doubt which is newer, the ward is taken to need its way home."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core import concern
from orchestrator.core import event as ev
from orchestrator.core.concern import NO_CONCERNS
from orchestrator.core.event import CLOCKS_APART
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.state import Phase, ProgrammeState, WardState, fold
from orchestrator.core.verdict import Code, Level
from tests.drafts import START, draft, entries
from tests.plans import CSO, FIRST, LEAD, SLOW

NOTES = StageName("notes")
CAUSE = ev.Cause(trigger=ev.Trigger.ALERT, reason="it fired")
INTENDED = ev.RollbackIntended(cause=CAUSE, seen_at=START)
OTHER = ev.Actor(kind=ActorKind.SENTINEL, name="other")
GUARD = ev.Actor(kind=ActorKind.GUARD, name="g")
SKEW_H = CLOCKS_APART.total_seconds() / 3600 / 2


def written(epoch):
    return ev.RollbackWritten(epoch=epoch, after_s=0.1)


def proven(epoch):
    return ev.RollbackProven(epoch=epoch, probes=6, after_s=0.4, still_open=0)


def said(level, after_h, by=OTHER, limit=2.0):
    verdict = ev.VerdictChanged(
        signal=SLOW, level=level, code=Code.WITHIN, value=1.0, limit=limit, n=1
    )
    return replace(draft(FIRST, verdict, after_h=after_h), actor=by)


def told(*drafts) -> ProgrammeState:
    return fold(entries(*drafts))


def level_of(*drafts):
    (last,) = told(*drafts).ward(FIRST).verdicts
    return last.verdict.level


@pytest.mark.parametrize("old", [Level.PASS, Level.WARN, Level.BREACH])
def test_an_old_verdict_of_another_host_replaces_no_newer_one(old):
    newer = Level.BREACH if old is not Level.BREACH else Level.PASS
    assert level_of(said(newer, 5, by=GUARD), said(old, 1)) is newer


def test_a_writers_own_words_come_in_order_although_its_clock_was_set_back():
    assert level_of(said(Level.PASS, 5), said(Level.BREACH, 1)) is Level.BREACH
    assert level_of(said(Level.BREACH, 5), said(Level.PASS, 1)) is Level.PASS


def test_between_two_clocks_that_nearly_agree_the_worse_word_stands():
    later = SKEW_H + 1
    assert level_of(said(Level.PASS, later, by=GUARD), said(Level.BREACH, 1)) is Level.BREACH
    assert level_of(said(Level.BREACH, later, by=GUARD), said(Level.PASS, 1)) is Level.BREACH


def test_an_old_judgement_unsettles_nothing():
    ward = told(said(Level.PASS, 5, by=GUARD, limit=3.0)).ward(FIRST)
    state = ProgrammeState(wards={FIRST: replace(ward, settled=((SLOW, 3.0),))})
    late = fold(entries(said(Level.BREACH, 1, limit=0.0)), state)
    assert late.ward(FIRST).settled_occurrences(SLOW) == 3.0


def test_the_shift_of_an_old_blindness_does_not_soak_and_later_ones_do():
    ward = told(said(Level.PASS, 5, by=GUARD), said(Level.BLIND, 1)).ward(FIRST)
    (blemish,) = ward.blemishes
    assert blemish.since == blemish.until == START + timedelta(hours=1)


def alert(status, started_h):
    return ev.AlertHeard(
        name="X", fingerprint="f", weight=ev.Weight.RETURN, status=status, via=ev.Via.WEBHOOK,
        started_at=START + timedelta(hours=started_h),
    )  # fmt: skip


def heard(*words):
    """Alerts that stand after (status, start, hour in which it was heard)."""
    concerns = NO_CONCERNS
    for status, started_h, at_h in words:
        at = START + timedelta(hours=at_h)
        concerns = concern.hear(concerns, alert(status, started_h), at)
    return [(one.heard.status, one.heard.started_at) for one in concerns.alerts]


FIRING, RESOLVED = ev.AlertStatus.FIRING, ev.AlertStatus.RESOLVED
ANEW = (FIRING, START + timedelta(hours=5))


def test_an_old_end_does_not_end_what_fired_anew():
    assert heard((FIRING, 5, 5), (RESOLVED, 1, 2)) == [ANEW]
    assert heard((FIRING, 5, 5), (RESOLVED, 5, 6)) == []


def test_an_old_firing_does_not_make_a_new_one_look_older():
    assert heard((FIRING, 5, 5), (FIRING, 1, 2)) == [ANEW]


def test_an_end_that_is_newer_by_one_of_two_clocks_ends_it():
    """Two Alertmanagers may name two starts of one alert; its end is told once."""
    assert heard((FIRING, 5, 5), (RESOLVED, 4, 6)) == []


# A ward that was returned under epoch 6, resumed, and is exposed again under epoch 8.
BEFORE = (
    draft(FIRST, ev.WardStarted(stage=StageName("readiness"))),
    draft(FIRST, ev.PromotionIntended(stage=NOTES, epoch=4, exposes=True), after_h=1),
    draft(FIRST, ev.StageEntered(stage=NOTES, epoch=4, proven_after_s=0.1), after_h=1),
    draft(FIRST, INTENDED, after_h=2),
    draft(FIRST, written(6), after_h=2),
    draft(FIRST, proven(6), after_h=2),
    *(draft(None, ev.ResumeAgreed(role=role, reason="x"), after_h=4) for role in (CSO, LEAD)),
    *(draft(FIRST, ev.ResumeAgreed(role=role, reason="x"), after_h=4) for role in (CSO, LEAD)),
    draft(FIRST, ev.WardStarted(stage=StageName("readiness")), after_h=5),
)
AGAIN = (
    *BEFORE,
    draft(FIRST, ev.PromotionIntended(stage=NOTES, epoch=8, exposes=True), after_h=6),
    draft(FIRST, ev.StageEntered(stage=NOTES, epoch=8, proven_after_s=0.1), after_h=6),
)


def late(happening, after_h, by=GUARD):
    return replace(draft(FIRST, happening, after_h=after_h), actor=by)


def outcome(*drafts) -> tuple[WardState, bool]:
    state = told(*drafts)
    return state.ward(FIRST), state.freeze is not None


def test_an_old_return_is_history_for_a_ward_that_is_exposed_again():
    old = (late(INTENDED, 2), late(written(6), 2), late(proven(6), 2))
    for many in range(1, 4):
        ward, is_frozen = outcome(*AGAIN, *old[:many])
        assert (ward.phase, is_frozen, ward.out_of_place) == (Phase.AT_STAGE, False, many)
        assert ward.exposed_since is not None


def test_old_words_do_not_end_a_return_that_is_open():
    """Or the record would have a ward at home that its route exposes."""
    ward, _ = outcome(*AGAIN, late(INTENDED, 7), late(written(6), 2), late(proven(6), 2))
    assert ward.phase is Phase.RETURNING
    assert (ward.returned.epoch, ward.returned.proven_at) == (None, None)


def test_so_is_one_that_was_resumed_at_once_but_not_before_the_ward_is_exposed_again():
    """Between the two a clock may be behind, and one who returned it then must be heard."""
    just_before = late(INTENDED, 4 - SKEW_H)
    assert outcome(*AGAIN, just_before)[0].phase is Phase.AT_STAGE
    assert outcome(*BEFORE, just_before)[0].phase is Phase.RETURNING
    assert outcome(*BEFORE, late(INTENDED, 2))[0].phase is Phase.AT_STAGE


@pytest.mark.parametrize("hour", [7, 6 - SKEW_H, 5])
def test_a_return_that_is_newer_than_the_resumption_is_taken_whenever_it_comes(hour):
    words = (late(INTENDED, hour), late(written(10), hour), late(proven(10), hour))
    phases = [outcome(*AGAIN, *words[:many])[0].phase for many in range(1, 4)]
    assert phases == [Phase.RETURNING, Phase.RETURNING, Phase.ROLLED_BACK]
    assert outcome(*AGAIN, *words)[1]


def test_a_return_by_a_clock_that_is_far_behind_is_known_by_its_epoch():
    words = (late(INTENDED, 0), late(written(10), 0), late(proven(10), 0))
    phases = [outcome(*AGAIN, *words[:many])[0].phase for many in range(1, 4)]
    assert phases == [Phase.AT_STAGE, Phase.RETURNING, Phase.ROLLED_BACK]
    ward, is_frozen = outcome(*AGAIN, *words)
    assert is_frozen
    assert ward.returned.cause.trigger is ev.Trigger.LEASE
    assert (ward.returned.epoch, ward.exposed_since, ward.intent) == (10, None, None)


def test_so_is_one_of_which_only_the_proof_came_through_in_the_middle_of_a_promotion():
    open_ = draft(FIRST, ev.PromotionIntended(stage=NOTES, epoch=8, exposes=True), after_h=6)
    ward, is_frozen = outcome(*BEFORE, open_, late(proven(10), 7))
    assert (ward.phase, ward.intent, is_frozen) == (Phase.ROLLED_BACK, None, True)


def test_a_second_hands_words_of_the_same_return_open_no_other():
    ward, is_frozen = outcome(*BEFORE, late(written(6), 2), late(proven(6), 2))
    assert (ward.phase, is_frozen) == (Phase.AT_STAGE, False)


def test_where_no_return_was_ever_recorded_none_is_history():
    exposed = AGAIN[:3]
    ward, is_frozen = outcome(*exposed, late(INTENDED, -99))
    assert (ward.phase, is_frozen) == (Phase.RETURNING, True)


def test_the_end_of_another_returns_streams_is_not_this_ones():
    open_one = ev.RollbackProven(epoch=9, probes=6, after_s=0.4, still_open=2)

    def left(epoch):
        back = told(
            draft(FIRST, ev.WardStarted(stage=NOTES)),
            draft(FIRST, INTENDED, after_h=1),
            draft(FIRST, written(9), after_h=1),
            draft(FIRST, open_one, after_h=1),
            draft(FIRST, ev.RollbackDrained(epoch=epoch), after_h=2),
        ).ward(FIRST)
        assert back.phase is Phase.ROLLED_BACK
        return back.returned.still_open

    assert left(7) == 2
    assert left(9) == 0
