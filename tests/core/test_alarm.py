"""Alerts and reports from the bedside: what holds a ward, what brings it back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import event as ev
from orchestrator.core.alarm import AlarmCode, alarm_cause, alarms
from orchestrator.core.decision import (
    Hold,
    HoldCode,
    Rollback,
    Situation,
    Stay,
    decide,
)
from orchestrator.core.ids import Role, StageName
from orchestrator.core.plan import CancelPolicy, StopPolicy
from orchestrator.core.state import Phase, fold
from orchestrator.core.verdict import Code, Level, Verdict
from tests.drafts import START, draft, entries
from tests.plans import CSO, FIRST, HEAD, LEAD, LEGACY_UP, NOTES, RESULTS, SECOND, SLOW, plan

NURSE = Role("nurse")
PLAN = replace(
    plan(),
    policy=replace(
        plan().policy,
        stop=StopPolicy(roles=(NURSE, HEAD), alone=(HEAD,), window_s=900.0),
        cancel=CancelPolicy(alert=(CSO,), stop=(CSO,)),
    ),
)
EXPOSED_AT = START + timedelta(hours=1)
STAGE = StageName("notes")
LIVE = (
    draft(FIRST, ev.WardStarted(stage=StageName("readiness"))),
    draft(FIRST, ev.PromotionIntended(stage=STAGE, epoch=2, exposes=True), after_h=1),
    draft(FIRST, ev.StageEntered(stage=STAGE, epoch=2, proven_after_s=0.1), after_h=1),
)


def alert(status=ev.AlertStatus.FIRING, *, since_h=2.0, **changes):
    made = ev.AlertHeard(
        name="NotesSlow",
        fingerprint="f1",
        weight=ev.Weight.RETURN,
        status=status,
        via=ev.Via.WEBHOOK,
        started_at=START + timedelta(hours=since_h),
    )
    return replace(made, **changes)


def stop(report="r1", *, role=NURSE, reporter="a"):
    return ev.StopReported(report=report, role=role, reporter=reporter, words="text vanishes")


def verdict(level, signal=SLOW):
    return Verdict(signal=signal, level=level, code=Code.WITHIN)


CLEAR = (verdict(Level.PASS), verdict(Level.PASS, LEGACY_UP))
LIMP = (verdict(Level.WARN), verdict(Level.PASS, LEGACY_UP))
SICK = (verdict(Level.PASS), verdict(Level.BREACH, LEGACY_UP))


def found(*happenings, after_h=2.0, seconds=0.0, verdicts=CLEAR, live=LIVE, exposed=(NOTES,)):
    drafts = (draft(FIRST, one, after_h=after_h) for one in happenings)
    state = fold(entries(*live, *drafts))
    now = START + timedelta(hours=after_h, seconds=seconds)
    return state, alarms(
        PLAN, state, state.ward(FIRST), exposed=exposed, verdicts=verdicts, now=now
    )


def decision(*happenings, **how):
    state, seen = found(*happenings, **how)
    verdicts = how.get("verdicts", CLEAR)
    return decide(
        Situation(
            plan=PLAN, ward=state.ward(FIRST), exposed=how.get("exposed", (NOTES,)),
            verdicts=verdicts, alarms=seen,
        )
    )  # fmt: skip


BEFORE_EXPOSURE = {"since_h": 0.5}


@pytest.mark.parametrize(
    ("happenings", "how", "level", "code"),
    [
        pytest.param((alert(),), {}, Level.BREACH, AlarmCode.FIRING, id="fires"),
        pytest.param(
            (alert(slice_name=NOTES),), {}, Level.BREACH, AlarmCode.FIRING, id="its slice fires"
        ),
        pytest.param(
            (alert(slice_name=RESULTS),), {}, Level.WARN, AlarmCode.OTHER_SLICE,
            id="a slice on legacy fires",
        ),
        pytest.param(
            (alert(weight=ev.Weight.HOLD),), {}, Level.WARN, AlarmCode.WARNING, id="warns"
        ),
        pytest.param(
            (alert(ev.AlertStatus.SILENCED),), {}, Level.WARN, AlarmCode.SILENCED,
            id="a silence is not health",
        ),
        pytest.param(
            (alert(**BEFORE_EXPOSURE),), {"after_h": 1.0, "seconds": 59}, Level.WARN,
            AlarmCode.FIRED_BEFORE, id="fired before exposure, not instantly fatal",
        ),
        pytest.param(
            (alert(**BEFORE_EXPOSURE),), {"after_h": 1.0, "seconds": 60}, Level.BREACH,
            AlarmCode.FIRED_BEFORE, id="fired before exposure, not ignored for ever",
        ),
        pytest.param(
            (alert(**BEFORE_EXPOSURE),), {"after_h": 1.0, "seconds": -240}, Level.WARN,
            AlarmCode.FIRED_BEFORE, id="another clock is a little ahead",
        ),
        pytest.param(
            (alert(**BEFORE_EXPOSURE),), {"after_h": 1.0, "seconds": -301}, Level.BREACH,
            AlarmCode.FIRED_BEFORE, id="an exposure to come: the clocks say nothing",
        ),
        pytest.param((stop(),), {}, Level.WARN, AlarmCode.REPORTED, id="one report"),
        pytest.param(
            (stop(role=HEAD),), {}, Level.BREACH, AlarmCode.CONFIRMED, id="a senior's word"
        ),
        pytest.param(
            (stop(), stop("r2", reporter="b")), {}, Level.BREACH, AlarmCode.CONFIRMED,
            id="a second person",
        ),
        pytest.param(
            (stop(), stop("r2")), {}, Level.WARN, AlarmCode.REPORTED, id="the same person twice"
        ),
        pytest.param(
            (stop(),), {"verdicts": LIMP}, Level.BREACH, AlarmCode.CONFIRMED, id="and a signal"
        ),
    ],
)  # fmt: skip
def test_how_an_alarm_counts(happenings, how, level, code):
    _, seen = found(*happenings, **how)
    assert {(one.level, one.code) for one in seen} == {(level, code)}
    assert (alarm_cause(seen) is not None) == (level is Level.BREACH)
    made = decision(*happenings, **how)
    if level is Level.BREACH:
        assert isinstance(made, Rollback)
    else:
        assert made == Hold(code=HoldCode.NOT_CLEAR)


@pytest.mark.parametrize(
    "happenings",
    [
        pytest.param((alert(), alert(ev.AlertStatus.RESOLVED)), id="resolved"),
        pytest.param((alert(weight=ev.Weight.TELL),), id="only to be told"),
        pytest.param(
            (
                alert(),
                ev.ReturnCancelled(
                    trigger=ev.Trigger.ALERT, subject="f1", role=CSO, reason="known"
                ),
            ),
            id="answered for",
        ),
        pytest.param(
            (
                stop(),
                ev.ReturnCancelled(trigger=ev.Trigger.STOP, subject="r1", role=CSO, reason="wrong"),
            ),
            id="a report taken back",
        ),
    ],
)
def test_what_counts_no_longer(happenings):
    state, seen = found(*happenings)
    assert seen == ()
    assert state.freeze is None


def test_a_report_is_forgotten_after_its_window_and_the_freeze_stays():
    state, seen = found(stop(), seconds=901)
    assert seen == ()
    assert state.freeze is not None


def test_one_name_in_two_slices_is_two_alerts():
    other = alert(fingerprint="f2", slice_name=RESULTS)
    state, _ = found(alert(), other, replace(other, status=ev.AlertStatus.RESOLVED))
    assert [one.heard.fingerprint for one in state.ward(FIRST).concerns.alerts] == ["f1"]


def test_an_alert_that_was_answered_for_and_fires_anew_counts_again():
    answered = ev.ReturnCancelled(trigger=ev.Trigger.ALERT, subject="f1", role=CSO, reason="known")
    _, seen = found(alert(), answered, alert(ev.AlertStatus.RESOLVED), alert(since_h=3.0))
    assert [one.code for one in seen] == [AlarmCode.FIRING]


def test_sick_legacy_is_not_switched_to_by_an_alert():
    made = decision(alert(), verdicts=SICK)
    assert isinstance(made, Hold)
    assert made.code is HoldCode.LEGACY_NOT_READY
    assert made.cause is not None


def test_nothing_returns_that_is_not_exposed():
    made = decision(alert(), exposed=())
    assert not isinstance(made, Rollback | Stay)


def test_a_report_freezes_the_programme_and_taking_it_back_ends_that():
    state, _ = found(stop())
    assert state.freeze is not None
    assert state.freeze.report == "r1"


def test_taking_a_report_back_does_not_end_a_freeze_that_a_return_began():
    returned = ev.RollbackIntended(
        cause=ev.Cause(trigger=ev.Trigger.BREACH, reason="slow"), seen_at=START
    )
    state, _ = found(stop(), returned, taken_back())
    assert state.freeze is not None


def taken_back(report="r1"):
    return ev.ReturnCancelled(trigger=ev.Trigger.STOP, subject=report, role=CSO, reason="oh")


def test_taking_one_report_back_leaves_the_freeze_to_the_next_one():
    state, _ = found(stop(), stop("r2"), taken_back())
    assert state.freeze is not None
    assert state.freeze.report == "r2"
    state, _ = found(stop(), stop("r2"), taken_back(), taken_back("r2"))
    assert state.freeze is None


def test_a_report_of_another_ward_goes_on_with_the_freeze():
    drafts = [draft(FIRST, stop(), after_h=2), draft(SECOND, stop("r2"), after_h=3)]
    state = fold(entries(*LIVE, *drafts, draft(FIRST, taken_back(), after_h=4)))
    assert state.freeze is not None
    assert (state.freeze.ward, state.freeze.report) == (SECOND, "r2")


def test_what_was_dealt_with_before_does_not_freeze_again():
    agreed = [
        draft(None, ev.ResumeAgreed(role=role, reason="mended"), after_h=3) for role in (CSO, LEAD)
    ]
    drafts = [draft(FIRST, stop("r0"), after_h=2), *agreed, draft(FIRST, stop(), after_h=4)]
    state = fold(entries(*LIVE, *drafts, draft(FIRST, taken_back(), after_h=5)))
    assert state.freeze is None


@pytest.mark.parametrize(
    "began",
    [stop("r0"), ev.RollbackIntended(cause=ev.Cause(trigger=ev.Trigger.BREACH, reason="slow"),
                                     seen_at=START), None],
    ids=["a report", "a return", "a stopped programme"],
)  # fmt: skip
def test_a_report_during_a_freeze_makes_both_roles_speak_again(began):
    first = (
        draft(None, ev.ProgrammeStopped(role=CSO, reason="the board"), after_h=2)
        if began is None
        else draft(FIRST, began, after_h=2)
    )
    word = [draft(None, ev.ResumeAgreed(role=role, reason="x"), after_h=4) for role in (CSO, LEAD)]
    drafts = [first, word[0], draft(SECOND, stop(), after_h=4), word[1]]
    assert fold(entries(*LIVE, *drafts)).freeze is not None
    assert fold(entries(*LIVE, *drafts, word[0])).freeze is None


def test_a_report_without_a_right_code_neither_freezes_nor_returns():
    unproven = ev.StopUnproven(report="r9", role=HEAD, words="screens are black")
    state, seen = found(unproven, verdicts=LIMP)
    assert (state.freeze, seen) == (None, ())
    (kept,) = state.ward(FIRST).concerns.reports
    assert not kept.is_proven
    state, seen = found(unproven, stop(), verdicts=CLEAR)
    assert [one.level for one in seen] == [Level.WARN]


def test_a_stopped_programme_brings_back_whoever_is_exposed_until_two_roles_agree():
    drafts = [*LIVE, draft(None, ev.ProgrammeStopped(role=CSO, reason="the board"), after_h=2)]
    state = fold(entries(*drafts))
    ward = state.ward(FIRST)
    assert state.freeze is not None
    now = START + timedelta(hours=2)
    seen = alarms(PLAN, state, ward, exposed=(NOTES,), verdicts=CLEAR, now=now)
    cause = alarm_cause(seen)
    assert cause is not None
    assert cause.trigger is ev.Trigger.PROGRAMME
    drafts += [
        draft(None, ev.ResumeAgreed(role=role, reason="mended"), after_h=3) for role in (CSO, LEAD)
    ]
    state = fold(entries(*drafts))
    assert (state.freeze, state.stopped) == (None, None)


def test_a_ward_that_begins_again_leaves_its_reports_behind_but_not_its_alerts():
    back = (
        ev.RollbackIntended(cause=ev.Cause(trigger=ev.Trigger.STOP, reason="r"), seen_at=START),
        ev.RollbackProven(epoch=4, probes=1, after_s=0.1, still_open=0),
        ev.ResumeAgreed(role=CSO, reason="mended"),
        ev.ResumeAgreed(role=LEAD, reason="mended"),
    )
    state, _ = found(stop(), alert(), *back)
    ward = state.ward(FIRST)
    assert ward.phase is Phase.WAITING
    assert (ward.concerns.reports, len(ward.concerns.alerts)) == ((), 1)


@given(
    order=st.permutations([alert(), stop(), stop("r2", reporter="b"), alert(fingerprint="f2")]),
    verdicts=st.sampled_from([CLEAR, LIMP]),
)
def test_more_alarms_never_give_a_milder_answer(order, verdicts):
    worst_so_far = Level.PASS
    for upto in range(len(order) + 1):
        _, seen = found(*order[:upto], verdicts=verdicts)
        level = max((one.level for one in seen), default=Level.PASS)
        assert level >= worst_so_far
        worst_so_far = level
