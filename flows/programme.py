"""The flow that shows a whole programme, from its start to its end.

No ward needs it to live: the keeper starts each ward's run in turn, by the ledger. It ends
when every ward is accepted, or when a return has frozen the programme.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog
from prefect import Task, flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import wording
from flows.display import Display, table
from flows.ending import End, programme_end, ward_end
from flows.life import SignOfLife, Standing, carried
from flows.place import by_flow, here, run_name
from flows.reading import LedgerReader, reader_of
from flows.states import state_of
from flows.story import Telling
from flows.tables import board, board_title
from flows.wanted import PROGRAMME, PROGRAMME_LEASE, REFUSED
from flows.ward import LEAST_POLL_S, elsewhere, ended, sign_of
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase
from orchestrator.errors import Corrupt, Refused, WardshiftError
from wards.model import WardId

log = structlog.get_logger()
BOARD = "ward-board"


def _run_name() -> str:
    return run_name(wording.programme_run, otherwise=PROGRAMME)


@flow(name="programme", flow_run_name=_run_name)
async def programme() -> State[Any]:
    """Roll the candidate out, ward by ward, until every ward is accepted or one went back."""
    installation = await asyncio.to_thread(here)
    try:
        await asyncio.to_thread(installation.desk(by_flow(str(flow_run.name))).start)
    except Refused as error:
        return state_of(End(is_good=False, name=REFUSED, message=str(error)))
    sign = sign_of(installation, PROGRAMME_LEASE, run=str(flow_run.id))
    async with carried(sign) as standing:
        if standing is Standing.ELSEWHERE:
            return elsewhere()
        poll_s = max(installation.plan.policy.tick_s, LEAST_POLL_S)
        return await follow(installation.plan, reader_of(installation), sign, poll_s=poll_s)


@dataclass(slots=True)
class Bars:
    """A bar in the run's graph for each ward that has begun."""

    plan: Plan
    poll_s: float
    telling: Telling = field(default_factory=Telling)
    is_over: bool = False
    _bars: dict[WardId, asyncio.Task[Any]] = field(default_factory=dict[WardId, asyncio.Task[Any]])

    def show(self, telling: Telling) -> None:
        """Begin the bars of wards that have begun; each ends by itself with its ward."""
        self.telling = telling
        for ward in telling.state.order:
            if ward not in self._bars and telling.state.ward(ward).phase is not Phase.WAITING:
                self._bars[ward] = asyncio.create_task(self._bar(ward))

    async def finish(self) -> None:
        """End the bars of wards that are still on their way."""
        self.is_over = True
        await asyncio.gather(*self._bars.values(), return_exceptions=True)

    async def _bar(self, ward: WardId) -> Any:
        async def stand() -> State[Any]:
            end = ward_end(self.plan, self.telling, ward)
            while end is None and not self.is_over:
                await asyncio.sleep(self.poll_s)
                end = ward_end(self.plan, self.telling, ward)
            return Completed(name="GoesOn") if end is None else state_of(end)

        bar: Any = Task(fn=stand, name="ward", task_run_name=f"ward {ward}")
        return await bar(return_state=True)


async def follow(
    plan: Plan, reader: LedgerReader, sign: SignOfLife, *, poll_s: float
) -> State[Any]:
    """Show the programme until it ends."""
    display, bars = Display(), Bars(plan=plan, poll_s=poll_s)
    end: End | None = None
    while end is None and sign.standing is not Standing.ELSEWHERE:
        telling = await asyncio.to_thread(_read, reader)
        bars.show(telling)
        display.show(table(BOARD, board(plan, telling.state), board_title(plan, telling.state)))
        end = programme_end(plan, telling)
        await asyncio.sleep(0 if end else poll_s)
    await bars.finish()
    return await ended(end, display)


def _read(reader: LedgerReader) -> Telling:
    """The newest telling; the last one while the ledger does not answer. Raises: Corrupt."""
    try:
        return reader.read()
    except Corrupt:
        raise
    except WardshiftError as error:
        log.warning("ledger.missed", problem=str(error))
        return reader.telling
