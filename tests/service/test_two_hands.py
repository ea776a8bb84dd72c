"""A return by one hand while another hand's promotion is open: the return always wins."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.gates.answer import not_open
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.route import is_exposed
from orchestrator.core.state import Phase, WardState
from orchestrator.errors import Refused
from orchestrator.service.advance import Did
from orchestrator.service.rollback import roll_back
from tests.plans import CSO, FIRST, HEAD, LEAD, LEGACY_UP, NOTES, RESULTS, SLOW
from tests.property.world import Crash, World, entered_stages

LAPSED = ev.Cause(trigger=ev.Trigger.LEASE, reason="nobody renewed the ward's lease")


def reached(stage):
    """A ward at that stage, whose next step has its approvals."""
    made = World()
    made.clock.meanwhile = made.sentinels[0].turn
    made.desk.start()
    for role in (CSO, HEAD):
        made.desk.approve(FIRST, StageName("notes"), role, comment="")
    made.desk.approve(FIRST, StageName("accepted"), CSO, comment="")
    for _ in range(60):
        if made.state().ward(FIRST).stage == stage:
            return made
        around(made)
        made.flows[0].turn()
    raise AssertionError(f"the ward never reached {stage}")


def around(world):
    world.clock.jump(4 * 3600.0)
    for turn in (world.sentinels[0].turn, world.guards[0].turn):
        world.clock.advance(2.1)
        turn()


def guard_returns(world):
    """What a guard knows is the route, and nothing of the intent."""
    own = world.hands(world.scribe(ActorKind.GUARD, "g"), world.routes)
    roll_back(own, WardState(ward=FIRST, epoch=world.epoch()), LAPSED)


def when_widening(world, do):
    """Call it once, as the write that puts a second slice on the candidate leaves."""
    done = []

    def hook(route):
        if sum(rule.side == "candidate" for rule in route.rules) == 2 and not done:
            done.append(True)
            do()

    world.routes.before_write = hook
    return done


def walk_until(world, done):
    for _ in range(30):
        around(world)
        world.flows[0].turn()
        if done():
            return
    raise AssertionError("it never came to that")


def walk_on(world, times=40):
    """The sentinel, the guard and the flow go on for days."""
    for _ in range(times):
        around(world)
        world.flows[0].turn()
        yield


def dies_before_writing(world):
    def die():
        raise Crash

    def is_promoting():
        return world.state().ward(FIRST).phase is Phase.PROMOTING

    for _ in range(30):
        around(world)
        when_widening(world, die)
        world.flows[0].turn()
        world.routes.before_write = None
        if is_promoting():
            world.clock.meanwhile = None
            return
    raise AssertionError("the flow never died between intent and write")


def test_a_return_that_came_before_the_write_is_not_undone_by_giving_up(world_at_notes):
    world = world_at_notes
    done = when_widening(world, lambda: guard_returns(world))
    walk_until(world, lambda: done)
    assert not world.exposed()
    for _ in walk_on(world):
        assert not world.exposed()
    assert world.state().freeze is not None


def test_a_return_is_not_taken_for_the_promotion_that_a_dead_run_intended(world_at_notes):
    world = world_at_notes
    dies_before_writing(world)
    away = len(world.journals)
    guard_returns(world)
    kept_by_guard = world.journals[away:]
    del world.journals[away:]  # the guard's disk is on another machine
    before = entered_stages(world)
    world.flows[0].turn()
    assert entered_stages(world) == before
    for _ in walk_on(world):
        assert not world.exposed()
    assert world.state().freeze is not None
    world.journals.extend(kept_by_guard)
    world.drain()
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK


def test_a_return_under_the_intents_own_epoch_is_still_a_return(world_at_notes):
    """Written by hand, or by an older version: the epoch alone does not say whose route it is."""
    world = world_at_notes
    dies_before_writing(world)
    intent = world.state().ward(FIRST).intent
    from orchestrator.core.route import RETURN_MARK, Annotation, all_legacy

    observed = world.routes.get_quietly(FIRST)
    mark = Annotation(who="person:hand", why=f"{RETURN_MARK}by hand")
    world.routes.replace(
        all_legacy(observed.route, epoch=intent.epoch, annotation=mark),
        resource_version=observed.resource_version,
    )
    before = entered_stages(world)
    world.flows[0].turn()
    assert entered_stages(world) == before
    for _ in walk_on(world):
        assert not world.exposed()
    assert world.state().freeze is not None


def test_a_sentinel_that_has_not_read_the_intent_wins_over_it(world_at_notes):
    world = world_at_notes

    def breach():
        world.numbers[SLOW] = 99.0
        for _ in range(3):
            world.clock.advance(1)
            world.sentinels[0].sentinel.step()  # its ledger is slow: the follower reads nothing
        world.numbers[SLOW] = 0.1

    done = when_widening(world, breach)
    walk_until(world, lambda: done)
    for _ in walk_on(world):
        assert not world.exposed()
    assert world.state().freeze is not None


def test_after_two_roles_agreed_the_ward_starts_again_and_is_not_returned_for_the_old_return(
    world_at_notes,
):
    world = world_at_notes
    world.clock.meanwhile = None
    world.flows[0].roll_back(LAPSED)
    world.drain()
    for ward in (FIRST, None):
        for role in (CSO, LEAD):
            world.desk.agree_to_resume(ward, role, reason="mended")
    world.clock.meanwhile = world.sentinels[0].turn
    for _ in walk_on(world, 12):
        assert world.state().freeze is None
    assert world.state().ward(FIRST).stage == "shadow"


@pytest.mark.parametrize("what", ["legacy falls sick", "an approval is withdrawn"])
def test_what_changes_while_the_flow_waits_for_the_lease_keeps_the_ward_home(what):
    world = reached("shadow")
    said = []

    def meanwhile():
        if world.state().ward(FIRST).intent is not None and not said:
            said.append(what)
            if what == "legacy falls sick":
                world.numbers[LEGACY_UP] = 0.0
            else:
                world.desk.withdraw(FIRST, StageName("notes"), CSO, comment="not yet")
        world.sentinels[0].turn()

    world.clock.meanwhile = meanwhile
    for _ in walk_on(world, 12):
        assert not world.exposed()
    assert said


def test_under_another_plan_nothing_moves_and_nothing_is_given_up(world_at_notes):
    world = world_at_notes
    dies_before_writing(world)
    before = world.routes.get_quietly(FIRST)
    more = tuple(
        replace(one, candidate=(NOTES, RESULTS)) if one.name == "notes" else one
        for one in world.plan.stages
    )
    climber = world.flows[0].climber
    climber.plan, climber.plan_hash = replace(world.plan, stages=more), "another plan"
    step = climber.step(FIRST)
    assert step.did is Did.WAITS
    assert [answer.gate for answer in not_open(step.gates)] == ["plan_unchanged"]
    assert world.routes.get_quietly(FIRST) == before


def test_a_renamed_stage_is_an_answer_and_not_a_crash(world_at_notes):
    world = world_at_notes
    renamed = tuple(
        replace(one, name=StageName("other")) if one.name == "notes" else one
        for one in world.plan.stages
    )
    climber = world.flows[0].climber
    climber.plan, climber.plan_hash = replace(world.plan, stages=renamed), "another plan"
    assert climber.step(FIRST).did is Did.WAITS


@pytest.mark.parametrize("what", ["hold", "plan"])
def test_a_ward_that_waits_does_not_start_on_hold_or_under_another_plan(what):
    world = World()
    world.desk.start()
    if what == "hold":
        world.desk.hold(FIRST, reason="wait for the supplier")
    else:
        world.flows[0].climber.plan_hash = "another plan"
    assert world.flows[0].climber.step(FIRST).did is Did.WAITS
    assert world.state().ward(FIRST).phase is Phase.WAITING


@pytest.fixture
def world_at_notes():
    """A ward that works notes in the candidate."""
    made = reached("notes")
    assert made.exposed()
    return made


@pytest.mark.parametrize("what", ["behind", "legacy"])
def test_what_has_not_reached_the_ledger_closes_the_gates_all_the_same(what):
    """The sentinel sees legacy fall sick, or cannot write what it sees; leases still tell it."""
    world = reached("notes")
    world.clock.meanwhile = None
    around(world)
    leases = world.leases
    record = next(one for one in leases.all() if one.name == "sentinel")
    if what == "legacy":
        record = next(one for one in leases.all() if one.name == f"ward-{FIRST}")
    noted = {"behind_s": "999.0"} if what == "behind" else {"legacy": "breach"}
    entered = entered_stages(world)
    for flow in world.flows:
        for _ in range(3):
            around(world)
            record = next(one for one in leases.all() if one.name == record.name)
            leases.put(
                record.name, holder=record.holder, duration_s=record.duration_s,
                transitions=record.transitions, notes={**record.notes, **noted},
                resource_version=record.resource_version,
            )  # fmt: skip
            flow.turn()
    assert entered_stages(world) == entered
    closed = world.state().ward(FIRST).closed_gates
    assert ("sentinel_alive" if what == "behind" else "legacy_ready") in closed


def test_the_sentinel_grants_nothing_while_it_sees_harm_itself(world_at_notes):
    """Its ledger is gone, so the record's verdicts are still good; its own eyes are not."""
    world = world_at_notes
    world.clock.meanwhile = None
    around(world)
    epoch = world.epoch()
    intent = ev.PromotionIntended(stage=StageName("all"), epoch=epoch + 1, exposes=True)
    world.ledger.append([world.scribe(ActorKind.FLOW, "f").draft(FIRST, intent)])
    world.numbers[SLOW] = None
    world.sentinels[0].turn()
    assert world.routes.get_quietly(FIRST).granted is None
    world.numbers[SLOW] = 1.0
    world.sentinels[0].turn()
    assert world.routes.get_quietly(FIRST).granted == epoch + 1


def test_a_return_takes_the_grant_away(world_at_notes):
    world = world_at_notes
    observed = world.routes.get_quietly(FIRST)
    world.routes.grant(FIRST, 1000, resource_version=observed.resource_version)
    world.flows[0].roll_back(LAPSED)
    home = world.routes.get_quietly(FIRST)
    assert home.granted is None
    exposing = replace(observed.route, epoch=1000)
    with pytest.raises(Refused) as refused:
        world.routes.replace(exposing, resource_version=home.resource_version)
    assert refused.value.code == "no_grant"


def test_behind_an_open_fence_nothing_is_exposed_and_the_gate_says_why():
    world = reached("shadow")
    world.routes.fence_is_open = True
    for _ in walk_on(world, 12):
        assert not world.exposed()
    assert "fence_proven" in world.state().ward(FIRST).closed_gates


def test_a_fence_that_fell_after_the_sentinel_looked_stops_the_very_write():
    world = reached("shadow")

    def fall():
        world.sentinels[0].turn()
        if world.state().ward(FIRST).intent is not None:
            world.routes.fence_is_open = True

    world.clock.meanwhile = fall
    around(world)
    writes = len(world.routes.writes)
    for _ in range(3):
        around(world)
        world.flows[0].turn()
    assert world.routes.fence_is_open
    assert not world.exposed()
    assert all(not is_exposed(route) for route in world.routes.writes[writes:])


def test_a_sentinel_that_ends_in_order_hands_its_wards_over_before_any_lease_lapses():
    world = reached("notes")
    epoch = world.epoch()
    world.clock.meanwhile = None
    world.sentinels[1].turn()  # stands by
    world.sentinels[0].sentinel.stand_down()
    world.clock.advance(world.plan.policy.tick_s)
    world.sentinels[1].turn()
    assert world.sentinels[1].sentinel.is_active
    for _ in range(int(2 * world.plan.policy.lease_s)):
        world.guards[0].turn()
        world.sentinels[1].turn()
        world.clock.advance(1.0)
    assert (world.exposed(), world.epoch()) == (True, epoch)


def test_only_the_leader_can_give_the_lead_up():
    world = reached("notes")
    world.sentinels[1].turn()
    world.sentinels[1].sentinel.stand_down()
    assert world.sentinels[0].sentinel.is_active
    assert not world.sentinels[1].sentinel.keeper.release("sentinel")
