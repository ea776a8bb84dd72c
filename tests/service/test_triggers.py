"""One transition, many triggers: whatever asks for a return, the ward ends in the same state."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.route import Annotation, desired_route
from orchestrator.core.state import Phase
from orchestrator.service.advance import Did, Step
from orchestrator.service.backstop import Backstop, Returner
from orchestrator.service.rollback import roll_back
from orchestrator.service.stopping import stop_programme
from tests.fakes import put_exposed
from tests.plans import CSO, FIRST, LEAD, LEGACY_UP, SLOW
from tests.property.world import World
from tests.stops import NURSE, exposed_world, line_of

PERSON = ev.Cause(trigger=ev.Trigger.PERSON, reason="operations: wrong dose on screen")


def tick(world: World, times: int = 1) -> None:
    for _ in range(times):
        world.sentinels[0].turn()
        world.clock.advance(1.0)


def breach(world: World) -> None:
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    world.numbers[SLOW] = 0.1


def blind(world: World) -> None:
    world.numbers[SLOW] = None
    tick(world, 13)
    world.numbers[SLOW] = 0.1


def hear(world: World, via: ev.Via) -> None:
    heard = ev.AlertHeard(
        name="NotesSlow", fingerprint=f"f-{via}", weight=ev.Weight.RETURN,
        status=ev.AlertStatus.FIRING, via=via, started_at=world.clock.now(),
    )  # fmt: skip
    world.sentinels[0].sentinel.watch.hands.scribe.note(FIRST, heard)


def alert(world: World) -> None:
    hear(world, ev.Via.WEBHOOK)
    world.sentinels[0].sentinel.watch.attend(FIRST)


def poll(world: World) -> None:
    hear(world, ev.Via.PROMETHEUS)
    tick(world)


def stop(world: World) -> None:
    for reporter in ("a", "b"):
        line_of(world).report(FIRST, NURSE, reporter=reporter)
    tick(world)


def command_line(world: World, cause: ev.Cause = PERSON) -> None:
    world.drain()
    scribe = world.scribe(ActorKind.PERSON, "operations")
    roll_back(world.hands(scribe, world.routes), world.state().ward(FIRST), cause, is_fresh=True)


def button(world: World, cause: ev.Cause = PERSON) -> None:
    world.drain()
    scribe = world.scribe(ActorKind.PERSON, "operations")
    returner = Returner(hands=world.hands(scribe, world.routes))
    returner.go(world.state().ward(FIRST), cause, is_fresh=True)


def lease(world: World) -> None:
    for _ in range(10):
        world.guards[0].turn()
        world.clock.advance(world.plan.policy.lease_s / 4 + 0.1)


def flow(world: World) -> None:
    scribe = world.scribe(ActorKind.FLOW, "f1")
    returner = Returner(hands=world.hands(scribe, world.routes))
    backstop = Backstop(returner=returner, clock=world.clock, tick_s=1.0)
    cause = ev.Cause(trigger=ev.Trigger.BREACH, reason="slow screens", signal=SLOW)
    for _ in range(3):
        world.drain()
        state = world.state()
        step = Step(did=Did.MUST_RETURN, ward=state.ward(FIRST), state=state, cause=cause)
        backstop.look(step)
        world.clock.advance(1.0)


def programme(world: World) -> None:
    scribe = world.sentinels[0].sentinel.watch.hands.scribe
    stop_programme(scribe, world.notifier, CSO, "the board decided")
    tick(world)


def stray(world: World) -> None:
    note = Annotation(who="person:unknown", why="by hand")
    stage = world.plan.stage(StageName("all"))
    epoch = world.epoch() + 1
    put_exposed(world.routes, desired_route(world.plan, FIRST, stage, epoch=epoch, annotation=note))
    tick(world, 3)


WATCHED = (breach, blind, alert, poll, stop, programme, stray)
TRIGGERS = (*WATCHED, command_line, button, lease, flow)
AGAIN: Mapping[str, tuple[Callable[[World], None], type]] = {
    "command_line": (command_line, ev.RollbackRepeated),
    "button": (button, ev.RollbackRepeated),
    "stop": (stop, ev.StopReported),
    "alert": (alert, ev.AlertHeard),
    "poll": (poll, ev.AlertHeard),
    "programme": (programme, ev.ProgrammeStopped),
}
RETURN = (ev.RollbackIntended, ev.RollbackWritten, ev.RollbackProven, ev.RollbackRepeated)
# Of a ward at home nobody judges these: there is nothing left that they could ask for.
ONLY_EXPOSED = (breach, blind, lease, flow)
IMPATIENT = replace(PERSON, reason="operations: the screens are still the new ones")
# While the gateway keeps a return waiting each is recorded by what it is, or by what it waited for.
MEANWHILE: Mapping[str, tuple[Callable[[World], None], type | None]] = {
    "command_line": (partial(command_line, cause=IMPATIENT), ev.RollbackRepeated),
    "button": (partial(button, cause=IMPATIENT), ev.RollbackRepeated),
    "breach": (breach, ev.RollbackPending),
    "blind": (blind, ev.RollbackPending),
    "alert": (alert, ev.AlertHeard),
    "poll": (poll, ev.AlertHeard),
    "stop": (stop, ev.StopReported),
    "programme": (programme, ev.ProgrammeStopped),
    "lease": (lease, None),  # the route is not exposed: the guard has nothing to say of it
    "flow": (flow, ev.RollbackPending),
}


def settled(world: World) -> None:
    """Everything that was said reaches the ledger, and the sentinel has looked at it."""
    world.drain()
    tick(world, 2)
    world.drain()


def stands(world: World) -> tuple[object, ...]:
    """The route, where the record has the ward, its returns, and what people were told."""
    ward = world.state().ward(FIRST)
    returns = tuple(count(world, kind) for kind in RETURN)
    pages = tuple(world.notifier.pages)
    return world.routes.get_quietly(FIRST), ward.phase, ward.epoch, ward.returned, returns, pages


def count(world: World, kind: type) -> int:
    return sum(isinstance(entry.draft.happening, kind) for entry in world.ledger.kept())


def names(triggers) -> list[str]:
    return [one.__name__ for one in triggers]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=names(TRIGGERS))
def test_every_trigger_ends_in_the_same_state(trigger):
    world = exposed_world()
    before = world.epoch()
    trigger(world)
    settled(world)
    ward = world.state().ward(FIRST)
    assert not world.exposed()
    assert world.epoch() > before
    assert (ward.phase, ward.intent, ward.exposed_since) == (Phase.ROLLED_BACK, None, None)
    assert ward.approvals == frozenset()
    assert ward.returned is not None
    assert ward.returned.proven_at is not None
    assert world.state().freeze is not None
    assert (count(world, ev.RollbackIntended), ward.out_of_place) == (1, 0)
    assert ward.home_epoch == world.epoch()


@pytest.mark.parametrize("second", AGAIN)
@pytest.mark.parametrize("first", TRIGGERS, ids=names(TRIGGERS))
def test_a_second_trigger_is_recorded_and_changes_nothing(first, second):
    world = exposed_world()
    first(world)
    settled(world)
    route, ward = world.routes.get_quietly(FIRST), world.state().ward(FIRST)
    again, kind = AGAIN[second]
    before = count(world, kind)
    again(world)
    settled(world)
    assert world.routes.get_quietly(FIRST) == route
    assert count(world, kind) > before
    assert count(world, ev.RollbackIntended) == 1
    assert world.state().ward(FIRST).returned == ward.returned
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("again", ONLY_EXPOSED, ids=names(ONLY_EXPOSED))
@pytest.mark.parametrize("first", TRIGGERS, ids=names(TRIGGERS))
def test_what_only_an_exposed_ward_can_ask_for_moves_no_ward_that_is_home(first, again):
    world = exposed_world()
    first(world)
    settled(world)
    before = stands(world)
    again(world)
    settled(world)
    assert stands(world) == before


@pytest.mark.parametrize("second", MEANWHILE)
@pytest.mark.parametrize("first", TRIGGERS, ids=names(TRIGGERS))
def test_a_second_trigger_while_a_return_waits_makes_no_second_return(first, second):
    world = exposed_world()
    world.prober.stuck = world.routes.get_quietly(FIRST).route
    first(world)
    world.drain()
    route, ward = world.routes.get_quietly(FIRST), world.state().ward(FIRST)
    assert (ward.phase, world.exposed()) == (Phase.RETURNING, False)
    again, kind = MEANWHILE[second]
    before = 0 if kind is None else count(world, kind)
    again(world)
    world.drain()
    assert kind is None or count(world, kind) > before
    world.prober.stuck = None
    settled(world)
    now = world.state().ward(FIRST)
    assert world.routes.get_quietly(FIRST) == route
    assert count(world, ev.RollbackIntended) == count(world, ev.RollbackWritten) == 1
    assert now.phase is Phase.ROLLED_BACK
    assert ward.returned is not None
    assert now.returned is not None
    assert now.returned.cause == ward.returned.cause


@pytest.mark.parametrize("words", ["still the new screens", "two\nlines", "long " * 200])
@pytest.mark.parametrize("first", [breach, None])
def test_whoever_goes_on_with_a_return_is_no_second_trigger_again_and_again(first, words):
    world = exposed_world()
    world.prober.stuck = world.routes.get_quietly(FIRST).route
    if first is not None:
        first(world)
    for _ in range(3):
        command_line(world, cause=replace(PERSON, reason=words))
        tick(world)
    world.prober.stuck = None
    settled(world)
    assert count(world, ev.RollbackIntended) == 1
    assert count(world, ev.RollbackRepeated) == (0 if first is None else 1)


@pytest.mark.parametrize("trigger", WATCHED, ids=names(WATCHED))
def test_while_legacy_is_sick_people_are_paged_and_a_person_may_force_it(trigger):
    """Design rule 5: the downtime procedure is named once, and nothing is switched blindly."""
    world = exposed_world()
    world.numbers[LEGACY_UP] = 0.0
    tick(world)
    trigger(world)
    settled(world)
    assert world.exposed()
    assert count(world, ev.RollbackIntended) == 0
    pages = [page for page in world.notifier.pages if page.code == "legacy_not_ready"]
    assert len(pages) == 1
    assert "red binder" in pages[0].next_action
    assert "--legacy-is-sick" in pages[0].next_action
    forced = replace(PERSON, reason="clinical_safety_officer: legacy is slow and not down")
    scribe = world.scribe(ActorKind.PERSON, str(CSO))
    roll_back(world.hands(scribe, world.routes), world.state().ward(FIRST), forced, is_fresh=True)
    settled(world)
    assert not world.exposed()
    returned = world.state().ward(FIRST).returned
    assert returned is not None
    assert returned.cause == forced


def test_a_lapsed_lease_does_not_switch_to_sick_legacy_either():
    world = exposed_world()
    world.numbers[LEGACY_UP] = 0.0
    for _ in range(4):
        tick(world)
        world.clock.advance(world.plan.policy.lease_s / 4)
    lease(world)
    assert world.exposed()
    assert "lease_lapsed" in [page.code for page in world.notifier.pages]


def answered(world):
    """Somebody takes in hand what the bedside said."""
    line = line_of(world)
    for number in line.waiting(FIRST):
        line.acknowledge(number, CSO)
    world.drain()


@pytest.mark.parametrize("trigger", TRIGGERS, ids=names(TRIGGERS))
def test_only_two_roles_for_ward_and_programme_let_it_begin_again(trigger):
    world = exposed_world()
    trigger(world)
    settled(world)
    answered(world)
    for ward, role in ((FIRST, CSO), (None, CSO), (FIRST, LEAD)):
        world.desk.agree_to_resume(ward, role, reason="mended")
        world.flows[0].turn()
        tick(world)
        assert not world.exposed()
        assert world.state().freeze is not None
    world.desk.agree_to_resume(None, LEAD, reason="mended")
    assert world.state().freeze is None
    assert world.state().ward(FIRST).phase is Phase.WAITING
