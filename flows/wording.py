"""The sentences that people read in Prefect at 03:00: names of runs, messages, times.

Which ward, which stage, which signal, what happened, when, what do I do now. Times are
the hospital's own, 24 hours. Pure; codes and numbers come from the core, never from here.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from flows.story import Sickness, Stop, Story
from orchestrator.core.ids import Role, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.verdict import Level
from wards.model import WardId

MARKS = {
    Level.PASS: "✓ PASS",
    Level.WARN: "▲ WARN",
    Level.BLIND: "? BLIND",
    Level.BREACH: "✗ BREACH",
}
NAME_LENGTH = 120  # longer run names are cut off in lists


def clock_time(at: datetime, zone: ZoneInfo) -> str:
    """The time of day there, to the second: 03:04:05."""
    return f"{at.astimezone(zone):%H:%M:%S}"


def date_and_time(at: datetime, zone: ZoneInfo) -> str:
    """The date and the time there, to the second."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def key(*parts: str) -> str:
    """An artifact's key: lowercase letters, digits and dashes; Prefect fails on any other."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def number(value: float | None) -> str:
    """A measured number, three significant digits; a question mark when there is none."""
    return "?" if value is None else f"{value:.3g}"


def programme_run(plan: Plan) -> str:
    """The name of a programme's run."""
    return f"{plan.name}: {len(plan.wards)} wards → {plan.candidate.version}"


def ward_run(plan: Plan, ward: WardId) -> str:
    """The name of a ward's run."""
    return f"{ward} → {plan.candidate.version}"


def ward_ended(plan: Plan, story: Story) -> str:
    """The name of a ward's run when the ward went back."""
    name = ward_run(plan, story.ward)
    at = clock_time(story.intended_at if story.proven is None else story.proven[0], plan.zone)
    return _short(f"{name}: back on legacy {at}: {story.cause.reason}")


def programme_ended(plan: Plan, story: Story) -> str:
    """The name of a programme's run when a return froze it."""
    name = f"{plan.name} → {plan.candidate.version}"
    at = clock_time(story.intended_at if story.proven is None else story.proven[0], plan.zone)
    stage = "" if story.stage is None else f" from {story.stage}"
    return _short(f"{name}: frozen, {story.ward} back{stage} {at}: {story.cause.reason}")


def step(*what: str) -> str:
    """What two roles do next about a ward or programme that went back, as a bar of a run."""
    return f"next: wardshift resume {', then '.join(what)}, two roles"


def stage_task(ward: WardId, stage: StageName | None) -> str:
    """The name of the bar that a stage is in a run's graph."""
    return f"{ward} · {stage or 'waits for its turn'}"


def approve_run(ward: WardId, stage: StageName) -> str:
    """The name of a form's run."""
    return f"Approve {ward} · {stage}"


def rollback_run(ward: WardId, reason: str) -> str:
    """The name of a return's run."""
    return _short(f"ROLLBACK {ward}: {reason}")


def paged_run(sickness: Sickness) -> str:
    """The name of the run that says: people were paged, for nothing was switched."""
    reason = sickness.blocked.cause.reason
    return _short(f"PAGED {sickness.ward}: legacy is {sickness.blocked.legacy} ({reason})")


def stop_run(stop: Stop) -> str:
    """The name of the run that shows a stop."""
    if stop.ward is None:
        return _short(f"PROGRAMME STOPPED by {stop.role}: {stop.words}")
    unproven = "" if stop.is_proven else "UNCONFIRMED "
    return _short(f"{unproven}STOP {stop.ward} by {stop.role}: report {stop.report}")


def stopped(stop: Stop) -> str:
    """What somebody at the bedside, or for the programme, said."""
    return f"{stop_run(stop)}. {stop.words}".strip()


def after_stop(plan: Plan, stop: Stop) -> str:
    """What a person does about a stop now."""
    if stop.ward is None:
        return (
            "every ward in the candidate returns; wardshift list. To go on, two of "
            f"{roles(plan.policy.resume_roles)}: wardshift resume --programme --role ROLE "
            "--reason TEXT"
        )
    return (
        f"call {ward_title(plan, stop.ward)} now, then wardshift acknowledge {stop.report} "
        f"--role ROLE; to return the ward: wardshift rollback {stop.ward}"
    )


def accepted(plan: Plan, ward: WardId) -> str:
    """The message of a ward that reached the end of its ladder."""
    return f"{ward_title(plan, ward)} works in {plan.candidate.product} {plan.candidate.version}"


def returned(plan: Plan, story: Story) -> str:
    """What happened, when, and what comes next, in one line."""
    return f"{story.cause.reason}; {standing(plan, story)}; next: {next_action(plan, story)}"


def standing(plan: Plan, story: Story) -> str:
    """How far the return has come."""
    if story.proven is not None:
        at, proof = story.proven
        return f"back on legacy {clock_time(at, plan.zone)}, proven by {proof.probes} probes"
    if story.written is not None:
        at, _ = story.written
        waits = f": {story.waiting_for}" if story.waiting_for else ""
        return f"route on legacy {clock_time(at, plan.zone)}, not proven yet{waits}"
    return f"return began {clock_time(story.intended_at, plan.zone)}, route not written yet"


def next_action(plan: Plan, story: Story) -> str:
    """What a person does about it now."""
    if story.proven is None:
        return f"wardshift show {story.ward}; if it stays so: {downtime(plan, story.ward)}"
    return (
        f"tell the ward it works in {plan.legacy.product} again, find the cause; to go on, two of "
        f"{roles(plan.policy.resume_roles)}: wardshift resume {story.ward} --role ROLE "
        "--reason TEXT"
    )


def frozen(plan: Plan, story: Story) -> str:
    """The message of a programme that stopped because a ward was returned."""
    return f"{story.ward}: {returned(plan, story)}, then likewise wardshift resume --programme"


def paged(sickness: Sickness) -> str:
    """The message of a ward that must return to a legacy that is not ready."""
    return (
        f"{sickness.blocked.cause.reason}; legacy is {sickness.blocked.legacy}, nothing was "
        f"switched; next: {sickness.blocked.downtime_procedure} To switch all the same: "
        f"wardshift rollback {sickness.ward} --legacy-is-sick"
    )


def roles(names: tuple[Role, ...]) -> str:
    """Roles as people read them."""
    return ", ".join(name.replace("_", " ") for name in names) or "nobody"


def ward_title(plan: Plan, ward: WardId) -> str:
    """A ward's name and id; only the id when the plan in hand does not have it."""
    known = next((one for one in plan.wards if one.id == ward), None)
    return str(ward) if known is None else f"{known.name} ({ward})"


def downtime(plan: Plan, ward: WardId) -> str:
    """What the ward's staff do when neither system can be used."""
    known = next((one for one in plan.wards if one.id == ward), None)
    return "the ward's downtime procedure" if known is None else known.downtime_procedure


def _short(text: str) -> str:
    return text if len(text) <= NAME_LENGTH else text[: NAME_LENGTH - 1] + "…"
