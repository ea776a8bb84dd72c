"""A sentinel's door for alerts with everything real behind it but the ledger and the gateway."""

import json
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.processes import free_port
from orchestrator.adapters.tokens import TokenFile, add_token
from orchestrator.core import event as ev
from orchestrator.core.ids import StageName
from orchestrator.core.route import Annotation, desired_route, is_exposed
from orchestrator.ledger import BoundedJournal, FileJournal, drain
from orchestrator.ledger.bounded import DISK_PATIENCE_S
from orchestrator.ports import Journal
from orchestrator.service.follow import Follower
from orchestrator.service.hearing import Hearing
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.watch import Watch
from orchestrator.web.alerts import Limits, Receiver
from orchestrator.web.pages import Health, Pages, app, serve
from tests.drafts import SENTINEL
from tests.fakes import FakeNotifier, FakeProber, FakeRoutes, put_exposed
from tests.fakes_ledger import FakeLedger
from tests.plans import FIRST, plan
from tests.property.world import MemoryReplica

CLOCK = SystemClock()
STAGE = StageName("notes")
LABELS = {"alertname": "NotesSlow", "ward": FIRST, "severity": "critical"}


@dataclass
class Door:
    """One running door."""

    port: int
    token: str
    tokens_path: Path
    ledger: FakeLedger
    routes: FakeRoutes
    notifier: FakeNotifier
    scribe: Scribe
    follower: Follower
    hearing: Hearing
    receiver: Receiver
    answered: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_exposed(self) -> bool:
        return is_exposed(self.routes.get_quietly(FIRST).route)

    def post(
        self, body: bytes | Any, *, token: str | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, Any]:
        """One message with this token (None: the right one); its status and answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {"Authorization": f"Bearer {self.token if token is None else token}", **headers}
        return post_to(self.port, raw, said)

    def talk(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """Raw bytes, piece by piece; whatever comes back until the other side hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as raw:
            try:
                for part in parts:
                    raw.sendall(part)
                    CLOCK.sleep(pause_s)
            except OSError:
                pass  # it has hung up already; what it said first can still be read
            return _rest(raw)

    def heard(self) -> list[Any]:
        """Every alert that was noted, on disk or in the ledger."""
        drain(self.tokens_path.parent / "journal", self.ledger)
        found = (entry.draft.happening for entry in self.ledger.kept())
        return [one for one in found if isinstance(one, ev.AlertHeard)]


def post_to(port: int, raw: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
    """One message to a door; its status and answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/alerts", raw, dict(headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _rest(raw: socket.socket) -> bytes:
    said = b""
    try:
        while chunk := raw.recv(65536):
            said += chunk
    except OSError:
        pass
    return said


def message(*labels: Mapping[str, str], status: str = "firing", **more: Any) -> dict[str, Any]:
    """Alertmanager's message about these alerts; each says what differs from a critical one."""
    alerts = [
        {
            "status": status,
            "labels": {**LABELS, **one},
            "annotations": {"summary": "synthetic"},
            "startsAt": CLOCK.now().isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": "0",
        }
        for one in labels or ({},)
    ]
    return {
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": status,
        "receiver": "wardshift", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "", "alerts": alerts, **more,
    }  # fmt: skip


@contextmanager
def door_open(
    folder: Path,
    *,
    limits: Limits | None = None,
    journal: Journal | None = None,
    disk_patience_s: float = DISK_PATIENCE_S,
) -> Iterator[Door]:
    """A door on a free port; its ward has its notes in the candidate."""
    inner = journal or FileJournal(folder / "journal", "s")
    disk = BoundedJournal(inner, patience_s=disk_patience_s)
    door = _made(folder, limits or Limits(), disk)
    server = serve(app(_pages(), door.receiver.routes()), door.port, host="127.0.0.1")
    try:
        assert wait_until(lambda: server.started, timeout_s=30)
        yield door
    finally:
        _end(server)


@contextmanager
def patient_door(folder: Path) -> Iterator[tuple[str, str]]:
    """The address and the token of a door that takes its time for the disk, and any crowd."""
    limits = Limits(most_at_once=10**6)
    with door_open(folder, limits=limits, disk_patience_s=60.0) as door:
        yield door.url, door.token


def _made(folder: Path, limits: Limits, journal: Journal) -> Door:
    one, ledger, notifier = plan(), FakeLedger(), FakeNotifier()
    since = CLOCK.now() - timedelta(hours=1)
    routes = FakeRoutes(
        desired_route(one, ward.id, None, epoch=1, annotation=Annotation(who="t", why="new"))
        for ward in one.wards
    )
    note = Annotation(who="flow:test", why="enter notes")
    put_exposed(routes, desired_route(one, FIRST, one.stage(STAGE), epoch=2, annotation=note))
    past = Scribe(journal, _At(since), actor=SENTINEL, plan_hash="p", code_version="t")
    ledger.append(
        [
            past.draft(None, ev.ProgrammeStarted(wards=tuple(ward.id for ward in one.wards))),
            past.draft(FIRST, ev.WardStarted(stage=StageName("readiness"))),
            past.draft(FIRST, ev.PromotionIntended(stage=STAGE, epoch=2, exposes=True)),
            past.draft(FIRST, ev.StageEntered(stage=STAGE, epoch=2, proven_after_s=0.1)),
        ]
    )
    follower = Follower(ledger, CLOCK, replica=MemoryReplica(), drain=lambda: None, every_s=1.0)
    follower.round()
    scribe = Scribe(journal, CLOCK, actor=SENTINEL, plan_hash="p", code_version="t")
    scribe.listen(follower.add)
    hands = Hands(
        routes=routes, prober=FakeProber(routes), scribe=scribe, clock=CLOCK,
        proof=one.policy.proof,
    )  # fmt: skip
    watch = Watch(
        plan=one, hands=hands, readers=_Nothing(), record=follower, notifier=notifier,
        executor=ThreadPoolExecutor(8),
    )  # fmt: skip
    hearing = Hearing(
        one, returns=watch, known=follower, scribe=scribe, notifier=notifier, clock=CLOCK
    )
    path = folder / "alert-tokens"
    token = add_token(path, "test")
    answered: list[int] = []
    receiver = Receiver(hearing, TokenFile(path), CLOCK, answered.append, limits)
    return Door(
        port=free_port(), token=token, tokens_path=path, ledger=ledger, routes=routes,
        notifier=notifier, scribe=scribe, follower=follower, hearing=hearing, receiver=receiver,
        answered=answered,
    )  # fmt: skip


@dataclass(frozen=True)
class _At:
    """A clock that shows one moment."""

    moment: Any

    def now(self) -> Any:
        return self.moment

    def monotonic(self) -> float:
        return CLOCK.monotonic()

    def sleep(self, seconds: float) -> None:
        CLOCK.sleep(seconds)


class _Nothing:
    """No signals are read."""

    def read_all(self, signals: Any, wards: Any, *, deadline_s: float) -> Any:
        return {}


def _pages() -> Pages:
    well = Health(
        healthy=True, active=True, tick_age_s=0.0, ledger_age_s=0.0, ledger_pending=0,
        ledger_corrupt=None,
    )  # fmt: skip
    return Pages(
        health=lambda: well, metrics=lambda: b"", board=dict, ward=lambda _: None,
        ledger_age_s=lambda: 0.0,
    )  # fmt: skip


def _end(server: uvicorn.Server) -> None:
    server.force_exit = True
    server.should_exit = True
