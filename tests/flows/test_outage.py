"""Prefect goes away and comes back while a ward's run is on its way: the run goes on."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

from flows.recorder import Recorder
from flows.story import Telling, tell
from flows.ward import ward
from orchestrator.core.event import PromotionIntended, StageEntered
from orchestrator.core.verdict import Level
from tests.flows.server import PrefectServer
from tests.flows.stage import MARKS, Stage, asked_for, in_prefect
from tests.flows.tales import ALL, Tale, legacy_verdict
from tests.plans import FIRST, plan

pytestmark = MARKS


class Outage(threading.Thread):
    """Ends the server when the run is on its way, lets the ward go on, starts it again."""

    def __init__(self, server: PrefectServer, stage: Stage, tale: Tale, recorder: Recorder) -> None:
        super().__init__()
        self._context = copy_context()
        self._recorder = recorder
        self._server, self._stage, self._tale = server, stage, tale
        self.looked_while_down = False
        self.was_recorded_too_early = False

    def record(self) -> None:
        """Show every return that the ledger tells."""
        telling = tell(Telling(), self._tale.entries())
        in_prefect(lambda client: self._recorder.round(client, telling))

    def run(self) -> None:
        self._context.run(self._go)  # Prefect's settings are a context variable

    def _go(self) -> None:
        try:
            self._stage.ledger.await_looks(3)
            self._server.stop()
            self._stage.ledger.await_looks(3)
            self._tale.say(FIRST, PromotionIntended(stage=ALL, epoch=5, exposes=True))
            self._tale.say(FIRST, StageEntered(stage=ALL, epoch=5, proven_after_s=0.1))
            self.looked_while_down = self._stage.ledger.await_looks(5)
            self._tale.returned()
            self._stage.ledger.await_looks(1)
            with suppress(Exception):
                self.record()
                self.was_recorded_too_early = True
        finally:
            self._server.start()


def test_a_wards_run_goes_on_across_a_stage_and_ends_right(
    prefect_server: PrefectServer, ids: Mapping[str, UUID], tmp_path: Path
) -> None:
    tale = Tale().begun().at().say(FIRST, legacy_verdict(Level.PASS))
    stage = Stage(tmp_path, tale)
    outage = Outage(prefect_server, stage, tale, Recorder(plan=plan(), deployments=ids))
    outage.start()
    run = stage.run(ward, asked_for(ids[f"ward/{FIRST}"], {"ward": FIRST}))
    outage.join()
    assert outage.looked_while_down
    assert run.state_name == "RolledBack"
    assert not outage.was_recorded_too_early
    outage.record()
    record = FlowRunFilter(tags=FlowRunFilterTags(all_=[FIRST, "rollback", "breach"]))
    shown = in_prefect(lambda client: client.read_flow_runs(flow_run_filter=record))
    (story,) = tell(Telling(), tale.entries()).stories
    names = [one.state_name for one in shown if str(one.idempotency_key).endswith(story.mark)]
    assert names == ["RolledBack"]
