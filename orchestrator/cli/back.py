"""`wardshift rollback`: a person's hand on the brake. Needs the routes, nothing else.

Invariant: what is not there is gone without. No ledger, a damaged ledger, no copy of it, no
probe of legacy, no readable plan: each is said, and the return goes on. Only legacy that was
asked and does not answer stops it, and a person can overrule that. Source: design rules 2, 5.
"""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TypeVar

from orchestrator import logs
from orchestrator.adapters.clock import PracticeClock, SystemClock, clock_from
from orchestrator.bootstrap import (
    GUARD_PROOF,
    Installation,
    install,
    prober_of,
    read_site,
    readers_of,
    routes_of,
    scribe_of,
)
from orchestrator.cli.output import Format, confirm, say, show_json, unread
from orchestrator.cli.standing import Record, known_ward, person, record_of, remembered
from orchestrator.cli.terminal import heard_or_not, outlive_the_terminal
from orchestrator.core.decision import legacy_level
from orchestrator.core.event import (
    NOT_SAID,
    Cause,
    Draft,
    RollbackBlocked,
    RollbackWritten,
    Trigger,
)
from orchestrator.core.ids import OPERATIONS
from orchestrator.core.judging import Memories, judge_ward
from orchestrator.core.plan import Purpose, Signal
from orchestrator.core.route import Route, exposed_slices
from orchestrator.core.state import ProgrammeState, WardState, apply
from orchestrator.core.text import plain
from orchestrator.core.threshold import Tripwire
from orchestrator.core.verdict import Level, Verdict
from orchestrator.core.view import last_verdicts, recorded_exposure, view
from orchestrator.errors import ConfigError, ExitCode, Refused, Unavailable, WardshiftError
from orchestrator.ports import Routes
from orchestrator.service.rollback import Hands, Outcome, RollbackReport, roll_back
from orchestrator.service.scribe import Scribe
from orchestrator.settings import Site
from wards.model import WardId

_T = TypeVar("_T")
PAUSE_S = 0.5
SAY_AGAIN_S = 5.0  # what is waited for, while it stays the same
PROOF_AT_LEAST_S = 5.0  # of a route that is written, however little patience is left
HAND_OVER_S = 5.0  # after the return: then the sentinel does it
RECORD_WITHIN_S = 2.0  # then this machine's own copy has to do
EXITS = {
    Outcome.PROVEN: ExitCode.DONE,
    Outcome.REPEATED: ExitCode.DONE,
    Outcome.PENDING: ExitCode.UNKNOWN,
    Outcome.NOT_WRITTEN: ExitCode.UNAVAILABLE,
}


@dataclass(slots=True)
class PersonsReturn:
    """One return by a person. `state` is what is known of the programme, our own words included;
    `is_fresh`: it is the ledger's present end, or we have written the route ourselves since.

    `installation` is None when the plan cannot be read; the way back then does without.
    """

    ward: WardId
    site: Site
    clock: SystemClock | PracticeClock
    routes: Routes
    installation: Installation | None
    scribe: Scribe
    state: ProgrammeState
    is_fresh: bool

    def __post_init__(self) -> None:
        """What we note ourselves counts at once, so that no second call says it again."""
        self.scribe.listen(self._heard)

    @property
    def mine(self) -> WardState:
        """The ward as far as it is known."""
        return self.state.ward(self.ward)

    def hands(self) -> Hands:
        """What the return needs. Raises: Unavailable while a route must be read for it."""
        if self.installation is not None:
            return self.installation.hands(self.scribe)
        rules = self.routes.get(self.ward).route.rules
        prefixes = {rule.slice_name: rule.path_prefix for rule in rules}
        return Hands(
            routes=self.routes,
            prober=prober_of(self.site, prefixes),
            scribe=self.scribe,
            clock=self.clock,
            proof=GUARD_PROOF,
        )

    def _heard(self, draft: Draft) -> None:
        self.state = apply(self.state, draft)
        if isinstance(draft.happening, RollbackWritten):
            after_s = draft.happening.after_s
            say(f"{after_s:5.1f} s: {self.ward} is written to legacy; proving it by probes")


def rollback(
    ward: str,
    /,
    *,
    reason: str = NOT_SAID,
    role: str = OPERATIONS,
    legacy_is_sick: bool = False,
    patience: float = 60.0,
    home: Path | None = None,
    yes: bool = False,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Return a ward to legacy, now, whatever else is broken, and prove it.

    Example: wardshift rollback medicine-52 --reason "wrong dose on screen"

    Exit codes: 0 proven (or back already), 3 legacy does not answer, 4 not written,
    6 written and not proven yet.

    Args:
        ward: The ward's id.
        reason: Kept on the route and in the ledger. No patient's name or number.
        role: In which role you act.
        legacy_is_sick: Switch although legacy does not answer; you answer for it.
        patience: Seconds to go on trying.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask.
        format: table (sentences) or json.
    """
    reason, role = plain(reason), plain(role)
    one = begin(ward, home, role)
    route = route_now(one)
    cause = Cause(trigger=Trigger.PERSON, reason=f"{role}: {reason}")
    is_asked = not legacy_is_sick and may_be_exposed(one, route)
    if is_asked and yes:  # else first the person's yes: that one must not wait for legacy
        check_legacy(one, cause)
    confirm(_announcement(one, route, reason), ward, yes=yes, expect_seq=None, needs_seq=False)
    if is_asked and not yes:
        check_legacy(one, cause)
    report = until_done(one, cause, patience)
    with heard_or_not():
        _tell(one, report, format)
    hand_over(one.site, one.scribe)
    return EXITS[report.outcome]


def begin(ward: str, home: Path | None, role: str) -> PersonsReturn:
    """What a person's return of a ward needs, as far as it is there. Raises: ConfigError for a
    wrong site, Refused for a ward that the plan does not know."""
    outlive_the_terminal()
    logs.configure("wardshift", level="WARNING")
    site = read_site(home)
    try:
        installation = install(home)
    except ConfigError as error:
        say(f"The plan cannot be read; going on without it. Its problems:\n{error}")
        return _without_plan(ward, site, role)
    name = known_ward(installation.plan, ward)
    record = _soon(installation)
    return PersonsReturn(
        ward=name,
        site=site,
        clock=installation.clock,
        routes=installation.routes,
        installation=installation,
        scribe=installation.scribe(person(role)),
        state=record.state,
        is_fresh=record.problem is None,
    )


def _without_plan(ward: str, site: Site, role: str) -> PersonsReturn:
    clock = clock_from(site.clock_file)
    return PersonsReturn(
        ward=WardId(ward),
        site=site,
        clock=clock,
        routes=routes_of(site),
        installation=None,
        scribe=scribe_of(site, clock, person(role), plan_hash=""),
        state=_remembered(site, "the plan cannot be read").state,
        is_fresh=False,
    )


def _soon(installation: Installation) -> Record:
    """The record, soon: one that hangs, is damaged or empty is not waited for."""
    found = _within(RECORD_WITHIN_S, lambda: record_of(installation))
    record = found if isinstance(found, Record) else _remembered(installation.site, found)
    if record.problem is not None:
        say(f"Without the ledger ({record.problem}); this machine remembers {record.state.head} "
            "events.")  # fmt: skip
    return record


def _remembered(site: Site, problem: str) -> Record:
    """This machine's copy, or nothing at all: the return needs neither."""
    found = _within(RECORD_WITHIN_S, lambda: remembered(site, problem=problem))
    if isinstance(found, Record):
        return found
    say(f"This machine's own copy does not read either ({found}).")
    return Record(entries=(), pending=(), state=ProgrammeState(), problem=problem)


def _within(seconds: float, job: Callable[[], _T]) -> _T | str:
    """What the job gives within real seconds, or in words why not, whatever the reason: on the
    way back nothing but the route may stop us. A job that hangs is left behind."""
    done: Future[_T] = Future()

    def run() -> None:
        try:
            done.set_result(job())
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)

    try:
        Thread(target=run, name="record", daemon=True).start()
        return done.result(timeout=seconds)
    except TooLate:
        return "no answer yet"
    except Exception as error:  # noqa: BLE001
        return str(error) if isinstance(error, WardshiftError) else repr(error)


def route_now(one: PersonsReturn) -> Route | None:
    """The ward's route, None while whatever keeps it does not answer. Raises: Refused without a
    route."""
    try:
        return one.routes.get(one.ward).route
    except Unavailable as error:
        say(f"{unread(one.site.routes_kept_by)} ({error})")
        return None


def _announcement(one: PersonsReturn, route: Route | None, reason: str) -> str:
    where = "?" if route is None else ", ".join(exposed_slices(route)) or "nothing"
    beds = "" if one.installation is None else f" ({_beds(one.installation, one.ward)} beds)"
    return (
        f"{one.ward}{beds} is {one.mine.phase}; in the candidate: {where}. "
        f"Every slice goes to legacy now, and the programme freezes. Reason: {reason}."
    )


def _beds(installation: Installation, ward: WardId) -> int:
    return installation.plan.ward(ward).beds


def may_be_exposed(one: PersonsReturn, route: Route | None) -> bool:
    """Whether anything would be switched: if nothing is, sick legacy is no reason to refuse."""
    if one.installation is None:
        return False
    if route is None:
        return bool(recorded_exposure(one.installation.plan, one.mine))
    return bool(exposed_slices(route))


def check_legacy(one: PersonsReturn, cause: Cause) -> None:
    """Raises: Refused when legacy was asked and did not answer as this ward, or cannot be asked
    from here and the record says that it does not (design rule 5)."""
    assert one.installation is not None
    plan = one.installation.plan
    level = _legacy(one.installation, one.mine)
    if level is Level.BLIND:
        level = legacy_level(plan, last_verdicts(one.mine))
    if level is not Level.BREACH:
        return
    procedure = plan.ward(one.ward).downtime_procedure
    blocked = RollbackBlocked(cause=cause, legacy="not ready", downtime_procedure=procedure)
    one.scribe.note(one.ward, blocked)
    hand_over(one.site, one.scribe)
    raise Refused(
        "legacy_not_ready",
        f"Legacy does not answer as {one.ward}, so nothing was switched.\n"
        f"Downtime procedure: {procedure}\n"
        f"To switch all the same: wardshift rollback {one.ward} --legacy-is-sick --reason '...'",
    )


def _legacy(installation: Installation, mine: WardState) -> Level:
    """What legacy says now, asked directly; BLIND when it cannot be asked."""
    plan, clock = installation.plan, installation.clock
    signals = plan.signals_for(Purpose.LEGACY_READY)
    try:
        readers = readers_of(installation.site, plan, clock)
    except ConfigError as error:
        say(f"Legacy cannot be asked first: {error}")
        return Level.BLIND
    item = view(plan, mine, None)
    memories: Memories = {}
    verdicts: tuple[Verdict, ...] = ()
    for look in range(_looks(signals)):
        if look:
            clock.sleep(PAUSE_S)
        found = readers.read_all(signals, (mine.ward,), deadline_s=plan.policy.query_budget_s)
        readings = {signal: reading for (_, signal), reading in found.items()}
        memories, verdicts = judge_ward(
            plan, item, readings, memories, at_s=clock.monotonic(), now=clock.now()
        )
    return legacy_level(plan, verdicts)


def _looks(signals: tuple[Signal, ...]) -> int:
    """As often as the sentinel would have to see it: m of m-of-n."""
    asked = (
        signal.threshold.repetition.m
        for signal in signals
        if not isinstance(signal.threshold, Tripwire)
    )
    return max(asked, default=1)


def until_done(one: PersonsReturn, cause: Cause, patience_s: float) -> RollbackReport:
    """Try until it is proven, at most so many seconds; what is waited for is said."""
    deadline_s = one.clock.monotonic() + patience_s
    began_s = one.clock.monotonic()
    said, said_at_s = "", began_s
    while True:
        left_s = max(deadline_s - one.clock.monotonic(), PROOF_AT_LEAST_S)
        report = _attempt(one, cause, began_s, left_s)
        if EXITS[report.outcome] is ExitCode.DONE or one.clock.monotonic() >= deadline_s:
            return report
        waited_s = one.clock.monotonic() - began_s
        written = "written, waiting for the proof" if report.epoch else "not written yet"
        news = f"{written}: {report.detail}"
        if news != said or one.clock.monotonic() - said_at_s >= SAY_AGAIN_S:
            said, said_at_s = news, one.clock.monotonic()
            say(f"{waited_s:5.1f} s: {news}")
        one.clock.sleep(PAUSE_S)


def _attempt(one: PersonsReturn, cause: Cause, began_s: float, left_s: float) -> RollbackReport:
    try:
        hands = one.hands()
    except Unavailable as error:
        return RollbackReport(outcome=Outcome.NOT_WRITTEN, detail=str(error))
    proof = replace(hands.proof, deadline_s=min(hands.proof.deadline_s, left_s))
    hands = replace(hands, proof=proof)
    report = roll_back(hands, one.mine, cause, is_fresh=one.is_fresh, since_s=began_s)
    one.is_fresh = one.is_fresh or report.epoch is not None
    return report


def hand_over(site: Site, *scribes: Scribe) -> None:
    """Put what was journalled into the ledger if it answers; the sentinel will do it otherwise."""
    from orchestrator.ledger import drain, open_ledger

    lost = sum(scribe.flush(within_s=HAND_OVER_S) for scribe in scribes if scribe.unwritten())
    if lost:
        say(f"{lost} happenings could not even be journalled: the disk refuses.")

    def carry() -> None:
        ledger = open_ledger(site.ledger, timeout_s=site.ledger_timeout_s)
        drain(site.journal_dir, ledger)

    trouble = _within(HAND_OVER_S, carry)
    if trouble is not None:
        say(f"Journalled; the ledger gets it later ({trouble}).")


def _tell(one: PersonsReturn, report: RollbackReport, form: Format) -> None:
    if form is Format.JSON:
        show_json(
            {
                "ward": one.ward,
                "outcome": report.outcome.value,
                "epoch": report.epoch,
                "written_after_s": report.written_after_s,
                "proven_after_s": report.proven_after_s,
                "still_open": report.still_open,
                "detail": report.detail,
            }
        )
    else:
        print(WORDS[report.outcome](one.ward, report))


def _proven(ward: WardId, report: RollbackReport) -> str:
    still = "not countable" if report.still_open is None else str(report.still_open)
    return (
        f"{ward} is on legacy: written after {report.written_after_s or 0.0:.2f} s, proven after "
        f"{report.proven_after_s or 0.0:.2f} s under epoch {report.epoch}. Still open on the "
        f"candidate: {still}. The programme is frozen: wardshift show {ward}"
    )


def _repeated(ward: WardId, _: RollbackReport) -> str:
    return f"{ward} had returned already; your word is recorded, nothing more is needed."


def _pending(ward: WardId, report: RollbackReport) -> str:
    return (
        f"{ward}: written to legacy (epoch {report.epoch}), not proven yet: {report.detail}. "
        f"A living sentinel goes on probing; whether one lives: wardshift show {ward}"
    )


def _not_written(ward: WardId, report: RollbackReport) -> str:
    return (
        f"{ward} could NOT be written to legacy: {report.detail}. If a sentinel lives, it "
        "goes on trying. Use the ward's downtime procedure now, and start this again."
    )


WORDS: dict[Outcome, Callable[[WardId, RollbackReport], str]] = {
    Outcome.PROVEN: _proven,
    Outcome.REPEATED: _repeated,
    Outcome.PENDING: _pending,
    Outcome.NOT_WRITTEN: _not_written,
}
