"""Stop the line: what a report does, what is told of it, who takes it, and what is taken back."""

from dataclasses import replace

import pytest

from orchestrator.core import event as ev
from orchestrator.core.ids import Role
from orchestrator.core.receipt import Became
from orchestrator.core.state import Phase
from orchestrator.errors import Refused, Unavailable
from orchestrator.service.stopping import LETTERS, SOMEBODY, StopLine, unanswered
from tests.plans import CSO, FIRST, HEAD, LEAD, LEGACY_UP, SECOND, SLOW
from tests.stops import (
    NURSE,
    PHYSICIAN,
    WITHIN_S,
    exposed_world,
    line_of,
    reminder_of,
)

SICK_WORDS = "text försvinner för 19121212-1212"


@pytest.fixture
def world():
    return exposed_world()


@pytest.fixture
def line(world):
    return line_of(world)


def pages(world):
    return [page.code for page in world.notifier.pages]


def test_one_report_freezes_and_moves_nothing(world, line):
    receipt = line.report(FIRST, NURSE, reporter="a", words="text vanishes")
    assert (receipt.became, receipt.is_frozen) == (Became.FROZEN, True)
    assert world.exposed()
    assert pages(world) == ["stop_reported"]
    assert set(receipt.report) <= set(LETTERS)
    assert line.receipt(receipt.report) == receipt


@pytest.mark.parametrize(
    ("first", "second", "became"),
    [
        ((NURSE, "a"), (NURSE, "b"), Became.RETURNED),
        ((NURSE, "a"), (NURSE, "a"), Became.FROZEN),
        ((NURSE, SOMEBODY), (PHYSICIAN, SOMEBODY), Became.FROZEN),
        ((NURSE, "a"), (HEAD, SOMEBODY), Became.RETURNED),
    ],
    ids=["two people", "one person twice", "nobody knows whether two", "a role alone"],
)
def test_what_confirms_a_report(world, line, first, second, became):
    for role, reporter in (first, second):
        receipt = line.report(FIRST, role, reporter=reporter)
    assert receipt.became is became
    assert world.exposed() == (became is Became.FROZEN)


def test_a_signal_that_is_not_clear_confirms_a_report_at_once(world, line):
    world.numbers[SLOW] = 1.5
    world.sentinels[0].turn()
    assert line.report(FIRST, NURSE).became is Became.RETURNED
    assert not world.exposed()


def test_a_report_is_on_disk_before_anything_else_and_stands_if_the_rest_fails(world, line):
    seen = []

    def attend(_ward):
        seen.extend(type(one.happening) for one in world.drafts())
        raise RuntimeError("a fault of ours")

    line.attend = attend
    assert line.report(FIRST, HEAD).became is Became.FROZEN
    assert ev.StopReported in seen
    world.sentinels[0].turn()  # and the next tick returns it
    assert not world.exposed()


def test_a_stop_counts_with_ledger_and_disk_gone(world, line):
    world.ledger.down = True
    for journal in world.journals:
        journal.down = True
    assert line.report(FIRST, HEAD).became is Became.RETURNED
    assert not world.exposed()


def test_the_standby_hears_it_as_well(world):
    line = line_of(world, 1)
    world.sentinels[1].follower.round()
    assert line.report(FIRST, HEAD).became is Became.RETURNED
    assert not world.exposed()


def test_a_stop_is_never_refused_for_its_text_and_keeps_no_identity(world, line):
    line.report(FIRST, NURSE, words=SICK_WORDS)
    (made,) = (d.happening for d in world.drafts() if isinstance(d.happening, ev.StopReported))
    assert "1212" not in made.words
    assert "försvinner" in made.words


def test_only_roles_of_the_policy_and_wards_of_the_plan(line):
    with pytest.raises(Refused, match="nurse, physician"):
        line.report(FIRST, LEAD)
    for stop in (line.report, line.unproven):
        with pytest.raises(Refused, match="no-such"):
            stop("no-such", NURSE)


def test_without_a_right_code_people_are_paged_and_nothing_moves(world, line):
    receipt = line.unproven(FIRST, HEAD, words="black screens")
    assert (receipt.became, receipt.is_frozen) == (Became.UNPROVEN, False)
    world.sentinels[0].turn()
    assert world.exposed()
    assert pages(world) == ["stop_unproven"]


def test_a_ward_that_works_in_legacy_is_told_so(line):
    assert line.report(SECOND, HEAD).became is Became.AT_HOME


def test_sick_legacy_is_not_switched_to_by_a_stop(world, line):
    world.numbers[LEGACY_UP] = 0.0
    world.sentinels[0].turn()
    report = line.report(FIRST, HEAD).report
    world.sentinels[0].turn()
    assert world.exposed()
    assert line.receipt(report).became is Became.BLOCKED
    assert "legacy_not_ready" in pages(world)
    assert "red binder" in world.notifier.pages[-1].next_action


def test_a_window_that_is_over_is_told_and_the_freeze_stays(world, line):
    report = line.report(FIRST, NURSE, reporter="a").report
    world.clock.advance(901.0)
    assert line.receipt(report).became is Became.UNCONFIRMED
    assert line.receipt(report).is_frozen
    assert line.report(FIRST, NURSE, reporter="b").became is Became.FROZEN


def test_nobody_takes_it_in_hand_and_it_pages_once_a_period(world, line):
    remind = reminder_of(world)
    report = line.report(FIRST, NURSE).report
    unproven = line.unproven(FIRST, NURSE).report
    world.notifier.pages.clear()
    for seconds, expected in ((WITHIN_S - 1, 0), (1, 2), (WITHIN_S - 1, 2), (1, 4)):
        world.clock.advance(seconds)
        remind()
        remind()
        assert pages(world) == ["stop_waits"] * expected
    line.acknowledge(report, CSO)
    line.acknowledge(unproven, CSO)
    world.clock.advance(WITHIN_S)
    remind()
    assert len(pages(world)) == 4


def test_what_waits_is_counted_from_the_report_until_somebody_takes_it_in_hand(world, line):
    """Whether its code was right or not; what was taken back waits for nobody."""

    def waits_s():
        return [waited_s for _, waited_s in unanswered(line.state(), world.clock.now())]

    assert waits_s() == []
    first = line.report(FIRST, NURSE, reporter="a").report
    world.clock.advance(60.0)
    second = line.unproven(FIRST, NURSE).report
    world.clock.advance(5.0)
    assert waits_s() == [65.0, 5.0]
    world.clock.jump(-30.0)
    assert waits_s() == [35.0, 0.0]
    line.acknowledge(second, CSO)
    assert [ward for ward, _ in unanswered(line.state(), world.clock.now())] == [FIRST]
    cancel(world, first)
    world.sentinels[0].turn()
    assert waits_s() == []


def test_who_takes_it_first_stays(world, line):
    report = line.report(FIRST, NURSE).report
    line.acknowledge(report, CSO)
    receipt = line.acknowledge(report, LEAD)
    assert (receipt.acknowledged_by, receipt.acknowledged_at) == (CSO, world.clock.now())
    with pytest.raises(Refused, match="not a report"):
        line.acknowledge("zzzzzzzz", CSO)


def test_a_number_that_is_taken_is_not_given_again(line, monkeypatch):
    given = iter("bbbbbbbb" + "bbbbbbbb" + "cccccccc")
    monkeypatch.setattr("orchestrator.service.stopping.secrets.choice", lambda _: next(given))
    assert [line.report(FIRST, NURSE).report for _ in range(2)] == ["bbbbbbbb", "cccccccc"]


def cancel(world, subject, *, role=CSO, trigger=ev.Trigger.STOP, reason="pressed by mistake"):
    world.drain()
    return world.desk.cancel(FIRST, trigger, subject, role, reason=reason)


def test_a_report_is_taken_back_by_whom_the_policy_names(world, line):
    report = line.report(FIRST, NURSE, reporter="a").report
    with pytest.raises(Refused, match=CSO):
        cancel(world, report, role=HEAD)
    assert len(cancel(world, report)) == 1
    assert cancel(world, report) == ()
    world.sentinels[0].turn()
    assert line.receipt(report).became is Became.TAKEN_BACK
    assert world.state().freeze is None
    assert line.report(FIRST, NURSE, reporter="b").became is Became.FROZEN


@pytest.mark.parametrize(
    "trigger", [one for one in ev.Trigger if one not in (ev.Trigger.STOP, ev.Trigger.ALERT)]
)
def test_what_waits_for_nothing_is_never_taken_back(world, trigger):
    with pytest.raises(Refused, match="never taken back"):
        cancel(world, "x", trigger=trigger)


def test_a_return_that_is_decided_or_has_begun_is_never_taken_back(world, line):
    report = line.report(FIRST, NURSE, reporter="a").report
    world.routes.down = True
    line.report(FIRST, NURSE, reporter="b")
    with pytest.raises(Refused, match="has begun"):
        cancel(world, report)
    world.routes.down = False
    world.sentinels[0].turn()
    with pytest.raises(Refused, match="has begun"):
        cancel(world, report)
    assert not world.exposed()


def test_what_waits_for_sick_legacy_only_is_decided(world, line):
    world.numbers[LEGACY_UP] = 0.0
    world.sentinels[0].turn()
    report = line.report(FIRST, HEAD).report
    with pytest.raises(Refused, match="decided"):
        cancel(world, report)


def test_an_unknown_subject_and_an_identity_are_refused(world, line):
    report = line.report(FIRST, NURSE).report
    with pytest.raises(Refused, match=report):
        cancel(world, "zzzzzzzz")
    with pytest.raises(Refused, match="identity number"):
        cancel(world, report, reason="19121212-1212 was wrong")


def test_nobody_goes_on_past_a_report_without_an_answer(world, line):
    reports = [line.report(FIRST, HEAD).report, line.unproven(FIRST, NURSE).report]
    world.drain()
    for report in reports:
        with pytest.raises(Refused, match=report):
            world.desk.agree_to_resume(FIRST, CSO, reason="mended")
        line.acknowledge(report, CSO)
        world.drain()
    for role in (CSO, LEAD):
        world.desk.agree_to_resume(FIRST, role, reason="mended")
    world.sentinels[0].turn()
    assert world.state().ward(FIRST).phase is Phase.WAITING
    assert line.receipt(reports[0]) is None  # once its ward begins again


@pytest.mark.parametrize("role", ["janitor", "", "Nurse"])
def test_only_a_role_of_the_plan_or_who_is_on_call_takes_a_report_in_hand(world, line, role):
    report = line.report(FIRST, NURSE).report
    with pytest.raises(Refused, match="operations"):
        line.acknowledge(report, Role(role))
    assert line.waiting(FIRST) == (report,)
    line.acknowledge(report, Role("operations"))
    assert line.waiting(FIRST) == ()


def test_the_page_says_what_happens_and_what_is_left_to_do(world, line):
    line.report(SECOND, NURSE)
    line.report(FIRST, NURSE, reporter="a")
    line.report(FIRST, HEAD, reporter="b")
    at_home, frozen, returned = [p for p in world.notifier.pages if p.code == "stop_reported"]
    assert "in legacy already" in at_home.message
    assert "nothing moved" in frozen.message
    assert "returns to legacy" in returned.message
    assert ["wardshift rollback" in p.next_action for p in (at_home, frozen, returned)] == [
        False,
        True,
        False,
    ]
    cause = next(
        d.happening.cause for d in world.drafts() if isinstance(d.happening, ev.RollbackIntended)
    )
    assert cause.reason.endswith(f"and the word of {HEAD} is enough")


def test_a_journal_that_refuses_loses_nothing(world, line):
    for journal in world.journals:
        journal.fail_next(Unavailable("journal", "disk full"))
    report = line.report(FIRST, NURSE).report
    world.sentinels[0].turn()
    world.sentinels[0].turn()
    kept = [e.draft.happening for e in world.ledger.kept()]
    assert [one.report for one in kept if isinstance(one, ev.StopReported)] == [report]


def test_a_plan_that_names_no_role_lets_nobody_stop_by_a_role(world, line):
    bare = replace(world.plan.policy, stop=replace(world.plan.policy.stop, roles=()))
    line.plan = replace(world.plan, policy=bare)
    with pytest.raises(Refused, match="nobody"):
        line.report(FIRST, Role("nurse"))
    assert isinstance(line, StopLine)
