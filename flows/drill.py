"""A button: rehearse a ward's return, with nobody exposed. The same Driller as everywhere else."""

import asyncio
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows import hand
from flows.place import here, known_ward
from flows.states import state_of
from orchestrator.core.ids import OPERATIONS


@flow(name="drill", flow_run_name="Drill {ward}")
async def drill(
    ward: str, rounds: Annotated[int, Field(ge=0)] = 0, role: str = OPERATIONS
) -> State[Any]:
    """Rehearse a ward's return to legacy on its own route, and measure it.

    Args:
        ward: the ward's id in the plan.
        rounds: how often; 0: as the plan has it. Fewer than that open no gate.
        role: who asks.
    """
    installation = await asyncio.to_thread(here)
    name = known_ward(installation, ward)
    end = await asyncio.to_thread(hand.drill, installation, name, role=role, rounds=rounds or None)
    return state_of(end)
