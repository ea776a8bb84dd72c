"""What the tables in Prefect show: the ward board, a ward's signals, its gates, its soak.

Pure: a state of the ledger in, rows out. A signal that was never judged is shown as such,
never as healthy. Source: design section 12; rule 1.
"""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from flows.wording import MARKS, clock_time, date_and_time, number, roles
from orchestrator.core.decision import blocked_return
from orchestrator.core.event import VerdictChanged
from orchestrator.core.freeze import Freeze, roles_needed
from orchestrator.core.gates.answer import Closed, GateAnswer, Open, Unknown
from orchestrator.core.ids import Role
from orchestrator.core.plan import Plan, Signal
from orchestrator.core.seen import LastVerdict
from orchestrator.core.soak import SoakProgress
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.core.threshold import BaselineRatio, Direction, Limit, Threshold, Tripwire
from orchestrator.core.verdict import Level, worst

Row: TypeAlias = dict[str, str]
Table: TypeAlias = tuple[Row, ...]
DIRECTIONS = {Direction.AT_MOST: "at most", Direction.AT_LEAST: "at least"}
NONE = "-"
NOT_JUDGED = "- not judged yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """The soak of a stage: percent of what is needed (the part that lags most), and in words."""

    percent: float
    words: str


def board(plan: Plan, state: ProgrammeState) -> Table:
    """Every ward in the plan's order: where it stands, how it is, what it waits for."""
    return tuple(_ward_row(plan, state, state.ward(ward.id)) for ward in plan.wards)


def board_title(plan: Plan, state: ProgrammeState) -> str:
    """How the programme stands, in one line."""
    phases = tuple(state.ward(ward.id).phase for ward in plan.wards)
    done = sum(phase is Phase.ACCEPTED for phase in phases)
    words = f"{plan.name}: {done} of {len(phases)} wards accepted"
    if state.freeze is None:
        return words
    since = date_and_time(state.freeze.since, plan.zone)
    return f"{words}; frozen since {since}: {state.freeze.origin} ({state.freeze.reason})"


def signals(plan: Plan, ward: WardState) -> Table:
    """Every signal of the plan with the ward's last verdict on it, the worst first."""
    last = {item.verdict.signal: item for item in ward.verdicts}
    ordered = sorted(plan.signals, key=lambda signal: -_level(last.get(signal.name)))
    return tuple(_signal_row(plan, signal, last.get(signal.name)) for signal in ordered)


def essence(plan: Plan, ward: WardState) -> str:
    """The ward's worst signal in one line, for whoever sees only the table's title."""
    if not ward.verdicts:
        return f"{ward.ward}: no signal has been judged yet"
    last = max(ward.verdicts, key=lambda item: item.verdict.level)
    if last.verdict.level is Level.PASS:
        return f"{ward.ward}: {len(ward.verdicts)} signals ✓ PASS"
    signal = next((one for one in plan.signals if one.name == last.verdict.signal), None)
    if signal is None:
        return f"{ward.ward}: {MARKS[last.verdict.level]} {last.verdict.signal}"
    row = _signal_row(plan, signal, last)
    return (
        f"{ward.ward}: {row['verdict']} {signal.title}: {row['value']}, {row['threshold']}, "
        f"since {row['since']}"
    )


def gate_essence(ward: WardState, answers: tuple[GateAnswer, ...]) -> str:
    """Which gates keep the ward from its next stage, in one line."""
    closed = tuple(answer for answer in answers if not isinstance(answer, Open))
    if not answers:
        return f"{ward.ward}: no gate is asked now"
    if not closed:
        return f"{ward.ward}: all {len(answers)} gates are open"
    first = closed[0]
    more = f" (and {len(closed) - 1} more)" if len(closed) > 1 else ""
    return f"{ward.ward} waits: {first.gate.replace('_', ' ')}: {first.evidence}{more}"


def gates(answers: tuple[GateAnswer, ...]) -> Table:
    """Every gate before the next stage, closed ones first."""
    ordered = sorted(answers, key=lambda answer: isinstance(answer, Open))
    return tuple(_gate_row(answer) for answer in ordered)


def soaked(progress: SoakProgress) -> Soaked:
    """How far the soak has come; a stage that needs none has soaked."""
    done, needed = progress.done, progress.needed
    parts = (
        (done.shifts, needed.shifts, "whole shifts"),
        (done.nights, needed.nights, "nights"),
        (done.weekend_shifts, needed.weekend_shifts, "weekend shifts"),
    )
    shares = [min(have / want, 1.0) for have, want, _ in parts if want]
    words = ", ".join(f"{have} of {want} {what}" for have, want, what in parts if want)
    return Soaked(percent=round(100 * min(shares, default=1.0)), words=words or "no soak needed")


def threshold_words(threshold: Threshold, unit: str, limit: float | None) -> str:
    """The threshold as compared; `limit` is the number last compared with, if there was one."""
    match threshold:
        case Limit():
            return f"{DIRECTIONS[threshold.direction]} {number(threshold.limit)} {unit}".strip()
        case BaselineRatio():
            now = "" if limit is None else f", now {number(limit)} {unit}".rstrip()
            times = f"{number(threshold.times)} times legacy in the same shift"
            return f"{DIRECTIONS[threshold.direction]} {times}{now}"
        case Tripwire():
            return "never: one occurrence returns the ward"
        case _:
            assert_never(threshold)


def _signal_row(plan: Plan, signal: Signal, last: LastVerdict | None) -> Row:
    limit = None if last is None else last.verdict.limit
    row = {
        "verdict": NOT_JUDGED,
        "signal": signal.title,
        "value": NONE,
        "threshold": threshold_words(signal.threshold, signal.unit, limit),
        "since": NONE,
    }
    if last is None:
        return row
    verdict = last.verdict
    return row | {
        "value": NONE
        if verdict.value is None
        else f"{number(verdict.value)} {signal.unit}".strip(),
        "verdict": MARKS[verdict.level] + _why(verdict),
        "since": date_and_time(last.since, plan.zone),
    }


def _level(last: LastVerdict | None) -> int:
    """How bad, for the order of rows; one never judged stands between warning and blind."""
    return Level.WARN if last is None else last.verdict.level


def _why(verdict: VerdictChanged) -> str:
    """A code only where it says more than the level does."""
    return "" if verdict.level in (Level.PASS, Level.BREACH) else f" ({verdict.code})"


def _gate_row(answer: GateAnswer) -> Row:
    match answer:
        case Open():
            mark, todo = "✓ open", ""
        case Closed():
            mark, todo = "✗ closed", answer.todo
        case Unknown():
            mark, todo = "? unknown", answer.todo
        case _:
            assert_never(answer)
    return {
        "answer": mark,
        "gate": answer.gate.replace("_", " "),
        "evidence": answer.evidence,
        "what to do": todo,
    }


def _ward_row(plan: Plan, state: ProgrammeState, ward: WardState) -> Row:
    model = plan.ward(ward.ward)
    return {
        "ward": str(model.id),
        "stands": _stands(plan, ward),
        "signals": worst_words(ward),
        "next": _next(plan, state, ward),
        "waits for": ", ".join(name.replace("_", " ") for name in ward.closed_gates) or NONE,
        "beds": str(model.beds),
    }


def _stands(plan: Plan, ward: WardState) -> str:
    match ward.phase:
        case Phase.WAITING:
            return "not begun"
        case Phase.AT_STAGE | Phase.ACCEPTED:
            since = "" if ward.entered_at is None else date_and_time(ward.entered_at, plan.zone)
            words = "✓ accepted" if ward.phase is Phase.ACCEPTED else str(ward.stage)
            return f"{words} since {since}" if since else words
        case Phase.PROMOTING:
            return f"entering {'' if ward.intent is None else ward.intent.stage}"
        case Phase.RETURNING:
            return f"✗ returning to {plan.legacy.product}"
        case Phase.ROLLED_BACK:
            at = None if ward.returned is None else ward.returned.proven_at
            when = "" if at is None else f" since {clock_time(at, plan.zone)}"
            return f"✗ rolled back, on {plan.legacy.product}{when}"
        case _:
            assert_never(ward.phase)


def worst_words(ward: WardState) -> str:
    """The worst of the ward's last verdicts, in words."""
    if not ward.verdicts:
        return NOT_JUDGED
    return MARKS[worst(item.verdict.level for item in ward.verdicts)]


def _needed(plan: Plan, agreed: frozenset[Role]) -> str:
    return roles_needed(plan.policy.resume_roles, agreed, lambda name: roles((Role(name),)))


def _frozen(plan: Plan, freeze: Freeze) -> str:
    agree = "" if freeze.agreed else " agree"
    return f"frozen by {freeze.origin}; {_needed(plan, freeze.agreed)}{agree}"


def _next(plan: Plan, state: ProgrammeState, ward: WardState) -> str:
    """The first thing that applies; what concerns patients now stands first."""
    blocked = blocked_return(plan, ward)
    procedure = "" if blocked is None else blocked.downtime_procedure
    again = f"wardshift resume {ward.ward}"
    frozen = "" if state.freeze is None else _frozen(plan, state.freeze)
    applies = (
        (bool(procedure), procedure),
        (ward.phase is Phase.RETURNING, f"wardshift show {ward.ward}"),
        (
            ward.phase is Phase.ROLLED_BACK,
            f"{_needed(plan, ward.resume_roles)}: {again} --role ROLE --reason TEXT",
        ),
        (
            ward.held is not None,
            f"on hold ({ward.held}): {again} --reason TEXT",
        ),
        (bool(frozen) and ward.phase is not Phase.ACCEPTED, frozen),
        ("approved" in ward.closed_gates, "a role's approval is asked for"),
    )
    return next((words for holds, words in applies if holds), NONE)
