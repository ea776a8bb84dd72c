"""What the terminal tells while it happens, for a person who has never seen it. Pure.

Each sentence is made from one ledger entry; what only machines need is not told.
"""

from orchestrator.core.event import (
    ApprovalGiven,
    ApprovalWithdrawn,
    BaselineMeasured,
    DrillDone,
    Entry,
    GateAnswered,
    Happening,
    HoldLifted,
    HoldPlaced,
    ProgrammeStarted,
    PromotionAbandoned,
    PromotionIntended,
    ResumeAgreed,
    RollbackBlocked,
    RollbackDrained,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackRepeated,
    RollbackWritten,
    StageEntered,
    VerdictChanged,
    WardAccepted,
    WardStarted,
    WatchTaken,
)
from orchestrator.core.ids import SignalName, StageName
from orchestrator.core.plan import Plan, Stage
from orchestrator.core.verdict import Level
from wards.model import WardId

GATES = {
    "soaked": "whole shifts at this stage",
    "in_window": "a time for forward moves (no handover, weekend or holiday)",
    "approved": "people's approval",
    "no_alarms": "no open alert, no open report from the bedside",
    "baselines_known": "legacy measured in every kind of shift",
    "drilled": "a drill of its way back",
    "signals_clear": "clear sight of every signal",
    "sentinel_alive": "a living sentinel",
    "guard_alive": "a living guard",
    "legacy_ready": "legacy proven ready",
    "ward_in_turn": "its turn",
    "not_frozen": "the end of the freeze",
    "not_held": "the end of the hold",
    "plan_unchanged": "the approved plan",
}


class Narrator:
    """Tells one programme's story: a wait once a stage, blindness only where it matters."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._waits: set[tuple[WardId, StageName]] = set()
        self._exposed: set[WardId] = set()

    def sentence(self, entry: Entry) -> str | None:
        """What to say about an entry, None when a newcomer would not want to hear it."""
        ward = entry.draft.ward
        if ward is None:
            return _programme(entry.draft.happening)
        if self._is_noise(ward, entry.draft.happening):
            return None
        return _ward(self._plan, ward, entry)

    def _is_noise(self, ward: WardId, happening: Happening) -> bool:
        match happening:
            case GateAnswered(stage=stage):
                told = (ward, stage) in self._waits
                self._waits.add((ward, stage))
                return told
            case StageEntered(stage=stage):
                if self._plan.stage(stage).candidate:
                    self._exposed.add(ward)
                return False
            case VerdictChanged():
                return ward not in self._exposed
            case _:
                return False


def when(plan: Plan, entry: Entry) -> str:
    """The entry's time in the hospital's own zone: "Mon 18:40:12"."""
    return f"{entry.draft.at.astimezone(plan.zone):%a %H:%M:%S}"


def _programme(happening: Happening) -> str | None:
    match happening:
        case ProgrammeStarted(wards=wards):
            return f"The programme begins: {', '.join(wards)}, in this order."
        case WatchTaken(unwatched_since=None):
            return "The sentinel is on watch."
        case WatchTaken():
            return "Another sentinel takes over the watch."
        case ResumeAgreed(role=role):
            return f"{role} agrees to end the freeze."
        case _:
            return None


def _ward(plan: Plan, ward: WardId, entry: Entry) -> str | None:
    happening = entry.draft.happening
    name = plan.ward(ward).name
    text = _forward(plan, happening) or _watching(plan, happening) or _people(happening)
    if text is None:
        text = _backward(entry)
    return None if text is None else f"{name}: {text}"


def _forward(plan: Plan, happening: Happening) -> str | None:
    match happening:
        case WardStarted():
            return "its turn has come; everything is on legacy."
        case GateAnswered(stage=stage, closed=()):
            return f"every gate to {_title(plan, stage)} is open."
        case GateAnswered(stage=stage, closed=closed):
            waits = ", ".join(GATES.get(gate, gate) for gate in closed)
            return f"before {_title(plan, stage)} it waits for {waits}."
        case PromotionIntended(stage=stage, epoch=epoch):
            return f"written ahead in the ledger: enter {_title(plan, stage)}, epoch {epoch}."
        case StageEntered(stage=stage, proven_after_s=took_s):
            sides = _sides(plan.stage(stage))
            return f"now at {_title(plan, stage)}: {sides}; proven in {took_s:.1f} s."
        case DrillDone(passed=True, rounds=rounds, restore_s=restore_s, prove_s=prove_s):
            return (
                f"drill: {rounds} rounds there and back with nobody on board, "
                f"restored in {restore_s:.2f} s, proven in {prove_s:.1f} s."
            )
        case DrillDone(problem=problem):
            return f"the drill did NOT pass: {problem}."
        case PromotionAbandoned(reason=reason):
            return f"did not move: {reason}."
        case WardAccepted():
            return "ACCEPTED. It is still watched."
        case _:
            return None


def _watching(plan: Plan, happening: Happening) -> str | None:
    match happening:
        case VerdictChanged(signal=signal, level=level, value=value, limit=limit) if (
            level >= Level.BLIND
        ):
            return (
                f"{level.name}: {_signal(plan, signal)} {_number(value)}, limit {_number(limit)}."
            )
        case _:
            return None


def _people(happening: Happening) -> str | None:
    match happening:
        case ApprovalGiven(role=role, stage=stage):
            return f"{role} approves {stage}."
        case ApprovalWithdrawn(role=role, stage=stage):
            return f"{role} withdraws the approval of {stage}."
        case HoldPlaced(reason=reason):
            return f"on hold: {reason}."
        case HoldLifted():
            return "the hold is lifted."
        case BaselineMeasured():
            return None
        case _:
            return None


def _backward(entry: Entry) -> str | None:
    match entry.draft.happening:
        case RollbackIntended(cause=cause):
            return f"ROLLBACK by the {entry.draft.actor.kind}. {cause.reason}."
        case RollbackWritten(after_s=after_s, epoch=epoch):
            return f"every slice is written back to legacy after {after_s:.3f} s, epoch {epoch}."
        case RollbackPending(waiting_for=waiting_for):
            return f"the gateway is late: {waiting_for}."
        case RollbackProven(probes=probes, after_s=after_s, still_open=still_open):
            return (
                f"PROVEN on legacy after {after_s:.1f} s by {probes} probes; "
                f"{'?' if still_open is None else still_open} requests still open on the candidate."
            )
        case RollbackDrained():
            return "drained: what was still open on the candidate has ended."
        case RollbackRepeated():
            return "a second trigger: recorded, nothing to do."
        case RollbackBlocked(downtime_procedure=procedure):
            return f"legacy is not ready, nothing was switched. Downtime procedure: {procedure}"
        case _:
            return None


def _title(plan: Plan, stage: StageName) -> str:
    return f'"{plan.stage(stage).title}"'


def _signal(plan: Plan, name: SignalName) -> str:
    return next((signal.title for signal in plan.signals if signal.name == name), name)


def _sides(stage: Stage) -> str:
    if stage.candidate:
        return f"{', '.join(stage.candidate)} in the candidate"
    return "everybody works in legacy" + (", reads are mirrored" if stage.mirrored else "")


def _number(value: float | None) -> str:
    return "unreadable" if value is None else f"{value:.3g}"
