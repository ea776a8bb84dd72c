"""Where several wards return at once, every write comes before anybody's proof; boundedly."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from orchestrator.adapters.clock import SystemClock
from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, SliceName, StageName
from orchestrator.core.plan import ProofPolicy
from orchestrator.core.route import Annotation, Route, desired_route
from orchestrator.core.state import Phase, WardState
from orchestrator.ports import ProbeAnswer
from orchestrator.service.rollback import Hands, Outcome, RollbackReport, roll_back
from orchestrator.service.scribe import Scribe
from orchestrator.service.writes_first import WritesFirst
from tests.fakes import FakeProber, FakeRoutes
from tests.fakes_ledger import FakeJournal
from tests.plans import FIRST, SECOND, plan
from wards.model import WardId

CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")
BOTH = (FIRST, SECOND)
LIMIT_S = 60.0
NOTES = plan().stage(StageName("notes"))
WHO = Annotation(who="flow:test", why="enter notes")


class SlowRoutes(FakeRoutes):
    """The write of one ward waits until it is let go."""

    def __init__(self, slow: WardId, routes: Sequence[Route]) -> None:
        super().__init__(routes)
        self.slow = slow
        self.is_writing, self.go = threading.Event(), threading.Event()

    def replace(self, route: Route, *, resource_version: str):
        if route.ward == self.slow:
            self.is_writing.set()
            assert self.go.wait(LIMIT_S)
        return super().replace(route, resource_version=resource_version)


class Seeing(FakeProber):
    """Notes which wards had been written when a ward was first probed."""

    def __init__(self, routes: FakeRoutes) -> None:
        super().__init__(routes)
        self.all_routes = routes
        self.written_when_probed: dict[WardId, set[WardId]] = {}

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        written = {route.ward for route in self.all_routes.writes}
        self.written_when_probed.setdefault(ward, written)
        return super().probe(ward, slices, drill=drill)


@dataclass
class Both:
    """Two exposed wards; the second one's write is slow."""

    patience_s: float
    routes: SlowRoutes = field(init=False)
    prober: Seeing = field(init=False)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))

    def __post_init__(self) -> None:
        of = plan()
        exposed = (
            desired_route(of, one, NOTES, epoch=2, annotation=WHO) for one in (FIRST, SECOND)
        )
        self.routes = SlowRoutes(SECOND, tuple(exposed))
        self.prober = Seeing(self.routes)
        actor = ev.Actor(kind=ActorKind.SENTINEL, name="test")
        clock = SystemClock()
        scribe = Scribe(FakeJournal(), clock, actor=actor, plan_hash="h", code_version="v")
        self._hands = Hands(
            routes=self.routes, prober=self.prober, scribe=scribe, clock=clock,
            proof=ProofPolicy(probes=1, every_s=0.001, deadline_s=LIMIT_S),
            writes=WritesFirst(patience_s=self.patience_s),
        )  # fmt: skip

    def begin(self, ward: WardId):
        state = WardState(ward=ward, phase=Phase.AT_STAGE, stage=NOTES.name, epoch=2)
        return self.threads.submit(roll_back, self._hands, state, CAUSE, is_fresh=True)


@pytest.fixture(params=[LIMIT_S, 0.01], ids=["patient", "out of patience"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    made = Both(request.param)
    yield made
    made.routes.go.set()
    made.threads.shutdown()


def is_proven(report: RollbackReport) -> bool:
    return report.outcome is Outcome.PROVEN


def test_a_proof_waits_for_the_writes_of_others_and_no_longer_than_patience(both: Both) -> None:
    slow = both.begin(SECOND)
    assert both.routes.is_writing.wait(LIMIT_S)
    quick = both.begin(FIRST)
    if both.patience_s < LIMIT_S:
        assert is_proven(quick.result(LIMIT_S)), "held up by a write that hangs"
        assert both.prober.written_when_probed[FIRST] == {FIRST}
    both.routes.go.set()
    assert is_proven(quick.result(LIMIT_S))
    assert is_proven(slow.result(LIMIT_S))
    if both.patience_s == LIMIT_S:
        assert both.prober.written_when_probed == {FIRST: {FIRST, SECOND}, SECOND: {FIRST, SECOND}}


def test_who_returns_alone_waits_for_nobody() -> None:
    writes = WritesFirst(patience_s=LIMIT_S)
    with writes.writing():
        pass
    writes.wait()


def test_a_write_that_fails_is_over_too() -> None:
    writes = WritesFirst(patience_s=LIMIT_S)
    with pytest.raises(ZeroDivisionError), writes.writing():
        raise ZeroDivisionError
    writes.wait()
