"""`wardshift stop`, `acknowledge` and `stop-code`: stopping the line from a terminal.

A stop is a return: it never asks for a sequence, is written to local disk first, and goes on
without ledger and Prefect. Its judgement is that of the sentinel; its hands are those of
`wardshift rollback`. Source: design section 8.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator import logs
from orchestrator.bootstrap import install, notifier_of, read_site, routes_of
from orchestrator.cli.back import (
    EXITS,
    PersonsReturn,
    begin,
    check_legacy,
    hand_over,
    may_be_exposed,
    route_now,
    until_done,
)
from orchestrator.cli.output import Format, confirm, say, show_json, show_table, unread
from orchestrator.cli.standing import person, record_of
from orchestrator.cli.terminal import heard_or_not, outlive_the_terminal
from orchestrator.core.decision import Hold, Rollback
from orchestrator.core.event import Cause, Trigger
from orchestrator.core.ids import Role
from orchestrator.core.receipt import Receipt
from orchestrator.core.route import Route
from orchestrator.core.state import ProgrammeState, apply
from orchestrator.core.text import plain
from orchestrator.errors import ConfigError, ExitCode, Refused, Unavailable
from orchestrator.ports import Notifier
from orchestrator.reports.receipts import receipt_json, receipt_sentence, unrecorded_sentence
from orchestrator.service.rollback import Outcome, RollbackReport
from orchestrator.service.stopping import SOMEBODY, judged, stop_programme
from wards.model import WardId

PAGES_WITHIN_S = 5.0
UNHEARD = "No disk takes this report: nobody but this command knows of it. Tell whoever is on call."
UNRECORDED = (
    "That programme {name} is stopped is on no disk and in no ledger, so nothing keeps it from "
    "going on. Make room on this machine's disk, then again: wardshift stop --programme"
)
WORST = (ExitCode.UNAVAILABLE, ExitCode.UNKNOWN, ExitCode.REFUSED)  # in this order


def stop(
    ward: str | None = None,
    /,
    *,
    role: str,
    words: str = "",
    reason: str = "",
    staff_code: str = "",
    programme: bool = False,
    patience: float = 60.0,
    home: Path | None = None,
    yes: bool = False,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Stop the line: freeze the programme, and return the ward if the plan has it confirmed.

    Example: wardshift stop medicine-52 --role nurse --words "text vanishes after saving"

    Example: wardshift stop --programme --role clinical_safety_officer --reason "wrong doses"

    Exit codes: 0 recorded, and proven where the ward returned; 3 the role does not stop the line,
    or legacy does not answer; 4 not written, or the report is on no disk; 6 written and not proven
    yet.

    Args:
        ward: The ward's id.
        role: In which role you act; for a ward one that the plan lets stop.
        words: What was seen. No patient's name or number.
        reason: With --programme: why. No patient's name or number.
        staff_code: Tells two people apart; only a keyed digest of it is kept.
        programme: Stop the whole programme: every ward returns.
        patience: Seconds to go on trying to return.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask (only --programme asks).
        format: table (sentences) or json.
    """
    if programme == (ward is not None):
        problem = "give a ward, or --programme" + (", not both" if programme else "")
        raise ConfigError((problem,))
    if ward is not None:
        return _stop_ward(ward, role, words or reason, staff_code, patience, home, format)
    if not reason:
        raise ConfigError(("--programme needs --reason",))
    return _stop_programme(plain(reason), plain(role), patience, home, format, yes=yes)


def acknowledge(
    report: str,
    /,
    *,
    role: str,
    home: Path | None = None,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Take a report from the bedside in hand; ends the repeated page. Changes nothing else.

    Example: wardshift acknowledge kcdf-ghjk --role clinical_safety_officer

    Example: wardshift acknowledge medicine-52 --role clinical_safety_officer

    Args:
        report: The report's number; a ward's id for all of its reports that wait.
        role: In which role you take it.
        home: Home folder (or WARDSHIFT_HOME).
        format: table (a sentence) or json.
    """
    logs.configure("wardshift", level="WARNING")
    installation = install(home)
    known = _Known(state=record_of(installation).state)
    scribe = installation.scribe(person(role))
    scribe.listen(lambda draft: known.hear(apply(known.state, draft)))
    line = installation.stop_line(scribe, lambda: known.state)
    wards = {one.id for one in installation.plan.wards}
    numbers = line.waiting(WardId(report)) if report in wards else (report,)
    if not numbers:
        raise Refused("no_report", f"no report of {report} waits for an answer")
    made = [line.acknowledge(number, Role(role)) for number in numbers]
    hand_over(installation.site, scribe)
    if format is Format.JSON and report in wards:
        show_json([receipt_json(one) for one in made])
        return 0
    for one in made:
        _tell(one, format)
    return 0


def stop_code(role: str, /, *, home: Path | None = None) -> int:
    """Make a role's code for the stop form, in place of any before it. It is shown this once.

    Example: wardshift stop-code nurse

    Args:
        role: One of the plan's roles that may stop the line.
        home: Home folder (or WARDSHIFT_HOME).
    """
    from orchestrator.bootstrap import stop_codes_of

    logs.configure("wardshift", level="WARNING")
    installation = install(home)
    allowed = installation.plan.policy.stop.roles
    if role not in allowed:
        names = ", ".join(allowed) or "nobody: name them in policy.stop.roles"
        raise Refused("wrong_role", f"{role} does not stop the line by this plan; who: {names}")
    code = stop_codes_of(installation.site).make(role)
    print(code)
    say(f"The code of {role}. Nobody can look it up again; print it on the ward's stop card.")
    return 0


@dataclass(slots=True)
class _Known:
    """What is known of the programme, our own word included."""

    state: ProgrammeState

    def hear(self, state: ProgrammeState) -> None:
        """It is so now."""
        self.state = state


def _stop_ward(
    ward: str,
    role: str,
    words: str,
    staff_code: str,
    patience_s: float,
    home: Path | None,
    form: Format,
) -> int:
    from orchestrator.bootstrap import staff_digest_of

    one = begin(ward, home, plain(role))
    if one.installation is None:
        problem = f"without a plan nobody can judge a stop; wardshift rollback {ward} needs none"
        raise ConfigError((problem,))
    reporter = staff_digest_of(one.site).of(staff_code) or SOMEBODY
    line = one.installation.stop_line(one.scribe, lambda: one.state, lambda _: _return_ahead(one))
    number = line.report(one.ward, Role(role), reporter=reporter, words=words).report
    is_recorded = not one.scribe.unwritten()
    say(f"Report {number} is recorded." if is_recorded else UNHEARD)
    try:
        code = _act(one, patience_s)
    finally:
        hand_over(one.site, one.scribe)
        _tell_pages(one.installation.notifier)
    made = line.receipt(number)
    assert made is not None, "our own word is known to us"
    if not is_recorded and one.scribe.unwritten():
        with heard_or_not():
            _tell_unrecorded(made, form)
        return ExitCode.UNAVAILABLE
    with heard_or_not():
        _tell(made, form)
    return code


def _act(one: PersonsReturn, patience_s: float) -> ExitCode:
    """Return the ward if that is what the report leads to. Raises: Refused for sick legacy."""
    assert one.installation is not None
    route = route_now(one)
    now = one.installation.clock.now()
    decision = judged(one.installation.plan, one.state, one.ward, route, now)
    match decision:
        case Rollback(cause=cause) | Hold(cause=Cause() as cause):
            check_legacy(one, cause)
            return EXITS[until_done(one, cause, patience_s).outcome]
        case _:
            return ExitCode.DONE


def _return_ahead(one: PersonsReturn) -> Rollback | None:
    """What will be done about it by the record alone, for the page, which waits for nothing."""
    assert one.installation is not None
    plan, now = one.installation.plan, one.clock.now()
    decision = judged(plan, one.state, one.ward, None, now)
    return decision if isinstance(decision, Rollback) else None


def _stop_programme(
    reason: str, role: str, patience_s: float, home: Path | None, form: Format, *, yes: bool
) -> int:
    everywhere = _everywhere(home, role)
    first = everywhere[0]
    routes = _routes_now(first)
    exposed = tuple(one for one in everywhere if _is_exposed(one, routes))
    name = "programme" if first.installation is None else first.installation.plan.name
    confirm(_announcement(name, exposed, reason), name, yes=yes, expect_seq=None, needs_seq=False)
    notifier = notifier_of(first.site)
    stop_programme(first.scribe, notifier, Role(role), reason)
    is_recorded = not first.scribe.unwritten()
    cause = Cause(trigger=Trigger.PROGRAMME, reason=f"{role} stopped the programme: {reason}")
    with ThreadPoolExecutor(max(1, len(exposed))) as threads:
        begun = [threads.submit(_bring_back, one, cause, patience_s) for one in exposed]
        hand_over(first.site, first.scribe)  # while they return: nobody goes forward meanwhile
        ended = [each.result() for each in begun]
    hand_over(first.site, *(one.scribe for one in everywhere))
    _tell_pages(notifier)
    is_recorded = is_recorded or not first.scribe.unwritten()
    with heard_or_not():
        _tell_all(name, tuple(zip(exposed, ended, strict=True)), form, is_recorded=is_recorded)
    codes = {code for code, _ in ended} | (set() if is_recorded else {ExitCode.UNAVAILABLE})
    return next((code for code in WORST if code in codes), ExitCode.DONE)


def _everywhere(home: Path | None, role: str) -> tuple[PersonsReturn, ...]:
    """Every ward, each with a pen of its own: they write at once.

    Raises: ConfigError for a wrong site; Unavailable where neither plan nor gateway says which
    wards there are.
    """
    outlive_the_terminal()
    logs.configure("wardshift", level="WARNING")
    site = read_site(home)
    try:
        names = tuple(one.id for one in install(home).plan.wards)
    except ConfigError:
        names = tuple(one.route.ward for one in routes_of(site).all())
    if not names:
        raise ConfigError(("there is no ward to return",))
    first = begin(names[0], home, role)
    return (first, *(_for_ward(first, name, role) for name in names[1:]))


def _for_ward(first: PersonsReturn, ward: WardId, role: str) -> PersonsReturn:
    from orchestrator.bootstrap import scribe_of

    plan_hash = "" if first.installation is None else first.installation.plan_hash
    scribe = scribe_of(first.site, first.clock, person(role), plan_hash=plan_hash)
    return replace(first, ward=ward, scribe=scribe)


def _routes_now(first: PersonsReturn) -> dict[WardId, Route] | None:
    try:
        return {one.route.ward: one.route for one in first.routes.all()}
    except Unavailable as error:
        say(f"{unread(first.site.routes_kept_by)} ({error})")
        return None


def _is_exposed(one: PersonsReturn, routes: dict[WardId, Route] | None) -> bool:
    """By the route; by the record while routes cannot be read; when in doubt, yes. One that
    is missing among all routes is asked for by its name: the list shows only what is labelled."""
    if one.installation is None:
        return True
    route = None if routes is None else routes.get(one.ward) or _named(one)
    return may_be_exposed(one, route)


def _named(one: PersonsReturn) -> Route | None:
    try:
        return route_now(one)
    except Refused:
        return None  # there is none; what the record says of the ward counts


def _announcement(name: str, exposed: tuple[PersonsReturn, ...], reason: str) -> str:
    wards = ", ".join(one.ward for one in exposed) or "none"
    return (
        f"Stops programme {name}: nothing moves forward until two roles agree, and every ward in "
        f"the candidate returns to legacy now. Wards: {wards}. Reason: {reason}."
    )


def _bring_back(
    one: PersonsReturn, cause: Cause, patience_s: float
) -> tuple[ExitCode, RollbackReport]:
    try:
        if one.installation is not None:
            check_legacy(one, cause)
    except Refused as error:
        return ExitCode.REFUSED, RollbackReport(outcome=Outcome.NOT_WRITTEN, detail=str(error))
    report = until_done(one, cause, patience_s)
    return EXITS[report.outcome], report


def _tell_pages(notifier: Notifier) -> None:
    """Pages go out on threads of their own; this process must not end before them."""
    from orchestrator.adapters.notify import FanOut

    if isinstance(notifier, FanOut) and not notifier.close(timeout_s=PAGES_WITHIN_S):
        say("Not every page went out; call the people on call yourself.")


def _tell(made: Receipt, form: Format) -> None:
    if form is Format.JSON:
        show_json(receipt_json(made))
    else:
        print(receipt_sentence(made))


def _tell_unrecorded(made: Receipt, form: Format) -> None:
    """No receipt: the report ends with this process, whatever became of the ward."""
    problem = unrecorded_sentence(made)
    if form is Format.JSON:
        show_json({"received": False, "code": "not_recorded", "problem": problem})
    else:
        say(problem)


def _tell_all(
    name: str,
    ended: tuple[tuple[PersonsReturn, tuple[ExitCode, RollbackReport]], ...],
    form: Format,
    *,
    is_recorded: bool,
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "ward": one.ward,
            "outcome": "legacy_not_ready" if code is ExitCode.REFUSED else report.outcome.value,
            "epoch": report.epoch,
            "proven_after_s": report.proven_after_s,
            "detail": report.detail,
        }
        for one, (code, report) in ended
    ]
    if form is Format.JSON:
        show_json({"programme": name, "stopped": is_recorded, "wards": rows})
        return
    if is_recorded:
        print(f"Programme {name} is stopped; it is frozen until two roles agree.")
    else:
        say(UNRECORDED.format(name=name))
    if rows:
        show_table("", list(rows[0]), [list(row.values()) for row in rows])
