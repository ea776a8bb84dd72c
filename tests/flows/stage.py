"""An installation whose ports are fakes, and a way to run flows in this process."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow

from flows.place import given
from orchestrator.bootstrap import Installation
from orchestrator.core.route import Annotation, desired_route
from orchestrator.ports import LeaseRecord
from orchestrator.settings import Site
from tests.fakes import FakeClock, FakeLeases, FakeNotifier, FakeProber, FakeRoutes
from tests.flows.tales import NOTES, Tale
from tests.plans import FIRST, SECOND, plan

# Prefect's clients leave sockets to the collector when a loop ends.
MARKS = [
    pytest.mark.real,
    pytest.mark.usefixtures("prefect_api"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class RunningClock(FakeClock):
    """A fake clock that can also go on by itself, a little with every look at it."""

    runs_by_itself = False

    def monotonic(self) -> float:
        if self.runs_by_itself:
            self.advance(0.1)
        return super().monotonic()


class BusyLeases(FakeLeases):
    """Leases of which one can be renewed by another process with every look."""

    _busy: str | None = None

    def renewed_by_another(self, name: str) -> None:
        self._busy = name

    def all(self) -> tuple[LeaseRecord, ...]:
        if self._busy is not None:
            kept = {record.name: record for record in super().all()}.get(self._busy)
            self.put(
                self._busy,
                holder="another",
                duration_s=1e9,
                transitions=0,
                notes={},
                resource_version="" if kept is None else kept.resource_version,
            )
        return super().all()


class Stage:
    """One installation: fakes at the ports, real journals in its home."""

    def __init__(self, home: Path, tale: Tale, *, plan_hash: str = "p") -> None:
        self.plan = plan()
        self.clock = RunningClock(tale.now)
        self.ledger = tale.ledger
        self.leases = BusyLeases()
        begin = Annotation(who="test", why="begin")
        notes = self.plan.stage(NOTES)
        self.routes = FakeRoutes(
            desired_route(self.plan, ward, notes, epoch=2, annotation=begin)
            for ward in (FIRST, SECOND)
        )
        self.installation = Installation(site=Site(home=home), plan=self.plan, plan_hash=plan_hash)
        self.installation.__dict__.update(
            clock=self.clock,
            ledger=self.ledger,
            routes=self.routes,
            leases=self.leases,
            run_leases=self.leases,
            prober=FakeProber(self.routes),
            notifier=FakeNotifier(),
        )

    def run(self, flow: Flow[..., Any], run: FlowRun) -> FlowRun:
        """Run it as a worker's child would, once; the run as Prefect then has it."""

        async def go() -> FlowRun:
            with given(self.installation), suppress(Pause):
                await run_flow(flow, flow_run=run, parameters=run.parameters, return_type="state")
            async with get_client() as client:
                return await client.read_flow_run(run.id)

        try:
            return asyncio.run(go())
        finally:
            gc.collect()  # Prefect leaves sockets to the collector; not to another test


def in_prefect(work: Callable[[PrefectClient], Awaitable[Any]]) -> Any:
    """Do something with a client of the server under test."""

    async def go() -> Any:
        async with get_client() as client:
            return await work(client)

    try:
        return asyncio.run(go())
    finally:
        gc.collect()


def asked_for(deployment: UUID, parameters: dict[str, Any]) -> FlowRun:
    """A run as a person's button makes it."""
    return in_prefect(
        lambda client: client.create_flow_run_from_deployment(deployment, parameters=parameters)
    )
