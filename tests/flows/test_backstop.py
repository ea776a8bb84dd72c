"""The second line: it acts when nobody did for two ticks, and not a moment sooner."""

from dataclasses import dataclass, replace

import pytest

from orchestrator.core.event import (
    Actor,
    Draft,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
)
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.returned import Return
from orchestrator.core.route import Annotation, desired_route, is_exposed
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.errors import Unavailable
from orchestrator.service.advance import Did, Step
from orchestrator.service.backstop import Backstop, Returner
from orchestrator.service.rollback import Hands, Outcome
from orchestrator.service.scribe import Scribe
from tests.fakes import FakeClock, FakeProber, FakeRoutes
from tests.fakes_ledger import FakeJournal
from tests.flows.tales import BREACH, NOTES
from tests.plans import FIRST, plan, policy

TICK_S = policy().tick_s


@dataclass
class Scene:
    clock: FakeClock
    routes: FakeRoutes
    journal: FakeJournal
    backstop: Backstop

    def noted(self) -> list[Draft]:
        return list(self.journal.pending())

    def is_exposed(self) -> bool:
        return is_exposed(self.routes.get_quietly(FIRST).route)


def scene() -> Scene:
    clock = FakeClock()
    stage = plan().stage(StageName("notes"))
    route = desired_route(
        plan(), FIRST, stage, epoch=3, annotation=Annotation(who="test", why="begin")
    )
    routes, journal = FakeRoutes((route,)), FakeJournal()
    actor = Actor(kind=ActorKind.FLOW, name="ava-1")
    scribe = Scribe(journal, clock, actor=actor, plan_hash="p", code_version="test")
    hands = Hands(
        routes=routes, prober=FakeProber(routes), scribe=scribe, clock=clock, proof=policy().proof
    )
    backstop = Backstop(returner=Returner(hands=hands), clock=clock, tick_s=TICK_S)
    return Scene(clock=clock, routes=routes, journal=journal, backstop=backstop)


def step(did: Did = Did.MUST_RETURN, **changed: object) -> Step:
    ward = WardState(ward=FIRST, phase=Phase.AT_STAGE, stage=NOTES, epoch=3)
    ward = replace(ward, **changed)  # pyright: ignore[reportArgumentType]
    cause = BREACH if did is Did.MUST_RETURN else None
    return Step(did=did, state=ProgrammeState(), ward=ward, cause=cause)


def test_acts_when_the_breach_has_stood_for_two_ticks() -> None:
    it = scene()
    assert it.backstop.look(step()) is None
    it.clock.advance(2 * TICK_S - 0.01)
    assert it.backstop.look(step()) is None
    assert it.is_exposed()
    it.clock.advance(0.02)
    report = it.backstop.look(step())
    assert report is not None
    assert report.outcome is Outcome.PROVEN
    assert not it.is_exposed()
    kinds = [type(draft.happening) for draft in it.noted()]
    assert kinds == [RollbackIntended, RollbackWritten, RollbackProven]
    assert {draft.actor.kind for draft in it.noted()} == {ActorKind.FLOW}


def test_a_wall_clock_that_jumps_hurries_nobody() -> None:
    it = scene()
    it.backstop.look(step())
    it.clock.jump(3600)
    assert it.backstop.look(step()) is None


def test_a_breach_that_went_away_starts_the_patience_anew() -> None:
    it = scene()
    it.backstop.look(step())
    it.clock.advance(1.9 * TICK_S)
    it.backstop.look(step(Did.WAITS))
    it.clock.advance(1.9 * TICK_S)
    assert it.backstop.look(step()) is None
    assert it.is_exposed()


@pytest.mark.parametrize(
    "did", [did for did in Did if did is not Did.MUST_RETURN], ids=lambda did: did.value
)
def test_nothing_else_makes_it_act(did: Did) -> None:
    it = scene()
    for _ in range(5):
        assert it.backstop.look(step(did)) is None
        it.clock.advance(TICK_S)
    assert it.is_exposed()


def test_a_return_that_was_begun_and_never_written_is_finished() -> None:
    it = scene()
    begun = Return(cause=BREACH, seen_at=it.clock.now(), actor="sentinel:dead")
    waiting = step(Did.ENDED, phase=Phase.RETURNING, returned=begun)
    it.backstop.look(waiting)
    it.clock.advance(2 * TICK_S)
    report = it.backstop.look(waiting)
    assert report is not None
    assert report.outcome is Outcome.PROVEN
    assert [type(draft.happening) for draft in it.noted()] == [RollbackWritten, RollbackProven]


def test_a_return_that_was_written_is_left_to_its_hand() -> None:
    it = scene()
    begun = Return(cause=BREACH, seen_at=it.clock.now(), actor="sentinel:busy", epoch=4)
    for _ in range(5):
        assert it.backstop.look(step(Did.ENDED, phase=Phase.RETURNING, returned=begun)) is None
        it.clock.advance(TICK_S)


def test_what_it_did_counts_before_the_ledger_shows_it() -> None:
    it = scene()
    for _ in range(12):
        it.backstop.look(step())
        it.clock.advance(TICK_S)
    intended = [d for d in it.noted() if isinstance(d.happening, RollbackIntended)]
    assert len(intended) == 1
    assert len(it.routes.writes) == 1


def test_it_tries_again_while_the_routes_do_not_answer() -> None:
    it = scene()
    it.backstop.look(step())
    it.clock.advance(2 * TICK_S)
    it.routes.fail_next(Unavailable("routes", "down"))
    report = it.backstop.look(step())
    assert report is not None
    assert report.outcome is Outcome.NOT_WRITTEN
    it.clock.advance(2 * TICK_S)
    report = it.backstop.look(step())
    assert report is not None
    assert report.outcome is Outcome.PROVEN
    intended = [d for d in it.noted() if isinstance(d.happening, RollbackIntended)]
    assert len(intended) == 1


def test_a_ward_that_went_forward_again_is_watched_again() -> None:
    it = scene()
    it.backstop.look(step())
    it.clock.advance(2 * TICK_S)
    it.backstop.look(step())
    it.backstop.look(step(Did.WAITS))
    it.backstop.look(step(epoch=9))
    it.clock.advance(2 * TICK_S)
    assert it.backstop.look(step(epoch=9)) is not None
