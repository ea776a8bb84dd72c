"""Where an alert of another system belongs, and whether hearing it says anything new. Pure.

Labels name ward, slice and severity by the plan's policy; what they do not name is for people
and is never dropped. A pushed message says what was true when it was sent and may be an old one;
a poll's answer says what is true now, and only the source that had an alert can answer that it
is gone. Source: design section 8; peers section 7; design rules 1 and 11.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from orchestrator.core.concern import StandingAlert
from orchestrator.core.event import AlertHeard, AlertStatus, AlertUnplaced, Via, Weight
from orchestrator.core.ids import SliceName
from orchestrator.core.plan import AlertPolicy, Plan
from orchestrator.core.state import ProgrammeState, WardState
from orchestrator.core.text import plain
from wards.model import WardId

NAME_LABEL: Final = "alertname"
PAGE_NAME: Final = "WardshiftPage"
PAGE_LABEL: Final = "wardshift_page"
UNNAMED: Final = "(no alertname)"
_OFFSET: Final = 14695981039346656037  # FNV-1a of 64 bits, as the alerting systems hash labels
_PRIME: Final = 1099511628211
_MASK: Final = 2**64 - 1
_END: Final = b"\xff"
# Two messages about one alert: the graver one counts.
_GRAVITY: Final = (AlertStatus.RESOLVED, AlertStatus.SILENCED, AlertStatus.FIRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An alert as the other system says it. `ended_at`: only of a resolved one, where told."""

    labels: Mapping[str, str]
    status: AlertStatus
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An alert of a ward. `is_blurred`: something in its labels could not be kept, so that it
    may be several alerts at once."""

    ward: WardId
    heard: AlertHeard
    ended_at: datetime | None = None
    is_blurred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """An alert for people. `is_over`: it has resolved, so there is nothing to tell."""

    unplaced: AlertUnplaced
    started_at: datetime
    is_over: bool = False


class Novelty(StrEnum):
    """What a pushed message adds to what is known."""

    NEW = "new"
    KNOWN = "known"
    REPLAYED = "replayed"  # of an alert that has resolved since
    KEPT = "kept"  # said to be resolved, but somebody else still has it, or it may be several


Sights = Mapping[Via, Mapping[str, AlertStatus]]
"""What each polled source has answered last: the status of every alert it has, by fingerprint."""


def place(plan: Plan, notice: Notice, via: Via) -> Placed | Unplaced:
    """The ward and the meaning of an alert, or what is wrong with its labels."""
    labels = {plain(name): plain(value) for name, value in notice.labels.items()}
    policy = plan.policy.alerts
    problem = _problem(plan, policy, labels)
    name, print_ = labels.get(NAME_LABEL) or UNNAMED, fingerprint(labels)
    started_at = _utc(notice.started_at)
    if problem:
        return Unplaced(
            unplaced=AlertUnplaced(name=name, fingerprint=print_, problem=plain(problem), via=via),
            started_at=started_at,
            is_over=notice.status is AlertStatus.RESOLVED,
        )
    wanted = labels.get(policy.slice_label)
    heard = AlertHeard(
        name=name,
        fingerprint=print_,
        weight=_weight(policy, labels[policy.severity_label]),
        status=notice.status,
        via=via,
        started_at=started_at,
        slice_name=SliceName(wanted) if wanted else None,
    )
    return Placed(
        ward=WardId(labels[policy.ward_label]),
        heard=heard,
        ended_at=None if notice.ended_at is None else _utc(notice.ended_at),
        is_blurred=labels != dict(notice.labels),
    )


def is_own_page(notice: Notice) -> bool:
    """Whether it is a message of ours to people, on its way through their Alertmanager: never an
    alert of a ward, whatever else it says, or each page would make another one."""
    return notice.labels.get(NAME_LABEL) == PAGE_NAME and PAGE_LABEL in notice.labels


def fingerprint(labels: Mapping[str, str]) -> str:
    """The hash of all labels that Alertmanager shows too, so that people find the alert there."""
    total = _OFFSET
    for name in sorted(labels):
        for byte in name.encode() + _END + labels[name].encode() + _END:
            total = ((total ^ byte) * _PRIME) & _MASK
    return f"{total:016x}"


def gravest(placed: Iterable[Placed]) -> Mapping[str, Placed]:
    """One for each fingerprint: of several messages about one alert, the gravest, then newest."""
    kept: dict[str, Placed] = {}
    for one in placed:
        before = kept.get(one.heard.fingerprint)
        if before is None or _rank(one) > _rank(before):
            kept[one.heard.fingerprint] = one
    return kept


def novelty(ward: WardState, placed: Placed, sights: Sights) -> Novelty:
    """What a pushed message says that is not known; the answer to a replay is no.

    Args:
        sights: of the polled sources that answer now or answered last.
    """
    heard, standing = placed.heard, standing_alert(ward, placed.heard.fingerprint)
    if heard.status is AlertStatus.RESOLVED:
        return _end(placed, standing, sights)
    if standing is None:
        was_over = (heard.fingerprint, heard.started_at) in ward.concerns.resolved
        return Novelty.REPLAYED if was_over else Novelty.NEW
    if standing.heard.status is AlertStatus.SILENCED:
        # The sender of messages and the one who knows silences are the same: its newest word.
        silences = sights.get(Via.ALERTMANAGER, {})
        is_silent = silences.get(heard.fingerprint) is AlertStatus.SILENCED
        return Novelty.KNOWN if is_silent else Novelty.NEW
    return Novelty.NEW if _fired_anew(standing.heard, heard) else Novelty.KNOWN


def seen_now(
    state: ProgrammeState,
    answer: Mapping[str, Placed],
    via: Via,
    sights: Sights,
    *,
    is_whole: bool = True,
) -> tuple[tuple[WardId, AlertHeard], ...]:
    """What a poll's answer says that is not known.

    Args:
        answer: by fingerprint.
        sights: what each source answered before this; one that never answered is not in it.
        is_whole: an answer with gaps in it ends nothing.
    """
    others = {one: has for one, has in sights.items() if one is not via}
    found = [
        (placed.ward, _present(state.ward(placed.ward), placed, others))
        for placed in answer.values()
    ]
    if is_whole:
        found += [
            (ward.ward, _gone(standing.heard, via, others))
            for ward in state.wards.values()
            for standing in ward.concerns.alerts
            if standing.heard.fingerprint not in answer and _had(via, standing.heard, sights)
        ]
    return tuple((ward, news) for ward, news in found if news is not None)


def recorded(state: ProgrammeState, via: Via) -> Mapping[str, AlertStatus]:
    """What that source had by the record alone, in the form of an answer."""
    return {
        one.heard.fingerprint: one.heard.status
        for ward in state.wards.values()
        for one in ward.concerns.alerts
        if one.heard.via is via
    }


def is_said(ward: WardState, heard: AlertHeard) -> bool:
    """Whether the record says this already, or something newer."""
    standing = standing_alert(ward, heard.fingerprint)
    if standing is None:
        return heard.status is AlertStatus.RESOLVED
    if standing.heard.started_at > heard.started_at:
        return True
    is_same_time = standing.heard.started_at == heard.started_at
    return is_same_time and standing.heard.status is heard.status


def standing_alert(ward: WardState, wanted: str) -> StandingAlert | None:
    """The ward's alert of that fingerprint, unless it has resolved."""
    return next((one for one in ward.concerns.alerts if one.heard.fingerprint == wanted), None)


def _problem(plan: Plan, policy: AlertPolicy, labels: Mapping[str, str]) -> str:
    """What the labels do not say, in words; empty when they say everything."""
    ward, wanted = labels.get(policy.ward_label), labels.get(policy.slice_label)
    if not ward:
        return f"it has no label {policy.ward_label!r}"
    if ward not in {one.id for one in plan.wards}:
        return f"{policy.ward_label}={ward!r} is no ward of the plan"
    if wanted and wanted not in {one.name for one in plan.slices}:
        return f"{policy.slice_label}={wanted!r} is no slice of the plan (ward {ward})"
    if not labels.get(policy.severity_label):
        return f"it has no label {policy.severity_label!r} (ward {ward})"
    return ""


def _weight(policy: AlertPolicy, severity: str) -> Weight:
    if severity in policy.returns:
        return Weight.RETURN
    return Weight.HOLD if severity in policy.holds else Weight.TELL


def _utc(at: datetime) -> datetime:
    """The same moment in UTC; one before the first day or after the last is that day's."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return at.replace(tzinfo=UTC)


def _rank(placed: Placed) -> tuple[int, datetime]:
    return _GRAVITY.index(placed.heard.status), placed.heard.started_at


def _end(placed: Placed, standing: StandingAlert | None, sights: Sights) -> Novelty:
    if standing is None:
        return Novelty.KNOWN
    ended_at = placed.ended_at or placed.heard.started_at
    if ended_at < standing.heard.started_at:
        return Novelty.REPLAYED  # of an earlier time that it fired
    has_it = any(placed.heard.fingerprint in has for has in sights.values())
    return Novelty.KEPT if has_it or placed.is_blurred else Novelty.NEW


def _fired_anew(before: AlertHeard, now: AlertHeard) -> bool:
    """Whether the end in between was missed. Prometheus counts from when the condition came
    true, Alertmanager from when the alert fired: only like is compared with like."""
    is_prometheus = (before.via is Via.PROMETHEUS, now.via is Via.PROMETHEUS)
    return is_prometheus != (True, False) and now.started_at > before.started_at


def _present(
    ward: WardState, placed: Placed, others: Mapping[Via, Mapping[str, AlertStatus]]
) -> AlertHeard | None:
    status = _status(placed.heard.fingerprint, others, placed.heard.status)
    heard = replace(placed.heard, status=status)
    standing = standing_alert(ward, heard.fingerprint)
    if standing is None or _fired_anew(standing.heard, heard):
        return heard
    # The same time of firing: it keeps the start that it was first heard with.
    return None if standing.heard.status is status else replace(standing.heard, status=status)


def _gone(
    heard: AlertHeard, via: Via, others: Mapping[Via, Mapping[str, AlertStatus]]
) -> AlertHeard | None:
    status = _status(heard.fingerprint, others)
    return None if status is heard.status else replace(heard, status=status, via=via)


def _status(
    wanted: str, sights: Mapping[Via, Mapping[str, AlertStatus]], said: AlertStatus | None = None
) -> AlertStatus:
    """What all sources together say: a silence is known to one of them only, and a source that
    has the alert keeps it from being over."""
    words = {has[wanted] for has in sights.values() if wanted in has} | ({said} - {None})
    for status in (AlertStatus.SILENCED, AlertStatus.FIRING):
        if status in words:
            return status
    return AlertStatus.RESOLVED


def _had(via: Via, heard: AlertHeard, sights: Sights) -> bool:
    """Whether that source had it: by its last answer, or, before its first, by the record."""
    before = sights.get(via)
    return heard.via is via if before is None else heard.fingerprint in before
