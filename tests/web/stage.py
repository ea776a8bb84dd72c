"""A sentinel's real pages over fakes, brought into any state that a ward can be in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.testclient import TestClient

from orchestrator.bootstrap import Installation
from orchestrator.cli.sight import Seer
from orchestrator.cli.watching import seen, web_app
from orchestrator.core.event import Cause, Trigger
from orchestrator.core.ids import StageName
from orchestrator.core.route import Annotation, desired_route
from orchestrator.core.state import Phase
from orchestrator.reports.board import Head
from orchestrator.settings import Site
from tests.fakes import put_exposed
from tests.plans import CSO, FIRST, HEAD, LEGACY_UP, SLOW
from tests.property.world import World
from tests.web.shown import shown_plan

ASKED = Cause(trigger=Trigger.PERSON, reason="the ward asked")


@dataclass(slots=True)
class Stage:
    """One hospital with its sentinel's pages. `client`: somebody's browser; `seer`: what the
    board is made of."""

    world: World
    client: TestClient
    seer: Seer

    def page(self, lang: str = "") -> str:
        """The whole board as it is now."""
        self.world.clock.advance(0.6)  # past what is kept for other viewers
        answer = self.client.get("/", params={"lang": lang} if lang else {})
        assert answer.status_code == 200
        return answer.text

    def head(self) -> Head:
        """What the first ward's card says first."""
        board = self.seer.board(seen(self.seer.installation, self.seer.follower))
        return next(row.head for row in board.wards if row.id == FIRST)

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
    made = World(shown_plan())
    made.clock.meanwhile = made.sentinels[0].turn
    if started:
        made.desk.start()
        for role in (CSO, HEAD):
            made.desk.approve(FIRST, StageName("notes"), role, comment="")
        made.desk.approve(FIRST, StageName("accepted"), CSO, comment="")
    one = eyes_of(made)
    one.tick(3)
    return one


def eyes_of(world: World, which: int = 0) -> Stage:
    """That hospital as one of its sentinels shows it."""
    process = world.sentinels[which]
    installation: Any = Installation(site=Site(), plan=world.plan, plan_hash="h")
    vars(installation).update(clock=world.clock, routes=world.routes, leases=world.leases)
    pages = web_app(installation, process.sentinel, process.follower, metrics=lambda: b"")
    seer = Seer(installation=installation, sentinel=process.sentinel, follower=process.follower)
    return Stage(world=world, client=TestClient(pages), seer=seer)


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


def while_moving(one: Stage, look: Callable[[], None]) -> None:
    """A step whose proof the gateway holds back, looked at meanwhile, and then let through."""
    world, before = one.world, one.world.routes.get_quietly(FIRST).route
    seen: list[int] = []

    def meanwhile() -> None:
        world.sentinels[0].turn()
        world.guards[0].turn()
        is_under_way = not seen and world.state().ward(FIRST).phase is Phase.PROMOTING
        world.prober.stuck = before if is_under_way else None
        if is_under_way and world.exposed():
            seen.append(1)
            look()

    world.clock.meanwhile = meanwhile
    for _ in range(90):
        if seen:
            break
        world.clock.jump(4 * 3600.0)
        one.tick()
        world.flows[0].turn()
    assert seen, "nothing was waited for"
    world.clock.meanwhile = world.sentinels[0].turn
