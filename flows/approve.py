"""A typed form that asks a role for a yes to one stage of one ward.

It suspends: its process ends, the form stays in Prefect's database for days, and the
answer starts it again at line 1. So the ledger is read before anything is asked: an answer
that the command line gave first counts, and the form says so.
Source: prefect facts, section 3 (suspend, not pause) and section 7 rule 3.
"""

import asyncio
from enum import StrEnum
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field, create_model

from flows import hand, wording
from flows.ending import End
from flows.place import here, known_ward
from flows.reading import reader_of
from flows.states import state_of
from flows.story import Telling
from flows.tables import soaked, worst_words
from flows.wanted import is_asked, missing_roles
from orchestrator.bootstrap import Installation
from orchestrator.core.ids import Role, StageName
from orchestrator.core.soak import soak_progress
from wards.model import WardId

OPEN_FOR_S = 30 * 24 * 3600
ANSWERED = "Answered"


class Answer(StrEnum):
    """What a role says. LATER leaves the form open."""

    YES = "yes"
    NO = "no"
    LATER = "later"


class Approval(RunInput):
    """The form. `role` is narrowed to those that the stage asks."""

    role: str
    answer: Answer = Field(default=Answer.LATER, description="later: the form stays open")
    comment: str = Field(default="", description="shown to everybody; name no patient")


def _run_name() -> str:
    asked = flow_run.parameters
    return wording.approve_run(
        WardId(str(asked.get("ward", ""))), StageName(str(asked.get("stage", "")))
    )


@flow(name="approve", flow_run_name=_run_name)
async def approve(ward: str, stage: str) -> State[Any]:
    """Ask for an approval, and write the answer into the ledger.

    Args:
        ward: the ward's id in the plan.
        stage: the stage that the ward would enter.
    """
    installation = await asyncio.to_thread(here)
    name, wanted = known_ward(installation, ward), StageName(stage)
    while True:
        telling = await asyncio.to_thread(reader_of(installation).read)
        if not is_asked(installation.plan, telling.state, name, wanted):
            return state_of(already(installation, telling, name, wanted))
        form = form_for(installation, telling, name, wanted)
        given = await asuspend_flow_run(wait_for_input=form, timeout=OPEN_FOR_S)
        end = await asyncio.to_thread(answered, installation, name, wanted, given)
        if end is not None:
            return state_of(end)


def form_for(
    installation: Installation, telling: Telling, ward: WardId, stage: StageName
) -> type[Approval]:
    """The form with the roles that the stage asks, and the evidence above it."""
    asked = installation.plan.stage(stage).approvals
    roles: Any = StrEnum("Role", {role: role for role in asked})
    form = create_model("Approval", __base__=Approval, role=(roles, ...))
    return form.with_initial_data(description=_evidence(installation, telling, ward, stage))


def answered(
    installation: Installation, ward: WardId, stage: StageName, given: Approval | None
) -> End | None:
    """Write an answer into the ledger; None when there was none, and the form stays open."""
    if given is None or given.answer is Answer.LATER:
        return None
    role = Role(str(given.role))
    word = hand.approve if given.answer is Answer.YES else hand.decline
    return word(installation, ward, stage, role=role, comment=given.comment)


def already(installation: Installation, telling: Telling, ward: WardId, stage: StageName) -> End:
    """Why nothing is asked."""
    mine = telling.state.ward(ward)
    missing = missing_roles(installation.plan, mine, stage)
    text = (
        f"{stage} for {ward} is no longer asked: the ward is {mine.phase} at {mine.stage}"
        if missing
        else f"all approvals of {stage} for {ward} are in the ledger already"
    )
    return End(is_good=True, name=ANSWERED, message=text)


def _evidence(installation: Installation, telling: Telling, ward: WardId, stage: StageName) -> str:
    plan = installation.plan
    mine = telling.state.ward(ward)
    soak = soaked(soak_progress(plan, mine, installation.clock.now()))
    title = plan.stage(stage).title
    closed = ", ".join(mine.closed_gates) or "none"
    return (
        f"**{wording.ward_title(plan, ward)}: enter {title} ({stage})?**\n\n"
        f"Now at {mine.stage}. Soak: {soak.words}. Signals: {worst_words(mine)}. "
        f"Closed gates: {closed}. Still asked: "
        f"{wording.roles(missing_roles(plan, mine, stage))}.\n\n"
        f"The same by command line: `wardshift approve {ward} {stage} --role ROLE`"
    )
