"""The flow that moves one ward up its ladder; progress, never safety.

It may die and start again at line 1 at any moment: the ledger says where the ward is. Its
loop awaits nothing of Prefect, so that a server that is down or hung does not stop it.
"""

import asyncio
from typing import Any

from prefect import Task, flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import wording
from flows.ascent import Ascent, Look, ascent_of
from flows.display import Display, progress, table
from flows.ending import End
from flows.life import SignOfLife, Standing, carried
from flows.place import by_flow, here, known_ward, run_name
from flows.states import state_of
from flows.wanted import ward_run_lease
from orchestrator.bootstrap import Installation, process_name
from orchestrator.core.ids import StageName
from wards.model import WardId

LEAST_POLL_S = 0.2
ELSEWHERE = "Elsewhere"


def _run_name() -> str:
    asked = WardId(str(flow_run.parameters.get("ward", "")))
    return run_name(lambda plan: wording.ward_run(plan, asked), otherwise=asked)


@flow(name="ward", flow_run_name=_run_name, validate_parameters=False)
async def ward(ward: str) -> State[Any]:
    """Move a ward through its stages until it is accepted or back on legacy.

    Args:
        ward: the ward's id in the plan.
    """
    installation = await asyncio.to_thread(here)
    name = known_ward(installation, ward)
    sign = sign_of(installation, ward_run_lease(name), run=str(flow_run.id))
    async with carried(sign) as standing:
        if standing is Standing.ELSEWHERE:
            return elsewhere()
        run = ascent_of(installation, name, by_flow(str(flow_run.name)), run=str(flow_run.id))
        return await climb(run, sign, poll_s=max(installation.plan.policy.tick_s, LEAST_POLL_S))


async def climb(ascent: Ascent, sign: SignOfLife, *, poll_s: float) -> State[Any]:
    """Stage after stage, each a bar in the run's graph, until the ward's run ends."""
    display = Display()
    look = await asyncio.to_thread(ascent.look)
    while look.end is None and sign.standing is not Standing.ELSEWHERE:
        look = await _at_stage(ascent, look, sign, display, poll_s=poll_s)
    _show(ascent, look, display)
    return await ended(look.end, display)


async def ended(end: End | None, display: Display) -> State[Any]:
    """The run's last name, what a person does next as a bar of its own, and its state; None:
    another run goes on with it."""
    if end is None:
        await display.finish()
        return elsewhere()
    if end.step:
        await _next_step(end)
    await display.finish(end.title)
    return state_of(end)


async def _next_step(end: End) -> None:
    async def say() -> State[Any]:
        return Completed(name="Next", message=end.message)

    bar: Any = Task(fn=say, name="next", task_run_name=end.step)
    await bar(return_state=True)


def sign_of(installation: Installation, name: str, *, run: str) -> SignOfLife:
    """The sign of life of a run that this process carries."""
    return SignOfLife(
        installation.run_leases,
        installation.clock,
        name=name,
        run=run,
        holder=process_name(),
        lease_s=installation.plan.policy.lease_s,
    )


def elsewhere() -> State[Any]:
    """The end of a run that found another process doing its work."""
    return Completed(name=ELSEWHERE, message="another run carries this; this one did nothing")


async def _at_stage(
    ascent: Ascent, look: Look, sign: SignOfLife, display: Display, *, poll_s: float
) -> Look:
    """Follow the ward while it stands on one stage; the look that ended it."""
    stage: StageName | None = look.stage
    last = look

    async def stand() -> State[Any]:
        nonlocal last
        said = ""
        while last.end is None and last.stage == stage and sign.standing is not Standing.ELSEWHERE:
            _show(ascent, last, display)
            said = _say(last, said)
            await asyncio.sleep(poll_s)
            last = await asyncio.to_thread(ascent.look)
        return _stage_state(last)

    bar: Any = Task(fn=stand, name="stage", task_run_name=wording.stage_task(ascent.ward, stage))
    state: State[Any] = await bar(return_state=True)
    if last.end is None and not state.is_completed():
        await state.aresult(raise_on_failure=True)
    return last


def _stage_state(look: Look) -> State[Any]:
    return Completed(name="Left") if look.end is None else state_of(look.end)


def _say(look: Look, said: str) -> str:
    """Write to the run's log what is new; logs travel in the background."""
    if look.words != said:
        get_run_logger().info(look.words)
    return look.words


def _show(ascent: Ascent, look: Look, display: Display) -> None:
    ward = ascent.ward
    signals, gates = ascent.signals(look), ascent.gates(look)
    display.show(
        table(wording.key("signals", ward), signals.rows, signals.essence),
        table(wording.key("gates", ward), gates.rows, gates.essence),
        progress(wording.key("soak", ward), ascent.soak(look)),
    )
