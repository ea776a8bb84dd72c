"""A plan whose bedside may stop the line, and a hospital with a ward exposed under it."""

from collections.abc import Callable
from dataclasses import replace

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, Role, StageName
from orchestrator.core.plan import CancelPolicy, Plan, StopPolicy
from orchestrator.core.route import Annotation, desired_route
from orchestrator.service.stopping import AcknowledgementClock, StopLine
from tests.fakes import put_exposed
from tests.plans import CSO, FIRST, HEAD, plan
from tests.property.world import World

NURSE, PHYSICIAN = Role("nurse"), Role("physician")
STAGE = StageName("notes")
WITHIN_S = 300.0


def stop_plan() -> Plan:
    """Two roles need confirming, a third's word is enough; only the safety officer cancels."""
    return replace(
        plan(),
        roles=(*plan().roles, NURSE, PHYSICIAN),
        policy=replace(
            plan().policy,
            stop=StopPolicy(
                roles=(NURSE, PHYSICIAN, HEAD),
                alone=(HEAD,),
                window_s=900.0,
                acknowledge_within_s=WITHIN_S,
            ),
            cancel=CancelPolicy(alert=(CSO,), stop=(CSO,)),
        ),
    )


def exposed_world(made: Plan | None = None) -> World:
    """A ward that works notes in the candidate, as the record, the route and a lease have it."""
    world = World(made or stop_plan())
    world.clock.meanwhile = world.sentinels[0].turn
    world.desk.start()
    expose(world)
    world.sentinels[0].turn()
    world.clock.advance(1.0)
    world.sentinels[0].turn()
    return world


def turns(world: World, seconds: int) -> None:
    """So many seconds of every sentinel and the first guard."""
    for _ in range(seconds):
        world.clock.advance(1.0)
        for process in world.sentinels:
            process.turn()
        world.guards[0].turn()


def expose(world: World) -> None:
    """What a whole climb leaves behind, without the climb."""
    flow = world.scribe(ActorKind.FLOW, "f1")
    epoch = world.epoch() + 1
    happened = (
        ev.WardStarted(stage=StageName("readiness")),
        ev.PromotionIntended(stage=STAGE, epoch=epoch, exposes=True),
        ev.StageEntered(stage=STAGE, epoch=epoch, proven_after_s=0.1),
    )
    world.ledger.append([flow.draft(FIRST, one) for one in happened])
    note = Annotation(who="flow:f1", why="enter notes")
    stage = world.plan.stage(STAGE)
    put_exposed(world.routes, desired_route(world.plan, FIRST, stage, epoch=epoch, annotation=note))


def line_of(world: World, which: int = 0) -> StopLine:
    """The ear of one sentinel."""
    process = world.sentinels[which]
    watch = process.sentinel.watch
    return StopLine(
        plan=world.plan,
        scribe=watch.hands.scribe,
        state=process.follower.state,
        attend=watch.attend,
        may_be_exposed=watch.may_be_exposed,
        notifier=world.notifier,
        clock=world.clock,
    )


def reminder_of(world: World) -> Callable[[], None]:
    """The acknowledgement clock of the first sentinel."""
    return AcknowledgementClock(
        plan=world.plan,
        state=world.sentinels[0].follower.state,
        notifier=world.notifier,
        clock=world.clock,
    ).look
