import typing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import event as ev
from orchestrator.core.ids import SignalName, StageName
from orchestrator.core.judging import changes
from orchestrator.core.reading import Value
from orchestrator.core.state import MOVERS, MOVES, Phase, ProgrammeState, apply, fold, is_in_place
from orchestrator.core.threshold import Tripwire
from orchestrator.core.verdict import Code, Level, Memory, Reference, judge
from tests.drafts import START, draft, entries
from tests.plans import CSO, FIRST, HEAD, LEAD, SECOND, SLOW, TEXT_LOST, signal
from wards.shifts import ShiftKind

NOTES = StageName("notes")
CAUSE = ev.Cause(trigger=ev.Trigger.BREACH, reason="slow", signal=SLOW, value=3.0, limit=2.0)
INTENDED = ev.RollbackIntended(cause=CAUSE, seen_at=START)
WRITTEN = ev.RollbackWritten(epoch=9, after_s=0.1)
PROVEN = ev.RollbackProven(epoch=9, probes=6, after_s=0.4, still_open=0)


def promotion(epoch=2):
    return ev.PromotionIntended(stage=NOTES, epoch=epoch, exposes=True)


def entered(epoch=2):
    return ev.StageEntered(stage=NOTES, epoch=epoch, proven_after_s=0.1)


def ward_after(*happenings):
    return fold(entries(*(draft(FIRST, one) for one in happenings))).ward(FIRST)


BEGUN = ev.WardStarted(stage=StageName("readiness"))


@pytest.mark.parametrize(
    ("happenings", "phase", "stage"),
    [
        pytest.param((), Phase.WAITING, None, id="nothing"),
        pytest.param((BEGUN,), Phase.AT_STAGE, "readiness", id="begun"),
        pytest.param((BEGUN, promotion()), Phase.PROMOTING, "readiness", id="intended"),
        pytest.param((BEGUN, promotion(), entered()), Phase.AT_STAGE, "notes", id="entered"),
        pytest.param(
            (BEGUN, promotion(), ev.PromotionAbandoned(epoch=2, reason="x")),
            Phase.AT_STAGE, "readiness", id="abandoned",
        ),
        pytest.param((BEGUN, INTENDED), Phase.RETURNING, "readiness", id="returning"),
        pytest.param((BEGUN, INTENDED, WRITTEN), Phase.RETURNING, "readiness", id="written"),
        pytest.param((BEGUN, INTENDED, WRITTEN, PROVEN), Phase.ROLLED_BACK, "readiness", id="home"),
        pytest.param(
            (BEGUN, ev.WardAccepted(stage=NOTES), INTENDED), Phase.RETURNING, "notes",
            id="returns after acceptance",
        ),
    ],
)  # fmt: skip
def test_phases(happenings, phase, stage):
    ward = ward_after(*happenings)
    assert (ward.phase, ward.stage, ward.out_of_place) == (phase, stage, 0)


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(entered(), id="the proof of a promotion"),
        pytest.param(promotion(3), id="an older run's intent"),
        pytest.param(ev.WardAccepted(stage=NOTES), id="acceptance"),
        pytest.param(BEGUN, id="a start"),
    ],
)
@pytest.mark.parametrize("so_far", [(INTENDED,), (INTENDED, WRITTEN), (INTENDED, WRITTEN, PROVEN)])
def test_nothing_promotes_after_a_return_has_begun(so_far, late):
    before = ward_after(BEGUN, promotion(), *so_far)
    after = ward_after(BEGUN, promotion(), *so_far, late)
    assert (after.phase, after.stage, after.intent) == (before.phase, before.stage, None)
    assert after.out_of_place == 1


def test_the_end_of_another_promotion_is_not_the_end_of_this_one():
    ward = ward_after(BEGUN, promotion(5), entered(4))
    assert (ward.phase, ward.out_of_place) == (Phase.PROMOTING, 1)


def test_a_return_freezes_the_programme_until_two_different_roles_agree():
    def state(*roles):
        agreed = (draft(None, ev.ResumeAgreed(role=role, reason="r")) for role in roles)
        return fold(entries(draft(FIRST, BEGUN), draft(FIRST, INTENDED), *agreed))

    frozen = state()
    assert frozen.freeze is not None
    assert frozen.freeze.ward == FIRST
    assert state(CSO, CSO).freeze is not None
    assert state(CSO, LEAD).freeze is None


def test_a_rolled_back_ward_begins_again_only_when_two_roles_agree():
    home = (BEGUN, INTENDED, WRITTEN, PROVEN)
    agree = [ev.ResumeAgreed(role=role, reason="mended") for role in (CSO, LEAD)]
    assert ward_after(*home, agree[0], agree[0]).phase is Phase.ROLLED_BACK
    again = ward_after(*home, *agree)
    assert (again.phase, again.stage, again.approvals) == (Phase.WAITING, None, frozenset())


def test_approvals_do_not_survive_a_return():
    given_ = ev.ApprovalGiven(stage=NOTES, role=CSO)
    assert ward_after(BEGUN, given_).approvals == {(NOTES, CSO)}
    assert ward_after(BEGUN, given_, INTENDED).approvals == frozenset()


def test_occurrences_are_settled_when_the_ward_resumes():
    seen = ev.VerdictChanged(
        signal=TEXT_LOST, level=Level.BREACH, code=Code.OCCURRED, value=3.0, limit=0.0, n=3
    )
    agree = [ev.ResumeAgreed(role=role, reason="mended") for role in (CSO, LEAD)]
    ward = ward_after(BEGUN, seen, INTENDED, WRITTEN, PROVEN, *agree)
    assert ward.settled_occurrences(TEXT_LOST) == 3.0
    assert ward.settled_occurrences(SLOW) == 0.0


def test_each_occurrence_until_the_ward_is_home_is_on_record_and_settled_with_the_first():
    """Requests under way go on to lose text after the return is written: whoever lets the ward go
    on has seen all of it."""
    counts = [0.0, 1.0, 1.0, 3.0]
    verdicts = [judged(count) for count in counts]
    seen = [changes((), (verdicts[0],))]
    seen += [changes((old,), (new,)) for old, new in pairwise(verdicts)]
    assert [[one.value for one in some] for some in seen] == [[0.0], [1.0], [], [3.0]]
    agree = [ev.ResumeAgreed(role=role, reason="mended") for role in (CSO, LEAD)]
    ward = ward_after(BEGUN, *seen[1], INTENDED, WRITTEN, *seen[3], PROVEN, *agree)
    assert ward.settled_occurrences(TEXT_LOST) == 3.0


def test_what_is_out_of_sight_when_the_ward_resumes_is_settled_as_it_was_last_read():
    one = replace(verdict(Level.BREACH, TEXT_LOST), code=Code.OCCURRED, value=3.0)
    blind = replace(one, level=Level.BLIND, code=Code.SOURCE_DOWN, value=None)
    agree = [ev.ResumeAgreed(role=role, reason="mended") for role in (CSO, LEAD)]
    ward = ward_after(BEGUN, one, INTENDED, WRITTEN, PROVEN, blind, *agree)
    assert ward.settled_occurrences(TEXT_LOST) == 3.0


def judged(count):
    one = signal(TEXT_LOST, Tripwire())
    return judge(one, Memory(), Value(number=count, n=1, age_s=0.0), Reference(), at_s=0.0)[1]


def verdict(level, signal=SLOW):
    return ev.VerdictChanged(
        signal=signal, level=level, code=Code.WITHIN, value=1.0, limit=2.0, n=1
    )


def test_a_gap_in_the_watch_does_not_leave_an_older_blemish_open_for_ever():
    blind = verdict(Level.BLIND)
    drafts = (
        draft(None, ev.ProgrammeStarted(wards=(FIRST,))),
        draft(FIRST, ev.WardStarted(stage=StageName("shadow"))),
        draft(FIRST, blind, after_h=1),
        draft(None, ev.WatchTaken(unwatched_since=START + timedelta(hours=2)), after_h=3),
        draft(FIRST, replace(blind, level=Level.PASS), after_h=4),
    )
    assert all(one.until is not None for one in fold(entries(*drafts)).ward(FIRST).blemishes)


def test_a_never_events_counter_that_began_again_settles_nothing_any_more():
    seen = fold(entries(draft(FIRST, verdict(Level.PASS)))).ward(FIRST)
    name = verdict(Level.PASS).signal
    state = ProgrammeState(wards={FIRST: replace(seen, settled=((name, 2.0),))})
    reset = replace(verdict(Level.PASS), value=0.0, limit=0.0)
    assert apply(state, draft(FIRST, reset)).ward(FIRST).settled_occurrences(name) == 0.0


def test_blemishes_last_from_the_first_unclear_verdict_to_the_last():
    drafts = (
        draft(FIRST, BEGUN),
        draft(FIRST, verdict(Level.BLIND), after_h=1),
        draft(FIRST, verdict(Level.BREACH, TEXT_LOST), after_h=2),
        draft(FIRST, verdict(Level.PASS), after_h=3),
        draft(FIRST, verdict(Level.WARN, TEXT_LOST), after_h=4),
    )
    (blemish,) = fold(entries(*drafts)).ward(FIRST).blemishes
    assert (blemish.since, blemish.until) == (
        START + timedelta(hours=1), START + timedelta(hours=4),
    )  # fmt: skip


def test_unwatched_time_is_a_blemish_on_every_ward():
    taken = draft(None, ev.WatchTaken(unwatched_since=START + timedelta(hours=1)), after_h=2)
    state = fold(entries(draft(FIRST, BEGUN), draft(SECOND, BEGUN), taken))
    for name in (FIRST, SECOND):
        (blemish,) = state.ward(name).blemishes
        assert blemish.until == START + timedelta(hours=2)


def test_watching_does_not_make_a_screen_stale():
    one = fold(entries(draft(FIRST, BEGUN))).ward(FIRST)
    many = fold(
        entries(
            draft(FIRST, BEGUN),
            draft(FIRST, verdict(Level.WARN)),
            draft(FIRST, ev.BaselineMeasured(signal=SLOW, shift=ShiftKind.DAY, value=1, n=9)),
            draft(FIRST, ev.GateAnswered(stage=NOTES, closed=("in_window",))),
        )
    ).ward(FIRST)
    assert (one.seq, many.seq) == (1, 1)
    assert many.baseline(SLOW, ShiftKind.DAY) == 1
    assert many.baseline(SLOW, ShiftKind.NIGHT) is None


SAMPLES = {
    ev.ProgrammeStarted: ev.ProgrammeStarted(wards=(FIRST, SECOND)),
    ev.WardStarted: BEGUN,
    ev.ApprovalGiven: ev.ApprovalGiven(stage=NOTES, role=CSO),
    ev.ApprovalWithdrawn: ev.ApprovalWithdrawn(stage=NOTES, role=CSO),
    ev.GateAnswered: ev.GateAnswered(stage=NOTES, closed=()),
    ev.PromotionIntended: promotion(),
    ev.PromotionAbandoned: ev.PromotionAbandoned(epoch=2, reason="x"),
    ev.StageEntered: entered(),
    ev.WardAccepted: ev.WardAccepted(stage=NOTES),
    ev.VerdictChanged: verdict(Level.BLIND),
    ev.WatchTaken: ev.WatchTaken(unwatched_since=None),
    ev.BaselineMeasured: ev.BaselineMeasured(
        signal=SignalName("x"), shift=ShiftKind.DAY, value=1.0, n=5
    ),
    ev.RollbackIntended: INTENDED,
    ev.RollbackWritten: WRITTEN,
    ev.RollbackPending: ev.RollbackPending(epoch=9, waited_s=1.0, waiting_for="w"),
    ev.RollbackProven: PROVEN,
    ev.RollbackDrained: ev.RollbackDrained(epoch=9),
    ev.RollbackRepeated: ev.RollbackRepeated(cause=CAUSE),
    ev.RollbackBlocked: ev.RollbackBlocked(cause=CAUSE, legacy="x", downtime_procedure="y"),
    ev.HoldPlaced: ev.HoldPlaced(reason="x"),
    ev.HoldLifted: ev.HoldLifted(reason="x"),
    ev.ResumeAgreed: ev.ResumeAgreed(role=CSO, reason="x"),
    ev.AlertHeard: ev.AlertHeard(
        name="x", fingerprint="f", weight=ev.Weight.RETURN, status=ev.AlertStatus.FIRING,
        via=ev.Via.WEBHOOK, started_at=START,
    ),
    ev.AlertUnplaced: ev.AlertUnplaced(name="x", fingerprint="f", problem="y", via=ev.Via.WEBHOOK),
    ev.StopReported: ev.StopReported(report="r", role=HEAD, reporter="a", words="w"),
    ev.StopUnproven: ev.StopUnproven(report="r", role=HEAD, words="w"),
    ev.StopAcknowledged: ev.StopAcknowledged(report="r", role=CSO),
    ev.ReturnCancelled: ev.ReturnCancelled(
        trigger=ev.Trigger.STOP, subject="r", role=CSO, reason="x"
    ),
    ev.ProgrammeStopped: ev.ProgrammeStopped(role=CSO, reason="x"),
    ev.DrillDone: ev.DrillDone(rounds=3, restore_s=0.1, prove_s=0.2, passed=True),
}  # fmt: skip


def test_every_happening_has_a_sample_here():
    assert set(SAMPLES) == set(typing.get_args(ev.Happening))


happenings = st.lists(
    st.tuples(st.sampled_from([FIRST, SECOND, None]), st.sampled_from(list(SAMPLES.values()))),
    max_size=40,
)


def check_legal(state: ProgrammeState) -> None:
    for ward in state.wards.values():
        assert (ward.phase is Phase.PROMOTING) == (ward.intent is not None)
        if ward.phase in (Phase.RETURNING, Phase.ROLLED_BACK):
            assert ward.returned is not None
        if ward.phase in (Phase.AT_STAGE, Phase.PROMOTING, Phase.ACCEPTED):
            assert ward.stage is not None
        if ward.phase is Phase.WAITING:
            assert ward.entered_at is None


@given(happenings)
def test_any_prefix_folds_to_a_legal_state(told):
    state = ProgrammeState()
    epochs: dict = {}
    for seq, (ward, happening) in enumerate(told, 1):
        state = apply(state, draft(ward, happening), seq=seq)
        check_legal(state)
        for name, mine in state.wards.items():
            assert mine.epoch >= epochs.get(name, 0)
            epochs[name] = mine.epoch


@given(happenings)
def test_folding_in_two_halves_is_folding_at_once(told):
    all_of_it = entries(*(draft(ward, happening) for ward, happening in told))
    half = len(all_of_it) // 2
    assert fold(all_of_it[half:], fold(all_of_it[:half])) == fold(all_of_it)


@given(happenings)
def test_after_a_return_began_only_two_roles_lead_out_of_it(told):
    state = fold(entries(draft(FIRST, BEGUN), draft(FIRST, INTENDED)))
    for ward, happening in told:
        if not isinstance(happening, ev.ResumeAgreed):
            state = apply(state, draft(ward, happening), seq=1)
    assert state.ward(FIRST).phase in (Phase.RETURNING, Phase.ROLLED_BACK)


def test_the_table_speaks_of_every_mover():
    for phase in Phase:
        for mover in MOVERS:
            assert is_in_place(phase, SAMPLES[mover]) == ((phase, mover) in MOVES)
