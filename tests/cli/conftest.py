"""Homes to run commands in: with a ledger on real SQLite, with and without a real gateway."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

import pytest

from orchestrator.adapters.planfile import LoadedPlan, load_plan
from orchestrator.adapters.processes import free_port
from orchestrator.bootstrap import Installation, read_site
from orchestrator.core.event import (
    Actor,
    Happening,
    ProgrammeStarted,
    PromotionIntended,
    StageEntered,
    VerdictChanged,
    WardStarted,
)
from orchestrator.core.ids import ActorKind, SignalName, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.route import Annotation, all_legacy, desired_route
from orchestrator.core.state import fold
from orchestrator.core.verdict import Code, Level
from orchestrator.ledger import migrate
from orchestrator.settings import write_site
from tests.cli.running import Ran, wardshift
from tests.fakes import put_exposed
from wards.model import WardId
from wards.practice.hospital import Hospital
from wards.practice.staffing import practice_wards

PLAN = Path(__file__).with_name("plan.yaml")
WARD = WardId("medicine-52")
SECOND = WardId("surgery-31")
READINESS, SHADOW, NOTES = (StageName(name) for name in ("readiness", "shadow", "notes"))
STARTS_AT = datetime(2027, 3, 1, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Home:
    """An installation's folder, and commands in it."""

    path: Path

    @cached_property
    def installation(self) -> Installation:
        loaded = sound_plan()
        site = read_site(self.path)
        return Installation(site=site, plan=loaded.plan, plan_hash=loaded.hash)

    @property
    def plan(self) -> Plan:
        return sound_plan().plan

    def run(self, *words: str, typed: str | None = None, env: dict[str, str] | None = None) -> Ran:
        return wardshift(*words, home=self.path, typed=typed, env=env)

    def seq(self, ward: WardId = WARD) -> int:
        """What a person would read in the list."""
        return fold(self.installation.ledger.entries()).ward(ward).seq

    def events(self) -> tuple[Happening, ...]:
        return tuple(entry.draft.happening for entry in self.installation.ledger.entries())

    def happen(self, *happenings: Happening, ward: WardId | None = WARD) -> None:
        """Write into the ledger what a flow or a sentinel would."""
        scribe = self.installation.scribe(Actor(kind=ActorKind.FLOW, name="test"))
        self.installation.ledger.append([scribe.draft(ward, one) for one in happenings])

    def start(self) -> None:
        wards = tuple(ward.id for ward in self.plan.wards)
        self.happen(ProgrammeStarted(wards=wards), ward=None)
        self.happen(WardStarted(stage=READINESS), _verdict(SignalName("legacy_ready"), 1.0))

    def enter(self, stage: StageName, epoch: int) -> None:
        exposes = bool(self.plan.stage(stage).candidate)
        self.happen(
            PromotionIntended(stage=stage, epoch=epoch, exposes=exposes),
            StageEntered(stage=stage, epoch=epoch, proven_after_s=0.1),
        )


def _verdict(signal: SignalName, value: float) -> VerdictChanged:
    return VerdictChanged(
        signal=signal, level=Level.PASS, code=Code.WITHIN, value=value, limit=1.0, n=1
    )


@cache
def sound_plan() -> LoadedPlan:
    return load_plan(PLAN)


@cache
def empty_ledger() -> bytes:
    """A ledger's file with its tables and nothing in them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        migrate(f"sqlite:///{file}")
        return file.read_bytes()


def make_home(folder: Path, **site: str) -> Home:
    """A home whose gateway nobody runs, unless the site says otherwise."""
    dead = f"http://127.0.0.1:{free_port()}"
    addresses = dict.fromkeys(("staff_metrics", "legacy", "candidate"), dead)
    settings = {
        "plan": str(PLAN),
        "gateways": json.dumps([dead]),
        "gateway_admin": dead,
        "addresses": json.dumps(addresses),
        **site,
    }
    write_site(folder, settings)
    (folder / "ledger.sqlite").write_bytes(empty_ledger())
    return Home(path=folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A programme that was started; its first ward is in shadow. No gateway answers."""
    made = make_home(tmp_path / "home")
    made.start()
    made.enter(SHADOW, 2)
    return made


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """Two EHRs and a gateway, real processes, nobody at work."""
    wards = practice_wards(sound_plan().plan.wards)
    folder = Path(tmp_path_factory.mktemp("hospital"))
    with Hospital.start(folder, wards, starts_at=STARTS_AT, rate=1.0, with_staff=False) as made:
        yield made


@pytest.fixture
def make_ready(hospital: Hospital, tmp_path: Path) -> Iterator[Callable[..., Home]]:
    """Homes at the running hospital; what a test breaks in it is mended afterwards."""

    def make(**site: str) -> Home:
        where = hospital.addresses
        addresses = {name: where[f"{name}_url"] for name in ("legacy", "candidate")}
        usual = {
            "gateways": json.dumps(where["gateway_urls"]),
            "gateway_admin": where["gateway_admin_url"],
            "addresses": json.dumps({**addresses, "staff_metrics": where["legacy_url"]}),
            "clock_file": where["clock_file"],
        }
        made = make_home(tmp_path / "ready", **{**usual, **site})
        put_on_legacy(made)
        made.start()
        return made

    yield make
    hospital.behave(lateness_s=0.0, refuse_admin=False, refuse_routes=False)
    for name in ("legacy", "gateway"):
        if hospital.addresses["pids"][name] is None:
            hospital.restart(name)


def put_on_legacy(made: Home) -> None:
    """Routes as a hospital's are before its programme: nothing left of another test's return."""
    routes = made.installation.routes
    for observed in routes.all():
        note = Annotation(who="test", why="before the programme")
        target = all_legacy(observed.route, epoch=observed.route.epoch + 1, annotation=note)
        routes.replace(target, resource_version=observed.resource_version)


@pytest.fixture
def exposed(make_ready: Callable[..., Home]) -> Home:
    """A home whose first ward has its notes in the candidate, by record and by route."""
    made = make_ready()
    expose(made)
    return made


def expose(made: Home, ward: WardId = WARD) -> int:
    """Put the ward's notes on the candidate; the epoch under which that was done."""
    one = made.installation
    observed = one.routes.get(ward)
    epoch = observed.route.epoch + 1
    made.enter(SHADOW, epoch)
    made.enter(NOTES, epoch + 1)
    target = desired_route(
        one.plan,
        ward,
        one.plan.stage(NOTES),
        epoch=epoch + 1,
        annotation=Annotation(who="flow:test", why="enter notes"),
    )
    put_exposed(one.routes, target)
    return epoch + 1
