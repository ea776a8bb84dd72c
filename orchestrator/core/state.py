"""Where a programme and its wards stand: a fold of what happened.

One table, MOVES, says which happening moves a ward to which phase. A happening that has
no place in the present phase (a late answer of an older run, say) moves nothing and is
counted; so are words of a return that two roles have let the ward go on from. Invariant: any
prefix of entries folds to a legal state, and after RollbackIntended nothing but two roles'
agreement lets a ward start again.
Source: design sections 4 and 11.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from orchestrator.core import concern, seen
from orchestrator.core.concern import NO_CONCERNS, Concerns, Drill
from orchestrator.core.event import (
    CLOCKS_APART,
    AlertHeard,
    AlertUnplaced,
    ApprovalGiven,
    ApprovalWithdrawn,
    BaselineMeasured,
    Cause,
    Draft,
    DrillDone,
    Entry,
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
from orchestrator.core.freeze import Freeze, frozen_by_report
from orchestrator.core.ids import ActorKind, Role, SignalName, StageName
from orchestrator.core.returned import Return, went
from orchestrator.core.seen import Baseline, Blemish, LastVerdict
from wards.model import WardId
from wards.shifts import ShiftKind

NEEDED_ROLES = 2  # design rule 9: an override needs two different named roles


class Phase(StrEnum):
    """What a ward is doing."""

    WAITING = "waiting"
    AT_STAGE = "at_stage"
    PROMOTING = "promoting"
    RETURNING = "returning"
    ROLLED_BACK = "rolled_back"
    ACCEPTED = "accepted"


MOVES: Mapping[tuple[Phase, type[Happening]], Phase] = MappingProxyType(
    {
        (Phase.WAITING, WardStarted): Phase.AT_STAGE,
        (Phase.AT_STAGE, PromotionIntended): Phase.PROMOTING,
        (Phase.PROMOTING, StageEntered): Phase.AT_STAGE,
        (Phase.PROMOTING, PromotionAbandoned): Phase.AT_STAGE,
        (Phase.AT_STAGE, WardAccepted): Phase.ACCEPTED,
        (Phase.WAITING, RollbackIntended): Phase.RETURNING,
        (Phase.AT_STAGE, RollbackIntended): Phase.RETURNING,
        (Phase.PROMOTING, RollbackIntended): Phase.RETURNING,
        (Phase.ACCEPTED, RollbackIntended): Phase.RETURNING,
        # A return whose beginning the record does not have; only under an epoch above all others.
        (Phase.AT_STAGE, RollbackWritten): Phase.RETURNING,
        (Phase.PROMOTING, RollbackWritten): Phase.RETURNING,
        (Phase.ACCEPTED, RollbackWritten): Phase.RETURNING,
        (Phase.AT_STAGE, RollbackProven): Phase.ROLLED_BACK,
        (Phase.PROMOTING, RollbackProven): Phase.ROLLED_BACK,
        (Phase.ACCEPTED, RollbackProven): Phase.ROLLED_BACK,
        (Phase.RETURNING, RollbackWritten): Phase.RETURNING,
        (Phase.RETURNING, RollbackPending): Phase.RETURNING,
        (Phase.RETURNING, RollbackProven): Phase.ROLLED_BACK,
        (Phase.ROLLED_BACK, RollbackWritten): Phase.ROLLED_BACK,
        (Phase.ROLLED_BACK, RollbackProven): Phase.ROLLED_BACK,
        (Phase.ROLLED_BACK, RollbackDrained): Phase.ROLLED_BACK,
    }
)
MOVERS = frozenset(happening for _, happening in MOVES)
FORWARD = (Phase.AT_STAGE, Phase.PROMOTING, Phase.ACCEPTED)
HOMEWARD = (Phase.RETURNING, Phase.ROLLED_BACK)
# Watching is not progress: these do not make a person's screen stale.
OBSERVATIONS = (
    VerdictChanged, BaselineMeasured, GateAnswered, WatchTaken,
    AlertHeard, AlertUnplaced, StopUnproven, StopAcknowledged, DrillDone, RollbackDrained,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A promotion written ahead and not yet ended."""

    stage: StageName
    epoch: int
    exposes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WardState:
    """One ward. `stage` is the one it stands on; `seq` that of the last entry which is not
    mere watching; `epoch` the greatest that any entry named, `home_epoch` that of any return,
    `forward_epoch` that of any promotion; `exposed_since` the intent that first exposed it, kept
    until a return; `resumed_at` when two roles let it begin again."""

    ward: WardId
    phase: Phase = Phase.WAITING
    stage: StageName | None = None
    entered_at: datetime | None = None
    epoch: int = 0
    home_epoch: int = 0
    forward_epoch: int = 0
    seq: int = 0
    intent: Intent | None = None
    returned: Return | None = None
    blocked: RollbackBlocked | None = None
    blocked_at: datetime | None = None
    held: str | None = None
    approvals: frozenset[tuple[StageName, Role]] = frozenset()
    closed_gates: tuple[str, ...] = ()
    verdicts: tuple[LastVerdict, ...] = ()
    blemishes: tuple[Blemish, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    settled: tuple[tuple[SignalName, float], ...] = ()
    resume_roles: frozenset[Role] = frozenset()
    exposed_since: datetime | None = None
    resumed_at: datetime | None = None
    concerns: Concerns = NO_CONCERNS
    drill: Drill | None = None
    out_of_place: int = 0

    def baseline(self, signal: SignalName, shift: ShiftKind) -> float | None:
        """The legacy baseline of that signal in that kind of shift, if measured."""
        for item in self.baselines:
            if (item.signal, item.shift) == (signal, shift):
                return item.value
        return None

    def settled_occurrences(self, signal: SignalName) -> float:
        """Occurrences of a never event that people dealt with before the ward resumed."""
        return dict(self.settled).get(signal, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeState:
    """The fold of a whole ledger. `stopped`: until two roles agree to go on, no ward may be
    exposed, and one that is returns."""

    plan_hash: str | None = None
    head: int = 0
    order: tuple[WardId, ...] = ()
    wards: Mapping[WardId, WardState] = field(default_factory=lambda: MappingProxyType({}))
    freeze: Freeze | None = None
    stopped: ProgrammeStopped | None = None

    def ward(self, ward: WardId) -> WardState:
        """A ward's state; one that nothing happened to is WAITING."""
        return self.wards.get(ward) or WardState(ward=ward)


def is_in_place(phase: Phase, happening: Happening) -> bool:
    """Whether the table has a move for it (what moves nothing is always in place)."""
    return type(happening) not in MOVERS or (phase, type(happening)) in MOVES


def fold(entries: Iterable[Entry], start: ProgrammeState | None = None) -> ProgrammeState:
    """The state after all entries, from a start that may be an earlier fold."""
    state = start or ProgrammeState()
    for entry in entries:
        state = apply(state, entry.draft, seq=entry.seq)
    return state


def apply(state: ProgrammeState, draft: Draft, *, seq: int | None = None) -> ProgrammeState:
    """The state after one more happening; `seq` is None while it is only in a journal."""
    state = replace(state, head=state.head if seq is None else seq)
    if draft.ward is None:
        return _apply_to_programme(state, draft, seq=seq)
    before = state.ward(draft.ward)
    after = _apply_to_ward(before, draft, seq=seq)
    wards = MappingProxyType({**state.wards, draft.ward: after})
    state = replace(state, wards=wards)
    return _freeze(state, draft, _begun(before, after, draft), seq=seq)


def _begun(before: WardState, after: WardState, draft: Draft) -> Cause | None:
    """The cause of the return that this word began, or asked for once more."""
    if isinstance(draft.happening, RollbackIntended):
        return None if _is_over(before, draft) else draft.happening.cause
    has_begun = before.phase in FORWARD and after.phase in HOMEWARD
    return after.returned.cause if has_begun and after.returned is not None else None


def _apply_to_programme(state: ProgrammeState, draft: Draft, *, seq: int | None) -> ProgrammeState:
    match draft.happening:
        case ProgrammeStarted(wards=wards):
            return replace(state, plan_hash=draft.plan_hash, order=wards)
        case ResumeAgreed(role=role):
            return _thaw(state, role)
        case ProgrammeStopped() as stopped:
            freeze = Freeze(ward=None, reason=stopped.reason, since=draft.at, seq=seq or 0)
            return replace(state, stopped=stopped, freeze=freeze)
        case WatchTaken(unwatched_since=since) if since is not None:
            return _blemish_all(state, since, draft.at)
        case _:
            return state


def _freeze(
    state: ProgrammeState, draft: Draft, begun: Cause | None, *, seq: int | None
) -> ProgrammeState:
    """A return freezes the programme, a report from the bedside too; one that is taken back ends
    the freeze that it alone began. A report during a freeze makes both roles say so again. A
    stopped programme is frozen by more than any ward."""
    if draft.ward is None:
        return state
    match draft.happening:
        case StopReported(report=number) if state.freeze is not None:
            later = (*state.freeze.later, number)
            return replace(state, freeze=replace(state.freeze, agreed=frozenset(), later=later))
        case _ if state.stopped is not None:
            return state
        case _ if begun is not None:
            frozen = Freeze(ward=draft.ward, reason=begun.reason, since=draft.at, seq=seq or 0)
            return replace(state, freeze=frozen)
        case StopReported(report=number):
            return replace(state, freeze=frozen_by_report(draft.ward, number, draft.at, seq or 0))
        case ReturnCancelled(trigger=Trigger.STOP, subject=subject) if (
            state.freeze is not None and state.freeze.report == subject
        ):
            return replace(state, freeze=_still_frozen(state, state.freeze, seq or 0))
        case _:
            return state


def _still_frozen(state: ProgrammeState, freeze: Freeze, seq: int) -> Freeze | None:
    """The freeze that the next report which came during it goes on with, in whichever ward; by
    order of arrival, for reporters' clocks differ."""
    standing = {
        one.report: (name, one.made_at)
        for name, ward in state.wards.items()
        for one in ward.concerns.reports
        if one.is_proven and not one.is_cancelled
    }
    left = tuple(number for number in freeze.later if number in standing)
    if not left:
        return None
    ward, since = standing[left[0]]
    return replace(frozen_by_report(ward, left[0], since, seq), later=left[1:])


def _thaw(state: ProgrammeState, role: Role) -> ProgrammeState:
    if state.freeze is None:
        return state
    agreed = state.freeze.agreed | {role}
    if len(agreed) >= NEEDED_ROLES:
        return replace(state, freeze=None, stopped=None)
    return replace(state, freeze=replace(state.freeze, agreed=agreed))


def _blemish_all(state: ProgrammeState, since: datetime, until: datetime) -> ProgrammeState:
    gap = Blemish(since=since, until=until)
    wards = {
        name: replace(ward, blemishes=(*ward.blemishes, gap)) for name, ward in state.wards.items()
    }
    return replace(state, wards=MappingProxyType(wards))


def _apply_to_ward(ward: WardState, draft: Draft, *, seq: int | None) -> WardState:
    happening = draft.happening
    is_ours = _belongs(ward, happening) and not _is_over(ward, draft)
    is_unsaid = ward.phase in FORWARD and isinstance(happening, RollbackWritten | RollbackProven)
    ward = _note_home(ward, happening)
    if not is_ours:
        return replace(ward, out_of_place=ward.out_of_place + 1)
    if seq is not None and not isinstance(happening, OBSERVATIONS):
        ward = replace(ward, seq=seq)
    if is_unsaid:
        ward = _begin_return(ward, _unsaid_cause(draft), draft.at, draft)
    moved = replace(ward, phase=MOVES.get((ward.phase, type(happening)), ward.phase))
    return _detail(moved, draft)


def _note_home(ward: WardState, happening: Happening) -> WardState:
    """Which epochs were returns is true in every phase, also when the word of it comes late."""
    if not isinstance(happening, RollbackWritten | RollbackProven):
        return ward
    return replace(
        ward,
        epoch=max(ward.epoch, happening.epoch),
        home_epoch=max(ward.home_epoch, happening.epoch),
    )


def _belongs(ward: WardState, happening: Happening) -> bool:
    """In place by phase, and, for the end of a promotion, the end of the one that is open; a
    return of whose beginning nothing is known is one that the record does not have yet."""
    if not is_in_place(ward.phase, happening):
        return False
    if isinstance(happening, RollbackWritten | RollbackProven) and ward.phase in FORWARD:
        return happening.epoch > ward.home_epoch
    if isinstance(happening, StageEntered | PromotionAbandoned):
        return ward.intent is not None and ward.intent.epoch == happening.epoch
    return True


def _is_over(ward: WardState, draft: Draft) -> bool:
    """Whether it is a word of a return that was over before the ward went forward, come late.

    A return's epoch is above all that its hand could know, so one that is not above the last
    promotion's was before it. Its beginning has no epoch: it is over when it is older than the
    resumption, and than the exposure after that (or, before any, than the resumption itself) by
    more than clocks differ. In doubt it counts, and the ward goes home.
    """
    match draft.happening:
        case RollbackIntended():
            resumed = ward.resumed_at
            if resumed is None:
                return False
            return draft.at < min(resumed, (ward.exposed_since or resumed) - CLOCKS_APART)
        case RollbackWritten(epoch=epoch) | RollbackProven(epoch=epoch):
            return epoch <= ward.forward_epoch
        case RollbackPending(epoch=epoch) | RollbackDrained(epoch=epoch):
            return epoch <= ward.forward_epoch
        case _:
            return False


def _detail(ward: WardState, draft: Draft) -> WardState:
    match draft.happening:
        case WardStarted(stage=stage):
            return _enter(ward, stage, draft.at)
        case PromotionIntended() as intended:
            return _intend(ward, intended, draft.at)
        case PromotionAbandoned(epoch=epoch):
            return replace(ward, intent=None, epoch=max(ward.epoch, epoch))
        case StageEntered(stage=stage):
            return _enter(replace(ward, intent=None), stage, draft.at)
        case WardAccepted(stage=stage):
            return replace(ward, stage=stage)
        case ApprovalGiven(stage=stage, role=role):
            return replace(ward, approvals=ward.approvals | {(stage, role)})
        case ApprovalWithdrawn(stage=stage, role=role):
            return replace(ward, approvals=ward.approvals - {(stage, role)})
        case GateAnswered(closed=closed):
            return replace(ward, closed_gates=closed)
        case HoldPlaced(reason=reason):
            return replace(ward, held=reason)
        case HoldLifted():
            return replace(ward, held=None)
        case VerdictChanged() as verdict:
            return _see(ward, verdict, draft)
        case BaselineMeasured() as measured:
            return replace(ward, baselines=seen.measured(ward.baselines, measured))
        case ResumeAgreed(role=role):
            return _agree(ward, role, draft.at)
        case RollbackBlocked() as blocked:
            return replace(ward, blocked=blocked, blocked_at=draft.at)
        case DrillDone() as done:
            return replace(ward, drill=concern.drill_of(done, draft.at, draft.plan_hash))
        case (
            AlertHeard() | StopReported() | StopUnproven() | StopAcknowledged() | ReturnCancelled()
        ):
            return replace(ward, concerns=_concerned(ward, draft))
        case _:
            return _return(ward, draft)


def _concerned(ward: WardState, draft: Draft) -> Concerns:
    match draft.happening:
        case AlertHeard() as heard:
            return concern.hear(ward.concerns, heard, draft.at)
        case StopReported() | StopUnproven() as made:
            return concern.report(ward.concerns, made, draft.at)
        case StopAcknowledged() as word:
            return concern.acknowledge(ward.concerns, word, draft.at)
        case ReturnCancelled() as word:
            return concern.cancel(ward.concerns, word)
        case _:
            return ward.concerns


def _return(ward: WardState, draft: Draft) -> WardState:
    happening = draft.happening
    if isinstance(happening, RollbackIntended):
        return _begin_return(ward, happening.cause, happening.seen_at, draft)
    if ward.returned is None:
        return ward
    return replace(ward, returned=went(ward.returned, draft))


def _begin_return(ward: WardState, cause: Cause, seen_at: datetime, draft: Draft) -> WardState:
    actor = f"{draft.actor.kind}:{draft.actor.name}"
    returned = Return(cause=cause, seen_at=seen_at, actor=actor)
    return replace(
        ward, intent=None, blocked=None, approvals=frozenset(), returned=returned,
        resume_roles=frozenset(), exposed_since=None,
    )  # fmt: skip


def _unsaid_cause(draft: Draft) -> Cause:
    """Why somebody returned the ward, as far as the one who did it says so himself."""
    by_guard = draft.actor.kind is ActorKind.GUARD
    return Cause(
        trigger=Trigger.LEASE if by_guard else Trigger.PERSON,
        reason=f"{draft.actor.kind}:{draft.actor.name} returned the ward; no word of why has come",
    )


def _enter(ward: WardState, stage: StageName, at: datetime) -> WardState:
    """A stage begins with a clean slate, but for what is wrong at this very moment."""
    is_unclear = ward.blemishes and seen.is_unclear(ward.verdicts)
    still = (Blemish(since=at, until=None),) if is_unclear else ()
    return replace(ward, stage=stage, entered_at=at, blemishes=still, closed_gates=())


def _intend(ward: WardState, intended: PromotionIntended, at: datetime) -> WardState:
    intent = Intent(stage=intended.stage, epoch=intended.epoch, exposes=intended.exposes)
    since = ward.exposed_since or (at if intended.exposes else None)
    return replace(
        ward, intent=intent, epoch=max(ward.epoch, intended.epoch), exposed_since=since,
        forward_epoch=max(ward.forward_epoch, intended.epoch),
    )  # fmt: skip


def _see(ward: WardState, verdict: VerdictChanged, draft: Draft) -> WardState:
    new = LastVerdict(verdict=verdict, since=draft.at, by=draft.actor)
    if seen.is_overtaken(ward.verdicts, new):
        return replace(ward, blemishes=seen.marked_late(ward.blemishes, new))
    verdicts = seen.after(ward.verdicts, new)
    return replace(
        ward,
        verdicts=verdicts,
        settled=seen.unsettled(ward.settled, verdict),
        blemishes=seen.marked(ward.blemishes, verdicts, draft.at),
    )


def _agree(ward: WardState, role: Role, at: datetime) -> WardState:
    """The second different role sends a rolled-back ward back to the start of its ladder."""
    if ward.phase is not Phase.ROLLED_BACK:
        return ward
    agreed = ward.resume_roles | {role}
    if len(agreed) < NEEDED_ROLES:
        return replace(ward, resume_roles=agreed)
    counts = {item.verdict.signal: item.value for item in ward.verdicts}
    return replace(
        ward, phase=Phase.WAITING, stage=None, entered_at=None, verdicts=(),
        blemishes=(), resume_roles=frozenset(), settled=tuple(sorted(counts.items())),
        concerns=concern.begin_again(ward.concerns), resumed_at=at,
    )  # fmt: skip
