"""The whole Prefect side as real processes: server, worker, runs, gateway, SQLite ledger."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from flows import deployments
from orchestrator.adapters.clock import wait_until
from orchestrator.bootstrap import Installation, install
from orchestrator.core.event import Actor, Cause, Trigger
from orchestrator.core.ids import ActorKind
from orchestrator.ledger import migrate
from orchestrator.service.rollback import Outcome, roll_back
from orchestrator.settings import write_site
from tests.flows.server import PrefectServer
from tests.flows.stage import MARKS, in_prefect
from tests.plans import plan as small_plan
from tests.real.practice_parts import PracticeSite, call, practice_site
from wards.model import WardId

pytestmark = MARKS
PLAN = Path(__file__).parents[2] / "wards" / "data" / "practice.yaml"
PERSON = Actor(kind=ActorKind.PERSON, name="operations")
SOON_S = 90.0


class Worker:
    """`python -m flows.worker` as a process; it can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._home / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "flows.worker", "--home", str(self._home)),
                stdout=log,
                stderr=subprocess.STDOUT,
                env={n: v for n, v in os.environ.items() if not n.startswith("PREFECT_")},
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(40)

    def eventually(self, find: Callable[[], list[FlowRun]]) -> FlowRun:
        """The first run that is found, before anybody loses patience."""
        assert wait_until(lambda: bool(find()), timeout_s=SOON_S, every_s=0.5), self.log()[-3000:]
        return find()[0]

    def log(self) -> str:
        return (self._home / "worker.log").read_text(errors="replace")


def make_home(home: Path, site: PracticeSite, server: PrefectServer) -> Installation:
    """A home folder as the practice hospital writes one, and a programme that has begun."""
    home.mkdir()
    plan = home / "plan.yaml"
    plan.write_text(PLAN.read_text(encoding="utf-8"), encoding="utf-8")
    write_site(
        home,
        {
            "plan": str(plan),
            "gateways": json.dumps(site.gateways),
            "gateway_admin": site.admin,
            "addresses": json.dumps(
                {"staff_metrics": site.admin, "prometheus": site.admin, **site.ehrs}
            ),
            "prefect_api": server.api,
        },
    )
    installation = install(home)
    for ward in installation.plan.wards:
        create_route(installation, site, ward.id)
    migrate(installation.site.ledger)
    installation.desk(PERSON).start()
    return installation


def create_route(installation: Installation, site: PracticeSite, ward: str) -> None:
    rules = [
        {"name": one.name, "path_prefix": one.path_prefix, "backend": "legacy", "mirror": None}
        for one in installation.plan.slices
    ]
    fallback = {"name": "fallback", "path_prefix": "/", "backend": "legacy", "mirror": None}
    notes = {"who": "test", "why": "made", "run": "", "epoch": "1"}
    spec = {"ward": ward, "epoch": 1, "rules": [*rules, fallback]}
    body = {"metadata": {"name": f"ward-{ward}", "annotations": notes}, "spec": spec}
    call("POST", f"{site.admin}/routes", body)


def runs_of(*tags: str) -> list[FlowRun]:
    wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=list(tags)))
    return in_prefect(lambda client: client.read_flow_runs(flow_run_filter=wanted))


def in_state(name: str, *tags: str) -> list[FlowRun]:
    return [run for run in runs_of(*tags) if run.state_name == name]


@pytest.fixture
def shared_server(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """The session's server; the buttons are given back as the other tests know them."""
    yield prefect_server
    in_prefect(lambda client: deployments.apply(client, small_plan()))


@contextmanager
def worker(home: Path) -> Iterator[Worker]:
    one = Worker(home)
    one.start()
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.stop()


def process_of(run: FlowRun) -> int:
    """The process that carries a run, by the id in its environment."""
    wanted = f"PREFECT__FLOW_RUN_ID={run.id}".encode()
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and wanted in (folder / "environ").read_bytes():
                return int(folder.name)
    raise AssertionError(f"nobody carries {run.name}")


def test_runs_live_die_and_live_again_and_a_return_is_shown_once(
    shared_server: PrefectServer, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with practice_site(tmp_path) as site:
        installation = make_home(home, site, shared_server)
        ward = installation.plan.wards[0].id
        with worker(home) as it:
            first = it.eventually(lambda: in_state("Running", "ward", ward))
            os.kill(process_of(first), signal.SIGKILL)
            it.eventually(
                lambda: [r for r in in_state("Running", "ward", ward) if r.id != first.id]
            )
            shared_server.stop()
            bring_back(installation, ward)
            shared_server.start()
            it.eventually(lambda: in_state("RolledBack", "ward", ward))
            record = it.eventually(lambda: in_state("RolledBack", ward, "rollback"))
            assert record.name == f"ROLLBACK {ward}: operations: drill"
            programme = it.eventually(lambda: in_state("RolledBack", "programme"))
            assert programme.name.startswith("practice")
            assert it.stop() == 0
        assert len(runs_of(ward, "rollback")) == 1
        assert len(runs_of(ward, "ward")) == 2


def bring_back(installation: Installation, ward: WardId) -> None:
    """What a person's command line does."""
    hands = installation.hands(installation.scribe(PERSON))
    cause = Cause(trigger=Trigger.PERSON, reason="operations: drill")
    state = installation.desk(PERSON).book.read().ward(ward)
    assert roll_back(hands, state, cause).outcome is Outcome.PROVEN
