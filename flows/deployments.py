"""What people can start in Prefect, applied to a server as often as one likes.

Flows are named by module path, so that a worker can start them from any folder; nothing
of a machine (no home, no path, no address) is stored in Prefect. Source: prefect facts,
section 6 (start every flow from a deployment) and section 7 rule 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from flows.approve import approve
from flows.drill import drill
from flows.hold import WHOLE_PROGRAMME, hold, resume
from flows.programme import programme
from flows.rollback import rollback
from flows.stopping import acknowledge, cancel, stop
from flows.wanted import APPROVE, PROGRAMME
from flows.ward import ward
from orchestrator.core.ids import OPERATIONS
from orchestrator.core.plan import Plan

POOL = "wardshift"
RECORD = "rollback-record"
COMMAND = "python -m prefect.engine"  # said outright, it spares a run one of two process starts
MODULES = {
    "acknowledge": "flows.stopping.acknowledge",
    "approve": "flows.approve.approve",
    "cancel": "flows.stopping.cancel",
    "drill": "flows.drill.drill",
    "hold": "flows.hold.hold",
    "programme": "flows.programme.programme",
    "resume": "flows.hold.resume",
    "rollback": "flows.rollback.rollback",
    "stop": "flows.stopping.stop",
    "ward": "flows.ward.ward",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One deployment: a flow, its name, what is filled in, and which answers a field takes."""

    flow: Flow[..., Any]
    name: str
    description: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def key(self) -> str:
        """Flow and name, as Prefect writes them."""
        return f"{self.flow.name}/{self.name}"


def offers(plan: Plan) -> tuple[Offer, ...]:
    """Everything that can be started for a plan."""
    return (
        Offer(
            flow=programme,
            name=PROGRAMME,
            description=f"Roll {plan.candidate.product} {plan.candidate.version} out by wards.",
        ),
        *(_ward_offer(plan, one.id) for one in plan.wards),
        *_buttons(plan),
    )


async def apply(client: PrefectClient, plan: Plan) -> Mapping[str, UUID]:
    """Make the work pool and every deployment as they should be; their ids by "flow/name".

    Idempotent. Raises: what Prefect's client raises.
    """
    await _ensure_pool(client)
    made = {offer.key: await _apply(client, offer) for offer in offers(plan)}
    flow_id = await client.create_flow_from_name(RECORD)
    made[f"{RECORD}/{RECORD}"] = await client.create_deployment(
        flow_id,
        RECORD,
        description="Written by the recorder: every return to legacy that happened, whoever "
        "made it. To return a ward yourself, use rollback.",
        tags=["wardshift"],
        paused=False,
        enforce_parameter_schema=False,
    )
    return made


def _ward_offer(plan: Plan, ward_id: str) -> Offer:
    model = next(one for one in plan.wards if one.id == ward_id)
    return Offer(
        flow=ward,
        name=ward_id,
        description=f"Move {model.name} ({model.beds} beds) up its ladder. The worker starts "
        "this by itself; cancelling it stops progress, not safety.",
        parameters={"ward": ward_id},
        choices={"ward": (ward_id,)},
    )


def _buttons(plan: Plan) -> tuple[Offer, ...]:
    wards = tuple(str(one.id) for one in plan.wards)
    roles = (OPERATIONS, *(str(role) for role in plan.roles))
    resuming = tuple(str(role) for role in plan.policy.resume_roles)
    stages = tuple(str(stage.name) for stage in plan.stages if stage.approvals)
    return (
        Offer(
            flow=rollback,
            name="rollback",
            description="Bring a ward back to legacy now. Nobody's approval is needed.",
            choices={"ward": wards, "role": roles},
        ),
        *_stopping(plan, wards, roles),
        Offer(
            flow=hold,
            name="hold",
            description="Keep a ward where it is; rollback stays armed.",
            choices={"ward": wards, "role": roles},
        ),
        Offer(
            flow=resume,
            name="resume",
            description="Lift a hold, or agree as one of two roles that a returned ward or a "
            "frozen programme goes on.",
            choices={"ward": (*wards, WHOLE_PROGRAMME), "role": resuming or roles},
        ),
        Offer(
            flow=drill,
            name="drill",
            description="Rehearse a ward's return on its own route and measure it; nobody is "
            "exposed.",
            choices={"ward": wards, "role": roles},
        ),
        Offer(
            flow=approve,
            name=APPROVE,
            description="Ask a role for a yes to one stage of one ward. The worker starts this "
            "by itself when a ward's evidence is complete.",
            choices={"ward": wards, "stage": stages},
        ),
    )


def _stopping(plan: Plan, wards: tuple[str, ...], roles: tuple[str, ...]) -> tuple[Offer, ...]:
    """Stop the line, and what follows a stop."""
    policy = plan.policy
    cancelling = tuple(str(role) for role in {*policy.cancel.stop, *policy.cancel.alert})
    return (
        Offer(
            flow=stop,
            name="stop",
            description="Stop the line: one report freezes, a second person, a signal or some "
            "roles alone return the ward. For the whole programme: every ward returns.",
            choices={"ward": (*wards, WHOLE_PROGRAMME), "role": roles},
        ),
        Offer(
            flow=acknowledge,
            name="acknowledge",
            description="Take a report from the bedside in hand; ends the repeated page.",
            choices={"role": roles},
        ),
        Offer(
            flow=cancel,
            name="cancel",
            description="Take back a report or an alert that a return still waits for. A return "
            "that has begun goes on.",
            choices={"ward": wards, "role": tuple(sorted(cancelling)) or roles},
        ),
    )


async def _ensure_pool(client: PrefectClient) -> None:
    pool = WorkPoolCreate(
        name=POOL,
        type=ProcessWorker.type,
        description="Runs wardshift's flows: progress and showing, never safety.",
        base_job_template=ProcessWorker.get_default_base_job_template(),
    )
    try:
        await client.create_work_pool(pool)
    except ObjectAlreadyExists:
        return


async def _apply(client: PrefectClient, offer: Offer) -> UUID:
    flow_id = await client.create_flow(offer.flow)
    return await client.create_deployment(
        flow_id,
        offer.name,
        description=offer.description,
        tags=["wardshift"],
        work_pool_name=POOL,
        entrypoint=MODULES[offer.flow.name],
        job_variables={"command": COMMAND},
        parameters=dict(offer.parameters),
        parameter_openapi_schema=_schema(offer),
        enforce_parameter_schema=True,
        paused=False,
    )


def _schema(offer: Offer) -> dict[str, Any]:
    """The form's schema with the choices that the plan allows; one choice is filled in."""
    schema = parameter_schema(offer.flow).model_dump_for_openapi()
    for name, allowed in offer.choices.items():
        if allowed:
            schema["properties"][name]["enum"] = list(allowed)
    return schema
