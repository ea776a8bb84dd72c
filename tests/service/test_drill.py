"""A rehearsed return: it shows what it should, exposes nobody, and gives way to a real one."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.gates.answer import Closed, Open
from orchestrator.core.gates.drill import drilled
from orchestrator.core.gates.facts import GateFacts, Life
from orchestrator.core.ids import ActorKind, Side, StageName
from orchestrator.core.route import (
    Annotation,
    all_legacy,
    exposed_slices,
    is_drilled,
    is_exposed,
)
from orchestrator.core.state import Phase
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.service.advance import Did
from orchestrator.service.drill import Driller, patience_s
from orchestrator.service.record import Book
from orchestrator.service.rollback import roll_back
from tests.fakes import put_exposed
from tests.plans import CSO, FIRST, HEAD
from tests.property.world import Crash, World

CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")
ANOTHER = Annotation(who="person:other", why="looking")


@pytest.fixture
def world():
    """A ward in shadow that nobody has drilled."""
    made = World()
    made.desk.start()
    for _ in range(20):
        made.clock.jump(4 * 3600.0)
        for turn in (made.sentinels[0].turn, made.guards[0].turn):
            made.clock.advance(2.1)
            turn()
        if made.state().ward(FIRST).stage == "shadow":
            return made
        made.flows[0].turn()
    raise AssertionError("the ward never reached shadow")


def driller(world, **changes):
    hands = world.hands(world.scribe(ActorKind.PERSON, "operations"), world.routes)
    return Driller(
        plan=world.plan, plan_hash="h", book=Book(world.ledger), hands=replace(hands, **changes)
    )


def drill(world, rounds=None, **changes):
    done = driller(world, **changes).drill(FIRST, rounds)
    world.drain()
    return done


def route(world):
    return world.routes.get_quietly(FIRST).route


def gate(world):
    """The drill's gate before the first slice, by the record as it is now."""
    state, nobody = world.state(), Life(sentinel=True, guard=True, behind_s=0.0, fence=True)
    return drilled(
        GateFacts(
            plan=world.plan, plan_hash="h", programme=state, ward=state.ward(FIRST),
            stage=world.plan.stage(StageName("notes")), life=nobody, legacy=None,
            now=world.clock.now(),
        )
    )  # fmt: skip


def wait_at_the_gate(world):
    """Approved and soaked: every step that the ward's run takes meanwhile."""
    for role in (CSO, HEAD):
        world.desk.approve(FIRST, StageName("notes"), role, comment="")
    steps = []
    for _ in range(30):
        world.clock.jump(4 * 3600.0)
        for turn in (world.sentinels[0].turn, world.guards[0].turn):
            world.clock.advance(2.1)
            turn()
        steps.append(world.flows[0].climber.step(FIRST))
    return steps


def notes(world, kind):
    return [draft.happening for draft in world.drafts() if isinstance(draft.happening, kind)]


def test_each_round_goes_there_and_back_and_nobody_is_exposed(world):
    before, first = route(world), len(world.routes.writes)
    done = drill(world)
    written = world.routes.writes[first:]
    assert (done.passed, done.rounds, done.problem) == (True, 3, "")
    assert [bool(one.drill) for one in written] == [True, False] * 3 + [False]
    assert len({one.drill for one in written}) == 4  # a word a round, and none
    assert not any(exposed_slices(one) for one in written)
    assert [one.epoch for one in written] == sorted({one.epoch for one in written})
    assert (route(world).rules, is_drilled(route(world))) == (before.rules, False)


def test_it_is_evidence_and_nothing_else(world):
    before = world.state()
    drill(world)
    world.sentinels[0].turn()
    after = world.state()
    mine = after.ward(FIRST)
    assert mine.drill is not None
    assert mine.drill.passed
    assert (after.freeze, mine.phase) == (None, Phase.AT_STAGE)
    assert mine.seq == before.ward(FIRST).seq  # and no screen is stale by it
    assert not notes(world, ev.RollbackIntended)
    assert not notes(world, ev.RollbackWritten)


def test_while_it_runs_sentinel_and_guard_let_it_be(world):
    for turn in (world.sentinels[0].turn, world.guards[0].turn):
        world.clock.meanwhile = turn
        assert drill(world).passed
    assert not notes(world, ev.RollbackIntended)
    assert world.state().freeze is None


def test_without_a_drill_nothing_is_exposed_and_with_one_it_is(world):
    world.clock.meanwhile = world.sentinels[0].turn
    assert all(step.wants_drill for step in wait_at_the_gate(world))
    assert not world.exposed()
    assert world.state().ward(FIRST).closed_gates == ("drilled",)
    drill(world)
    assert world.flows[0].climber.step(FIRST).did is Did.PROMOTED
    assert world.exposed()


class Slow:
    """Routes whose writes take their time."""

    def __init__(self, world, seconds):
        self._world, self._seconds = world, seconds
        self.get, self.all, self.grant = (
            world.routes.get, world.routes.all, world.routes.grant
        )  # fmt: skip

    def replace(self, route, *, resource_version):
        self._world.clock.advance(self._seconds)
        return self._world.routes.replace(route, resource_version=resource_version)


def test_a_slow_return_fails_and_locks_the_gate_that_was_open(world):
    assert drill(world).passed
    assert isinstance(gate(world), Open)
    limit_s = world.plan.policy.drill.restore_within_s
    done = drill(world, routes=Slow(world, limit_s + 1))
    assert not done.passed
    assert done.restore_s > limit_s
    assert "the limit is" in done.problem
    locked = gate(world)
    assert isinstance(locked, Closed)
    assert done.problem in locked.evidence
    assert not is_drilled(route(world))
    world.clock.meanwhile = world.sentinels[0].turn
    steps = wait_at_the_gate(world)
    assert {step.did for step in steps} == {Did.WAITS}
    assert not any(step.wants_drill for step in steps)  # somebody looks into this one first
    assert world.state().ward(FIRST).closed_gates == ("drilled",)
    assert not world.exposed()


def test_a_gateway_that_does_not_follow_fails_it_and_no_rule_is_left(world):
    world.prober.stuck = route(world)
    done = drill(world)
    assert (done.passed, done.rounds) == (False, 1)
    assert "was not seen" in done.problem
    assert not is_drilled(route(world))


class Deaf:
    """A gateway that looks at no header: by a drill's rule it serves everybody."""

    def __init__(self, world):
        self._world = world
        self.asked = 0
        self.open_on = world.prober.open_on

    def probe(self, ward, slices, *, drill=""):
        self.asked += 1
        return self._world.prober.probe(ward, slices, drill=route(self._world).drill)


def test_a_gateway_that_would_serve_everybody_is_left_at_once(world):
    deaf = Deaf(world)
    done = drill(world, prober=deaf)
    assert not done.passed
    assert "to everybody" in done.problem
    assert [bool(one.drill) for one in world.routes.writes][-3:] == [True, False, False]
    assert done.rounds == 1
    assert deaf.asked == 1 + world.plan.policy.proof.probes


def test_an_exposed_ward_is_not_drilled(world):
    shown = replace(
        route(world),
        epoch=route(world).epoch + 1,
        rules=tuple(replace(one, side=Side.CANDIDATE) for one in route(world).rules),
    )
    put_exposed(world.routes, shown)
    with pytest.raises(Refused) as refused:
        drill(world)
    assert refused.value.code == "exposed"
    assert route(world) == shown
    assert not notes(world, ev.DrillDone)


def test_a_ward_on_its_way_is_not_drilled(world):
    world.ledger.append(
        [world.scribe(ActorKind.FLOW, "f").draft(FIRST, ev.PromotionIntended(
            stage=StageName("notes"), epoch=99, exposes=True))]
    )  # fmt: skip
    writes = len(world.routes.writes)
    with pytest.raises(Refused) as refused:
        drill(world)
    assert refused.value.code == "not_at_rest"
    assert len(world.routes.writes) == writes


def test_a_return_that_the_ledger_does_not_know_yet_is_not_written_over(world):
    observed = world.routes.get_quietly(FIRST)
    why = Annotation(who="guard:g", why="rollback: lease")
    home = all_legacy(observed.route, epoch=observed.route.epoch + 2, annotation=why)
    world.routes.replace(home, resource_version=observed.resource_version)
    with pytest.raises(Refused) as refused:
        drill(world)
    assert refused.value.code == "returned"
    assert route(world) == home


def test_without_the_ledger_it_does_not_begin_and_once_begun_it_does_not_need_it(world):
    world.ledger.down = True
    with pytest.raises(Unavailable):
        drill(world)
    world.ledger.down = False
    made = driller(world)
    world.clock.meanwhile = lambda: setattr(world.ledger, "down", True)
    assert made.drill(FIRST).passed
    world.clock.meanwhile = None
    world.ledger.down = False
    world.drain()
    assert world.state().ward(FIRST).drill.passed


def test_a_real_return_during_a_drill_wins(world):
    def once():
        if is_drilled(route(world)) and world.state().ward(FIRST).phase is Phase.AT_STAGE:
            hands = world.hands(world.scribe(ActorKind.PERSON, "cso"), world.routes)
            world.clock.meanwhile = None
            roll_back(hands, world.state().ward(FIRST), CAUSE)

    world.clock.meanwhile = once
    done = drill(world)
    assert (done.passed, done.rounds) == (False, 0)
    assert "another hand" in done.problem
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK
    assert route(world).annotation.why == "rollback: asked"
    assert not is_drilled(route(world))


def test_a_drill_that_slept_through_its_end_takes_nothing_from_an_exposed_ward(world):
    """Its rule was removed and the ward went on while its process was stopped."""

    def meanwhile():
        if not is_drilled(route(world)):
            return
        world.clock.meanwhile = None
        shown = replace(
            route(world), drill="", epoch=route(world).epoch + 1, annotation=ANOTHER,
            rules=tuple(replace(one, side=Side.CANDIDATE) for one in route(world).rules),
        )  # fmt: skip
        put_exposed(world.routes, shown)

    world.clock.meanwhile = meanwhile
    done = drill(world)
    assert not done.passed
    assert is_exposed(route(world))
    assert route(world).annotation == ANOTHER


def test_a_promotion_waits_for_a_drill(world):
    observed = world.routes.get_quietly(FIRST)
    drilled = replace(observed.route, epoch=observed.route.epoch + 1, drill="0" * 32)
    world.routes.replace(drilled, resource_version=observed.resource_version)
    for role in (CSO, HEAD):
        world.desk.approve(FIRST, StageName("notes"), role, comment="")
    world.ledger.append([world.scribe(ActorKind.FLOW, "f").draft(FIRST, ev.DrillDone(
        rounds=3, restore_s=0.1, prove_s=0.2, passed=True))])  # fmt: skip
    for _ in range(20):
        world.clock.jump(4 * 3600.0)
        for turn in (world.sentinels[1].turn, world.guards[0].turn):
            world.clock.advance(0.5)
            turn()
        step = world.flows[0].climber.step(FIRST)
        assert step.did is Did.WAITS
    assert "drill" in step.detail
    assert route(world) == drilled


ERRORS = {
    "unavailable": Unavailable("routes", "down"),
    "conflict": Conflict("the route", expected=1, found=2),
    "unclear": Indeterminate("routes", "PUT"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("call", range(1, 12))
def test_whatever_fails_once_leaves_no_rule_behind(world, name, call):
    """The n-th call to the routes goes wrong, whichever it is."""
    left = [call]

    def count(port, check=world.routes.check):
        left[0] -= 1
        if left[0] == 0:
            raise ERRORS[name]
        check(port)

    world.routes.check = count
    try:
        drill(world)
    except (Unavailable, Conflict, Indeterminate):
        assert call == 1  # before anything was written
    assert not is_drilled(route(world))
    assert not world.exposed()


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("write", range(1, 8))
def test_after_a_crash_the_sentinel_removes_the_rule_and_says_so(world, write, how):
    flow = world.flows[0]
    rules = route(world).rules
    flow.fuse.arm(write, how)
    try:
        flow.driller.drill(FIRST)
    except Crash:
        flow.start()
    wait_s = patience_s(world.plan.policy.proof.deadline_s) + 1
    for _ in range(int(wait_s) + 4):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
    assert not is_drilled(route(world))
    assert route(world).rules == rules  # copies of reads as well
    assert world.state().freeze is None
    assert not world.exposed()


def test_a_rule_that_was_left_closes_the_gate_until_a_drill_passes(world):
    flow = world.flows[0]
    flow.fuse.arm(1, "after")
    with pytest.raises(Crash):
        flow.driller.drill(FIRST)
    flow.start()
    assert is_drilled(route(world))
    for _ in range(int(patience_s(world.plan.policy.proof.deadline_s)) + 4):
        world.clock.advance(1.0)
        world.sentinels[0].turn()
    assert not is_drilled(route(world))
    (left,) = notes(world, ev.DrillDone)
    assert (left.passed, left.rounds) == (False, 0)
    assert drill(world).passed


def test_the_next_drill_begins_on_a_route_that_a_dead_one_left(world):
    flow = world.flows[0]
    flow.fuse.arm(1, "after")
    with pytest.raises(Crash):
        flow.driller.drill(FIRST)
    flow.start()
    assert drill(world).passed
    assert not is_drilled(route(world))


def test_two_drills_at_once_are_one(world):
    seen = []

    def other():
        if not is_drilled(route(world)) or seen:
            return
        seen.append(True)
        world.clock.meanwhile = go_on
        with pytest.raises(Refused) as refused:
            driller(world).drill(FIRST)
        seen.append(refused.value.code)
        world.clock.meanwhile = None

    def go_on():
        """What the first one would do on its own machine while the second one waits."""
        observed = world.routes.get_quietly(FIRST)
        moved = replace(observed.route, annotation=ANOTHER)
        world.routes.replace(moved, resource_version=observed.resource_version)

    world.clock.meanwhile = other
    drill(world)
    assert seen == [True, "drill_running"]
