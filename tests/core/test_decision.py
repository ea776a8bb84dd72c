from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.decision import (
    Advance,
    Complete,
    Decision,
    Hold,
    HoldCode,
    Rollback,
    Situation,
    Stay,
    StayCode,
    blocked_return,
    decide,
)
from orchestrator.core.event import Cause, RollbackBlocked, Trigger, VerdictChanged
from orchestrator.core.gates.answer import Closed, Open, Unknown
from orchestrator.core.ids import SliceName, StageName
from orchestrator.core.returned import Return
from orchestrator.core.seen import LastVerdict
from orchestrator.core.state import Intent, Phase, WardState
from orchestrator.core.verdict import Code, Level, Verdict
from tests.plans import FIRST, LEGACY_UP, NOTES, SLOW, TEXT_LOST, plan

NOW = datetime(2027, 3, 2, 12, tzinfo=UTC)
OPEN = (Open(gate="g", evidence="e"),)
CLOSED = (*OPEN, Closed(gate="h", evidence="e", todo="t"))
UNKNOWN = (*OPEN, Unknown(gate="h", evidence="e", todo="t"))
CAUSE = Cause(trigger=Trigger.PERSON, reason="asked")


def verdict(name, level, *, blind_for_s=0.0):
    code = Code.OCCURRED if level is Level.BREACH else Code.WITHIN
    return Verdict(
        signal=name, level=level, code=code, value=3.0, limit=2.0, blind_for_s=blind_for_s
    )


FINE = (verdict(SLOW, Level.PASS), verdict(LEGACY_UP, Level.PASS))
BREACHED = (verdict(SLOW, Level.BREACH), verdict(LEGACY_UP, Level.PASS))
SICK_TOO = (verdict(SLOW, Level.BREACH), verdict(LEGACY_UP, Level.BREACH))
LEGACY_UNSEEN = (verdict(SLOW, Level.BREACH), verdict(LEGACY_UP, Level.BLIND))
BRIEFLY_BLIND = (verdict(SLOW, Level.BLIND, blind_for_s=9.9), verdict(LEGACY_UP, Level.PASS))
LONG_BLIND = (verdict(SLOW, Level.BLIND, blind_for_s=10.0), verdict(LEGACY_UP, Level.PASS))


def at(phase, stage="notes", **details):
    return replace(
        WardState(ward=FIRST, phase=phase, stage=StageName(stage), entered_at=NOW), **details
    )


def situation(ward, verdicts=FINE, gates=OPEN, exposed=(NOTES,)):
    return Situation(plan=plan(), ward=ward, exposed=exposed, verdicts=verdicts, gates=gates)


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.RETURNING])
@pytest.mark.parametrize("held", [None, "on hold"])
@pytest.mark.parametrize("gates", [(), OPEN, CLOSED, UNKNOWN])
@pytest.mark.parametrize("verdicts", [BREACHED, LONG_BLIND, LEGACY_UNSEEN])
def test_harm_rolls_back_in_every_phase_whatever_else_is_going_on(phase, held, gates, verdicts):
    decision = decide(situation(at(phase, held=held), verdicts, gates))
    assert isinstance(decision, Rollback)


@pytest.mark.parametrize(
    ("ward", "verdicts", "gates", "expected"),
    [
        pytest.param(at(Phase.AT_STAGE), FINE, OPEN, Advance, id="open gates"),
        pytest.param(at(Phase.AT_STAGE, "all"), FINE, OPEN, Complete, id="the last rung"),
        pytest.param(at(Phase.AT_STAGE, "accepted"), FINE, OPEN, Stay, id="nothing above"),
        pytest.param(at(Phase.AT_STAGE), FINE, CLOSED, Stay, id="a closed gate"),
        pytest.param(at(Phase.AT_STAGE), FINE, UNKNOWN, Stay, id="an unknown gate"),
        pytest.param(at(Phase.AT_STAGE), FINE, (), Stay, id="no gate was asked"),
        pytest.param(at(Phase.AT_STAGE, held="x"), FINE, OPEN, Hold, id="held"),
        pytest.param(at(Phase.AT_STAGE), BRIEFLY_BLIND, OPEN, Hold, id="blind within patience"),
        pytest.param(at(Phase.WAITING), FINE, OPEN, Stay, id="not begun"),
        pytest.param(at(Phase.PROMOTING), FINE, OPEN, Stay, id="a promotion is open"),
        pytest.param(at(Phase.ROLLED_BACK), FINE, OPEN, Stay, id="rolled back"),
        pytest.param(at(Phase.ACCEPTED, "accepted"), FINE, OPEN, Stay, id="accepted"),
    ],
)
def test_forward(ward, verdicts, gates, expected):
    assert isinstance(decide(situation(ward, verdicts, gates)), expected)


def test_sick_legacy_is_not_switched_to_blindly():
    decision = decide(situation(at(Phase.AT_STAGE), SICK_TOO))
    assert isinstance(decision, Hold)
    assert decision.code is HoldCode.LEGACY_NOT_READY
    assert decision.cause is not None
    assert decision.cause.signal == SLOW


def test_a_return_under_way_goes_on_even_if_all_is_well_again():
    returned = Return(cause=CAUSE, seen_at=NOW, actor="person:x")
    decision = decide(situation(at(Phase.RETURNING, returned=returned), SICK_TOO))
    assert decision == Rollback(cause=CAUSE)


def test_nothing_exposed_nothing_to_return():
    decision = decide(situation(at(Phase.AT_STAGE, "shadow"), BREACHED, exposed=()))
    assert decision == Hold(code=HoldCode.NOT_CLEAR)


def test_a_never_event_names_the_cause_before_a_slow_screen():
    both = (*BREACHED, verdict(TEXT_LOST, Level.BREACH))
    decision = decide(situation(at(Phase.AT_STAGE), both))
    assert isinstance(decision, Rollback)
    assert (decision.cause.signal, decision.cause.value, decision.cause.limit) == (
        TEXT_LOST, 3.0, 2.0,
    )  # fmt: skip


def test_blindness_says_how_long_and_what_the_patience_was():
    decision = decide(situation(at(Phase.AT_STAGE), LONG_BLIND))
    assert isinstance(decision, Rollback)
    assert decision.cause.trigger is Trigger.BLIND
    assert "10 s" in decision.cause.reason


levels = st.sampled_from(list(Level))
phases = st.sampled_from(list(Phase))
MORE_EXPOSURE = (Advance, Complete)


def exposure_rank(decision: Decision) -> int:
    """How much exposure a decision leads to: back, stay, forward."""
    match decision:
        case Rollback():
            return 0
        case Hold() | Stay():
            return 1
        case Advance() | Complete():
            return 2


@given(phases, st.lists(levels, min_size=4, max_size=4), st.lists(levels, min_size=4, max_size=4))
def test_more_harm_never_gives_more_exposure(phase, one, other):
    names = (TEXT_LOST, SLOW, SignalName_failed := "failed_logins")
    worse = [max(a, b) for a, b in zip(one, other, strict=True)]
    ranks = []
    for chosen in (one, worse):
        safety = tuple(
            verdict(name, level, blind_for_s=11.0)
            for name, level in zip(names, chosen, strict=False)
        )
        verdicts = (*safety, verdict(LEGACY_UP, Level.PASS))
        ranks.append(exposure_rank(decide(situation(at(phase), verdicts))))
    assert SignalName_failed
    assert ranks[1] <= ranks[0]


@given(
    phases,
    st.lists(levels, min_size=2, max_size=2),
    st.sampled_from([(), OPEN, CLOSED, UNKNOWN]),
    st.sampled_from([None, "held"]),
    st.sampled_from([(), (NOTES,), (NOTES, SliceName("results"))]),
)
def test_forward_only_when_everything_is_clear(phase, chosen, gates, held, exposed):
    verdicts = (verdict(SLOW, chosen[0]), verdict(LEGACY_UP, chosen[1]))
    intent = Intent(stage=StageName("notes"), epoch=2, exposes=True)
    ward = at(phase, held=held, intent=intent if phase is Phase.PROMOTING else None)
    decision = decide(situation(ward, verdicts, gates, exposed))
    if isinstance(decision, MORE_EXPOSURE):
        assert phase is Phase.AT_STAGE
        assert held is None
        assert gates == OPEN
        assert max(chosen) < Level.BLIND


def test_the_same_situation_is_decided_the_same():
    one = situation(at(Phase.AT_STAGE), BREACHED)
    assert decide(one) == decide(one)
    assert decide(situation(at(Phase.ROLLED_BACK), exposed=())) == Stay(code=StayCode.ROLLED_BACK)


@pytest.mark.parametrize(
    ("seen", "is_blocked"),
    [(None, True), (Level.BLIND, True), (Level.BREACH, True), (Level.WARN, False),
     (Level.PASS, False)],
)  # fmt: skip
def test_legacy_that_was_seen_ready_again_is_in_nobodys_way(seen, is_blocked):
    blocked = RollbackBlocked(cause=CAUSE, legacy="not ready", downtime_procedure="paper")
    before = NOW - timedelta(minutes=1)
    ward = at(Phase.AT_STAGE, blocked=blocked, blocked_at=before, verdicts=noted(seen))
    assert blocked_return(plan(), ward) == (blocked if is_blocked else None)
    assert blocked_return(plan(), replace(ward, blocked_at=NOW)) == blocked, "seen before it"
    assert blocked_return(plan(), replace(ward, blocked=None)) is None


def noted(legacy):
    """As the record has it; None: nobody has looked at legacy."""
    if legacy is None:
        return ()
    change = VerdictChanged(
        signal=LEGACY_UP, level=legacy, code=Code.WITHIN, value=1.0, limit=None, n=1
    )
    return (LastVerdict(verdict=change, since=NOW),)
