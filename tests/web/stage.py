"""A sentinel's real pages over fakes, brought into any state that a ward can be in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.testclient import TestClient

from orchestrator.bootstrap import Installation
from orchestrator.cli.watching import web_app
from orchestrator.core.event import Cause, Trigger
from orchestrator.core.ids import StageName
from orchestrator.core.route import Annotation, desired_route
from tests.fakes import put_exposed
from tests.plans import CSO, FIRST, HEAD, LEGACY_UP, SLOW
from tests.property.world import World

ASKED = Cause(trigger=Trigger.PERSON, reason="the ward asked")


@dataclass(slots=True)
class Stage:
    """One hospital with its sentinel's pages. `client`: somebody's browser."""

    world: World
    client: TestClient

    def page(self, lang: str = "") -> str:
        """The whole board as it is now."""
        self.world.clock.advance(0.6)  # past what is kept for other viewers
        answer = self.client.get("/", params={"lang": lang} if lang else {})
        assert answer.status_code == 200
        return answer.text

    def card(self) -> str:
        """The first ward's card."""
        return self.page().partition(f'id="ward-{FIRST}"')[2].partition("</article>")[0]

    def tick(self, times: int = 1) -> None:
        """Sentinel and guard take turns, one lease's quarter apart."""
        for _ in range(times):
            self.world.sentinels[0].turn()
            self.world.guards[0].turn()
            self.world.clock.advance(2.1)
        self.world.sentinels[0].turn()

    def climb(self, stage: str) -> None:
        """The first ward goes up to that stage, gate by gate."""
        for _ in range(90):
            if self.world.state().ward(FIRST).stage == stage:
                self.tick(2)
                return
            self.world.clock.jump(4 * 3600.0)
            self.tick()
            self.world.flows[0].turn()
        raise AssertionError(f"the ward never reached {stage}")

    def reads(self, *, slow: float | None = 0.0, legacy: float | None = 1.0) -> None:
        """What the signals read from now on."""
        self.world.numbers.update({SLOW: slow, LEGACY_UP: legacy})


def stage(*, started: bool = True) -> Stage:
    """A hospital whose programme has begun and whose sentinel has ticked."""
    made = World()
    made.clock.meanwhile = made.sentinels[0].turn
    if started:
        made.desk.start()
        for role in (CSO, HEAD):
            made.desk.approve(FIRST, StageName("notes"), role, comment="")
        made.desk.approve(FIRST, StageName("accepted"), CSO, comment="")
    one = Stage(world=made, client=TestClient(web_app(*_eyes(made), metrics=lambda: b"")))
    one.tick(3)
    return one


def _eyes(world: World) -> tuple[Any, Any, Any]:
    installation = Installation(site=None, plan=world.plan, plan_hash="h")  # type: ignore[arg-type]
    vars(installation).update(clock=world.clock, routes=world.routes, leases=world.leases)
    process = world.sentinels[0]
    return installation, process.sentinel, process.follower


def expose_behind_the_record(one: Stage) -> None:
    """Somebody's hand writes a route that nobody intended."""
    world = one.world
    epoch = world.epoch() + 1
    said = Annotation(who="person:test", why="by hand")
    wanted = world.plan.stage(StageName("all"))
    put_exposed(
        world.routes, desired_route(world.plan, FIRST, wanted, epoch=epoch, annotation=said)
    )


def while_returning(one: Stage, look: Callable[[], None]) -> None:
    """A return whose proof the gateway holds back, looked at meanwhile, and then let through."""
    world = one.world
    world.prober.stuck = world.routes.get_quietly(FIRST).route
    seen: list[int] = []

    def meanwhile() -> None:
        world.sentinels[0].turn()
        if not seen:
            seen.append(1)
            look()
            world.prober.stuck = None

    world.clock.meanwhile = meanwhile
    one.reads(slow=9.0)
    one.tick(4)
    assert seen, "nothing was waited for"
    world.clock.meanwhile = world.sentinels[0].turn
