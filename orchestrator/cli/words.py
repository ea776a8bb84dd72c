"""Verbs by which people steer: run, approve, hold, resume. Rollback is in `back`.

Each shows the ward, says the exact change, asks, writes on the state that was shown, and shows
the ward again. None of them works on a copy of the record, and rollback needs none of them.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator import logs
from orchestrator.bootstrap import Installation, install
from orchestrator.cli.board import ward_row
from orchestrator.cli.output import Format, confirm, say, show_json, show_table
from orchestrator.cli.standing import (
    ONLY_RETURNS,
    Standing,
    check_not_lost,
    frozen,
    person,
    stand,
    stand_in,
    ward_of,
)
from orchestrator.cli.terminal import heard_or_not
from orchestrator.core.event import Entry, Trigger
from orchestrator.core.ids import OPERATIONS, Role, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.problems import nearest
from orchestrator.core.state import Phase, WardState
from orchestrator.errors import ConfigError, Conflict, Refused, Unavailable
from orchestrator.service.desk import Desk
from orchestrator.service.stopping import as_number, open_subjects
from orchestrator.settings import Site
from wards.model import WardId

_OPTIONS = {Trigger.STOP: "report", Trigger.ALERT: "alert"}


def run(
    plan: Path | None = None,
    /,
    *,
    home: Path | None = None,
    role: str = OPERATIONS,
    yes: bool = False,
) -> int:
    """Start the programme of a plan. The worker then moves the first ward as gates open.

    Starting it again under the same plan changes nothing.

    Example: wardshift run plan.yaml

    Args:
        plan: Programme file; the site's when it is left out.
        home: Home folder (or WARDSHIFT_HOME).
        role: In which role you act.
        yes: Do not ask; starting twice under the same plan is no harm.
    """
    from orchestrator.cli.schema import ready_ledger

    logs.configure("wardshift", level="WARNING")
    installation = install(home, plan)
    if plan is not None and installation.site.plan is not None:
        _check_site_plan(installation.site.plan, plan, installation.plan_hash)
    one = installation.plan
    if _has_ledger(installation.site):
        with suppress(Unavailable, ConfigError):  # said below, where it is made ready
            installation.desk(person(role)).rehearsed().start()
    confirm(
        announcement(one, installation.plan_hash),
        one.name,
        yes=yes,
        expect_seq=None,
        needs_seq=False,
    )
    ready_ledger(installation.site)
    check_not_lost(installation)
    state = installation.desk(person(role)).start()
    with heard_or_not():
        print(f"Programme {one.name} is started (event {state.head}). Look: wardshift list")
    return 0


def approve(
    ward: str,
    stage: str,
    /,
    *,
    role: str,
    comment: str = "",
    withdraw: bool = False,
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Give one role's yes for a ward to enter a stage.

    Example: wardshift approve medicine-52 notes --role clinical_safety_officer

    Args:
        ward: The ward's id.
        stage: The stage to be entered.
        role: One of the roles that the stage asks.
        comment: Kept in the ledger.
        withdraw: Take the yes back. It closes the gate; it does not bring a ward back.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask (needs --expect-seq).
        expect_seq: The seq that `show` printed; anything newer is refused.
        format: table or json.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    plan = standing.installation.plan
    names = [one.name for one in plan.stages]
    if stage not in names:
        close = nearest(stage, names)
        raise Refused("unknown_stage", f"{stage} is not a stage of this plan; {close}")
    entered, who = StageName(stage), Role(role)
    slices = ", ".join(plan.stage(entered).candidate) or "none"
    word = "takes back its approval" if withdraw else "approves"
    what = f"{role} {word} that {_beds(plan, mine)} enters {stage}; in the candidate: {slices}."

    def say_it(desk: Desk, seq: int) -> tuple[Entry, ...]:
        if withdraw:
            return desk.withdraw(mine.ward, entered, who, comment=comment)
        return desk.approve(mine.ward, entered, who, comment=comment, expect_seq=seq)

    return _change(standing, mine, what, role, say_it, yes=yes, expect_seq=expect_seq, form=format)


def hold(
    ward: str,
    /,
    *,
    reason: str,
    role: str = OPERATIONS,
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Stop a ward's forward movement. What is exposed stays so, and rollback stays armed.

    Example: wardshift hold medicine-52 --reason "short of staff tonight"

    Args:
        ward: The ward's id.
        reason: Kept in the ledger, shown to everybody. No patient's name or number.
        role: In which role you act.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask (needs --expect-seq).
        expect_seq: The seq that `show` printed; anything newer is refused.
        format: table or json.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    beds = _beds(standing.installation.plan, mine)
    return _change(
        standing,
        mine,
        f"{beds} goes nowhere until the hold is lifted: {reason}.",
        role,
        lambda desk, seq: desk.hold(mine.ward, reason=reason, expect_seq=seq),
        yes=yes,
        expect_seq=expect_seq,
        form=format,
    )


def resume(
    ward: str | None = None,
    /,
    *,
    reason: str,
    role: str = OPERATIONS,
    programme: bool = False,
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Lift a hold, or be one of the two roles that agree to go on after a rollback.

    Example: wardshift resume surgery-31 --role programme_lead --reason "supplier fix verified"

    Example: wardshift resume --programme --role clinical_safety_officer --reason "cause found"

    Args:
        ward: The ward's id.
        reason: Kept in the ledger.
        role: In which role you act; after a rollback one of the plan's resume_roles.
        programme: The freeze of the programme instead of a ward.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask (needs --expect-seq).
        expect_seq: The seq that `show` printed (with --programme: that `list` prints beside
            FROZEN).
        format: table or json.
    """
    standing = stand(home)
    if programme == (ward is not None):
        raise ConfigError(("give a ward, or --programme" + (", not both" if programme else ""),))
    mine = _frozen_ward(standing) if ward is None else ward_of(standing, ward)
    what, say_it = _resumption(standing.installation.plan, mine, Role(role), reason, ward)
    return _change(
        standing,
        mine,
        what,
        role,
        say_it,
        yes=yes,
        expect_seq=expect_seq,
        form=format,
        typed=standing.installation.plan.name if ward is None else "",
    )


def cancel(
    ward: str,
    /,
    *,
    role: str,
    reason: str,
    report: str | None = None,
    alert: str | None = None,
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
    format: Format = Format.TABLE,  # noqa: A002
) -> int:
    """Take back what a return of a ward still waits for: a report, or an alert's patience.

    A return that is decided or has begun is never taken back.

    Example: wardshift cancel medicine-52 --role ward_head --reason "pressed in an exercise"

    Args:
        ward: The ward's id.
        role: One of the roles that the plan names for it.
        reason: Kept in the ledger. No patient's name or number.
        report: The bedside report's number; not needed where only one thing stands.
        alert: The alert's fingerprint, instead of a report.
        home: Home folder (or WARDSHIFT_HOME).
        yes: Do not ask (needs --expect-seq).
        expect_seq: The seq that `show` printed; anything newer is refused.
        format: table or json.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    trigger, subject = _subject(mine, report, alert)
    return _change(
        standing,
        mine,
        f"{role} takes back {trigger} {subject} of {mine.ward}: {reason}. What held the ward for "
        "it holds it no longer.",
        role,
        lambda desk, seq: desk.cancel(
            mine.ward, trigger, subject, Role(role), reason=reason, expect_seq=seq
        ),
        yes=yes,
        expect_seq=expect_seq,
        form=format,
    )


def _subject(mine: WardState, report: str | None, alert: str | None) -> tuple[Trigger, str]:
    if report is not None and alert is not None:
        raise ConfigError(("give --report or --alert, not both",))
    if report is not None:
        return Trigger.STOP, as_number(report)
    if alert is not None:
        return Trigger.ALERT, alert
    if mine.phase in (Phase.RETURNING, Phase.ROLLED_BACK):
        raise Refused(
            "has_begun",
            f"{mine.ward} is {mine.phase}: a return that has begun is never taken back. To go on "
            f"afterwards, two roles: wardshift resume {mine.ward} --role ROLE --reason TEXT",
        )
    standing = open_subjects(mine)
    if len(standing) == 1:
        return standing[0]
    names = ", ".join(f"--{_OPTIONS[trigger]} {subject}" for trigger, subject in standing)
    if not standing:
        raise Refused("nothing_stands", f"{mine.ward} has no report and no alert to take back")
    raise ConfigError((f"{mine.ward} has several; name one: {names}",))


def announcement(plan: Plan, plan_hash: str) -> str:
    """What starting this programme sets in motion."""
    beds = sum(ward.beds for ward in plan.wards)
    wards = "\n".join(f"  {ward.id}: {ward.name}, {ward.beds} beds" for ward in plan.wards)
    return (
        f"Starts programme {plan.name} under plan {plan_hash[:12]}: {plan.legacy.product} "
        f"{plan.legacy.version} -> {plan.candidate.product} {plan.candidate.version}.\n"
        f"{len(plan.wards)} wards with {beds} beds, in this order:\n{wards}\n"
        f"Slices: {', '.join(one.name for one in plan.slices)}. "
        f"Stages: {', '.join(one.name for one in plan.stages)}.\n"
        "No slice moves before its gates are open."
    )


Words = Callable[[Desk, int], tuple[Entry, ...]]


def _resumption(
    plan: Plan, mine: WardState, role: Role, reason: str, ward: str | None
) -> tuple[str, Words]:
    """What resuming means for this ward now, and how it is said at the desk."""
    if ward is None:
        what = f"{role} agrees that the programme goes on although it was frozen by {mine.ward}"
        return f"{what}: {reason}.", lambda desk, seq: desk.agree_to_resume(
            None, role, reason=reason, expect_seq=seq
        )
    if mine.phase is not Phase.ROLLED_BACK and mine.held is None:
        raise Refused(
            "nothing_to_resume",
            f"{mine.ward} is neither on hold nor back after a return; nothing was changed",
        )
    if mine.phase is Phase.ROLLED_BACK:
        what = f"{role} agrees that {_beds(plan, mine)} begins its ladder again: {reason}."
        return what, lambda desk, seq: desk.agree_to_resume(
            mine.ward, role, reason=reason, expect_seq=seq
        )
    what = f"{_beds(plan, mine)} may move forward again: {reason}."
    return what, lambda desk, seq: desk.lift(mine.ward, reason=reason, expect_seq=seq)


def _frozen_ward(standing: Standing) -> WardState:
    freeze = standing.state.freeze
    if freeze is None:
        raise Refused("not_frozen", "the programme is not frozen; nothing was changed")
    if freeze.ward is None:
        return WardState(ward=WardId(freeze.origin), seq=freeze.seq)
    return standing.state.ward(freeze.ward)


def _change(
    standing: Standing,
    mine: WardState,
    what: str,
    role: str,
    say_it: Words,
    *,
    yes: bool,
    expect_seq: int | None,
    form: Format,
    typed: str = "",
) -> int:
    """Show, ask, write on what was shown, read back, show."""
    check_not_lost(standing.installation)
    if standing.record.damage is not None:
        raise standing.record.damage
    if standing.record.problem is not None:
        raise Unavailable("ledger", f"{standing.record.problem}; {ONLY_RETURNS}")
    if expect_seq is not None and expect_seq != mine.seq:
        raise Conflict(
            f"the freeze by {mine.ward}" if typed else f"ward {mine.ward}",
            expected=expect_seq,
            found=mine.seq,
        )
    desk = standing.installation.desk(person(role))
    say_it(desk.rehearsed(), mine.seq)
    if not yes:
        say(_as_shown(standing, mine, typed))
    confirm(what, typed or mine.ward, yes=yes, expect_seq=expect_seq, needs_seq=True)
    written = say_it(desk, mine.seq)
    if not written:
        say("It was said before; nothing was changed.")
    _show_again(standing.installation, mine.ward, form, written=len(written))
    return 0


def _as_shown(standing: Standing, mine: WardState, programme: str) -> str:
    """What the word will be about, in one line."""
    if programme:
        return f"{programme} is {frozen(standing)}."
    return f"{mine.ward} is {mine.phase} at {mine.stage or 'no stage yet'}, seq {mine.seq}."


def _show_again(installation: Installation, ward: WardId, form: Format, *, written: int) -> None:
    standing = stand_in(installation)
    is_ward = ward in {one.id for one in installation.plan.wards}  # else the programme itself
    row = ward_row(standing, standing.state.ward(ward)) if is_ward else {}
    with heard_or_not():
        if form is Format.JSON:
            show_json({**row, "frozen": frozen(standing), "written": written})
        else:
            rows = [list(row.values())] if row else []
            show_table(frozen(standing) or "the programme is not frozen", list(row), rows)


def _beds(plan: Plan, mine: WardState) -> str:
    return f"{mine.ward} ({plan.ward(WardId(mine.ward)).beds} beds)"


def _has_ledger(site: Site) -> bool:
    """Looking for one that is not there would make an empty file of it."""
    return bool(site.ledger_url) or (site.home / "ledger.sqlite").exists()


def _check_site_plan(named: Path, given: Path, plan_hash: str) -> None:
    """The other processes go by the site's plan: under another one nothing would move."""
    if named.resolve() == given.resolve():
        return
    from orchestrator.adapters.planfile import load_plan

    if load_plan(named).hash != plan_hash:
        problem = (
            f"{given}: this is not the plan that the site names ({named}) and its sentinel works "
            "by; set WARDSHIFT_PLAN in site.env, or leave the plan out"
        )
        raise ConfigError((problem,))
