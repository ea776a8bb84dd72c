"""Keeps the runs alive that the ledger says should live, and ends those that are dead.

It compares what there is with what there should be, once a round, and remembers nothing
that it could not lose. Invariant: it never starts a second run for a ward while one may
live, and it never fights a person who cancelled or suspended a run.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from flows import runs, wanted
from flows.ending import End, programme_end, ward_end
from flows.life import RUN_NOTE
from flows.story import Telling
from flows.wanted import APPROVE, PROGRAMME, WARD, Form, KnownRun, RunKind, Wanted
from orchestrator.core.ids import StageName
from orchestrator.core.plan import Plan
from orchestrator.ports import Clock, Leases
from orchestrator.service.leases import LeaseBook
from wards.model import WardId

log = structlog.get_logger()
STARTING_S = 10.0  # from Running to the first sign of life, on a busy machine
FORM_GRACE_S = 300.0  # a form's process shows no sign of life; it runs for seconds
GONE = "Gone"
ANSWERED = "Answered"


@dataclass(slots=True)
class RunKeeper:
    """For one event loop. `deployments`: ids by "flow/name"."""

    plan: Plan
    leases: Leases
    clock: Clock
    deployments: Mapping[str, UUID]
    _book: LeaseBook = field(init=False)
    _seen: dict[UUID, tuple[RunKind, float]] = field(
        default_factory=dict[UUID, tuple[RunKind, float]]
    )

    def __post_init__(self) -> None:
        """Signs of life are timed on our own clock."""
        self._book = LeaseBook(self.clock)

    async def round(self, client: PrefectClient, telling: Telling) -> None:
        """Compare and mend once. Raises: Unavailable, and what Prefect's client raises."""
        await asyncio.to_thread(self._see)
        live = await self._mourn(client, telling)
        await self.start_missing(client, telling, live)
        await self._ask(client, telling, live)

    async def start_missing(
        self, client: PrefectClient, telling: Telling, live: list[FlowRun]
    ) -> None:
        """Start what should live and does not."""
        busy = {run.deployment_id for run in live}
        missing = tuple(
            (one, self.deployments[one.deployment])
            for one in wanted.wanted_runs(self.plan, telling.state)
            if self.deployments.get(one.deployment, None) not in (None, *busy)
        )
        stopped = False
        for one, deployment in missing:
            last = await self._last(client, deployment)
            stopped = stopped or (one.ward is None and wanted.was_stopped(last))
            if not (stopped and one.is_new):
                await self._start(client, one, deployment, last)

    async def _last(self, client: PrefectClient, deployment: UUID) -> KnownRun | None:
        last = await runs.last_run(client, deployment, ())
        return None if last is None else self._known(last)

    async def _start(
        self, client: PrefectClient, one: Wanted, deployment: UUID, last: KnownRun | None
    ) -> None:
        key = wanted.start_key(last)
        if key is None:
            return
        parameters = {} if one.ward is None else {"ward": one.ward}
        await runs.start(
            client,
            deployment,
            name=one.name,
            tags=one.tags,
            key=f"{one.deployment}-{key}",
            parameters=parameters,
        )
        log.info("run.started", deployment=one.deployment, key=key)

    async def _mourn(self, client: PrefectClient, telling: Telling) -> list[FlowRun]:
        """End the runs whose process is gone; those that are left."""
        left: list[FlowRun] = []
        for run in await runs.live_runs(client, (PROGRAMME, WARD, APPROVE)):
            end = self._end_of(run, telling)
            if end is None:
                left.append(run)
            else:
                await runs.end(client, run.id, end)
                log.warning("run.buried", run=run.name, end=end.name)
        return left

    def _end_of(self, run: FlowRun, telling: Telling) -> End | None:
        known = self._known(run)
        if known.kind is RunKind.PAUSED:
            return self._form_end(run, telling)
        is_form = APPROVE in run.tags
        grace_s = FORM_GRACE_S if is_form else 2 * self.plan.policy.lease_s + STARTING_S
        if not wanted.is_dead(known, is_alive=self._is_alive(run), grace_s=grace_s):
            return None
        return self._as_told(run, telling) or End(
            is_good=False,
            is_lost=True,
            name=GONE,
            message="the process of this run is gone; another run goes on from the ledger",
        )

    def _as_told(self, run: FlowRun, telling: Telling) -> End | None:
        """What the run itself would have ended in, by the ledger."""
        if PROGRAMME in run.tags:
            return programme_end(self.plan, telling)
        ward = str(run.parameters.get("ward", ""))
        return ward_end(self.plan, telling, WardId(ward)) if WARD in run.tags else None

    def _form_end(self, run: FlowRun, telling: Telling) -> End | None:
        """A form whose question was answered elsewhere is closed, and says so."""
        stage, ward = str(run.parameters.get("stage", "")), str(run.parameters.get("ward", ""))
        if not stage or stage not in {one.name for one in self.plan.stages}:
            return None
        if wanted.is_asked(self.plan, telling.state, WardId(ward), StageName(stage)):
            return None
        text = f"{stage} for {ward} is no longer asked: the ledger has the answer"
        return End(is_good=True, name=ANSWERED, message=text)

    async def _ask(self, client: PrefectClient, telling: Telling, live: list[FlowRun]) -> None:
        """Open the forms that are wanted and not open yet."""
        deployment = self.deployments.get(f"{APPROVE}/{APPROVE}")
        if deployment is None:
            return
        open_forms = {
            (str(run.parameters.get("ward")), str(run.parameters.get("stage")))
            for run in live
            if run.deployment_id == deployment
        }
        for form in wanted.wanted_forms(self.plan, telling.state):
            if (form.ward, form.stage) not in open_forms:
                await self._open(client, form, deployment)

    async def _open(self, client: PrefectClient, form: Form, deployment: UUID) -> None:
        tags = (APPROVE, form.ward, form.stage)
        last = await runs.last_run(client, deployment, tags)
        key = wanted.form_key(form, None if last is None else self._known(last))
        if key is None:
            return
        await runs.start(
            client,
            deployment,
            name=wanted.form_name(form),
            tags=tags,
            key=key,
            parameters={"ward": form.ward, "stage": form.stage},
        )
        log.info("form.opened", ward=form.ward, stage=form.stage)

    def _known(self, run: FlowRun) -> KnownRun:
        kind = runs.kind_of(run)
        now_s = self.clock.monotonic()
        was, since_s = self._seen.get(run.id, (kind, now_s))
        since_s = since_s if was is kind else now_s
        self._seen[run.id] = (kind, since_s)
        return KnownRun(
            id=run.id,
            kind=kind,
            seen_s=now_s - since_s,
            key=run.idempotency_key or "",
            name=run.state_name or "",
        )

    def _see(self) -> None:
        self._book.see(self.leases.all())

    def _is_alive(self, run: FlowRun) -> bool:
        """A living lease carries this very run."""
        ward = run.parameters.get("ward")
        name = wanted.ward_run_lease(WardId(str(ward))) if ward else wanted.PROGRAMME_LEASE
        record = self._book.record(name)
        return (
            record is not None
            and record.notes.get(RUN_NOTE) == str(run.id)
            and self._book.is_alive(name) is not False
        )
