"""What changed between two plans, and that whatever loosens safety is called looser."""

from dataclasses import replace
from datetime import time

import pytest

from orchestrator.core.ids import Role, SliceName
from orchestrator.core.plan import Purpose, Soak
from orchestrator.core.plandiff import plan_diff
from orchestrator.core.threshold import Direction, Limit, Repetition, Tripwire
from tests.core.test_problems import at, in_plan, in_policy
from tests.plans import CSO, SECOND, SLOW, TEXT_LOST, plan, signal, ward
from wards.model import WardId

BEFORE = plan()
SLOW_AT, STAGE_NOTES = 1, 2


def slow_with(**changes):
    limit = replace(BEFORE.signals[SLOW_AT].threshold, **changes)
    return in_plan("signals", SLOW_AT, threshold=limit)


LOOSER = {
    "limit up": (slow_with(limit=3.0), f"signals.{SLOW}.threshold.limit"),
    "more ticks to confirm": (
        slow_with(repetition=Repetition(m=3, n=3)),
        f"signals.{SLOW}.threshold.repetition.m",
    ),
    "fewer ticks remembered": (
        slow_with(repetition=Repetition(m=2, n=2)),
        f"signals.{SLOW}.threshold.repetition.n",
    ),
    "direction turned": (
        slow_with(direction=Direction.AT_LEAST),
        f"signals.{SLOW}.threshold.direction",
    ),
    "never event made a limit": (
        in_plan("signals", 0, threshold=Limit(direction=Direction.AT_MOST, limit=1.0)),
        f"signals.{TEXT_LOST}.threshold",
    ),
    "patience up": (
        in_plan("signals", SLOW_AT, blind_patience_s=20.0),
        f"signals.{SLOW}.blind_patience_s",
    ),
    "more samples wanted": (
        in_plan("signals", SLOW_AT, min_samples=50),
        f"signals.{SLOW}.min_samples",
    ),
    "signal of exposure no more": (
        in_plan("signals", SLOW_AT, purpose=Purpose.LEGACY_READY),
        f"signals.{SLOW}.purpose",
    ),
    "signal gone": (
        lambda it: replace(it, signals=(it.signals[0], *it.signals[2:])),
        f"signals.{SLOW}",
    ),
    "approval gone": (
        in_plan("stages", STAGE_NOTES, approvals=(CSO,)),
        "stages.notes.approvals",
    ),
    "shorter soak": (in_plan("stages", STAGE_NOTES, soak=Soak()), "stages.notes.soak.shifts"),
    "more at once": (in_policy(max_exposed_wards=2), "policy.max_exposed_wards"),
    "longer lease": (in_policy(lease_s=9.0), "policy.lease_s"),
    "slower tick": (in_policy(tick_s=1.5), "policy.tick_s"),
    "longer harm": (in_policy(max_harm_window_s=31.0), "policy.max_harm_window_s"),
    "fewer proofs": (
        in_policy(proof=replace(BEFORE.policy.proof, probes=1)),
        "policy.proof.probes",
    ),
    "one role less to resume": (
        in_policy(resume_roles=(CSO,)),
        "policy.resume_roles",
    ),
    "another ward": (
        lambda it: replace(it, wards=(*it.wards, ward(WardId("surgery-3")))),
        "wards.surgery-3",
    ),
}  # fmt: skip

STRICTER = {
    "limit down": (slow_with(limit=1.5), f"signals.{SLOW}.threshold.limit"),
    "patience down": (
        in_plan("signals", SLOW_AT, blind_patience_s=5.0),
        f"signals.{SLOW}.blind_patience_s",
    ),
    "one more signal": (
        lambda it: replace(it, signals=(*it.signals, signal(SliceName("more"), Tripwire()))),
        "signals.more",
    ),
    "one more approval": (
        in_plan("stages", STAGE_NOTES, approvals=(*BEFORE.stages[2].approvals, Role("x"))),
        "stages.notes.approvals",
    ),
    "longer soak": (
        in_plan("stages", STAGE_NOTES, soak=Soak(shifts=3)),
        "stages.notes.soak.shifts",
    ),
    "more proofs": (
        in_policy(proof=replace(BEFORE.policy.proof, probes=3)),
        "policy.proof.probes",
    ),
    "a title": (in_plan("signals", SLOW_AT, title="Screens"), f"signals.{SLOW}.title"),
    "beds": (in_plan("wards", 1, beds=30), f"wards.{SECOND}.beds"),
}  # fmt: skip


def test_the_same_plan_has_no_changes():
    assert plan_diff(BEFORE, plan()) == ()


@pytest.mark.parametrize("case", LOOSER, ids=str)
def test_what_loosens_safety_is_called_looser(case):
    change, where = LOOSER[case]
    found = plan_diff(BEFORE, change(BEFORE))
    assert [(one.where, one.is_looser) for one in found] == [(where, True)]


@pytest.mark.parametrize("case", STRICTER, ids=str)
def test_what_does_not_is_not(case):
    change, where = STRICTER[case]
    found = plan_diff(BEFORE, change(BEFORE))
    assert [(one.where, one.is_looser) for one in found] == [(where, False)]


@pytest.mark.parametrize("case", ["limit down", "patience down", "one more signal"])
def test_the_way_back_of_a_stricter_change_is_looser(case):
    after = STRICTER[case][0](BEFORE)
    assert all(one.is_looser for one in plan_diff(after, BEFORE))


def test_a_lower_bound_loosens_downwards():
    low = replace(
        BEFORE,
        signals=at(
            BEFORE.signals, SLOW_AT, threshold=Limit(direction=Direction.AT_LEAST, limit=0.9)
        ),
    )
    lower = replace(
        BEFORE,
        signals=at(
            BEFORE.signals, SLOW_AT, threshold=Limit(direction=Direction.AT_LEAST, limit=0.8)
        ),
    )
    assert [one.is_looser for one in plan_diff(low, lower)] == [True]
    assert [one.is_looser for one in plan_diff(lower, low)] == [False]


def test_another_order_of_wards_is_a_change_that_somebody_must_look_at():
    turned = replace(BEFORE, wards=BEFORE.wards[::-1])
    found = plan_diff(BEFORE, turned)
    assert [(one.where, one.is_looser) for one in found] == [("wards (order)", True)]


def test_members_are_told_in_the_order_of_the_plan():
    fewer = replace(BEFORE, signals=BEFORE.signals[3:])
    names = [one.where.removeprefix("signals.") for one in plan_diff(BEFORE, fewer)]
    assert names == [one.name for one in BEFORE.signals[:3]]


def test_windows_that_open_earlier_are_looser():
    early = replace(BEFORE, windows=replace(BEFORE.windows, opens=time(1)))
    assert [one.is_looser for one in plan_diff(early, BEFORE)] == [True]


SAID = {
    "a number": (slow_with(limit=3.0), "3"),
    "a list": (in_plan("stages", STAGE_NOTES, approvals=(CSO, Role("head_nurse"))), "head_nurse"),
    "an empty list": (in_plan("stages", STAGE_NOTES, approvals=()), "none"),
    "nothing at all": (in_plan("signals", SLOW_AT, slice_name=SliceName("notes")), "none | notes"),
    "a thing with parts": (
        in_plan("signals", 0, threshold=Limit(direction=Direction.AT_MOST, limit=1.0)),
        "direction at_most, limit 1",
    ),
}


@pytest.mark.parametrize(("change", "said"), SAID.values(), ids=SAID)
def test_values_are_said_for_who_reads_no_python(change, said):
    changes = plan_diff(BEFORE, change(BEFORE))
    text = " ".join(f"{one.before} | {one.after}" for one in changes)
    assert said in text
    assert not set("()[]'=") & set(text), text
    assert "None" not in text
