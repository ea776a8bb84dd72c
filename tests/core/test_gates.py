from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from math import inf, nan

import pytest

from orchestrator.core import event as ev
from orchestrator.core.concern import Concerns, Drill, StopReport
from orchestrator.core.freeze import Freeze
from orchestrator.core.gates.answer import Closed, Open, Unknown, all_open
from orchestrator.core.gates.drill import drilled, needs_drill
from orchestrator.core.gates.facts import GateFacts, Life
from orchestrator.core.gates.rules import RULES, evaluate
from orchestrator.core.ids import Role, StageName
from orchestrator.core.returned import Return
from orchestrator.core.seen import Baseline, Blemish
from orchestrator.core.soak import soak_progress
from orchestrator.core.state import Phase, WardState, fold
from orchestrator.core.verdict import Code, Level
from tests.drafts import draft, entries
from tests.plans import CSO, FAILED_LOGINS, FIRST, HEAD, SECOND, SLOW, open_windows, plan
from wards.shifts import ShiftKind

# A Tuesday at noon, practice time; the ward has been in shadow since Sunday.
NOW = datetime(2027, 3, 2, 11, tzinfo=UTC)
SINCE = NOW - timedelta(days=2)
NOTES = StageName("notes")


def seen(level=Level.PASS, signal=SLOW):
    return ev.VerdictChanged(
        signal=signal, level=level, code=Code.WITHIN, value=1.0, limit=2.0, n=1
    )


def programme(*wards):
    state = fold(entries(draft(None, ev.ProgrammeStarted(wards=(FIRST, SECOND)), plan_hash="h")))
    return replace(state, wards={ward.ward: ward for ward in wards})


DRILL = Drill(
    done_at=SINCE, rounds=3, restore_s=0.1, prove_s=0.9, passed=True, problem="", plan_hash="h"
)


def shadow_ward(name=FIRST, **details):
    ward = fold(entries(draft(name, seen()))).ward(name)
    baselines = tuple(Baseline(signal=FAILED_LOGINS, shift=shift, value=0.1) for shift in ShiftKind)
    values = {
        "phase": Phase.AT_STAGE,
        "stage": StageName("shadow"),
        "entered_at": SINCE,
        "approvals": frozenset({(NOTES, CSO), (NOTES, HEAD)}),
        "baselines": baselines,
        "drill": DRILL,
    }
    return replace(ward, **{**values, **details})


def facts(ward=None, **details):
    ward = ward or shadow_ward()
    values = {
        "plan": plan(),
        "plan_hash": "h",
        "programme": programme(ward),
        "ward": ward,
        "stage": plan().stage(NOTES),
        "life": Life(sentinel=True, guard=True, fence=True),
        "legacy": Level.PASS,
        "now": NOW,
    }
    return GateFacts(**{**values, **details})


def test_everything_in_order_opens_every_gate():
    answers = evaluate(facts())
    assert all_open(answers), [answer for answer in answers if not isinstance(answer, Open)]
    assert len(answers) == len(RULES)


FROZEN = Freeze(ward=SECOND, reason="slow", since=NOW)
NIGHT_ONLY = replace(plan(), windows=replace(open_windows(), opens=time(1), closes=time(2)))


@pytest.mark.parametrize(
    ("gate", "changed", "kind"),
    [
        ("not_frozen", {"programme": replace(programme(shadow_ward()), freeze=FROZEN)}, Closed),
        (
            "plan_unchanged",
            {"plan_hash": "other", "ward": shadow_ward(drill=replace(DRILL, plan_hash="other"))},
            Closed,
        ),
        ("plan_unchanged", {"programme": replace(programme(), plan_hash=None)}, Closed),
        ("legacy_ready", {"legacy": Level.BREACH}, Closed),
        ("legacy_ready", {"legacy": Level.BLIND}, Unknown),
        ("legacy_ready", {"legacy": None}, Unknown),
        ("sentinel_alive", {"life": Life(sentinel=False, guard=True, fence=True)}, Closed),
        ("sentinel_alive", {"life": Life(sentinel=None, guard=True, fence=True)}, Unknown),
        (
            "sentinel_alive",
            {"life": Life(sentinel=True, guard=True, behind_s=1e3, fence=True)},
            Closed,
        ),
        (
            "sentinel_alive",
            {"life": Life(sentinel=True, guard=True, behind_s=inf, fence=True)},
            Closed,
        ),
        ("guard_alive", {"life": Life(sentinel=True, guard=False, fence=True)}, Closed),
        ("guard_alive", {"life": Life(sentinel=True, guard=None, fence=True)}, Unknown),
        ("fence_proven", {"life": Life(sentinel=True, guard=True, fence=False)}, Closed),
        (
            "no_alarms",
            {"life": Life(sentinel=True, guard=True, fence=True, deaf_s=1e3)},
            Unknown,
        ),
        ("fence_proven", {"life": Life(sentinel=True, guard=True)}, Unknown),
        ("in_window", {"plan": NIGHT_ONLY}, Closed),
        ("not_held", {"ward": shadow_ward(held="relatives' day")}, Closed),
        ("signals_clear", {"ward": shadow_ward(verdicts=())}, Unknown),
        ("baselines_known", {"ward": shadow_ward(baselines=())}, Closed),
        ("drilled", {"ward": shadow_ward(drill=None)}, Closed),
        ("soaked", {"ward": shadow_ward(entered_at=NOW - timedelta(hours=2))}, Closed),
        ("approved", {"ward": shadow_ward(approvals=frozenset())}, Closed),
        ("approved", {"ward": shadow_ward(approvals=frozenset({(NOTES, CSO)}))}, Closed),
    ],
)
def test_one_thing_wrong_closes_that_gate_and_no_other(gate, changed, kind):
    answers = {answer.gate: answer for answer in evaluate(facts(**changed))}
    assert [name for name, answer in answers.items() if not isinstance(answer, Open)] == [gate]
    assert isinstance(answers[gate], kind)
    assert answers[gate].todo


WAITING = StopReport(
    report="bcdf", role=Role("nurse"), reporter="", words="", slice_name=None, made_at=SINCE,
    is_proven=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        (WAITING, Closed),
        (replace(WAITING, is_proven=True), Closed),  # its window is long over
        (replace(WAITING, acknowledged_at=NOW), Open),
        (replace(WAITING, is_proven=True, is_cancelled=True), Open),
    ],
    ids=["without a code", "with one", "in hand", "taken back"],
)
def test_nothing_moves_forward_past_a_report_that_nobody_answered(report, kind):
    """One without a right code freezes nothing, and somebody goes and asks first."""
    ward = shadow_ward(concerns=Concerns(reports=(report,)))
    answers = {answer.gate: answer for answer in evaluate(facts(ward))}
    assert isinstance(answers["no_alarms"], kind)
    if kind is Closed:
        assert "bcdf" in answers["no_alarms"].evidence
        assert "wardshift acknowledge bcdf" in answers["no_alarms"].todo


POLICY = plan().policy.drill
EXPIRED = NOW + timedelta(days=POLICY.valid_days)
DRILLS = {
    "none": (None, {}, False, True),
    "passed": (DRILL, {}, True, False),
    "failed": (replace(DRILL, passed=False, problem="not proven"), {}, False, False),
    "failed long ago": (replace(DRILL, passed=False), {"now": EXPIRED}, False, False),
    "under another plan": (replace(DRILL, plan_hash="other"), {}, False, True),
    "too old": (DRILL, {"now": EXPIRED}, False, True),
    "of its last day": (DRILL, {"now": SINCE + timedelta(days=POLICY.valid_days)}, True, False),
    "fewer rounds": (replace(DRILL, rounds=POLICY.rounds - 1), {}, False, False),
    "slow to restore": (replace(DRILL, restore_s=POLICY.restore_within_s + 0.1), {}, False, False),
    "slow to prove": (replace(DRILL, prove_s=POLICY.prove_within_s + 0.1), {}, False, False),
    "no time at all": (replace(DRILL, restore_s=nan), {}, False, False),
    "not needed in shadow": (None, {"stage": plan().stage(StageName("shadow"))}, True, False),
}


@pytest.mark.parametrize("name", DRILLS)
def test_what_a_drill_must_have_shown_before_exposure(name):
    drill, details, is_open, is_due = DRILLS[name]
    given = facts(shadow_ward(drill=drill), **details)
    assert isinstance(drilled(given), Open) is is_open
    assert needs_drill(given) is is_due


def test_a_ward_that_is_exposed_keeps_the_drill_that_was_fresh_when_exposure_began():
    """It cannot be drilled as long as clinicians work in the candidate."""
    exposed = shadow_ward(stage=NOTES, exposed_since=SINCE + timedelta(days=1))
    last = plan().stages[-1]
    assert isinstance(drilled(facts(exposed, stage=last, now=EXPIRED)), Open)
    was_old = replace(exposed, exposed_since=EXPIRED)
    assert isinstance(drilled(facts(was_old, stage=last, now=EXPIRED)), Closed)
    assert not needs_drill(facts(was_old, stage=last, now=EXPIRED))
    given_up = replace(exposed, stage=StageName("shadow"))  # exposure was tried and abandoned
    assert isinstance(drilled(facts(given_up, now=EXPIRED)), Closed)


def test_a_later_drill_counts_instead_of_an_earlier_one():
    done = ev.DrillDone(rounds=3, restore_s=0.1, prove_s=0.9, passed=True)
    slow = replace(done, restore_s=POLICY.restore_within_s + 1, passed=False, problem="slow")
    ward = fold(entries(*(draft(FIRST, one, plan_hash="h") for one in (done, slow)))).ward(FIRST)
    assert isinstance(drilled(facts(shadow_ward(drill=ward.drill))), Closed)


BACK = Return(
    cause=ev.Cause(trigger=ev.Trigger.BREACH, reason="slow"), seen_at=NOW, actor="sentinel:s",
    epoch=9, written_at=NOW, written_after_s=0.2, proven_at=NOW, proven_after_s=0.9,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "is_open"),
    [
        ({}, True),
        ({"written_after_s": POLICY.restore_within_s + 0.1}, False),
        ({"proven_after_s": POLICY.prove_within_s + 0.1}, False),
        ({"proven_after_s": POLICY.prove_within_s + 0.1, "proven_at": SINCE}, True),  # before it
        ({"written_after_s": None}, True),
    ],
)
def test_a_real_return_that_was_slower_than_a_drill_may_be_locks_the_gate(changed, is_open):
    given = facts(shadow_ward(returned=replace(BACK, **changed)))
    answer = drilled(given)
    assert isinstance(answer, Open) is is_open
    assert is_open or "since the last drill a real return" in answer.evidence
    assert not needs_drill(given)  # somebody looks into it first


@pytest.mark.parametrize("level", [Level.BLIND, Level.BREACH])
def test_a_blind_or_breached_signal_closes_the_gate(level):
    ward = shadow_ward(verdicts=fold(entries(draft(FIRST, seen(level)))).ward(FIRST).verdicts)
    answers = evaluate(facts(ward))
    assert [a.gate for a in answers if not isinstance(a, Open)] == ["signals_clear"]


def test_the_second_ward_waits_for_the_first():
    second = shadow_ward(SECOND)
    open_first = facts(second, programme=programme(second, shadow_ward()))
    assert [a.gate for a in evaluate(open_first) if not isinstance(a, Open)] == ["ward_in_turn"]
    accepted = shadow_ward(phase=Phase.ACCEPTED)
    assert all_open(evaluate(facts(second, programme=programme(second, accepted))))


def test_no_answer_at_all_is_not_open():
    assert not all_open(())


@pytest.mark.parametrize(
    ("blemish_h", "shifts", "nights"),
    [
        pytest.param(None, 5, 2, id="clean"),
        pytest.param((10.0, 10.1), 4, 1, id="blind for minutes at night spoils one night"),
        pytest.param((46.0, None), 5, 2, id="still blind in a shift that is not whole yet"),
        pytest.param((0.5, None), 0, 0, id="blind ever since"),
    ],
)
def test_soak_counts_whole_clean_shifts(blemish_h, shifts, nights):
    blemishes = ()
    if blemish_h is not None:
        since, until = blemish_h
        end = None if until is None else SINCE + timedelta(hours=until)
        blemishes = (Blemish(since=SINCE + timedelta(hours=since), until=end),)
    ward = WardState(
        ward=FIRST, phase=Phase.AT_STAGE, stage=StageName("shadow"), entered_at=SINCE,
        blemishes=blemishes,
    )  # fmt: skip
    done = soak_progress(plan(), ward, NOW).done
    assert (done.shifts, done.nights) == (shifts, nights)


def test_a_drill_that_is_still_to_come_opens_nothing():
    """A clock a year ahead would let it count for a year and more."""
    ahead = replace(DRILL, done_at=facts(shadow_ward()).now + timedelta(days=365))
    given = facts(shadow_ward(drill=ahead))
    assert isinstance(drilled(given), Closed)
    assert needs_drill(given)
