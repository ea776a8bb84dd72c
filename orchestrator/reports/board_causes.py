"""Why a ward is held, comes back or stands still, in the board's language. Pure.

The record keeps a cause as a sentence in English, for everybody who reads it. Here it is said anew
from what is structured beside it: trigger, role, report, alert. Only what a person typed passes
through as it is, in quotation marks. Invariant: nothing is said to have gone back before it has.
"""

from collections.abc import Iterable, Iterator

from orchestrator.core.alarm import Alarm
from orchestrator.core.concern import Concerns
from orchestrator.core.event import NOT_SAID, Cause, ProgrammeStopped, Trigger
from orchestrator.core.freeze import Freeze, FreezeKind
from orchestrator.core.route import RETURN_MARK
from orchestrator.reports.board_codes import Head
from orchestrator.reports.board_words import Words
from orchestrator.reports.words import role as plain_role

_ON_THE_ROUTE = " wrote on the route: "
_ALERT = "alert "


def quoted(text: str, words: Words) -> str:
    """A person's own words."""
    return words.labels.quote.format(said=text)


def role_named(name: str, words: Words) -> str:
    """A role as people read it."""
    return words.roles.get(name, plain_role(name))


def alarm_said(
    one: Alarm, concerns: Concerns, stopped: ProgrammeStopped | None, words: Words
) -> str:
    """An alert, a report or a stopped programme, and how it counts now."""
    labels = words.labels
    if one.trigger is Trigger.PROGRAMME and stopped is not None:
        who = role_named(stopped.role, words)
        return labels.alarm_programme.format(role=who, said=quoted(stopped.reason, words))
    if one.trigger is Trigger.STOP:
        named = _report(concerns, one.subject, words)
    else:
        named = _alert(concerns, one.subject, words)
    return f"{named or words.triggers[one.trigger]} ({words.alarms[one.code]})"


def waiting_said(concerns: Concerns, known: Iterable[Alarm], words: Words) -> Iterator[str]:
    """The reports that nobody has answered for, without those that are told as alarms anyway."""
    told = {one.subject for one in known}
    for one in concerns.reports:
        if one.is_unanswered and one.report not in told:
            named = _report(concerns, one.report, words)
            yield words.labels.unanswered.format(report=named)


def cause_said(cause: Cause, concerns: Concerns, words: Words) -> str:
    """A cause in which no signal of the plan spoke."""
    why, more = words.triggers.get(cause.trigger, cause.trigger.value), ""
    match cause.trigger:
        case Trigger.STOP:
            made = (
                one.report for one in concerns.reports if f"report {one.report})" in cause.reason
            )
            more = _report(concerns, next(made, ""), words)
        case Trigger.ALERT if cause.reason.startswith(_ALERT):
            more = cause.reason.removeprefix(_ALERT).rpartition(" ")[0]
        case Trigger.PERSON:
            more = _person(cause.reason, words)
        case Trigger.PROGRAMME:
            typed = cause.reason.partition(": ")[2]
            more = quoted(typed, words) if typed else ""
        case Trigger.BREACH | Trigger.BLIND:
            more = cause.signal or ""
        case _:
            pass
    return f"{why}: {more}" if more else why


def freeze_said(freeze: Freeze, name: str, head: Head | None, reason: str, words: Words) -> str:
    """What began the freeze. `name`, `head`: the ward's; `reason`: why it returns, in words."""
    labels = words.labels
    match freeze.kind:
        case FreezeKind.STOP:
            return labels.frozen_stop.format(reason=quoted(freeze.reason, words))
        case FreezeKind.REPORT:
            return labels.frozen_report.format(ward=name, report=freeze.report)
        case FreezeKind.RETURN:
            how = {Head.UNWRITTEN: labels.frozen_unwritten, Head.RETURNING: labels.frozen_going}
            said = labels.frozen_who if head is None else how.get(head, labels.frozen_who)
            return said.format(ward=name, reason=reason)


def _report(concerns: Concerns, number: str, words: Words) -> str:
    for one in concerns.reports:
        if one.report == number:
            who = role_named(one.role, words)
            return words.labels.alarm_report.format(report=number, role=who)
    return ""


def _alert(concerns: Concerns, fingerprint: str, words: Words) -> str:
    for one in concerns.alerts:
        if one.heard.fingerprint == fingerprint:
            return words.labels.alarm_alert.format(name=one.heard.name)
    return ""


def _person(reason: str, words: Words) -> str:
    """The role and what it typed; nothing where the record holds no word of a person's."""
    typed = reason.partition(_ON_THE_ROUTE)[2] or reason
    role, _, said = typed.removeprefix(RETURN_MARK).partition(": ")
    if not said:
        return ""
    who = role_named(role, words)
    return who if said == NOT_SAID else f"{who}, {quoted(said, words)}"
