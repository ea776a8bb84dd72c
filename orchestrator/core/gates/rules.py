"""The gates that need nothing but the plan, the ledger and signs of life.

Each rule is a function from the facts to one answer; RULES is the order in which people
read them. A rule that raises would be a closed gate: `evaluate` is total over its facts.
Further gates (the drill; later regulatory, licences, training, objections) are functions in
RULES too, in files of their own beside this one. Source: design section 10; rules 5, 7 and 9.
"""

from collections.abc import Callable

from orchestrator.core.alarm import Alarm, alarms
from orchestrator.core.event import Trigger
from orchestrator.core.freeze import roles_needed
from orchestrator.core.gates.answer import Closed, GateAnswer, Open, Unknown
from orchestrator.core.gates.drill import drilled
from orchestrator.core.gates.facts import GateFacts
from orchestrator.core.plan import Purpose
from orchestrator.core.soak import soak_progress
from orchestrator.core.state import Phase
from orchestrator.core.threshold import BaselineRatio
from orchestrator.core.verdict import Level
from orchestrator.core.view import last_verdicts, recorded_exposure
from wards.shifts import ShiftKind
from wards.windows import closures

Rule = Callable[[GateFacts], GateAnswer]


def evaluate(facts: GateFacts) -> tuple[GateAnswer, ...]:
    """Every rule's answer, in order; none is left out because another is closed."""
    return tuple(rule(facts) for rule in RULES)


def _yes(gate: str, evidence: str) -> Open:
    return Open(gate=gate, evidence=evidence)


def _no(gate: str, evidence: str, todo: str) -> Closed:
    return Closed(gate=gate, evidence=evidence, todo=todo)


def not_frozen(facts: GateFacts) -> GateAnswer:
    """No ward has been returned to legacy without two roles agreeing to go on."""
    freeze = facts.programme.freeze
    if freeze is None:
        return _yes("not_frozen", "no rollback stands open in the programme")
    since = freeze.since.astimezone(facts.plan.zone)
    return _no(
        "not_frozen",
        f"since {since:%Y-%m-%d %H:%M} by {freeze.origin}: {freeze.reason}",
        f"find the cause; {roles_needed(facts.plan.policy.resume_roles, freeze.agreed)}: "
        "wardshift resume --programme --role ROLE --reason TEXT",
    )


def plan_unchanged(facts: GateFacts) -> GateAnswer:
    """The plan in hand is the one the programme was started under."""
    started = facts.programme.plan_hash
    if started is None:
        return _no("plan_unchanged", "the programme has not been started", "wardshift run PLAN")
    if started == facts.plan_hash:
        return _yes("plan_unchanged", f"plan {started[:12]}")
    return _no(
        "plan_unchanged",
        f"started under plan {started[:12]}, the file is {facts.plan_hash[:12]}",
        "put the approved plan file back, or start a new programme under the new plan",
    )


def ward_in_turn(facts: GateFacts) -> GateAnswer:
    """Wards go in the plan's order; at most `max_exposed_wards` are on the way at once."""
    earlier = facts.programme.order[: _place(facts)]
    open_ones = tuple(
        name for name in earlier if facts.programme.ward(name).phase is not Phase.ACCEPTED
    )
    allowed = facts.plan.policy.max_exposed_wards
    if facts.ward.ward not in facts.programme.order:
        if facts.programme.plan_hash is None:
            return _no("ward_in_turn", "the programme is not started", "wardshift run")
        return _no("ward_in_turn", "the ward is not in the programme", "check the plan")
    if len(open_ones) < allowed:
        return _yes("ward_in_turn", f"{len(open_ones)} of {allowed} places before it are taken")
    return _no("ward_in_turn", f"before it comes {', '.join(open_ones)}", "wait, or look there")


def _place(facts: GateFacts) -> int:
    order = facts.programme.order
    return order.index(facts.ward.ward) if facts.ward.ward in order else 0


def not_held(facts: GateFacts) -> GateAnswer:
    """Nobody has put the ward on hold."""
    if facts.ward.held is None:
        return _yes("not_held", "no hold")
    return _no(
        "not_held",
        f"on hold: {facts.ward.held}",
        f"wardshift resume {facts.ward.ward} --reason TEXT",
    )


def legacy_ready(facts: GateFacts) -> GateAnswer:
    """Legacy is up, writable and answers as this ward, so that there is a way back."""
    if facts.legacy is None or facts.legacy is Level.BLIND:
        return Unknown(
            gate="legacy_ready",
            evidence="legacy has not been seen ready",
            todo="check the probes of legacy and that the sentinel runs",
        )
    if facts.legacy is Level.BREACH:
        return _no("legacy_ready", "legacy does not answer as this ward", "mend legacy first")
    return _yes("legacy_ready", "legacy was written to and read as this ward")


def sentinel_alive(facts: GateFacts) -> GateAnswer:
    """An active sentinel was seen renewing its sign of life, and what it says is in the ledger.

    Verdicts that do not reach the ledger are not judged by anybody who reads it.
    """
    answer = _alive("sentinel", facts.life.sentinel)
    lease_s, behind_s = facts.plan.policy.lease_s, facts.life.behind_s
    if not isinstance(answer, Open) or behind_s <= lease_s:
        return answer
    return _no(
        "sentinel_alive",
        f"the ledger has not had the sentinel's verdicts for more than {lease_s:g} s",
        "look at the sentinel's log: does it reach the ledger?",
    )


def guard_alive(facts: GateFacts) -> GateAnswer:
    """A guard was seen renewing its sign of life."""
    return _alive("guard", facts.life.guard)


def fence_proven(facts: GateFacts) -> GateAnswer:
    """The routes themselves were seen to refuse a lower epoch and a forward write without a
    grant; without that, nobody could keep an old run from writing."""
    match facts.life.fence:
        case True:
            return _yes("fence_proven", "forbidden writes were tried out and refused")
        case False:
            return _no(
                "fence_proven",
                "a forbidden write is let through, or a rule of the fence is missing",
                "install the fence (deploy/kubernetes/base/fence.yaml), then wait a minute",
            )
        case None:
            return Unknown(
                gate="fence_proven",
                evidence="the fence was not seen to stand",
                todo="check that the sentinel runs, may write routes and may read the fence's "
                "policies (deploy/kubernetes/base/rbac.yaml)",
            )


def _alive(who: str, alive: bool | None) -> GateAnswer:
    gate = f"{who}_alive"
    if alive:
        return _yes(gate, f"the {who} renews its sign of life")
    if alive is None:
        return Unknown(gate=gate, evidence=f"the {who} was not observed yet", todo="wait a moment")
    return _no(gate, f"no living {who} was seen", f"start one: wardshift {who}")


def signals_clear(facts: GateFacts) -> GateAnswer:
    """No watched signal of the ward is blind or in breach."""
    bad = tuple(
        f"{item.verdict.signal} {item.verdict.level.name} ({item.verdict.code})"
        for item in facts.ward.verdicts
        if item.verdict.level >= Level.BLIND
    )
    if bad:
        return _no("signals_clear", "; ".join(bad), f"wardshift show {facts.ward.ward}")
    if not facts.ward.verdicts:
        return Unknown(
            gate="signals_clear",
            evidence="no signal of this ward has been judged",
            todo="check that the sentinel runs and sees its sources",
        )
    return _yes("signals_clear", f"{len(facts.ward.verdicts)} signals within their thresholds")


def no_alarms(facts: GateFacts) -> GateAnswer:
    """No alert that holds or returns is firing or silenced, no report stands open or waits for
    an answer; and somebody was there to say so."""
    found = alarms(
        facts.plan,
        facts.programme,
        facts.ward,
        exposed=recorded_exposure(facts.plan, facts.ward),
        verdicts=last_verdicts(facts.ward),
        now=facts.now,
    )
    if not found and facts.life.deaf_s > facts.plan.policy.lease_s:
        return Unknown(
            gate="no_alarms",
            evidence="no source of alerts has answered for more than "
            f"{facts.plan.policy.lease_s:g} s",
            todo="look at Alertmanager and Prometheus, and at the sentinel's log",
        )
    waiting = [one.report for one in facts.ward.concerns.reports if one.is_unanswered]
    if not found and waiting:
        return _no(
            "no_alarms",
            f"nobody has answered for report {', '.join(waiting)} from the bedside",
            f"call the ward, then: wardshift acknowledge {waiting[0]} --role ROLE",
        )
    if not found:
        return _yes("no_alarms", "no alert and no report from the bedside stands open")
    return _no(
        "no_alarms",
        "; ".join(f"{one.reason} ({one.code})" for one in found),
        "; ".join(dict.fromkeys(_settled_by(one, facts) for one in found)),
    )


def _settled_by(one: Alarm, facts: GateFacts) -> str:
    """What a person does about an alarm, by what raised it."""
    match one.trigger:
        case Trigger.STOP:
            return (
                f"look at it on the ward: wardshift acknowledge {one.subject} --role ROLE; "
                f"when it is settled: wardshift cancel {facts.ward.ward} --report {one.subject} "
                "--role ROLE --reason TEXT"
            )
        case Trigger.PROGRAMME:
            return "wardshift resume --programme --role ROLE --reason TEXT"
        case _:
            return "mend the cause; an alert must resolve, a silence must end"


def baselines_known(facts: GateFacts) -> GateAnswer:
    """Before exposure, legacy was measured in every kind of shift that a signal compares with."""
    needed = tuple(
        signal.name
        for signal in facts.plan.signals_for(Purpose.SAFETY)
        if isinstance(signal.threshold, BaselineRatio)
    )
    if not facts.stage.candidate or not needed:
        return _yes("baselines_known", "no baseline is needed to enter this stage")
    missing = tuple(
        f"{name} in the {shift} shift"
        for name in needed
        for shift in ShiftKind
        if facts.ward.baseline(name, shift) is None
    )
    if not missing:
        return _yes("baselines_known", f"{len(needed)} signals measured in every shift")
    return _no("baselines_known", "not measured: " + ", ".join(missing), "stay in shadow longer")


def soaked(facts: GateFacts) -> GateAnswer:
    """Enough whole clean shifts at the present stage."""
    progress = soak_progress(facts.plan, facts.ward, facts.now)
    done, need = progress.done, progress.needed
    evidence = (
        f"{done.shifts} of {need.shifts} whole shifts, {done.nights} of {need.nights} nights, "
        f"{done.weekend_shifts} of {need.weekend_shifts} at a weekend"
    )
    if progress.is_enough:
        return _yes("soaked", evidence)
    return _no("soaked", evidence, "time; a shift with blindness or breach does not count")


def in_window(facts: GateFacts) -> GateAnswer:
    """Now is a time for forward moves on this ward."""
    reasons = closures(
        facts.plan.windows, facts.plan.ward(facts.ward.ward).patterns, facts.plan.zone, facts.now
    )
    if not reasons:
        return _yes("in_window", "forward moves are allowed now")
    return _no("in_window", ", ".join(item.code for item in reasons), "wait for the next window")


def approved(facts: GateFacts) -> GateAnswer:
    """Every role that the stage names has said yes to this stage for this ward."""
    missing = tuple(
        role
        for role in facts.stage.approvals
        if (facts.stage.name, role) not in facts.ward.approvals
    )
    if missing:
        return _no(
            "approved",
            f"{facts.stage.name} waits for {', '.join(missing)}",
            f"wardshift approve {facts.ward.ward} {facts.stage.name} --role {missing[0]}",
        )
    return _yes("approved", f"all of {len(facts.stage.approvals)} approvals are given")


RULES: tuple[Rule, ...] = (
    not_frozen,
    plan_unchanged,
    ward_in_turn,
    not_held,
    legacy_ready,
    sentinel_alive,
    guard_alive,
    fence_proven,
    signals_clear,
    no_alarms,
    baselines_known,
    drilled,
    soaked,
    in_window,
    approved,
)
