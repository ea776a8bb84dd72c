"""A promotion that was sent before something happened, and arrives after it."""

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.state import Phase
from orchestrator.service.advance import Did
from orchestrator.service.rollback import Outcome, roll_back
from tests.plans import CSO, FIRST, HEAD
from tests.property.world import World

CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")


@pytest.fixture
def world():
    """A ward in shadow, drilled, whose next step would be exposure."""
    made = World()
    made.clock.meanwhile = made.sentinels[0].turn
    made.desk.start()
    for role in (CSO, HEAD):
        made.desk.approve(FIRST, StageName("notes"), role, comment="")
    for _ in range(60):
        ward = made.state().ward(FIRST)
        if ward.stage == "shadow" and ward.drill is not None:
            return made
        around(made)
        made.flows[0].turn()
    raise AssertionError("the ward never reached shadow")


def around(world):
    world.clock.jump(4 * 3600.0)
    for turn in (world.sentinels[0].turn, world.guards[0].turn):
        world.clock.advance(2.1)
        turn()


def send_exposure(world):
    """The flow dies as its route write leaves; what it sent arrives later."""
    flow = world.flows[0]
    routes = flow.routes
    for _ in range(30):
        around(world)
        write = routes._port.replace
        sent = []

        def leave(*args, **kwargs):
            sent.append((args, kwargs))
            raise SystemExit

        routes._port.replace = leave
        try:
            flow.turn()
        except SystemExit:
            ((args, kwargs),) = sent
            routes._port.replace = write
            flow.start()
            return lambda: write(*args, **kwargs), args[0]
        routes._port.replace = write
    raise AssertionError("the flow never wrote")


def lands_refused(write, route, world):
    """It is refused as it was sent, and also by a writer bold enough to read the version again."""
    from orchestrator.errors import Conflict, Refused

    with pytest.raises((Conflict, Refused)):
        write()
    observed = world.routes.get_quietly(FIRST)
    with pytest.raises(Refused) as refused:
        world.routes.replace(route, resource_version=observed.resource_version)
    assert refused.value.code == "stale_epoch"
    assert not world.exposed()


def test_it_cannot_land_after_a_return_that_found_the_ward_on_legacy(world):
    write, route = send_exposure(world)
    hands = world.hands(world.scribe(ActorKind.PERSON, "cso"), world.routes)
    # The person's machine has not seen the intent: only the route tells it an epoch.
    from orchestrator.core.state import WardState

    report = roll_back(hands, WardState(ward=FIRST), CAUSE)
    assert report.outcome is Outcome.PROVEN
    lands_refused(write, route, world)


def test_it_cannot_land_after_it_was_given_up(world):
    write, route = send_exposure(world)
    step = world.flows[1].climber.step(FIRST)
    assert step.did is Did.ABANDONED
    lands_refused(write, route, world)
    assert world.state().ward(FIRST).phase is Phase.AT_STAGE


def test_two_flows_that_want_the_same_step_take_it_once(world):
    for _ in range(20):
        if world.exposed():
            break
        around(world)
        world.flows[0].fuse.arm(1, "preempted", world.flows[1].turn)
        world.flows[0].turn()
    entered = [
        entry.draft.happening.stage
        for entry in world.ledger.kept()
        if isinstance(entry.draft.happening, ev.StageEntered)
    ]
    assert entered == ["shadow", "notes"]


def test_a_hold_between_intent_and_write_stops_the_write(world):
    """The hold comes while the flow waits for the ward's lease."""
    said = []

    def hold_once():
        world.sentinels[0].turn()
        if world.state().ward(FIRST).intent is not None and not said:
            said.append(world.desk.hold(FIRST, reason="wait"))

    world.clock.meanwhile = hold_once
    for _ in range(10):
        around(world)
        world.flows[0].turn()
    assert said
    assert not world.exposed()
    assert world.state().ward(FIRST).phase is Phase.AT_STAGE
