"""A ward's whole story as ledger entries: shadow, notes, a breach, a return. Invented."""

from datetime import timedelta

from orchestrator.core.event import (
    ApprovalGiven,
    Cause,
    Draft,
    Entry,
    ProgrammeStarted,
    PromotionIntended,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
    StageEntered,
    Trigger,
    VerdictChanged,
    WardStarted,
    WatchTaken,
)
from orchestrator.core.ids import StageName
from orchestrator.core.verdict import Code, Level
from tests.drafts import START, draft, entries
from tests.plans import CSO, FIRST, HEAD, LEGACY_UP, SECOND, SLOW, TEXT_LOST

READINESS, SHADOW, NOTES_STAGE = (StageName(name) for name in ("readiness", "shadow", "notes"))
BREACH_AT_H = 30.0


def cause(value: float = 3.0) -> Cause:
    return Cause(
        trigger=Trigger.BREACH,
        reason="text lost: 3 notes, limit 0",
        signal=TEXT_LOST,
        value=value,
        limit=0.0,
        code=Code.OCCURRED,
    )


def drafts() -> tuple[Draft, ...]:
    """From the start to the proven return of the first ward."""
    return (*climb(), *breach(), *back())


def climb() -> tuple[Draft, ...]:
    return (
        draft(None, ProgrammeStarted(wards=(FIRST, SECOND))),
        draft(None, WatchTaken(unwatched_since=None)),
        draft(FIRST, WardStarted(stage=READINESS), after_h=0.1),
        draft(FIRST, verdict(LEGACY_UP, Level.PASS, Code.WITHIN, 1.0, 1.0), after_h=0.2),
        draft(FIRST, _intended(SHADOW, 2, exposes=False), after_h=1),
        draft(FIRST, _entered(SHADOW, 2), after_h=1),
        draft(FIRST, verdict(SLOW, Level.WARN, Code.NEAR_LIMIT, 1.4, 2.0), after_h=12),
        draft(FIRST, verdict(SLOW, Level.PASS, Code.WITHIN, 0.4, 2.0), after_h=15),
        draft(FIRST, ApprovalGiven(stage=NOTES_STAGE, role=CSO), after_h=24),
        draft(FIRST, ApprovalGiven(stage=NOTES_STAGE, role=HEAD, comment="ready"), after_h=24.5),
        draft(FIRST, _intended(NOTES_STAGE, 3, exposes=True), after_h=25),
        draft(FIRST, _entered(NOTES_STAGE, 3), after_h=25),
    )


def breach() -> tuple[Draft, ...]:
    return (
        draft(
            FIRST,
            verdict(TEXT_LOST, Level.BREACH, Code.OCCURRED, 3.0, 0.0),
            after_h=BREACH_AT_H,
        ),
    )


def back() -> tuple[Draft, ...]:
    seen_at = START + timedelta(hours=BREACH_AT_H)
    return (
        draft(FIRST, RollbackIntended(cause=cause(), seen_at=seen_at), after_h=BREACH_AT_H),
        draft(FIRST, RollbackWritten(epoch=4, after_s=0.12), after_h=BREACH_AT_H),
        draft(
            FIRST,
            RollbackProven(epoch=4, probes=6, after_s=0.87, still_open=2),
            after_h=BREACH_AT_H + 0.001,
        ),
    )


def told() -> tuple[Entry, ...]:
    """The story in its order."""
    return entries(*drafts())


def verdict(signal, level, code, value, limit) -> VerdictChanged:
    return VerdictChanged(signal=signal, level=level, code=code, value=value, limit=limit, n=40)


def _intended(stage: StageName, epoch: int, *, exposes: bool) -> PromotionIntended:
    return PromotionIntended(stage=stage, epoch=epoch, exposes=exposes)


def _entered(stage: StageName, epoch: int) -> StageEntered:
    return StageEntered(stage=stage, epoch=epoch, proven_after_s=0.4)
