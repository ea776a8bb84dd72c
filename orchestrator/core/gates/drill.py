"""The gate that a ward passes by showing, on its own route, that the way back works and how fast.

A later drill that failed or was slower counts instead of an earlier one that passed, and so does
a later return in earnest that was slower than a drill may be: what has drifted locks the gate
again. Source: design section 8.
"""

from datetime import datetime, timedelta

from orchestrator.core.concern import Drill
from orchestrator.core.event import CLOCKS_APART
from orchestrator.core.gates.answer import Closed, GateAnswer, Open
from orchestrator.core.gates.facts import GateFacts
from orchestrator.core.view import recorded_exposure

GATE = "drilled"


def drilled(facts: GateFacts) -> GateAnswer:
    """Before exposure, the ward's return was rehearsed under this plan, and was fast enough."""
    if not facts.stage.candidate:
        return Open(gate=GATE, evidence="no drill is needed to enter this stage")
    drill = facts.ward.drill
    problem = "no return of this ward was rehearsed" if drill is None else _problem(facts, drill)
    if drill is None or problem:
        return Closed(gate=GATE, evidence=problem, todo=f"wardshift drill {facts.ward.ward}")
    return Open(
        gate=GATE,
        evidence=f"{drill.rounds} rounds, restored in {drill.restore_s:.2f} s, "
        f"proven in {drill.prove_s:.2f} s",
    )


def needs_drill(facts: GateFacts) -> bool:
    """Whether a drill is due and can be made, and nobody has to look into the last one first:
    there is none, or the one that passed is too old or under another plan."""
    is_exposed = bool(recorded_exposure(facts.plan, facts.ward))
    if is_exposed or not isinstance(drilled(facts), Closed):
        return False
    drill = facts.ward.drill
    return drill is None or (drill.passed and bool(_outdated(facts, drill)))


def _problem(facts: GateFacts, drill: Drill) -> str:
    return (
        _failed(drill)
        or _outdated(facts, drill)
        or _too_slow(facts, drill)
        or _outpaced(facts, drill)
    )


def _failed(drill: Drill) -> str:
    return "" if drill.passed else f"the last drill failed: {drill.problem}"


def _outdated(facts: GateFacts, drill: Drill) -> str:
    if drill.plan_hash != facts.plan_hash:
        return f"the last drill was under plan {drill.plan_hash[:12]}, not this one"
    if drill.done_at - facts.now > CLOCKS_APART:
        return f"the last drill is from {drill.done_at:%Y-%m-%d}, which is still to come"
    days = facts.plan.policy.drill.valid_days
    if _counted_at(facts) - drill.done_at > timedelta(days=days):
        return f"the last drill is from {drill.done_at:%Y-%m-%d}; it counts for {days} days"
    return ""


def _counted_at(facts: GateFacts) -> datetime:
    """A ward with exposure cannot be drilled: its drill had to be fresh when exposure began."""
    is_exposed = bool(recorded_exposure(facts.plan, facts.ward))
    return (facts.ward.exposed_since if is_exposed else None) or facts.now


def _too_slow(facts: GateFacts, drill: Drill) -> str:
    policy = facts.plan.policy.drill
    if drill.rounds < policy.rounds:
        return f"the last drill had {drill.rounds} rounds, not {policy.rounds}"
    return _over(
        "the last drill",
        ("restored", drill.restore_s, policy.restore_within_s),
        ("proven", drill.prove_s, policy.prove_within_s),
    )


def _outpaced(facts: GateFacts, drill: Drill) -> str:
    """What happened in earnest since the drill says more than the drill."""
    back, policy = facts.ward.returned, facts.plan.policy.drill
    if back is None or back.proven_at is None or back.proven_at <= drill.done_at:
        return ""
    return _over(
        "since the last drill a real return was",
        ("written", back.written_after_s, policy.restore_within_s),
        ("proven", back.proven_after_s, policy.prove_within_s),
    )


def _over(which: str, *times: tuple[str, float | None, float]) -> str:
    """Which of these took longer than its limit (real seconds); what is no number did, what
    is not on record did not."""
    return "; ".join(
        f"{which} {what} in {took_s:.2f} s, the limit is {limit_s:g} s"
        for what, took_s, limit_s in times
        if took_s is not None and not took_s <= limit_s
    )
