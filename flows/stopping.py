"""Three buttons: stop the line, take a report in hand, take back what a return waits for.

The same plain services as the form at the bedside and the command line. A stop needs no ledger
and no approval; when Prefect is down, the others do the same.
"""

import asyncio
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows import stop_hand
from flows.hold import WHOLE_PROGRAMME
from flows.place import here, known_ward
from flows.states import state_of
from orchestrator.core.event import Trigger

Cancellable = Literal["stop", "alert"]


@flow(name="stop", flow_run_name="STOP {ward} by {role}")
async def stop(ward: str, role: str, words: str = "") -> State[Any]:
    """Stop the line: freeze the programme, and return the ward if the plan has it confirmed.

    Args:
        ward: the ward's id in the plan, or "the whole programme": then every ward returns.
        role: in which role you stop it; for a ward one that the plan lets stop.
        words: what was seen, or why; it is recorded and shown. No patient's name or number.
    """
    installation = await asyncio.to_thread(here)
    if ward == WHOLE_PROGRAMME:
        end = await asyncio.to_thread(
            stop_hand.stop_everything, installation, role=role, reason=words
        )
        return state_of(end)
    name = known_ward(installation, ward)
    end = await asyncio.to_thread(stop_hand.stop, installation, name, role=role, words=words)
    return state_of(end)


@flow(name="acknowledge", flow_run_name="Taken in hand: {report} by {role}")
async def acknowledge(report: str, role: str) -> State[Any]:
    """Take a report from the bedside in hand; ends the repeated page.

    Args:
        report: the report's number.
        role: in which role you take it.
    """
    installation = await asyncio.to_thread(here)
    end = await asyncio.to_thread(stop_hand.acknowledge, installation, report, role=role)
    return state_of(end)


@flow(name="cancel", flow_run_name="Take back {trigger} {subject} of {ward}")
async def cancel(
    ward: str, subject: str, role: str, reason: str, trigger: Cancellable = "stop"
) -> State[Any]:
    """Take back what a return of a ward still waits for. One that has begun goes on.

    Args:
        ward: the ward's id in the plan.
        subject: the report's number, or the alert's fingerprint.
        role: one of the roles that the plan names for it.
        reason: why, in a few words; it is recorded and shown.
        trigger: what is taken back.
    """
    installation = await asyncio.to_thread(here)
    name = known_ward(installation, ward)
    end = await asyncio.to_thread(
        stop_hand.cancel,
        installation,
        name,
        Trigger(trigger),
        subject,
        role=role,
        reason=reason,
    )
    return state_of(end)
