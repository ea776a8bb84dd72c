"""The recorder against a real Prefect server: each return is shown once, whatever dies when."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterIdempotencyKey,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, StateType

from flows import deployments
from flows.recorder import Recorder
from flows.story import Telling, tell
from orchestrator.core.event import RollbackDrained
from tests.fakes_ledger import FakeLedger
from tests.flows.stage import MARKS, in_prefect
from tests.flows.tales import Tale
from tests.plans import FIRST, plan
from tests.property.world import World
from tests.service.test_triggers import alert, command_line
from tests.stops import exposed_world

pytestmark = MARKS
EFFECTS = ("create_", "set_", "update_")
STEPS = 6
EFFECTS_IN_ALL = 2 + 2 * STEPS + 3  # run, running; each step two; page, log, end
_days = count(1)


class Crash(BaseException):
    """kill -9, here."""


class FusedClient:
    """A client whose process dies when its n-th effect has happened and before it was heard of."""

    def __init__(self, client: PrefectClient, n: int) -> None:
        self._client = client
        self._left = n

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not name.startswith(EFFECTS):
            return method

        async def fused(*args: Any, **kwargs: Any) -> Any:
            answer = await method(*args, **kwargs)
            self._left -= 1
            if self._left == 0:
                raise Crash
            return answer

        return fused


def fresh() -> Tale:
    """A tale whose hashes no other test has, so that they can share a server."""
    return Tale().later(s=3600.0 * 24 * next(_days)).begun().at()


Ids: TypeAlias = Mapping[str, UUID]
Told: TypeAlias = Tale | FakeLedger


def told(tale: Told) -> Telling:
    return tell(Telling(), tale.entries())


def key_of(tale: Told) -> str:
    """The key of the one event that the tale tells."""
    telling = told(tale)
    (event,) = (*telling.stories, *telling.sicknesses)
    return f"{'rollback' if telling.stories else 'paged'}-{event.seq}-{event.mark}"


async def found(client: PrefectClient, key: str) -> list[FlowRun]:
    """Every run under that key."""
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key]))
    return await client.read_flow_runs(flow_run_filter=wanted)


async def details(
    client: PrefectClient, run: FlowRun
) -> tuple[list[str], list[str], list[str | None]]:
    """Names of its steps in order, its log, its artifacts' keys."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    steps = await client.read_task_runs(flow_run_filter=this)
    log = await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    pages = await client.read_artifacts(flow_run_filter=this)
    assert all(one.start_time for one in steps), "Prefect draws no step without a start"
    ordered = sorted(steps, key=lambda one: str(one.start_time))
    return [one.name for one in ordered], [one.message for one in log], [one.key for one in pages]


@dataclass(frozen=True)
class Seen:
    """What somebody sees in Prefect of the one event that a tale tells."""

    run: FlowRun
    steps: list[str]
    log: list[str]
    pages: list[str | None]

    @property
    def message(self) -> str:
        return "" if self.run.state is None else str(self.run.state.message)


def see(ids: Ids, tale: Told, recorder: Recorder | None = None) -> Seen:
    """Let a recorder show the tale, and look."""
    one = recorder or Recorder(plan=plan(), deployments=ids)

    async def work(client: PrefectClient) -> Seen:
        await one.round(client, told(tale))
        (run,) = await found(client, key_of(tale))
        return Seen(run, *await details(client, run))

    return in_prefect(work)


def test_deployments_are_applied_as_often_as_one_likes_and_name_no_machine(
    ids: Ids,
) -> None:
    async def again(client: PrefectClient) -> None:
        assert await deployments.apply(client, plan()) == ids
        every = await client.read_deployments()
        assert {one.id for one in every} >= set(ids.values())
        assert all(os.sep not in f"{one.path}{one.job_variables}{one.parameters}" for one in every)
        button = await client.read_deployment(ids["rollback/rollback"])
        choices = button.parameter_openapi_schema
        assert choices is not None
        assert choices["properties"]["ward"]["enum"] == [one.id for one in plan().wards]

    in_prefect(again)


def test_a_return_becomes_a_red_run_with_its_facts(ids: Ids) -> None:
    seen = see(ids, fresh().returned())
    assert seen.run.name == f"ROLLBACK {FIRST}: slow screens: 3.4 s, limit 2"
    assert (seen.run.state_type, seen.run.state_name) == (StateType.FAILED, "RolledBack")
    for fact in ("3.4 s, limit 2", "24 probes", f"wardshift resume {FIRST}"):
        assert fact in seen.message
    firsts = ["stood", "return", "programme", "route", "proven", "next:"]
    assert [name.split()[0] for name in seen.steps] == firsts
    assert (len(seen.log), seen.pages) == (3, [f"rollback-{FIRST}"])


async def dies_after(client: PrefectClient, ids: Ids, tale: Tale, effects: int) -> bool:
    """Whether the recorder died before it had shown everything."""
    fused: Any = FusedClient(client, effects)
    with suppress(Crash):
        await Recorder(plan=plan(), deployments=ids).round(fused, told(tale))
        return False
    return True


@pytest.mark.parametrize(
    ("asks", "trigger", "reason", "by"),
    [
        (alert, "alert", "alert NotesSlow firing", "sentinel: a"),
        (command_line, "person", "operations: wrong dose on screen", "person: operations"),
    ],
    ids=["alert", "person"],
)
def test_a_return_says_who_asked_for_it_where_no_signal_did(
    ids: Ids, asks: Callable[[World], None], trigger: str, reason: str, by: str
) -> None:
    """Told from what the services themselves wrote down."""
    world = exposed_world()
    asks(world)
    world.drain()
    seen = see(ids, world.ledger)
    assert seen.run.name == f"ROLLBACK {FIRST}: {reason}"
    assert {FIRST, "rollback", trigger} <= set(seen.run.tags)
    assert (seen.run.state_type, seen.run.state_name) == (StateType.FAILED, "RolledBack")
    for fact in (reason, f"wardshift resume {FIRST}"):
        assert fact in seen.message
    assert any(f"return begins: {reason}" in line for line in seen.log)
    assert seen.pages == [f"rollback-{FIRST}"]
    page = in_prefect(lambda client: page_of(client, seen.run))
    assert f"# ROLLBACK {FIRST}\n\n**{reason}**" in page
    for name, value in (("trigger", trigger), ("signal", "none"), ("value / limit", "none")):
        assert f"| {name} | {value} |" in page
    assert f"| by | {by} |" in page


async def page_of(client: PrefectClient, run: FlowRun) -> str:
    """What the one page beside a run says."""
    this = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    (page,) = await client.read_artifacts(flow_run_filter=this)
    return str(page.data)


def test_shown_exactly_once_although_killed_after_any_effect(ids: Ids) -> None:
    async def die_ever_later(client: PrefectClient) -> int:
        for effects in count(1):
            tale = fresh().returned()
            died = await dies_after(client, ids, tale, effects)
            await Recorder(plan=plan(), deployments=ids).round(client, told(tale))
            (run,) = await found(client, key_of(tale))
            steps, log, pages = await details(client, run)
            assert (run.state_name, len(log), len(pages)) == ("RolledBack", 3, 1), effects
            assert (len(steps), len(set(steps))) == (STEPS, STEPS), effects
            if not died:
                return effects - 1
        raise AssertionError

    assert in_prefect(die_ever_later) == EFFECTS_IN_ALL


def test_a_return_is_shown_while_it_goes_on(ids: Ids) -> None:
    tale = fresh().breached().intended()
    recorder = Recorder(plan=plan(), deployments=ids)
    begun = see(ids, tale, recorder)
    assert (begun.run.state_name, len(begun.steps)) == ("Running", 3)
    ended = see(ids, tale.written().proven(), recorder)
    assert (ended.run.id, ended.run.state_name) == (begun.run.id, "RolledBack")
    assert (len(ended.steps), len(ended.log), len(ended.pages)) == (STEPS, 3, 1)


def test_what_ends_after_the_return_is_told_once_in_the_run_that_has_ended(ids: Ids) -> None:
    tale = fresh().returned()
    before = see(ids, tale)
    tale.say(FIRST, RollbackDrained(epoch=7))
    for _ in range(2):
        after = see(ids, tale)
        assert (after.run.id, after.run.state_name) == (before.run.id, "RolledBack")
        assert (len(after.steps), len(after.log), len(after.pages)) == (STEPS, 4, 1)


def test_sick_legacy_becomes_a_red_page_with_the_downtime_procedure(ids: Ids) -> None:
    seen = see(ids, fresh().breached().blocked())
    assert (seen.run.state_type, seen.run.state_name) == (StateType.FAILED, "Paged")
    assert "red binder" in seen.message
    assert seen.pages == [f"paged-{FIRST}"]
