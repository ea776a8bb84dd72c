"""A person's button: bring a ward back to legacy now.

The same plain service as everywhere else; it needs no approval and no ledger. When Prefect
itself is down, the command line and the sentinel's web form do the same.
"""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows import hand, wording
from flows.place import here, known_ward
from flows.states import state_of
from orchestrator.core.ids import OPERATIONS
from wards.model import WardId


def _run_name() -> str:
    asked = flow_run.parameters
    ward, reason = str(asked.get("ward", "")), str(asked.get("reason", ""))
    return wording.rollback_run(WardId(ward), reason)


@flow(name="rollback", flow_run_name=_run_name)
async def rollback(
    ward: str, reason: str, role: str = OPERATIONS, *, legacy_is_sick: bool = False
) -> State[Any]:
    """Return every slice of a ward to legacy, and prove it.

    Args:
        ward: the ward's id in the plan.
        reason: why, in a few words; it is recorded and shown.
        role: who asks.
        legacy_is_sick: switch although legacy does not answer as this ward.
    """
    installation = await asyncio.to_thread(here)
    name = known_ward(installation, ward)
    end = await asyncio.to_thread(
        hand.bring_back,
        installation,
        name,
        reason=reason,
        role=role,
        legacy_is_sick=legacy_is_sick,
    )
    return state_of(end)
