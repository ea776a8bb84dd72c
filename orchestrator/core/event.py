"""What can happen, in words that the ledger keeps for years.

A happening says what; an Entry says also when, where, by whose hand, under which plan
and code, and in which order. Nothing here may carry a patient's identity (design rule 11).
Source: design sections 3, 8 and 11.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from orchestrator.core.ids import ActorKind, Role, SignalName, SliceName, StageName
from orchestrator.core.verdict import Code, Level
from wards.model import WardId
from wards.shifts import ShiftKind

# What the clocks of two hosts may differ by before much else refuses them (Kerberos, TLS).
CLOCKS_APART: Final = timedelta(minutes=5)


class Trigger(StrEnum):
    """What asked for a return to legacy."""

    BREACH = "breach"
    BLIND = "blind"
    LEASE = "lease"
    PERSON = "person"
    STRAY = "stray"  # the route exposes what nobody wrote ahead
    ALERT = "alert"
    STOP = "stop"  # bedside staff stopped the line
    PROGRAMME = "programme"  # the whole programme was stopped


class AlertStatus(StrEnum):
    """What the alerting system says of an alert. A silence is a silence, never health."""

    FIRING = "firing"
    SILENCED = "silenced"
    RESOLVED = "resolved"


class Weight(StrEnum):
    """What an alert of that severity asks for, by the plan's policy."""

    RETURN = "return"
    HOLD = "hold"
    TELL = "tell"


class Via(StrEnum):
    """By which way an alert was heard; either suffices."""

    WEBHOOK = "webhook"
    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whose hand: the kind, and a role or process name, never a person's name."""

    kind: ActorKind
    name: str


NOT_SAID = "asked for by a person"  # the reason of whoever gives none


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a ward returns: the trigger and, where a signal spoke, the numbers compared."""

    trigger: Trigger
    reason: str
    signal: SignalName | None = None
    value: float | None = None
    limit: float | None = None
    code: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeStarted:
    """The programme begins under the plan named in the entry."""

    wards: tuple[WardId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WardStarted:
    """A ward's turn has come; it stands on the first rung, all on legacy."""

    stage: StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven:
    """A role answered yes for entering a stage."""

    stage: StageName
    role: Role
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWithdrawn:
    """A role answered no, or took its yes back."""

    stage: StageName
    role: Role
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswered:
    """The gates before a stage gave a new set of answers; `closed` is empty when all are open."""

    stage: StageName
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionIntended:
    """Written ahead: this epoch may carry this ward into this stage."""

    stage: StageName
    epoch: int
    exposes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionAbandoned:
    """The intended promotion was not carried out; legacy or the old stage serves."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntered:
    """Proven by probes: the ward is at the stage, under this epoch (0: no route change needed)."""

    stage: StageName
    epoch: int
    proven_after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WardAccepted:
    """The last rung: the rollout of this ward is complete. It is still watched."""

    stage: StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChanged:
    """A signal's verdict on a ward became another one."""

    signal: SignalName
    level: Level
    code: Code
    value: float | None
    limit: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTaken:
    """A sentinel became the active one. What lies between `unwatched_since` (wall time of the
    last sign of the one before) and the entry was seen by nobody, and soaks nothing."""

    unwatched_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMeasured:
    """What a signal reads on legacy for this ward in this kind of shift (signal's unit)."""

    signal: SignalName
    shift: ShiftKind
    value: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackIntended:
    """The return to legacy begins. From here no older run can promote the ward.

    `seen_at`: wall time of the tick that saw it, or of the person's command.
    """

    cause: Cause
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackWritten:
    """The route names legacy for every slice, under this epoch.

    `after_s`: from the first word that this process heard, so also what it had to wait for.
    """

    epoch: int
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPending:
    """Written, but the gateway has not shown it yet; probing goes on."""

    epoch: int
    waited_s: float
    waiting_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackProven:
    """Probes as this ward were answered by legacy, every slice, every gateway.

    `after_s`: from the first word to the last right probe. `still_open`: requests still open on
    the candidate after waiting a moment for those under way; None if it could not be counted.
    """

    epoch: int
    probes: int
    after_s: float
    still_open: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackDrained:
    """Nothing is left of what was still open in the candidate when the return was proven."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRepeated:
    """A second trigger for a ward that already returns or has returned: recorded, no effect."""

    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBlocked:
    """Legacy is not ready, so nobody switched blindly: people were paged (design rule 5)."""

    cause: Cause
    legacy: str
    downtime_procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced:
    """No forward movement until lifted; rollback stays armed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLifted:
    """The hold ends."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeAgreed:
    """One role agrees that a rolled-back ward may begin again, or (without a ward) that the
    freeze of the programme may end. Two different roles are needed."""

    role: Role
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHeard:
    """An alert about this ward is new, or its status is another one than before.

    `fingerprint`: of all its labels, so that one name in two wards or slices is two alerts.
    `slice_name`: None for the whole ward. `started_at`: since when it fires, by its own word.
    """

    name: str
    fingerprint: str
    weight: Weight
    status: AlertStatus
    via: Via
    started_at: datetime
    slice_name: SliceName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertUnplaced:
    """An alert that names no ward (or slice, or severity) of the plan: people were told, nothing
    was dropped. Stands without a ward."""

    name: str
    fingerprint: str
    problem: str
    via: Via


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReported:
    """Somebody at the bedside stopped the line. Freezes the programme by itself.

    `report`: the receipt's number. `reporter`: a keyed digest that tells two people apart and
    nobody's name. `words`: what they saw, without any patient's identity.
    """

    report: str
    role: Role
    reporter: str
    words: str
    slice_name: SliceName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopUnproven:
    """Somebody stopped the line without a code that proves the role: people were paged to ask at
    the bedside; nothing froze and nothing returned by it. `report`, `role`, `words`: as told."""

    report: str
    role: Role
    words: str
    slice_name: SliceName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAcknowledged:
    """Somebody on call has taken the report in hand; ends the acknowledgement clock."""

    report: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnCancelled:
    """A person took back what a return was waiting for: an alert's patience, or a report that
    nobody has confirmed. Only where the policy names the role; never a return that has begun.

    `subject`: the alert's fingerprint or the report's number.
    """

    trigger: Trigger
    subject: str
    role: Role
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeStopped:
    """The programme is stopped: every exposed ward returns, and nothing moves forward."""

    role: Role
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillDone:
    """A return was rehearsed on the ward's own route, with no clinician exposed.

    `restore_s` and `prove_s`: the slowest of the rounds, from the decision to the acknowledged
    write and to the last right probe. `passed`: both within the plan's limits in every round.
    """

    rounds: int
    restore_s: float
    prove_s: float
    passed: bool
    problem: str = ""


Happening: TypeAlias = (
    ProgrammeStarted
    | WardStarted
    | ApprovalGiven
    | ApprovalWithdrawn
    | GateAnswered
    | PromotionIntended
    | PromotionAbandoned
    | StageEntered
    | WardAccepted
    | VerdictChanged
    | WatchTaken
    | BaselineMeasured
    | RollbackIntended
    | RollbackWritten
    | RollbackPending
    | RollbackProven
    | RollbackDrained
    | RollbackRepeated
    | RollbackBlocked
    | HoldPlaced
    | HoldLifted
    | ResumeAgreed
    | AlertHeard
    | AlertUnplaced
    | StopReported
    | StopUnproven
    | StopAcknowledged
    | ReturnCancelled
    | ProgrammeStopped
    | DrillDone
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A happening that has not got its place in the order yet.

    `id` is made once, where it happened; the ledger takes each id once, however often it is sent.
    `at` is wall time, aware, UTC.
    """

    id: str
    at: datetime
    ward: WardId | None
    actor: Actor
    plan_hash: str
    code_version: str
    happening: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A draft in its place: `seq` counts from 1 without gaps; `hash` covers it and `prev_hash`."""

    seq: int
    draft: Draft
    prev_hash: str
    hash: str
