"""What speaks against a ward's exposure besides its signals: alerts, reports from the bedside.

Folded from the ledger like everything else, so that a restart or another process knows the
same. Whether a concern brings the ward back is judged in `alarm.py`. Source: design section 8.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from orchestrator.core.event import (
    AlertHeard,
    AlertStatus,
    DrillDone,
    ReturnCancelled,
    StopAcknowledged,
    StopReported,
    StopUnproven,
    Trigger,
)
from orchestrator.core.ids import Role, SliceName

# A message that is sent twice comes within minutes of the first; a ward does not have more alerts
# that resolve in that time. What is forgotten and comes again returns a ward once too often.
RESOLVED_KEPT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingAlert:
    """An alert that is not resolved. `heard_at`: when we first heard of it (wall time).

    `is_cancelled`: a person answered for it; counts until it has resolved and fires anew.
    """

    heard: AlertHeard
    heard_at: datetime
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """A report from the bedside, from when it was made until the ward begins again.

    `acknowledged_by`: the role that took it in hand. `is_proven`: it counts; one that is not
    only pages people until somebody takes it.
    """

    report: str
    role: Role
    reporter: str
    words: str
    slice_name: SliceName | None
    made_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: Role | None = None
    is_proven: bool = True
    is_cancelled: bool = False

    @property
    def is_unanswered(self) -> bool:
        """Nobody has taken it in hand or back: people are paged again and again."""
        return self.acknowledged_at is None and not self.is_cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """The last rehearsed return of a ward, as evidence (real seconds; slowest of the rounds)."""

    done_at: datetime
    rounds: int
    restore_s: float
    prove_s: float
    passed: bool
    problem: str
    plan_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerns:
    """All of one ward. `alerts` by fingerprint, `reports` in the order they were made.

    `resolved`: fingerprint and start of the last alerts that resolved, so that an old message does
    not raise them again.
    """

    alerts: tuple[StandingAlert, ...] = ()
    reports: tuple[StopReport, ...] = ()
    resolved: tuple[tuple[str, datetime], ...] = ()


NO_CONCERNS = Concerns()


def hear(concerns: Concerns, heard: AlertHeard, at: datetime) -> Concerns:
    """After an alert's status changed; a resolved one stands no longer."""
    before = _alert(concerns, heard.fingerprint)
    others = tuple(one for one in concerns.alerts if one is not before)
    is_old = before is not None and _is_old(before, heard, at)
    if heard.status is AlertStatus.RESOLVED:
        over = (*concerns.resolved, (heard.fingerprint, heard.started_at))
        left = concerns.alerts if is_old else others
        return replace(concerns, alerts=left, resolved=over[-RESOLVED_KEPT:])
    if is_old:
        return concerns
    if before is None or before.heard.started_at != heard.started_at:
        now = StandingAlert(heard=heard, heard_at=at)
    else:
        now = replace(before, heard=heard)
    return replace(concerns, alerts=(*others, now))


def _is_old(standing: StandingAlert, heard: AlertHeard, at: datetime) -> bool:
    """Whether it is a word, come late, of an earlier time that the alert fired: by both clocks,
    for one alert may have two starts (two Alertmanagers), and its end is told only once."""
    return heard.started_at < standing.heard.started_at and at < standing.heard_at


def report(concerns: Concerns, made: StopReported | StopUnproven, at: datetime) -> Concerns:
    """After a report; the same report twice is one."""
    if any(one.report == made.report for one in concerns.reports):
        return concerns
    new = StopReport(
        report=made.report,
        role=made.role,
        reporter=made.reporter if isinstance(made, StopReported) else "",
        words=made.words,
        slice_name=made.slice_name,
        made_at=at,
        is_proven=isinstance(made, StopReported),
    )
    return replace(concerns, reports=(*concerns.reports, new))


def acknowledge(concerns: Concerns, word: StopAcknowledged, at: datetime) -> Concerns:
    """After somebody took a report in hand; the first time counts."""
    reports = tuple(
        replace(one, acknowledged_at=at, acknowledged_by=word.role)
        if one.report == word.report and one.acknowledged_at is None
        else one
        for one in concerns.reports
    )
    return replace(concerns, reports=reports)


def cancel(concerns: Concerns, word: ReturnCancelled) -> Concerns:
    """After a person took back what a return was waiting for."""
    if word.trigger is Trigger.STOP:
        reports = tuple(
            replace(one, is_cancelled=True) if one.report == word.subject else one
            for one in concerns.reports
        )
        return replace(concerns, reports=reports)
    alerts = tuple(
        replace(one, is_cancelled=True) if one.heard.fingerprint == word.subject else one
        for one in concerns.alerts
    )
    return replace(concerns, alerts=alerts)


def begin_again(concerns: Concerns) -> Concerns:
    """A ward that begins its ladder anew leaves its reports behind; alerts are facts and stay."""
    return replace(concerns, reports=())


def drill_of(done: DrillDone, at: datetime, plan_hash: str) -> Drill:
    """The evidence of a rehearsal."""
    return Drill(
        done_at=at,
        rounds=done.rounds,
        restore_s=done.restore_s,
        prove_s=done.prove_s,
        passed=done.passed,
        problem=done.problem,
        plan_hash=plan_hash,
    )


def _alert(concerns: Concerns, fingerprint: str) -> StandingAlert | None:
    return next((one for one in concerns.alerts if one.heard.fingerprint == fingerprint), None)
