"""The way back, one dependency broken at a time, with the real services over fakes."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.decision import Rollback
from orchestrator.core.ids import ActorKind, SliceName, StageName
from orchestrator.core.plan import GuardAction
from orchestrator.core.reading import Value
from orchestrator.core.route import Annotation, all_legacy, desired_route, is_exposed
from orchestrator.core.state import Phase, WardState
from orchestrator.core.threshold import Tripwire
from orchestrator.core.view import view
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ledger import BoundedJournal
from orchestrator.service.leases import ward_lease
from orchestrator.service.returns import Returns
from orchestrator.service.rollback import Outcome, roll_back
from orchestrator.service.scribe import Scribe
from tests.fakes import FakeNotifier, put_exposed
from tests.fakes_ledger import HangingJournal
from tests.plans import CSO, FIRST, HEAD, LEAD, LEGACY_UP, SECOND, SLOW, TEXT_LOST, signal
from tests.property.world import InlineExecutor, World

CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")


@pytest.fixture
def world():
    """A ward whose notes are worked in the candidate, watched and guarded."""
    made = World()
    made.clock.meanwhile = made.sentinels[0].turn
    made.desk.start()
    for role in (CSO, HEAD):
        made.desk.approve(FIRST, StageName("notes"), role, comment="")
    for _ in range(60):
        if made.exposed():
            return made
        made.clock.jump(4 * 3600.0)
        for turn in (made.sentinels[0].turn, made.guards[0].turn, made.flows[0].turn):
            made.clock.advance(2.1)
            turn()
    raise AssertionError("the ward was never exposed")


def tick(world, times=1, seconds=1.0):
    for _ in range(times):
        world.clock.advance(seconds)
        world.sentinels[0].turn()


def happenings(world, kind):
    return [draft.happening for draft in world.drafts() if isinstance(draft.happening, kind)]


def test_a_breach_returns_the_ward_and_freezes_the_programme(world):
    world.numbers[SLOW] = 9.0
    tick(world, 2)  # two of three
    state = world.state()
    assert not world.exposed()
    assert state.ward(FIRST).phase is Phase.ROLLED_BACK
    assert state.freeze is not None
    (proven,) = happenings(world, ev.RollbackProven)
    assert proven.probes >= 2 * len(world.plan.slices)


def test_what_is_lost_after_the_route_is_written_is_on_record_and_settled_too(world):
    """By requests that were under way; the stage mirrors nothing, so all else is let be then."""
    counted = signal(TEXT_LOST, Tripwire(), slice_name=SliceName("notes"))
    watch = world.sentinels[0].sentinel.watch
    watch.plan = replace(world.plan, signals=(*world.plan.signals, counted))
    world.prober.silent = True  # written, and not proven yet
    world.numbers[TEXT_LOST] = 1.0
    tick(world, 2)
    assert (world.exposed(), world.state().ward(FIRST).phase) == (False, Phase.RETURNING)
    world.numbers[TEXT_LOST] = 3.0
    tick(world)
    world.numbers[TEXT_LOST] = None  # out of sight, it takes nothing back
    tick(world)
    world.prober.silent = False
    tick(world, 2)
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK
    for role in (CSO, LEAD):
        world.desk.agree_to_resume(FIRST, role, reason="mended")
    assert world.state().ward(FIRST).settled_occurrences(TEXT_LOST) == 3.0


def test_one_bad_tick_of_two_needed_does_not(world):
    world.numbers[SLOW] = 9.0
    tick(world)
    world.numbers[SLOW] = 0.1
    tick(world, 3)
    assert world.exposed()


@pytest.mark.parametrize("blind", ["ledger", "journal", "gateway lies", "approval", "held"])
def test_a_broken_dependency_does_not_stop_the_return(world, blind):
    match blind:
        case "ledger":
            world.ledger.down = True
        case "journal":
            for journal in world.journals:
                journal.down = True
        case "gateway lies":
            world.prober.silent = True
        case "approval":
            world.desk.withdraw(FIRST, StageName("notes"), CSO, comment="no")
        case "held":
            world.desk.hold(FIRST, reason="wait")
    world.numbers[SLOW] = 9.0
    tick(world, 2)
    assert not world.exposed()


def test_what_happened_without_the_ledger_is_in_it_once_afterwards(world):
    world.ledger.down = True
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    world.ledger.down = False
    tick(world, 3)
    kept = [entry.draft.happening for entry in world.ledger.kept()]
    for kind in (ev.RollbackIntended, ev.RollbackWritten, ev.RollbackProven):
        assert sum(isinstance(one, kind) for one in kept) == 1


def test_what_could_not_be_journalled_is_written_when_the_disk_is_back(world):
    for journal in world.journals:
        journal.down = True
    world.numbers[SLOW] = 9.0
    tick(world, 2)
    assert not world.exposed()
    for journal in world.journals:
        journal.down = False
    tick(world, 3)
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK
    world.drain()
    kept = [type(entry.draft.happening) for entry in world.ledger.kept()]
    assert kept.count(ev.RollbackProven) == 1


def test_routes_down_is_waited_for_and_said(world):
    world.numbers[SLOW] = 9.0
    world.routes.down = True
    tick(world, 4)
    assert world.exposed()
    (page,) = world.notifier.pages  # once, however often it was tried
    assert (page.ward, page.code) == (FIRST, "rollback_delayed")
    assert "routes: down" in page.message
    assert world.plan.ward(FIRST).downtime_procedure in page.next_action
    sentinel = world.sentinels[0].sentinel
    assert sentinel.way_back().routes_read is False
    assert sentinel.watch.unwritten_s(FIRST) > 0
    assert not happenings(world, ev.RollbackWritten)
    world.routes.down = False
    tick(world)
    assert not world.exposed()
    assert world.notifier.pages == [page]
    assert sentinel.way_back().routes_read is True
    assert sentinel.watch.unwritten_s(FIRST) == 0
    (written,) = happenings(world, ev.RollbackWritten)
    assert written.after_s > 2.0  # what was waited for counts


def test_a_ward_promoted_while_the_routes_cannot_be_listed_is_watched(world):
    """The last list still has it on legacy; the record knows better."""
    watch = world.sentinels[0].sentinel.watch
    old = {one.route.ward: one for one in (world.routes.get_quietly(FIRST),)}
    legacy = all_legacy(old[FIRST].route, epoch=1, annotation=old[FIRST].route.annotation)
    watch._routes = {FIRST: replace(old[FIRST], route=legacy)}
    world.routes.down = True
    world.numbers[SLOW] = 9.0
    seen = []
    for _ in range(3):
        world.clock.advance(1.0)
        seen += [one for one in watch.tick().wards if one.view.ward == FIRST]
    assert seen[0].view.exposed
    assert isinstance(seen[-1].decision, Rollback)


def test_blindness_holds_at_once_and_returns_after_patience(world):
    world.numbers[SLOW] = None
    tick(world, 9)
    assert world.exposed()
    tick(world, 3)
    assert not world.exposed()
    (intended,) = happenings(world, ev.RollbackIntended)
    assert intended.cause.trigger is ev.Trigger.BLIND


def test_sick_legacy_pages_with_the_downtime_procedure_and_switches_nothing(world):
    world.numbers[SLOW], world.numbers[LEGACY_UP] = 9.0, 0.0
    tick(world, 5)
    assert world.exposed()
    (page,) = world.notifier.pages
    assert page.code == "legacy_not_ready"
    assert world.plan.ward(FIRST).downtime_procedure in page.next_action
    (blocked,) = happenings(world, ev.RollbackBlocked)
    assert blocked.cause.signal == SLOW
    world.numbers[LEGACY_UP] = 1.0
    tick(world, 2)
    assert not world.exposed()


def test_who_can_return_does_so_before_anybody_is_told_of_one_that_cannot(world, monkeypatch):
    """The first ward's legacy is sick. Writing that down and paging take their time, and the next
    ward's return does not wait for them."""
    exposing = desired_route(
        world.plan, SECOND, world.plan.stage(StageName("notes")), epoch=9,
        annotation=Annotation(who="flow:f", why="enter notes"),
    )  # fmt: skip
    put_exposed(world.routes, exposing)
    asked = world.read_all

    def read_all(signals, wards, *, deadline_s):
        readings = asked(signals, wards, deadline_s=deadline_s)
        return {**readings, (FIRST, LEGACY_UP): Value(number=0.0, n=9, age_s=0.0)}

    monkeypatch.setattr(world, "read_all", read_all)
    were_home = []

    def page(_page):
        were_home.append(not is_exposed(world.routes.get_quietly(SECOND).route))

    monkeypatch.setattr(world.notifier, "page", page)
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    assert world.exposed()
    assert were_home == [True]


def test_unseen_legacy_does_not_block_the_way_back(world):
    world.numbers[SLOW], world.numbers[LEGACY_UP] = 9.0, None
    tick(world, 2)
    assert not world.exposed()


def test_a_sentinel_that_was_stopped_stands_by_first_and_changes_nothing(world):
    epoch = world.epoch()
    world.numbers[SLOW] = None
    tick(world, 3)  # blind, within patience
    world.clock.advance(3600.0)  # SIGSTOP
    world.sentinels[1].turn()
    world.clock.advance(9.0)
    world.sentinels[1].turn()  # the standby leads now
    assert world.sentinels[1].sentinel.is_active
    world.sentinels[0].turn()  # SIGCONT
    assert not world.sentinels[0].sentinel.is_active
    assert world.exposed()
    assert world.epoch() == epoch


def test_the_guard_returns_a_ward_whose_lease_stands_still(world):
    for _ in range(6):
        world.clock.advance(2.0)
        world.guards[0].turn()
    assert not world.exposed()
    (intended,) = happenings(world, ev.RollbackIntended)
    assert intended.cause.trigger is ev.Trigger.LEASE


def test_the_guard_leaves_a_renewed_lease_alone(world):
    for _ in range(10):
        tick(world, 1, 2.0)
        world.guards[0].turn()
    assert world.exposed()


def test_the_guard_only_pages_when_legacy_was_last_seen_sick(world):
    world.numbers[LEGACY_UP] = 0.0
    tick(world, 6)
    for _ in range(6):
        world.clock.advance(2.0)
        world.guards[0].turn()
    assert world.exposed()
    assert [page.code for page in world.notifier.pages] == ["lease_lapsed"]


def test_the_guard_only_pages_where_the_policy_says_so(world):
    from dataclasses import replace

    watch = world.sentinels[0].sentinel.watch
    watch.plan = replace(world.plan, policy=replace(world.plan.policy, guard=GuardAction.PAGE))
    tick(world, 4)
    for _ in range(6):
        world.clock.advance(2.0)
        world.guards[0].turn()
    assert world.exposed()


def test_a_return_written_by_the_guard_is_recorded_by_the_sentinel_that_comes_after(world):
    for journal in world.journals:
        journal.down = True  # the guard has no disk
    for _ in range(6):
        world.clock.advance(2.0)
        world.guards[0].turn()
    for journal in world.journals:
        journal.down = False
    tick(world, 6, 2.0)
    state = world.state().ward(FIRST)
    assert state.phase is Phase.ROLLED_BACK
    assert state.returned is not None
    assert state.returned.cause.trigger is ev.Trigger.LEASE


def test_one_ward_whose_lease_is_refused_leaves_no_other_unguarded(world):
    """The first ward's lease cannot be taken; the second, exposed too, is returned."""
    exposing = desired_route(
        world.plan, SECOND, world.plan.stage(StageName("notes")), epoch=9,
        annotation=Annotation(who="flow:f", why="enter notes"),
    )  # fmt: skip
    put_exposed(world.routes, exposing)
    put = world.leases.put

    def refuses_first(name, **rest):
        if name == ward_lease(FIRST):
            raise Refused("quota", "no")
        return put(name, **rest)

    world.leases.put = refuses_first
    for _ in range(6):
        world.clock.advance(2.0)
        world.guards[0].turn()
    assert world.exposed()
    assert not is_exposed(world.routes.get_quietly(SECOND).route)


def test_exposure_that_nobody_intended_is_taken_back(world):
    stray = desired_route(
        world.plan, SECOND, world.plan.stage(StageName("notes")), epoch=99,
        annotation=Annotation(who="person:hand", why="by hand"),
    )  # fmt: skip
    put_exposed(world.routes, stray)
    tick(world, 4)
    assert not is_exposed(world.routes.get_quietly(SECOND).route)


def hands(world):
    return world.hands(world.scribe(ActorKind.PERSON, "cso"), world.routes)


def test_a_second_trigger_is_a_recorded_no_op(world):
    first = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    epoch = world.epoch()
    second = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    assert (first.outcome, second.outcome) == (Outcome.PROVEN, Outcome.REPEATED)
    assert world.epoch() == epoch
    assert len(happenings(world, ev.RollbackRepeated)) == 1
    assert len(happenings(world, ev.RollbackIntended)) == 1


def test_an_old_word_that_the_ward_is_home_raises_the_epoch(world):
    """A promotion that this hand cannot know of may be under way: it must not land after us."""
    home = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    old = world.state().ward(FIRST)
    again = roll_back(hands(world), old, CAUSE)
    assert again.outcome is Outcome.REPEATED
    assert home.epoch is not None
    assert again.epoch == home.epoch + 2
    assert world.epoch() == again.epoch
    assert world.state().ward(FIRST).home_epoch == again.epoch


@pytest.mark.parametrize("is_fresh", [True, False])
def test_a_ward_said_to_be_home_on_a_route_nobody_can_read_is_not_called_done(world, is_fresh):
    old = WardState(ward=FIRST, phase=Phase.ROLLED_BACK, epoch=1)
    world.routes.fail_next(Unavailable("routes", "no answer in time"))
    report = roll_back(hands(world), old, CAUSE, is_fresh=is_fresh)
    assert report.outcome is Outcome.NOT_WRITTEN
    assert not happenings(world, ev.RollbackRepeated)


@pytest.mark.parametrize(
    "error",
    [
        Conflict("route", expected=1, found=2),
        Indeterminate("routes", "replace"),
        Refused("stale_epoch", "old"),
    ],
)
def test_a_lost_write_is_decided_again(world, error):
    if isinstance(error, Indeterminate):
        world.routes.apply_then_fail_next(error)
    else:
        world.routes.before_write = lambda _: (_ for _ in ()).throw(error)
    report = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    assert report.outcome is Outcome.PROVEN
    assert not world.exposed()


def test_a_journal_disk_that_hangs_does_not_hold_up_the_return(world):
    with HangingJournal() as disk:
        scribe = Scribe(
            BoundedJournal(disk, patience_s=0.01),
            world.clock,
            actor=ev.Actor(kind=ActorKind.PERSON, name="cso"),
            plan_hash="h",
            code_version="t",
        )
        report = roll_back(world.hands(scribe, world.routes), world.state().ward(FIRST), CAUSE)
        assert report.outcome is Outcome.PROVEN
        assert disk.pending() == ()
        assert scribe.flush() == 3  # intended, written, proven: kept until the disk is back


def test_unavailable_routes_are_an_outcome_not_a_crash(world):
    world.routes.fail_next(Unavailable("routes", "refused"))
    report = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    assert report.outcome is Outcome.NOT_WRITTEN
    assert "refused" in report.detail


def test_a_late_gateway_is_pending_and_says_what_is_waited_for(world):
    world.prober.stuck = world.routes.get_quietly(FIRST).route
    report = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    assert report.outcome is Outcome.PENDING
    assert "still serves notes from candidate" in report.detail
    world.prober.stuck = None
    again = roll_back(hands(world), world.state().ward(FIRST), CAUSE, is_fresh=True)
    assert again.outcome is Outcome.PROVEN
    assert again.epoch == report.epoch


def test_a_return_raises_the_epoch_even_when_legacy_serves_already(world):
    before = world.routes.get_quietly(SECOND).route.epoch
    report = roll_back(hands(world), WardState(ward=SECOND), CAUSE)
    assert report.outcome is Outcome.PROVEN
    assert world.routes.get_quietly(SECOND).route.epoch > before


def test_after_a_return_the_flow_cannot_promote_until_two_roles_agree(world):
    world.numbers[SLOW] = 9.0
    tick(world, 3)
    world.numbers[SLOW] = 0.1
    for _ in range(20):
        world.clock.jump(8 * 3600.0)
        tick(world)
        world.flows[0].turn()
    assert not world.exposed()
    for ward in (FIRST, None):
        for role in (CSO, LEAD):
            world.desk.agree_to_resume(ward, role, reason="mended")
    assert world.state().ward(FIRST).phase is Phase.WAITING


def test_a_second_return_is_counted_from_its_own_first_word(world):
    hands = world.hands(world.scribe(ActorKind.SENTINEL, "s"), world.routes)
    made = Returns(
        hands=hands, notifier=FakeNotifier(), executor=InlineExecutor(),
        state_of=lambda _: replace(world.state().ward(FIRST), phase=Phase.AT_STAGE),
        procedure_of=lambda _: "",
    )  # fmt: skip
    item = view(world.plan, world.state().ward(FIRST), world.routes.get(FIRST).route)
    for _ in range(2):
        begun = made.begin(item, CAUSE)
        assert begun is not None
        assert begun.result().outcome is Outcome.PROVEN
        world.clock.advance(3600.0)
    assert [one.after_s for one in happenings(world, ev.RollbackWritten)] == [0.0, 0.0]
