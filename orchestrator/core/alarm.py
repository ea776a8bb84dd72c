"""Whether alerts and reports from the bedside hold a ward, or bring it back. Pure.

Two doors, one judgement: a webhook, a poll and a restart all ask here, with what the ledger
and the journal say. Invariants: a silence is never health; an alert that fired before the
ward was exposed is neither ignored for ever nor instantly fatal; one report freezes and a
confirmed one returns. Source: design section 8; peers section 7.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.core.concern import StandingAlert, StopReport
from orchestrator.core.event import CLOCKS_APART, AlertStatus, Cause, Trigger, Weight
from orchestrator.core.ids import SliceName
from orchestrator.core.plan import AlertPolicy, Plan, StopPolicy
from orchestrator.core.state import ProgrammeState, WardState
from orchestrator.core.verdict import Level, Verdict, worst


class AlarmCode(StrEnum):
    """Why an alarm is at its level."""

    FIRING = "firing"
    FIRED_BEFORE = "fired_before"
    OTHER_SLICE = "other_slice"
    SILENCED = "silenced"
    WARNING = "warning"
    REPORTED = "reported"
    CONFIRMED = "confirmed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One concern as it counts now: BREACH returns the ward, WARN holds it.

    `subject`: the alert's fingerprint or the report's number. `until`: when a waiting one becomes
    a breach (wall time), None where nothing waits.
    """

    trigger: Trigger
    subject: str
    level: Level
    code: AlarmCode
    reason: str
    until: datetime | None = None


def alarms(
    plan: Plan,
    programme: ProgrammeState,
    ward: WardState,
    *,
    exposed: tuple[SliceName, ...],
    verdicts: tuple[Verdict, ...],
    now: datetime,
) -> tuple[Alarm, ...]:
    """Everything but signals that speaks against the ward's exposure now.

    Args:
        exposed: slices on the candidate by the route, or by an open intent.
        verdicts: of this tick; any that is not PASS confirms a report.
    """
    return (
        *_stopped(programme),
        *(_alert(plan.policy.alerts, ward, one, exposed, now) for one in _open_alerts(ward)),
        *_reports(plan.policy.stop, ward, verdicts, now),
    )


def alarm_cause(found: tuple[Alarm, ...]) -> Cause | None:
    """The first alarm that brings the ward back."""
    for one in found:
        if one.level is Level.BREACH:
            return Cause(trigger=one.trigger, reason=one.reason)
    return None


def _stopped(programme: ProgrammeState) -> tuple[Alarm, ...]:
    if programme.stopped is None:
        return ()
    reason = f"the programme was stopped by {programme.stopped.role}: {programme.stopped.reason}"
    return (
        Alarm(
            trigger=Trigger.PROGRAMME, subject="", level=Level.BREACH,
            code=AlarmCode.STOPPED, reason=reason,
        ),
    )  # fmt: skip


def _open_alerts(ward: WardState) -> tuple[StandingAlert, ...]:
    """Those that hold or return, and that nobody has answered for."""
    return tuple(
        one
        for one in ward.concerns.alerts
        if not one.is_cancelled and one.heard.weight is not Weight.TELL
    )


def _alert(
    policy: AlertPolicy,
    ward: WardState,
    one: StandingAlert,
    exposed: tuple[SliceName, ...],
    now: datetime,
) -> Alarm:
    level, code, until = _weighed(policy, ward, one, exposed, now)
    return Alarm(
        trigger=Trigger.ALERT,
        subject=one.heard.fingerprint,
        level=level,
        code=code,
        reason=f"alert {one.heard.name} {one.heard.status}",
        until=until,
    )


def _weighed(
    policy: AlertPolicy,
    ward: WardState,
    one: StandingAlert,
    exposed: tuple[SliceName, ...],
    now: datetime,
) -> tuple[Level, AlarmCode, datetime | None]:
    heard = one.heard
    if heard.status is AlertStatus.SILENCED:
        return Level.WARN, AlarmCode.SILENCED, None
    if heard.weight is Weight.HOLD:
        return Level.WARN, AlarmCode.WARNING, None
    if heard.slice_name is not None and heard.slice_name not in exposed:
        return Level.WARN, AlarmCode.OTHER_SLICE, None
    since = ward.exposed_since
    if since is None or heard.started_at >= since:
        return Level.BREACH, AlarmCode.FIRING, None
    if since - now > CLOCKS_APART:
        # An exposure that is still to come: some clock was set, or is wrong. Which was first, and
        # since when the alert is waited for, nobody can say; the ward does not wait for it.
        return Level.BREACH, AlarmCode.FIRED_BEFORE, None
    until = since + timedelta(seconds=policy.patience_s)
    if now < until:
        return Level.WARN, AlarmCode.FIRED_BEFORE, until
    return Level.BREACH, AlarmCode.FIRED_BEFORE, None


def _reports(
    policy: StopPolicy, ward: WardState, verdicts: tuple[Verdict, ...], now: datetime
) -> tuple[Alarm, ...]:
    open_ones = tuple(
        one
        for one in ward.concerns.reports
        if one.is_proven
        and not one.is_cancelled
        and now - one.made_at <= timedelta(seconds=policy.window_s)
    )
    confirmed = _confirmation(policy, open_ones, verdicts)
    return tuple(_report(one, confirmed) for one in open_ones)


def _report(one: StopReport, confirmed: str) -> Alarm:
    reason = f"stopped at the bedside by {one.role} (report {one.report})"
    return Alarm(
        trigger=Trigger.STOP,
        subject=one.report,
        level=Level.BREACH if confirmed else Level.WARN,
        code=AlarmCode.CONFIRMED if confirmed else AlarmCode.REPORTED,
        reason=f"{reason}, {confirmed}" if confirmed else reason,
    )


def _confirmation(
    policy: StopPolicy, open_ones: tuple[StopReport, ...], verdicts: tuple[Verdict, ...]
) -> str:
    """What makes open reports enough to return the ward, in words; empty while nothing does."""
    alone = next((one for one in open_ones if one.role in policy.alone), None)
    if alone is not None:
        return f"and the word of {alone.role} is enough"
    if len({one.reporter for one in open_ones}) > 1:
        return "confirmed by a second person"
    levels = tuple(verdict.level for verdict in verdicts)
    if open_ones and levels and worst(levels) > Level.PASS:
        return "confirmed by a signal that is not clear"
    return ""
