"""Two sentinels, a guard, two flows and people, in every order that hypothesis can think of.

Each run also crashes actors before or after a chosen effect, takes the ledger and the
signals away, and moves the wall clock. The invariants are those of design section 2.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator.core.event import Cause, PromotionIntended, RollbackIntended, Trigger
from orchestrator.core.ids import Role, StageName
from orchestrator.core.route import exposed_slices
from orchestrator.core.state import Phase
from orchestrator.core.view import recorded_exposure
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ledger.mapping import FIRST_HASH, entry_from, entry_row
from tests.plans import CSO, FIRST, HEAD, LEAD, LEGACY_UP, SLOW
from tests.property.world import World

INTERLEAVINGS = 2_000
STEPS = 20
SIDES = st.sampled_from(["sentinels", "guards", "flows"])
PERSON = Cause(trigger=Trigger.PERSON, reason="asked")


class Rollout(RuleBasedStateMachine):
    """One ward's life under fire."""

    @initialize(exposed=st.booleans())
    def begin(self, exposed):
        self.world = World()
        self.world.clock.meanwhile = lambda: self._turn("sentinels", 0)
        self.greatest_epoch = 0
        self.agreed: set[Role] = set()
        self.returns_seen = 0
        self.may_be_exposed = True
        self.world.desk.start()
        if exposed:
            self._climb_to_exposure()

    def _climb_to_exposure(self):
        for role in (CSO, HEAD):
            self.world.desk.approve(FIRST, StageName("notes"), role, comment="")
        for _ in range(60):
            if self.world.exposed():
                return
            self.pass_hours(4)
            for side in ("sentinels", "guards", "flows"):
                self.world.clock.advance(2.1)
                self._turn(side, 0)
        raise AssertionError("without faults the ward must reach exposure")

    def _turn(self, side, which):
        self._actor(side, which).turn()

    @rule(which=st.integers(0, 1))
    def watch(self, which):
        self._turn("sentinels", which)
        self.world.clock.advance(1.0)

    @rule()
    def guard(self):
        self._turn("guards", 0)

    @rule(which=st.integers(0, 1))
    def climb(self, which):
        self._turn("flows", which)

    @rule(
        side=SIDES,
        which=st.integers(0, 1),
        effects=st.integers(1, 5),
        how=st.sampled_from(["before", "after", "in_flight"]),
    )
    def crash_soon(self, side, which, effects, how):
        self._actor(side, which).fuse.arm(effects, how)

    @rule(
        which=st.integers(0, 1),
        effects=st.integers(1, 4),
        other=st.sampled_from(["sentinels", "guards", "flows", "person", "hold", "lease"]),
    )
    def preempt_flow_soon(self, which, effects, other):
        self._actor("flows", which).fuse.arm(
            effects, "preempted", lambda: self._act(other, 1 - which)
        )

    @rule(
        which=st.integers(0, 1),
        effects=st.integers(1, 4),
        other=st.sampled_from(["sentinels", "guards", "flows", "person"]),
    )
    def preempt_sentinel_soon(self, which, effects, other):
        self._actor("sentinels", which).fuse.arm(
            effects, "preempted", lambda: self._act(other, which)
        )

    @rule(side=SIDES, which=st.integers(0, 1))
    def what_was_in_flight_lands(self, side, which):
        self._actor(side, which).fuse.land()

    def _actor(self, side, which):
        actors = getattr(self.world, side)
        return actors[which % len(actors)]

    def _act(self, other, which):
        match other:
            case "person":
                self.world.flows[which].roll_back(PERSON)
            case "hold":
                self.hold()
            case "lease":
                self._a_lease_passes()
            case _:
                self._turn(other, which)

    def _a_lease_passes(self):
        """Under the eyes of the guard: what it does not look at counts for little."""
        self._turn("guards", 0)
        for _ in range(5):
            self.world.clock.advance(self.world.plan.policy.lease_s / 4 + 0.1)
            self._turn("guards", 0)

    @rule(value=st.sampled_from([0.1, 1.5, 9.0, None]))
    def signal(self, value):
        self.world.numbers[SLOW] = value

    @rule(value=st.sampled_from([1.0, 0.0, None]))
    def legacy(self, value):
        self.world.numbers[LEGACY_UP] = value

    @rule(down=st.booleans())
    def ledger_down(self, down):
        self.world.ledger.down = down

    @rule(down=st.booleans())
    def routes_down(self, down):
        self.world.routes.down = down

    @rule(lost=st.booleans())
    def answer_lost(self, lost):
        target = self.world.routes if lost else self.world.ledger
        target.apply_then_fail_next(Indeterminate("port", "write"))

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.0, 20.0]))
    def pass_seconds(self, seconds):
        self.world.clock.advance(seconds)

    @rule(hours=st.sampled_from([4, 12, 30]))
    def pass_hours(self, hours):
        """Wall time for soak; the monotonic clock does not care."""
        self.world.clock.jump(hours * 3600.0)

    @rule()
    def clock_jumps_back(self):
        self.world.clock.jump(-5400.0)

    @rule(stuck=st.booleans())
    def gateway_late(self, stuck):
        self.world.prober.stuck = self.world.routes.get_quietly(FIRST).route if stuck else None

    @rule(stage=st.sampled_from(["notes", "accepted"]), role=st.sampled_from([CSO, HEAD]))
    def approve(self, stage, role):
        self._say(lambda: self.world.desk.approve(FIRST, StageName(stage), role, comment=""))

    @rule()
    def hold(self):
        self._say(lambda: self.world.desk.hold(FIRST, reason="wait"))

    @rule()
    def lift(self):
        self._say(lambda: self.world.desk.lift(FIRST, reason="go on"))

    @rule(which=st.integers(0, 1))
    def person_returns_ward(self, which):
        self.world.flows[which].roll_back(PERSON)

    @rule(role=st.sampled_from([CSO, LEAD]), programme=st.booleans())
    def agree(self, role, programme):
        ward = None if programme else FIRST
        self._say(lambda: self.world.desk.agree_to_resume(ward, role, reason="mended"))

    def _say(self, words):
        try:
            words()
        except (Refused, Conflict, Unavailable, Indeterminate):
            return

    @precondition(lambda self: self.world.exposed())
    @rule()
    def harm_comes_home(self):
        """With one living sentinel, an answering gateway and a breach, the ward is home within
        m ticks (+ one lease for taking over) whatever the ledger and the flows do."""
        world = self.world
        world.routes.down = False
        world.prober.stuck = None
        world.numbers[SLOW], world.numbers[LEGACY_UP] = 9.0, 1.0
        for sentinel in world.sentinels:
            sentinel.fuse.left = None
        lease_s = world.plan.policy.lease_s
        for _ in range(int(lease_s) + 6):
            if not world.exposed():
                break
            self._turn("sentinels", 0)
            world.clock.advance(1.0)
        assert not world.exposed()

    @precondition(lambda self: self.world.exposed())
    @rule()
    def everybody_dies_but_the_guard(self):
        """No sentinel for longer than a lease: the guard brings the ward home, unless legacy
        was last seen sick, in which case people are paged."""
        world = self.world
        world.routes.down = False
        world.guards[0].fuse.left = None
        self._a_lease_passes()
        self._a_lease_passes()
        assert not world.exposed() or "lease_lapsed" in {p.code for p in world.notifier.pages}

    @invariant()
    def epoch_never_falls(self):
        assert self.world.epoch() >= self.greatest_epoch
        self.greatest_epoch = self.world.epoch()

    @invariant()
    def no_exposure_without_a_ledgered_intent(self):
        if not self.world.exposed():
            return
        epochs = {
            entry.draft.happening.epoch
            for entry in self.world.ledger.kept()
            if isinstance(entry.draft.happening, PromotionIntended)
        }
        fenced = {epoch + 1 for epoch in epochs}  # the old stage, put back by a fence
        assert self.world.epoch() in epochs | fenced

    @invariant()
    def the_route_exposes_only_what_the_record_allows(self):
        """Nothing older than a return, and nothing that was given up, can land any more."""
        if not self.world.exposed():
            return
        state = self.world.state().ward(FIRST)
        returned = state.returned
        if state.phase is Phase.RETURNING:
            assert returned is not None
            assert returned.epoch is None, "written back, and exposed again"
            return
        allowed = recorded_exposure(self.world.plan, state)
        assert state.phase in (Phase.AT_STAGE, Phase.PROMOTING, Phase.ACCEPTED), state.phase
        assert set(exposed_slices(self.world.routes.get_quietly(FIRST).route)) <= set(allowed)

    @invariant()
    def the_chain_holds(self):
        prev = FIRST_HASH
        for entry in self.world.ledger.kept():
            prev = entry_from(entry_row(entry), prev_hash=prev).hash

    @invariant()
    def every_draft_once(self):
        ids = [entry.draft.id for entry in self.world.ledger.kept()]
        assert len(ids) == len(set(ids))

    @invariant()
    def a_return_is_intended_before_the_route_says_so(self):
        route = self.world.routes.get_quietly(FIRST).route
        if route.annotation.why.startswith("rollback"):
            assert any(isinstance(d.happening, RollbackIntended) for d in self.world.drafts())


@pytest.mark.timeout(1800)
def test_no_interleaving_breaks_the_rules():
    run_state_machine_as_test(
        Rollout,
        settings=settings(
            max_examples=INTERLEAVINGS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
