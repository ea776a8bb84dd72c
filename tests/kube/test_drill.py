"""A person rehearses a ward's return on a real API server, with no more than people are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.event import Actor
from orchestrator.core.ids import ActorKind
from orchestrator.core.route import exposed_slices
from orchestrator.service.drill import Driller
from orchestrator.service.record import Book
from orchestrator.service.rollback import Hands
from tests.kube.doomed import WARD
from tests.kube.ports import StoredProber
from tests.kube.stage import Accounts, Stage
from tests.real.kube_site import KubeSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def stage(kube: KubeSite, accounts: Accounts, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kube, accounts, tmp_path / "home")
    yield made
    made.end()


def test_a_person_drills_with_no_more_than_people_are_given(stage: Stage) -> None:
    routes = stage.accounts.routes("operator")
    one = stage.installation
    hands = Hands(
        routes=routes,
        prober=StoredProber(routes),
        scribe=one.scribe(Actor(kind=ActorKind.PERSON, name="on-call")),
        clock=one.clock,
        proof=stage.plan.policy.proof,
    )
    driller = Driller(
        plan=stage.plan, plan_hash=one.plan_hash, book=Book(stage.ledger), hands=hands
    )
    done = driller.drill(WARD)
    assert done.passed, done.problem
    assert not exposed_slices(stage.route())
    assert not any(seen.exposed for seen in stage.witness.routes)
    assert stage.route().epoch > 1
