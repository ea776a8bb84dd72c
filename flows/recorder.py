"""Shows in Prefect what happened outside it: each return to legacy as one run, exactly once.

Prefect itself is the memory: a run is found again by its key, a step by its id, a log line
by its time and text. So it may be killed between any two calls, and begin again at the
beginning, on this machine or another. Source: prefect facts, section 7 rule 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import structlog
from prefect import Task
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate, LogCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRunResult
from prefect.states import Completed, Pending, Running

from flows import record
from flows.deployments import RECORD
from flows.record import Mark, Showing
from flows.states import state_of
from flows.story import Telling
from orchestrator.core.plan import Plan

log = structlog.get_logger()
LOGGER_NAME = "wardshift.recorder"
INFO = 20


async def _step() -> None:
    """What a mark's task run is a run of; it is never called."""


STEP: Task[[], Any] = Task(fn=_step, name="step")


@dataclass(slots=True)
class Recorder:
    """For one event loop. `deployments`: ids by "flow/name"."""

    plan: Plan
    deployments: Mapping[str, UUID]
    _shown: dict[str, Showing] = field(default_factory=dict[str, Showing])

    async def round(self, client: PrefectClient, telling: Telling) -> None:
        """Show whatever Prefect does not show yet. Raises: what Prefect's client raises."""
        for showing in record.showings(self.plan, telling):
            if self._shown.get(showing.key) != showing:
                await self.show(client, showing)
                self._shown[showing.key] = showing

    async def show(self, client: PrefectClient, showing: Showing) -> None:
        """Show one event as far as it has come; what is shown already is left as it is."""
        run = await self._run(client, showing)
        if run.state is not None and run.state.is_final():
            if showing.has_more:
                await show_page(client, run.id, showing)
                await show_log(client, run.id, showing)
            return
        if run.state is None or not run.state.is_running():
            await client.set_flow_run_state(run.id, Running(), force=True)
        before: UUID | None = None
        for mark in showing.marks:
            before = await show_mark(client, run.id, mark, before)
        await show_page(client, run.id, showing)
        await show_log(client, run.id, showing)
        if showing.end is not None:
            await client.set_flow_run_state(run.id, state_of(showing.end), force=True)
            log.info("event.shown", run=showing.name)

    async def _run(self, client: PrefectClient, showing: Showing) -> FlowRun:
        return await client.create_flow_run_from_deployment(
            self.deployments[f"{RECORD}/{RECORD}"],
            name=showing.name,
            tags=list(showing.tags),
            state=Pending(),
            idempotency_key=showing.key,
        )


async def show_mark(client: PrefectClient, run: UUID, mark: Mark, before: UUID | None) -> UUID:
    """A bar in the run's graph, after the one before it; its id."""
    made = await client.create_task_run(
        STEP,
        run,
        mark.key,
        id=uuid5(run, mark.key),
        name=mark.name,
        state=Running(),
        task_inputs={} if before is None else {"after": [TaskRunResult(id=before)]},
    )
    if made.state is None or not made.state.is_completed():
        await client.set_task_run_state(made.id, Completed(message=mark.message), force=True)
    return made.id


async def show_page(client: PrefectClient, run: UUID, showing: Showing) -> None:
    """The page beside the run, created once and brought up to date."""
    pages = await client.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    )
    known: Artifact | None = next((one for one in pages if one.key == showing.page_key), None)
    if known is None:
        await client.create_artifact(
            ArtifactCreate(
                key=showing.page_key,
                type="markdown",
                data=showing.page,
                description=showing.name,
                flow_run_id=run,
            )
        )
    elif known.data != showing.page:
        await client.update_artifact(known.id, ArtifactUpdate(data=showing.page))


async def show_log(client: PrefectClient, run: UUID, showing: Showing) -> None:
    """The lines that the run's log does not have, each at its real time."""
    there = await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])))
    known = {(_stamp(line.timestamp), line.message) for line in there}
    missing = [line for line in showing.log if (_stamp(line.at), line.text) not in known]
    if missing:
        await client.create_logs(
            [
                LogCreate.model_validate(
                    {
                        "name": LOGGER_NAME,
                        "level": INFO,
                        "message": line.text,
                        "timestamp": line.at,
                        "flow_run_id": run,
                    }
                )
                for line in missing
            ]
        )


def _stamp(at: datetime) -> float:
    """A time as stored; databases keep microseconds, and milliseconds are enough to tell apart."""
    return round(at.timestamp(), 3)
