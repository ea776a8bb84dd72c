"""What happened, in people's words: one sentence for every happening. Pure.

Times are left out: whoever prints a line prints its own time beside it.
"""

from typing import assert_never

from orchestrator.core.event import (
    Actor,
    AlertHeard,
    AlertUnplaced,
    ApprovalGiven,
    ApprovalWithdrawn,
    BaselineMeasured,
    Cause,
    DrillDone,
    GateAnswered,
    Happening,
    HoldLifted,
    HoldPlaced,
    ProgrammeStarted,
    ProgrammeStopped,
    PromotionAbandoned,
    PromotionIntended,
    ResumeAgreed,
    ReturnCancelled,
    RollbackBlocked,
    RollbackDrained,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackRepeated,
    RollbackWritten,
    StageEntered,
    StopAcknowledged,
    StopReported,
    StopUnproven,
    Trigger,
    VerdictChanged,
    WardAccepted,
    WardStarted,
    WatchTaken,
)
from orchestrator.core.verdict import Code

TRIGGERS = {
    Trigger.BREACH: "a threshold was crossed",
    Trigger.BLIND: "a signal could not be read for too long",
    Trigger.LEASE: "nobody watched the ward any more",
    Trigger.PERSON: "a person asked for it",
    Trigger.STRAY: "the route exposed what nobody had written ahead",
    Trigger.ALERT: "an alert fired",
    Trigger.STOP: "somebody at the bedside stopped the line",
    Trigger.PROGRAMME: "the programme was stopped",
}
CODES = {
    Code.WITHIN: "within its limit",
    Code.NEAR_LIMIT: "near its limit",
    Code.BEYOND_LIMIT: "beyond its limit",
    Code.BEYOND_ONCE: "beyond its limit, not often enough yet",
    Code.OCCURRED: "it occurred",
    Code.PERHAPS_NEW: "out of sight for a time, and perhaps occurred anew",
    Code.STALE: "the newest sample is too old",
    Code.TOO_FEW: "too few observations",
    Code.NO_BASELINE: "no baseline yet",
    Code.NO_DATA: "no data",
    Code.SOURCE_DOWN: "the source does not answer",
}


def number(value: float | None) -> str:
    """Three significant digits; a question mark when there is none."""
    return "?" if value is None else f"{value:.3g}"


def compared(value: float | None, limit: float | None) -> str:
    """A measured number beside its limit."""
    return f"{number(value)} against {number(limit)}"


def hand(actor: Actor) -> str:
    """Whose hand it was."""
    return f"{actor.kind}:{actor.name}"


def role(name: str) -> str:
    """A role as people read it."""
    return name.replace("_", " ")


def cause(item: Cause) -> str:
    """Why a ward returns."""
    return f"{TRIGGERS[item.trigger]}: {item.reason}"


def sentence(happening: Happening) -> str:
    """What happened."""
    match happening:
        case ProgrammeStarted(wards=wards):
            return f"the programme started: {', '.join(wards)}"
        case WardStarted(stage=stage):
            return f"the ward's turn came; it stands at {stage}, all on legacy"
        case ApprovalGiven(stage=stage, role=who, comment=comment):
            return f"{role(who)} approved {stage}{_remark(comment)}"
        case ApprovalWithdrawn(stage=stage, role=who, comment=comment):
            return f"{role(who)} said no to {stage}{_remark(comment)}"
        case GateAnswered(stage=stage, closed=()):
            return f"every gate to {stage} is open"
        case GateAnswered(stage=stage, closed=closed):
            return f"the way to {stage} is closed by {', '.join(closed)}"
        case PromotionIntended(stage=stage, epoch=epoch, exposes=exposes):
            exposing = ", patients exposed" if exposes else ""
            return f"about to enter {stage} under epoch {epoch}{exposing}"
        case PromotionAbandoned(epoch=epoch, reason=reason):
            return f"epoch {epoch} was given up: {reason}"
        case StageEntered(stage=stage, epoch=0):
            return f"entered {stage}; no route had to change"
        case StageEntered(stage=stage, epoch=epoch, proven_after_s=after_s):
            return f"entered {stage} under epoch {epoch}, proven after {after_s:.2f} s"
        case WardAccepted(stage=stage):
            return f"accepted: the ward reached {stage}"
        case VerdictChanged():
            return _verdict(happening)
        case WatchTaken(unwatched_since=None):
            return "a sentinel began to watch"
        case WatchTaken(unwatched_since=since):
            return f"a sentinel took over; nobody had watched since {since:%Y-%m-%d %H:%M:%S}Z"
        case BaselineMeasured(signal=signal, shift=shift, value=value, n=n):
            return f"{signal} reads {number(value)} on legacy in the {shift} shift ({n} samples)"
        case RollbackIntended(cause=why):
            return f"RETURN TO LEGACY begins, {cause(why)}"
        case RollbackWritten(epoch=epoch, after_s=after_s):
            return f"route on legacy under epoch {epoch}, {after_s:.2f} s after the return began"
        case RollbackPending(epoch=epoch, waited_s=waited_s, waiting_for=waiting_for):
            return f"epoch {epoch} is not proven after {waited_s:.1f} s: {waiting_for}"
        case RollbackProven():
            return _proven(happening)
        case RollbackDrained():
            return "drained: nothing is open in the candidate any more"
        case RollbackRepeated(cause=why):
            return f"asked to return by one more word; {cause(why)}"
        case RollbackBlocked(cause=why, legacy=legacy, downtime_procedure=procedure):
            return (
                f"NOT RETURNED, legacy is {legacy} ({cause(why)}); downtime procedure: {procedure}"
            )
        case HoldPlaced(reason=reason):
            return f"put on hold: {reason}"
        case HoldLifted(reason=reason):
            return f"hold lifted: {reason}"
        case ResumeAgreed(role=who, reason=reason):
            return f"{role(who)} agreed to go on: {reason}"
        case AlertHeard(name=name, status=status, weight=weight, via=via):
            return f"alert {name} {status} (asks for: {weight}), heard by {via}"
        case AlertUnplaced(name=name, problem=problem, via=via):
            return f"alert {name} could not be placed: {problem}; heard by {via}"
        case StopReported(report=report, role=who, words=words):
            return f"STOPPED AT THE BEDSIDE by {role(who)}, report {report}{_remark(words)}"
        case StopUnproven(report=report, role=who, words=words):
            return (
                f"UNCONFIRMED STOP, no right code for {role(who)}, report {report}{_remark(words)}"
            )
        case StopAcknowledged(report=report, role=who):
            return f"{role(who)} took report {report} in hand"
        case ReturnCancelled(trigger=trigger, subject=subject, role=who, reason=reason):
            return f"{role(who)} took back {trigger} {subject}: {reason}"
        case ProgrammeStopped(role=who, reason=reason):
            return f"PROGRAMME STOPPED by {role(who)}: {reason}"
        case DrillDone():
            return _drill(happening)
        case _:
            assert_never(happening)


def _verdict(item: VerdictChanged) -> str:
    numbers = f", {compared(item.value, item.limit)}" if item.value is not None else ""
    return f"{item.signal} {item.level.name}: {CODES[item.code]}{numbers}"


def _proven(item: RollbackProven) -> str:
    still = "uncounted" if item.still_open is None else str(item.still_open)
    return (
        f"BACK ON LEGACY: {item.probes} probes under epoch {item.epoch}, {item.after_s:.2f} s "
        f"after the return began; open on the candidate: {still}"
    )


def _drill(item: DrillDone) -> str:
    ended = "passed" if item.passed else f"FAILED ({item.problem})"
    return (
        f"drill {ended}: {item.rounds} rounds, restored within {item.restore_s:.2f} s, proven "
        f"within {item.prove_s:.2f} s"
    )


def _remark(comment: str) -> str:
    return f" ({comment})" if comment else ""
