"""Faults of comparable systems, each played on the real services over fakes.

The table in docs/explanation/traps.md says where the others are tested.
"""

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Level
from orchestrator.service.rollback import Outcome, roll_back
from tests.plans import CSO, FIRST, HEAD, SLOW
from tests.property.world import Crash, World, entered_stages
from tests.stops import NURSE, exposed_world, line_of

CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")
TURNS = 200


def around(world: World, *, hours: float = 4.0) -> None:
    """Some hours go by for the hospital, and a moment for the processes around the ward."""
    world.clock.jump(hours * 3600.0)
    for turn in (world.sentinels[0].turn, world.guards[0].turn, world.flows[0].turn):
        world.clock.advance(2.1)
        turn()


def climb(world: World, until: Phase | StageName) -> None:
    for _ in range(TURNS):
        ward = world.state().ward(FIRST)
        if until in (ward.phase, ward.stage):
            return
        around(world)
    raise AssertionError(f"the ward never reached {until}: {world.state().ward(FIRST)}")


def tick(world: World, times: int) -> None:
    for _ in range(times):
        world.clock.advance(1.0)
        world.sentinels[0].turn()


def happenings(world: World, kind: type) -> list:
    return [draft.happening for draft in world.drafts() if isinstance(draft.happening, kind)]


@pytest.fixture
def world() -> World:
    """A started programme in which the first two approvals are given."""
    made = World()
    made.clock.meanwhile = made.sentinels[0].turn
    made.desk.start()
    for role in (CSO, HEAD):
        made.desk.approve(FIRST, StageName("notes"), role, comment="")
    return made


def test_a_breach_while_the_ward_waits_at_a_closed_gate_returns_it(world: World) -> None:
    """flagger#1801: a breach seen while a gate is closed was not acted on."""
    climb(world, StageName("all"))
    for _ in range(10):
        around(world)
    ward = world.state().ward(FIRST)
    assert (ward.phase, ward.closed_gates) == (Phase.AT_STAGE, ("approved",))
    assert world.exposed()
    world.numbers[SLOW] = 9.0
    tick(world, 2)
    assert not world.exposed()


@pytest.mark.parametrize("trigger", ["breach", "person"])
def test_a_ward_comes_back_also_after_its_last_promotion(world: World, trigger: str) -> None:
    """argo-rollouts#4461: an abort after the full promotion was ignored."""
    world.desk.approve(FIRST, StageName("accepted"), CSO, comment="")
    climb(world, Phase.ACCEPTED)
    assert world.exposed()
    if trigger == "breach":
        world.numbers[SLOW] = 9.0
        tick(world, 2)
    else:
        scribe = world.scribe(ActorKind.PERSON, "cso")
        report = roll_back(
            world.hands(scribe, world.routes), world.state().ward(FIRST), CAUSE, is_fresh=True
        )
        assert report.outcome is Outcome.PROVEN
    assert not world.exposed()
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_return_that_was_intended_is_written_by_the_process_that_starts_next(
    world: World, dies: str
) -> None:
    """Killed around the route write: the restarted process completes it, once."""
    climb(world, StageName("notes"))
    sentinel = world.sentinels[0]
    writes_so_far = len(world.routes.writes)
    world.numbers[SLOW] = 9.0
    tick(world, 1)
    _kill_at_the_route_write(world, dies)
    tick(world, 1)
    assert sentinel.starts == 2
    assert len(happenings(world, ev.RollbackIntended)) == 1
    assert world.exposed() is (dies == "before")
    for _ in range(15):
        tick(world, 1)
    assert not world.exposed()
    assert len(world.routes.writes) == writes_so_far + 1
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK
    assert len(happenings(world, ev.RollbackIntended)) == 1


def _kill_at_the_route_write(world: World, dies: str) -> None:
    """Whoever writes the next route dies just before it, or just after."""

    def die(_route: object) -> None:
        raise Crash

    if dies == "before":
        world.routes.before_write = die
    else:
        world.routes.apply_then_fail_next(Crash())  # type: ignore[arg-type]


def test_what_people_approved_is_still_approved_after_every_process_was_restarted(
    world: World,
) -> None:
    """flagger's gates live in the memory of its load tester, and close when it restarts."""
    climb(world, StageName("shadow"))
    for process in (*world.sentinels, *world.guards, *world.flows):
        process.start()
    climb(world, StageName("notes"))
    assert entered_stages(world)[-1] == "notes"
    assert world.exposed()


def test_a_yes_that_was_never_given_is_not_there_after_a_restart(world: World) -> None:
    """The other direction: a restart opens nothing."""
    climb(world, StageName("all"))
    for process in (*world.sentinels, *world.guards, *world.flows):
        process.start()
    for _ in range(10):
        around(world)
    assert world.state().ward(FIRST).stage == "all"


def test_a_ward_of_which_nothing_was_ever_seen_goes_no_further(world: World) -> None:
    """argo-rollouts#228: an analysis that never ran counted as a success."""
    for signal in world.plan.signals:
        world.numbers[signal.name] = None
    for _ in range(30):
        around(world)
    assert "notes" not in entered_stages(world)
    assert not world.exposed()


def test_a_ward_whose_judging_was_broken_off_goes_no_further(world: World) -> None:
    """argo-rollouts#228: an analysis that was terminated counted as a success. All was well when
    the sentinel died; what it said last opens nothing, however long that is ago."""
    climb(world, StageName("shadow"))
    climb_on = (world.guards[0].turn, world.flows[0].turn)
    tick(world, 3)
    before = world.state().ward(FIRST)
    assert {one.verdict.level for one in before.verdicts} == {Level.PASS}
    for _ in range(30):
        world.clock.jump(4 * 3600.0)
        for turn in climb_on:
            world.clock.advance(2.1)
            turn()
    assert "notes" not in entered_stages(world)
    assert not world.exposed()
    assert "sentinel_alive" in world.state().ward(FIRST).closed_gates
    climb(world, StageName("notes"))  # judged again, it goes on
    assert world.exposed()


@pytest.mark.parametrize("left", [0, 1])
def test_of_two_alerts_in_a_countdown_each_can_be_cancelled(left: int) -> None:
    """sticht: a second trigger took the first one's place, and only one of them could be cancelled.
    What is left of two still returns the ward; of none, nothing does."""
    world = exposed_world()
    since = world.state().ward(FIRST).exposed_since
    assert since is not None
    for name in ("first", "second"):
        early = ev.AlertHeard(
            name="NotesSlow", fingerprint=name, weight=ev.Weight.RETURN,
            status=ev.AlertStatus.FIRING, via=ev.Via.WEBHOOK, started_at=since.replace(year=2026),
        )  # fmt: skip
        world.sentinels[0].sentinel.watch.hands.scribe.note(FIRST, early)
    tick(world, 2)
    assert world.exposed()
    cancel(world, ev.Trigger.ALERT, *("second", "first")[left:])
    tick(world, int(world.plan.policy.alerts.patience_s) + 2)
    assert world.exposed() is (left == 0)
    assert len(happenings(world, ev.RollbackIntended)) == left


@pytest.mark.parametrize("left", ["alert", "stop", "neither"])
def test_an_alert_and_a_report_that_wait_are_both_cancellable(left: str) -> None:
    """An alert's countdown and a report that waits for a second voice: neither hides the other."""
    world = exposed_world()
    since = world.state().ward(FIRST).exposed_since
    assert since is not None
    early = ev.AlertHeard(
        name="NotesSlow", fingerprint="early", weight=ev.Weight.RETURN,
        status=ev.AlertStatus.FIRING, via=ev.Via.WEBHOOK, started_at=since.replace(year=2026),
    )  # fmt: skip
    world.sentinels[0].sentinel.watch.hands.scribe.note(FIRST, early)
    report = line_of(world).report(FIRST, NURSE, reporter="a").report
    tick(world, 1)
    assert world.exposed()
    if left != "alert":
        cancel(world, ev.Trigger.ALERT, "early")
    if left != "stop":
        cancel(world, ev.Trigger.STOP, report)
    tick(world, int(world.plan.policy.alerts.patience_s) + 2)
    assert world.exposed() is (left != "alert")
    line_of(world).report(FIRST, NURSE, reporter="b")  # a second voice for a report that stands
    tick(world, 2)
    assert world.exposed() is (left == "neither")
    assert len(happenings(world, ev.RollbackIntended)) == (left != "neither")


def cancel(world: World, trigger: ev.Trigger, *subjects: str) -> None:
    world.drain()
    for subject in subjects:
        assert world.desk.cancel(FIRST, trigger, subject, CSO, reason="a test of the alerting")
    world.sentinels[0].turn()
