"""Starts, finds and ends runs through Prefect's API: the hands of the keeper.

Starting is idempotent by key, whoever starts. Every call is bounded by the client's own
timeout; errors are the library's and go to the caller's outermost loop.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from flows.ending import End
from flows.states import state_of
from flows.wanted import LIVE, RunKind

TAG = "wardshift"
MOST_LIVE = 200


async def live_runs(client: PrefectClient, flows: Iterable[str]) -> list[FlowRun]:
    """The runs of these flows that have not ended."""
    states = FlowRunFilterStateType(any_=[StateType(kind.value) for kind in LIVE])
    return await client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(flows))),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=states)),
        limit=MOST_LIVE,
    )


async def last_run(client: PrefectClient, deployment: UUID, tags: Iterable[str]) -> FlowRun | None:
    """The newest run of a deployment that carries all these tags."""
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
            tags=FlowRunFilterTags(all_=list(tags)),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return found[0] if found else None


async def start(
    client: PrefectClient,
    deployment: UUID,
    *,
    name: str,
    tags: Iterable[str],
    key: str,
    parameters: Mapping[str, Any],
) -> FlowRun:
    """Start a run, or find the one that was started under this key."""
    return await client.create_flow_run_from_deployment(
        deployment,
        name=name,
        tags=list(tags),
        idempotency_key=key,
        parameters=dict(parameters),
    )


async def end(client: PrefectClient, run: UUID, how: End) -> None:
    """End a run whose process is gone, and its bars, whatever state they are in."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    for bar in await client.read_task_runs(flow_run_filter=this):
        if bar.state is None or not bar.state.is_final():
            await client.set_task_run_state(bar.id, state_of(how), force=True)
    if how.title:
        await client.set_flow_run_name(run, how.title)
    await client.set_flow_run_state(run, state_of(how), force=True)


def kind_of(run: FlowRun) -> RunKind:
    """The run's state type; a run without a state waits."""
    return RunKind.SCHEDULED if run.state_type is None else RunKind(run.state_type.value)
