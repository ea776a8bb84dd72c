"""Two buttons: hold a ward where it is, and let it, or a frozen programme, go on.

On-call staff use these and not Prefect's own Suspend, which stops a run and not the ward.
"""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import hand
from flows.place import here, known_ward
from flows.states import state_of
from orchestrator.core.ids import OPERATIONS

WHOLE_PROGRAMME = "the whole programme"


@flow(name="hold", flow_run_name="Hold {ward}: {reason}")
async def hold(ward: str, reason: str, role: str = OPERATIONS) -> State[Any]:
    """Stop the way forward of a ward; rollback stays armed.

    Args:
        ward: the ward's id in the plan.
        reason: why, in a few words; it is recorded and shown.
        role: who asks.
    """
    installation = await asyncio.to_thread(here)
    name = known_ward(installation, ward)
    end = await asyncio.to_thread(hand.hold, installation, name, role=role, reason=reason)
    return state_of(end)


@flow(name="resume", flow_run_name="Resume {ward}: {reason}")
async def resume(ward: str, reason: str, role: str) -> State[Any]:
    """Lift a hold, or agree, as one of two roles, that what stopped after a return goes on.

    Args:
        ward: the ward's id in the plan, or "the whole programme".
        reason: why, in a few words; it is recorded and shown.
        role: who agrees.
    """
    installation = await asyncio.to_thread(here)
    if ward == WHOLE_PROGRAMME:
        return state_of(await asyncio.to_thread(hand.thaw, installation, role=role, reason=reason))
    name = known_ward(installation, ward)
    end = await asyncio.to_thread(hand.resume, installation, name, role=role, reason=reason)
    return state_of(end)
