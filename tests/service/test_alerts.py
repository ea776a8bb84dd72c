"""Alerts as they come, pushed and polled, with the real services over fakes.

The traps have the names of those who fell into them (peers section 7).
"""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.notify import FanOut
from orchestrator.core import event as ev
from orchestrator.core.alarm import AlarmCode
from orchestrator.core.event import AlertStatus
from orchestrator.core.ids import StageName
from orchestrator.core.placing import Notice, Novelty
from orchestrator.core.state import Phase
from orchestrator.errors import Unavailable
from orchestrator.ledger import BoundedJournal
from orchestrator.service.hearing import Poll
from orchestrator.service.leases import LeaseBook, life
from tests.fakes_ledger import HangingJournal
from tests.plans import CSO, FIRST, HEAD, LEGACY_UP, SECOND
from tests.property.world import World
from tests.service.ears import AM, PROM, Ears

FIRING, SILENCED, RESOLVED = AlertStatus.FIRING, AlertStatus.SILENCED, AlertStatus.RESOLVED
PATIENCE_S = 30.0
LABELS = {"alertname": "NotesSlow", "ward": FIRST, "severity": "critical"}


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


@pytest.fixture
def ears(world):
    made = Ears(world, world.sentinels[0])
    made.poll()
    return made


def notice(world, status=FIRING, *, ago_s=0.0, ended=False, **labels):
    wanted = {**LABELS, **labels}
    return Notice(
        labels={name: value for name, value in wanted.items() if value is not None},
        status=status,
        started_at=world.clock.now() - timedelta(seconds=ago_s),
        ended_at=world.clock.now() if ended else None,
    )


def before_exposure(world, **how):
    since = world.state().ward(FIRST).exposed_since
    return replace(notice(world, **how), started_at=since - timedelta(hours=1))


def tick(world, times=1, seconds=1.0):
    for _ in range(times):
        world.clock.advance(seconds)
        world.sentinels[0].turn()


def happenings(world, kind):
    return [draft.happening for draft in world.drafts() if isinstance(draft.happening, kind)]


def alarm_codes(world):
    ticked = {item.view.ward: item for item in world.sentinels[0].sentinel.last_tick.wards}
    return [alarm.code for alarm in ticked[FIRST].alarms]


def test_a_pushed_alert_is_journalled_then_acted_upon_then_answered(world, ears):
    order = []
    world.routes.before_write = lambda _: order.append(len(happenings(world, ev.AlertHeard)))
    reached = ears.tell(notice(world))
    assert order == [1]
    assert not world.exposed()
    assert reached.wards == {FIRST: "written"}
    assert reached.novelties[Novelty.NEW] == 1
    assert reached.is_kept
    (begun,) = happenings(world, ev.RollbackIntended)
    assert begun.cause.trigger is ev.Trigger.ALERT


def test_a_polled_alert_returns_the_ward_without_any_message(world, ears):
    ears.show(notice(world), via=PROM)
    ears.poll()
    assert not world.exposed()


@pytest.mark.parametrize("deaf", [AM, PROM])
def test_either_source_suffices(world, ears, deaf):
    ears.show(notice(world))
    ears.sources[deaf].down = True
    ears.poll()
    assert not world.exposed()


def test_alertmanager_down_mid_countdown_does_not_cancel_it(world, ears):
    ears.show(before_exposure(world), via=AM)
    ears.poll()
    tick(world)
    assert alarm_codes(world) == [AlarmCode.FIRED_BEFORE]
    ears.sources[AM].down = True
    for _ in range(70):
        ears.poll()
        tick(world)
    assert not world.exposed()


def test_the_same_name_in_two_wards_is_two_alerts(world, ears):
    ears.tell(notice(world, ward=SECOND))
    assert world.exposed()
    ears.tell(notice(world, RESOLVED, ended=True, ward=SECOND), notice(world))
    assert not world.exposed()
    assert not world.state().ward(SECOND).concerns.alerts
    assert len(world.state().ward(FIRST).concerns.alerts) == 1


def test_an_alert_that_fired_before_exposure_is_neither_instantly_fatal_nor_ignored(world, ears):
    ears.tell(before_exposure(world))
    since = world.state().ward(FIRST).exposed_since
    patience = timedelta(seconds=world.plan.policy.alerts.patience_s)
    tick(world)
    assert world.exposed() == (world.clock.now() < since + patience)
    while world.clock.now() < since + patience:
        assert world.exposed()
        tick(world)
    tick(world)
    assert not world.exposed()


def test_a_silenced_alert_is_shown_as_silenced_and_is_not_health(world, ears):
    ears.show(notice(world, SILENCED), via=AM)
    ears.show(notice(world), via=PROM)
    ears.poll(AM, PROM, AM, PROM)
    tick(world)
    assert world.exposed()
    assert alarm_codes(world) == [AlarmCode.SILENCED]
    assert [one.status for one in happenings(world, ev.AlertHeard)] == [SILENCED]
    stage = world.state().ward(FIRST).stage
    for _ in range(5):
        world.clock.jump(4 * 3600.0)
        tick(world)
        world.flows[0].turn()
    assert world.state().ward(FIRST).stage == stage
    assert any(gate.startswith("no_alarms") for gate in world.state().ward(FIRST).closed_gates)


def test_when_the_silence_ends_the_ward_returns(world, ears):
    ears.show(notice(world, SILENCED), via=AM)
    ears.poll()
    ears.show(notice(world), via=AM)
    ears.poll()
    assert not world.exposed()


def test_a_second_trigger_during_a_countdown_keeps_exactly_one(world, ears):
    ears.tell(before_exposure(world))
    ears.tell(before_exposure(world, alertname="ResultsSlow"))
    for _ in range(3):
        ears.tell(before_exposure(world))
    assert len(happenings(world, ev.AlertHeard)) == 2
    for _ in range(70):
        tick(world)
    assert len(happenings(world, ev.RollbackIntended)) == 1
    assert len(happenings(world, ev.RollbackWritten)) == 1


def test_a_second_trigger_while_a_return_runs_is_recorded_and_does_nothing(world, ears):
    ears.tell(notice(world))
    epoch = world.epoch()
    reached = ears.tell(notice(world, alertname="ResultsSlow"))
    tick(world, 3)
    assert reached.novelties[Novelty.NEW] == 1
    assert len(happenings(world, ev.AlertHeard)) == 2
    assert len(happenings(world, ev.RollbackIntended)) == 1
    assert world.epoch() == epoch


class Hangs:
    """A way of telling people that keeps whoever uses it waiting, until the test lets go."""

    def __init__(self):
        self.asked, self.go = threading.Event(), threading.Event()

    def page(self, _page):
        self.asked.set()
        self.go.wait()


def comes_home_meanwhile(world, hangs, work):
    """Whether the ward came home while nobody who pages has got an answer."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        assert hangs.asked.wait(PATIENCE_S), "nobody was paged"
        return wait_until(lambda: not world.exposed(), timeout_s=PATIENCE_S)
    finally:
        hangs.go.set()
        thread.join(PATIENCE_S)


@pytest.mark.parametrize("told", ["by us", "in between"])
def test_a_failing_notifier_never_delays_the_switch(world, ears, told):
    """Where a page is handed to a thread of its own, and where it is not."""
    hangs = Hangs()
    ears.hearing._notifier = FanOut([hangs], waiting=1) if told == "in between" else hangs

    def work():
        if told == "in between":
            for number in range(5):  # more than those that wait have room for
                ears.tell(notice(world, ward=f"nowhere-{number}"))
        ears.tell(notice(world, ward="nowhere-9"), notice(world))

    assert comes_home_meanwhile(world, hangs, work)


def test_the_returns_own_page_never_delays_the_switch(world, ears):
    """It could not be written at first, and people are told of that at the next try."""
    hangs = Hangs()
    world.routes.down = True
    assert ears.tell(notice(world)).wards == {FIRST: "returning"}
    world.routes.down = False
    ears.sentinel.watch._returns.notifier = hangs
    assert comes_home_meanwhile(world, hangs, lambda: tick(world))


def test_a_standing_by_sentinel_returns_the_ward_as_well(world):
    standby = world.sentinels[1]
    standby.turn()
    assert not standby.sentinel.is_active
    reached = Ears(world, standby, polled=()).tell(notice(world))
    assert reached.wards == {FIRST: "written"}
    tick(world, 3)
    assert not world.exposed()
    assert len(happenings(world, ev.RollbackIntended)) == 1
    assert world.state().ward(FIRST).phase is Phase.ROLLED_BACK


def test_a_replayed_message_does_nothing(world, ears):
    message = notice(world)
    for one in (message, replace(message, status=RESOLVED, ended_at=world.clock.now()), message):
        ears.tell(one)
    assert not world.state().ward(FIRST).concerns.alerts
    assert [one.status for one in happenings(world, ev.AlertHeard)] == [FIRING, RESOLVED]
    assert [page.code for page in world.notifier.pages].count("alert_unplaced") == 1  # people hear


def test_a_failed_poll_is_not_the_end_of_an_alert(world, ears):
    ears.show(notice(world, severity="warning"))
    ears.poll()
    for source in ears.sources.values():
        source.down = True
    ears.poll(AM, PROM, AM, PROM)
    assert len(world.state().ward(FIRST).concerns.alerts) == 1
    ears.sources[AM].down = False
    ears.show(via=AM)
    ears.poll()  # Prometheus had it and does not answer
    assert len(world.state().ward(FIRST).concerns.alerts) == 1
    ears.sources[PROM].down = False
    ears.show(via=PROM)
    ears.poll()
    assert not world.state().ward(FIRST).concerns.alerts


def test_a_sentinel_that_takes_over_asks_everybody_before_an_alert_is_over(world, ears):
    ears.show(notice(world, severity="warning"))
    ears.poll()
    world.sentinels[0].start()
    world.sentinels[0].turn()
    world.clock.advance(20)
    world.sentinels[0].turn()
    again = Ears(world, world.sentinels[0])
    again.show(notice(world, severity="warning"), via=PROM)
    assert world.sentinels[0].sentinel.is_active
    again.poll(AM)  # had been the first to tell of it, and has forgotten it
    assert len(world.state().ward(FIRST).concerns.alerts) == 1
    again.poll(PROM, AM)
    assert len(world.state().ward(FIRST).concerns.alerts) == 1
    again.show()
    again.poll(PROM, AM)
    assert not world.state().ward(FIRST).concerns.alerts


def test_who_stands_by_does_not_poll(world):
    standby = Ears(world, world.sentinels[1])
    standby.show(notice(world))
    standby.poll()
    assert world.exposed()
    assert not happenings(world, ev.AlertHeard)


@pytest.mark.parametrize("labels", [{"ward": None}, {"ward": "x"}, {"slice": "x"}])
def test_what_cannot_be_placed_is_told_once_however_often_it_comes(world, ears, labels):
    for _ in range(3):
        ears.tell(notice(world, **labels))
        ears.show(notice(world, **labels))
        ears.poll()
    (page,) = [page for page in world.notifier.pages if page.code == "alert_unplaced"]
    assert "NotesSlow" in page.message
    assert len(happenings(world, ev.AlertUnplaced)) == 1
    assert world.exposed()


def test_a_severity_that_asks_for_nothing_is_told_to_people(world, ears):
    ears.tell(notice(world, severity="info"))
    assert [page.code for page in world.notifier.pages].count("alert_unplaced") == 1
    assert len(happenings(world, ev.AlertHeard)) == 1
    tick(world)
    assert alarm_codes(world) == []


@pytest.mark.parametrize("labels", [{"ward": None, "severity": "page"}, {}], ids=["ours", "worst"])
def test_a_page_that_comes_back_as_an_alert_is_not_for_us(world, ears, labels):
    """Else each page would make another one; even with a ward and a severity it returns nobody."""
    own = notice(world, alertname="WardshiftPage", wardshift_page="0a1b", **labels)
    reached = ears.tell(own)
    ears.show(own)
    ears.poll()
    tick(world)
    assert world.notifier.pages == []
    assert not happenings(world, ev.AlertHeard)
    assert not happenings(world, ev.AlertUnplaced)
    assert reached.unplaced == 0
    assert world.exposed()


def test_while_legacy_is_sick_an_alert_switches_nothing_and_people_are_told(world, ears):
    world.numbers[LEGACY_UP] = 0.0
    tick(world)
    reached = ears.tell(notice(world))
    assert reached.wards == {}
    tick(world)
    assert world.exposed()
    assert "legacy_not_ready" in [page.code for page in world.notifier.pages]


@pytest.mark.parametrize("broken", ["ledger", "journal"])
def test_neither_ledger_nor_journal_is_needed(world, ears, broken):
    if broken == "ledger":
        world.ledger.down = True
    else:
        for journal in world.journals:
            journal.down = True
    reached = ears.tell(notice(world))
    assert not world.exposed()
    assert reached.is_kept == (broken == "ledger")


def test_a_hung_journal_disk_holds_no_return_up_and_the_answer_says_send_again(world, ears):
    scribe = world.sentinels[0].sentinel.watch.hands.scribe
    healthy = scribe._journal
    with HangingJournal() as disk:
        scribe._journal = BoundedJournal(disk, patience_s=0.05)
        reached = ears.tell(notice(world))
        assert not world.exposed()
        assert not reached.is_kept
        assert not ears.tell(notice(world)).is_kept  # sent again: known, and still not kept
    scribe._journal = healthy
    assert ears.tell(notice(world)).is_kept


def test_while_the_routes_are_down_the_answer_comes_and_the_next_tick_goes_on(world, ears):
    world.routes.down = True
    reached = ears.tell(notice(world))
    assert reached.wards == {FIRST: "returning"}
    world.routes.down = False
    tick(world)
    assert not world.exposed()


def test_an_alert_known_from_before_a_crash_is_acted_upon_when_it_comes_again(world, ears):
    """Killed between the journal and the route: the sender has no answer, and sends it again."""
    ears.hearing._returns = type("Dies", (), {"attend": lambda *_: None})()
    ears.tell(notice(world))
    assert world.exposed()
    ears.hearing._returns = ears.sentinel.watch
    ears.tell(notice(world))
    assert not world.exposed()


def test_without_any_answer_for_a_lease_nothing_moves_forward(world, ears):
    def gate():
        book = LeaseBook(world.clock)
        book.see(world.leases.all())
        return life(book).deaf_s

    ears.poll()
    tick(world, 3)
    assert gate() <= 8.0
    for source in ears.sources.values():
        source.down = True
    for _ in range(12):
        ears.poll()
        tick(world)
    assert gate() > 8.0
    assert ears.hearing.deaf_s() > 8.0
    ears.sources[PROM].down = False  # either suffices
    ears.poll()
    tick(world, 3)
    assert gate() <= 8.0


def test_a_deaf_sentinel_grants_no_forward_write(world, ears):
    world.clock.advance(9)
    assert ears.hearing.deaf_s() > world.plan.policy.lease_s
    world.sentinels[0].sentinel.step()
    granted = []
    world.routes.grant = lambda *args, **_: granted.append(args)
    at = world.state().ward(FIRST)
    intended = ev.PromotionIntended(stage=StageName("all"), epoch=at.epoch + 1, exposes=True)
    world.sentinels[0].sentinel.watch.hands.scribe.note(FIRST, intended)
    tick(world)
    assert not granted
    ears.poll()
    tick(world)
    assert granted


def test_an_answer_with_gaps_is_no_answer_for_the_gate(world, ears):
    ears.sources[AM].down = True
    ears.sources[PROM].gaps = "1 of 2 alerting rules are not evaluated"
    for _ in range(12):
        ears.poll()
        tick(world)
    assert ears.hearing.deaf_s() > 8.0


def test_a_thousand_alerts_in_one_message_hold_the_urgent_one_up_no_longer(world, ears):
    noise = [notice(world, ward=f"w{number}") for number in range(500)]
    noise += [notice(world, severity="warning", pod=str(number)) for number in range(500)]
    noted = []
    world.routes.before_write = lambda _: noted.append(len(happenings(world, ev.AlertHeard)))
    reached = ears.tell(*noise, notice(world))
    assert noted == [1]
    assert not world.exposed()
    assert (reached.unplaced, reached.novelties[Novelty.NEW]) == (500, 501)
    assert [page.code for page in world.notifier.pages].count("alert_unplaced") == 1


def test_refusals_are_told_at_most_once_a_minute(world, ears):
    for _ in range(5):
        ears.hearing.refused("the message is too large")
    world.clock.advance(61)
    ears.hearing.refused("the message is too large")
    assert [page.code for page in world.notifier.pages].count("alerts_refused") == 2


def test_a_source_that_stumbles_is_silence(world, ears):
    class Broken:
        def read(self):
            raise Unavailable("alertmanager", "answered 500")

    poll = Poll(Broken(), AM, ears.hearing, leads=lambda: True, every_s=1.0)
    world.clock.advance(30)
    poll.round()
    assert ears.hearing.silences_s()[AM] >= 30
