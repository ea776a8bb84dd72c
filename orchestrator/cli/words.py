"""Verbs by which people steer: run, approve, hold, resume. Rollback is in `back`."""

from pathlib import Path

from orchestrator.cli.look import show
from orchestrator.cli.output import confirm, say
from orchestrator.cli.standing import person, stand, ward_of
from orchestrator.core.ids import Role, StageName
from orchestrator.core.problems import nearest
from orchestrator.errors import ConfigError, Refused
from wards.model import WardId


def run(
    plan: Path | None = None,
    /,
    *,
    home: Path | None = None,
    role: str = "operations",
    yes: bool = False,
) -> int:
    """Start the programme of a plan. The worker then moves the first ward as gates open.

    Example: wardshift run plan.yaml

    Parameters
    ----------
    plan: Programme file; the site's when it is left out.
    home: Home folder (or WARDSHIFT_HOME).
    role: In which role you act.
    yes: Do not ask; starting twice under the same plan is no harm.
    """
    from orchestrator.bootstrap import install
    from orchestrator.ledger import migrate

    installation = install(home, plan)
    one = installation.plan
    beds = sum(ward.beds for ward in one.wards)
    what = (
        f"Starts programme {one.name} under plan {installation.plan_hash[:12]}: "
        f"{len(one.wards)} wards with {beds} beds, {len(one.stages)} stages, in this order: "
        f"{', '.join(ward.id for ward in one.wards)}. No slice moves before its gates are open."
    )
    confirm(what, one.name, yes=yes, expect_seq=None, needs_seq=False)
    migrate(installation.site.ledger)
    state = installation.desk(person(role)).start()
    say(f"Programme {one.name} is started (event {state.head}). Look: wardshift list")
    return 0


def approve(
    ward: str,
    stage: str,
    /,
    *,
    role: str,
    comment: str = "",
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
) -> int:
    """Give one role's yes for a ward to enter a stage.

    Example: wardshift approve medicine-52 notes --role clinical_safety_officer

    Parameters
    ----------
    ward: The ward's id.
    stage: The stage to be entered.
    role: One of the roles that the stage asks.
    comment: Kept in the ledger.
    home: Home folder (or WARDSHIFT_HOME).
    yes: Do not ask (needs --expect-seq).
    expect_seq: The seq that `show` printed; anything newer is refused.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    plan = standing.installation.plan
    names = [one.name for one in plan.stages]
    if stage not in names:
        raise Refused("unknown_stage", f"{stage} is not a stage of this plan; {nearest(stage, names)}")
    beds = plan.ward(mine.ward).beds
    slices = ", ".join(plan.stage(StageName(stage)).candidate) or "none"
    what = f"{role} approves that {ward} ({beds} beds) enters {stage}; in the candidate: {slices}."
    confirm(what, ward, yes=yes, expect_seq=expect_seq, needs_seq=True)
    desk = standing.installation.desk(person(role))
    written = desk.approve(
        mine.ward, StageName(stage), Role(role), comment=comment, expect_seq=expect_seq
    )
    say("Approved." if written else "It was approved in this role already; nothing changed.")
    return show(ward, home=home)


def hold(
    ward: str,
    /,
    *,
    reason: str,
    role: str = "operations",
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
) -> int:
    """Stop a ward's forward movement. What is exposed stays so, and rollback stays armed.

    Example: wardshift hold medicine-52 --reason "short of staff tonight"

    Parameters
    ----------
    ward: The ward's id.
    reason: Kept in the ledger, shown to everybody.
    role: In which role you act.
    home: Home folder (or WARDSHIFT_HOME).
    yes: Do not ask (needs --expect-seq).
    expect_seq: The seq that `show` printed; anything newer is refused.
    """
    standing = stand(home)
    mine = ward_of(standing, ward)
    what = f"{ward} goes nowhere until the hold is lifted: {reason}."
    confirm(what, ward, yes=yes, expect_seq=expect_seq, needs_seq=True)
    standing.installation.desk(person(role)).hold(mine.ward, reason=reason, expect_seq=expect_seq)
    return show(ward, home=home)


def resume(
    ward: str | None = None,
    /,
    *,
    reason: str,
    role: str,
    programme: bool = False,
    home: Path | None = None,
    yes: bool = False,
    expect_seq: int | None = None,
) -> int:
    """Lift a hold, or be one of the two roles that agree to go on after a rollback.

    Examples: wardshift resume surgery-31 --role programme_lead --reason "supplier fix verified";
    wardshift resume --programme --role clinical_safety_officer --reason "cause found"

    Parameters
    ----------
    ward: The ward's id.
    reason: Kept in the ledger.
    role: In which role you act; after a rollback one of the plan's resume_roles.
    programme: The freeze of the programme instead of a ward.
    home: Home folder (or WARDSHIFT_HOME).
    yes: Do not ask (needs --expect-seq).
    expect_seq: The seq that `show` printed; anything newer is refused.
    """
    standing = stand(home)
    if programme == (ward is not None):
        raise ConfigError(("give a ward, or --programme, not both",))
    desk = standing.installation.desk(person(role))
    if ward is None:
        name = standing.installation.plan.name
        confirm(f"{role} agrees to end the freeze.", name, yes=yes, expect_seq=None, needs_seq=False)
        desk.agree_to_resume(None, Role(role), reason=reason)
        say("Noted. The freeze ends when a second, different role agrees.")
        return 0
    mine = ward_of(standing, ward)
    what = f"{role}: {ward} may go on ({mine.phase}): {reason}."
    confirm(what, ward, yes=yes, expect_seq=expect_seq, needs_seq=True)
    if mine.held is not None:
        desk.lift(WardId(ward), reason=reason, expect_seq=expect_seq)
    else:
        desk.agree_to_resume(WardId(ward), Role(role), reason=reason, expect_seq=expect_seq)
    return show(ward, home=home)
