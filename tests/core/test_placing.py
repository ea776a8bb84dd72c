"""Which ward an alert belongs to, and what is new in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.core import event as ev
from orchestrator.core.event import AlertStatus, Via, Weight
from orchestrator.core.placing import (
    Notice,
    Novelty,
    Placed,
    Unplaced,
    fingerprint,
    gravest,
    is_own_page,
    novelty,
    place,
    seen_now,
)
from orchestrator.core.state import ProgrammeState, fold
from orchestrator.core.text import DROPPED
from tests.drafts import START, draft, entries
from tests.plans import FIRST, NOTES, SECOND, plan

PLAN = plan()
FIRING, SILENCED, RESOLVED = AlertStatus.FIRING, AlertStatus.SILENCED, AlertStatus.RESOLVED
LABELS = {"alertname": "NotesSlow", "ward": FIRST, "severity": "critical", "slice": "notes"}
AM, PROM = Via.ALERTMANAGER, Via.PROMETHEUS


def notice(status=FIRING, *, since_h=2.0, ended_h=None, **labels) -> Notice:
    wanted = {**LABELS, **labels}
    return Notice(
        labels={name: value for name, value in wanted.items() if value is not None},
        status=status,
        started_at=START + timedelta(hours=since_h),
        ended_at=None if ended_h is None else START + timedelta(hours=ended_h),
    )


def placed(*args, via=Via.WEBHOOK, **how) -> Placed:
    found = place(PLAN, notice(*args, **how), via)
    assert isinstance(found, Placed)
    return found


def after(*heard: Placed) -> ProgrammeState:
    return fold(entries(*(draft(one.ward, one.heard) for one in heard)))


def new_in(state, *answer, via=AM, sights=None, is_whole=True):
    """What an answer adds, as (ward, status)."""
    found = seen_now(state, gravest(answer), via, sights or {}, is_whole=is_whole)
    return [(ward, heard.status) for ward, heard in found]


def test_labels_name_ward_slice_and_weight() -> None:
    found = placed()
    assert (found.ward, found.heard.slice_name, found.heard.weight) == (FIRST, NOTES, Weight.RETURN)
    assert placed(slice=None).heard.slice_name is None
    assert placed(severity="warning").heard.weight is Weight.HOLD
    assert placed(severity="page").heard.weight is Weight.TELL
    assert placed(alertname=None).heard.name


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"ward": None}, "no label 'ward'"),
        ({"ward": ""}, "no label 'ward'"),
        ({"ward": "nowhere-1"}, "'nowhere-1' is no ward"),
        ({"ward": f"{FIRST} "}, "no ward"),
        ({"slice": "note"}, "'note' is no slice"),
        ({"severity": None}, "no label 'severity'"),
    ],
)
def test_an_alert_that_cannot_be_placed_is_for_people(labels, problem) -> None:
    found = place(PLAN, notice(**labels), Via.WEBHOOK)
    assert isinstance(found, Unplaced)
    assert problem in found.unplaced.problem
    assert not found.is_over


@pytest.mark.parametrize(
    ("labels", "is_ours"),
    [
        ({"alertname": "WardshiftPage", "wardshift_page": "0a1b"}, True),
        ({"alertname": "WardshiftPage"}, False),  # a rule that somebody has named so
        ({"wardshift_page": "0a1b"}, False),
        ({}, False),
    ],
)
def test_only_what_carries_both_signs_is_a_page_of_our_own(labels, is_ours) -> None:
    assert is_own_page(notice(**labels)) is is_ours


def test_the_fingerprint_is_the_one_that_alertmanager_shows() -> None:
    # From the sample message in Alertmanager's own format.
    labels = {
        "alertname": "ProbeFailure", "instance": "https://server.example.org",
        "job": "http_checks", "monitor": "master", "severity": "critical",
    }  # fmt: skip
    assert fingerprint(labels) == fingerprint(dict(reversed(labels.items())))
    assert fingerprint({}) == "cbf29ce484222325"
    assert len({fingerprint({"a": "bc"}), fingerprint({"ab": "c"}), fingerprint({"a": "b"})}) == 3


def test_the_same_name_in_two_wards_or_slices_is_two_alerts() -> None:
    prints = {
        placed(**labels).heard.fingerprint
        for labels in ({}, {"ward": SECOND}, {"slice": "results"}, {"slice": None})
    }
    assert len(prints) == 4


def test_an_identity_is_neither_kept_nor_hashed() -> None:
    found = placed(patient="19121212-1212")
    assert found.is_blurred
    clean = placed(patient=DROPPED)
    assert found.heard == clean.heard
    wrong = place(PLAN, notice(ward="19121212-1212"), Via.WEBHOOK)
    assert isinstance(wrong, Unplaced)
    assert "1212" not in wrong.unplaced.problem


def test_times_at_the_ends_of_time_are_taken() -> None:
    for text in ("0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"):
        odd = replace(notice(), started_at=datetime.fromisoformat(text))
        found = place(PLAN, odd, Via.WEBHOOK)
        assert isinstance(found, Placed)
        assert found.heard.started_at.tzinfo is UTC


def test_an_alert_that_stands_already_is_no_news() -> None:
    state = after(placed())
    assert novelty(state.ward(FIRST), placed(), {}) is Novelty.KNOWN
    assert new_in(state, placed(via=AM)) == []


def test_a_resolved_alert_that_is_replayed_as_firing_does_not_rise_again() -> None:
    state = after(placed(), placed(RESOLVED, ended_h=3))
    assert not state.ward(FIRST).concerns.alerts
    assert novelty(state.ward(FIRST), placed(), {}) is Novelty.REPLAYED
    assert novelty(state.ward(FIRST), placed(since_h=4), {}) is Novelty.NEW


def test_what_a_poll_shows_fires_now_and_is_no_replay() -> None:
    """Alertmanager forgets its alerts when it restarts, and hears of them with the same start."""
    state = after(placed(via=AM), placed(RESOLVED, via=AM))
    assert new_in(state, placed(via=AM), sights={AM: {}}) == [(FIRST, FIRING)]


def test_an_old_end_does_not_end_a_newer_alert() -> None:
    state = after(placed(since_h=4))
    ward = state.ward(FIRST)
    assert novelty(ward, placed(RESOLVED, since_h=2, ended_h=3), {}) is Novelty.REPLAYED
    assert novelty(ward, placed(RESOLVED, since_h=2, ended_h=5), {}) is Novelty.NEW  # merged start
    assert novelty(ward, placed(RESOLVED, since_h=4), {}) is Novelty.NEW


def test_an_end_is_not_believed_while_somebody_else_has_the_alert() -> None:
    ward = after(placed()).ward(FIRST)
    over = placed(RESOLVED, ended_h=3)
    has = {over.heard.fingerprint: FIRING}
    assert novelty(ward, over, {PROM: has}) is Novelty.KEPT
    assert novelty(ward, over, {PROM: {}}) is Novelty.NEW


def test_an_end_of_what_may_be_several_alerts_is_not_believed() -> None:
    ward = after(placed(patient="19121212-1212")).ward(FIRST)
    over = placed(RESOLVED, ended_h=3, patient="19121212-1212")
    assert novelty(ward, over, {}) is Novelty.KEPT


def test_one_that_fired_anew_is_news_though_its_end_was_missed() -> None:
    state = after(placed())
    assert novelty(state.ward(FIRST), placed(since_h=5), {}) is Novelty.NEW
    assert new_in(state, placed(since_h=5, via=AM)) == [(FIRST, FIRING)]


def test_prometheus_counts_from_the_condition_and_alertmanager_from_the_alert() -> None:
    """The later start is the same alert, not another time of firing."""
    state = after(placed(since_h=1.9, via=PROM))
    assert novelty(state.ward(FIRST), placed(since_h=2), {}) is Novelty.KNOWN
    assert new_in(state, placed(since_h=2, via=AM)) == []


def test_only_the_source_that_had_an_alert_can_say_that_it_is_over() -> None:
    state = after(placed())
    has = {placed().heard.fingerprint: FIRING}
    assert new_in(state, sights={AM: {}}) == []
    assert new_in(state, sights={AM: has}) == [(FIRST, RESOLVED)]
    assert new_in(state, sights={AM: has, PROM: has}) == []
    assert new_in(state, sights={AM: has, PROM: {}}) == [(FIRST, RESOLVED)]


def test_before_its_first_answer_the_record_says_what_a_source_had() -> None:
    assert new_in(after(placed(via=AM))) == [(FIRST, RESOLVED)]
    assert new_in(after(placed(via=PROM))) == []
    assert new_in(after(placed())) == []


def test_an_answer_with_gaps_ends_nothing_and_its_alerts_are_heard() -> None:
    state = after(placed())
    has = {placed().heard.fingerprint: FIRING}
    other = placed(ward=SECOND, via=PROM)
    assert new_in(state, other, via=PROM, sights={PROM: has}, is_whole=False) == [(SECOND, FIRING)]


def test_a_silence_is_known_to_alertmanager_alone() -> None:
    state = after(placed(via=PROM))
    has = {placed().heard.fingerprint: FIRING}
    silenced = placed(SILENCED, via=AM)
    assert new_in(state, silenced, sights={PROM: has}) == [(FIRST, SILENCED)]
    state = after(placed(via=PROM), silenced)
    quiet = {AM: {silenced.heard.fingerprint: SILENCED}, PROM: has}
    assert new_in(state, placed(via=PROM), via=PROM, sights=quiet) == []  # no flapping
    assert new_in(state, silenced, sights=quiet) == []
    assert new_in(state, placed(via=AM), sights=quiet) == [(FIRST, FIRING)]  # the silence ended
    assert new_in(state, sights=quiet) == [(FIRST, FIRING)]  # forgotten there, firing elsewhere


def test_a_message_after_a_silence_is_the_newer_word_unless_the_silence_is_seen() -> None:
    ward = after(placed(SILENCED, via=AM)).ward(FIRST)
    assert novelty(ward, placed(), {}) is Novelty.NEW
    quiet = {placed().heard.fingerprint: SILENCED}
    assert novelty(ward, placed(), {AM: quiet}) is Novelty.KNOWN


def test_of_two_messages_about_one_alert_the_graver_counts() -> None:
    both = (placed(RESOLVED, since_h=9), placed(FIRING), placed(SILENCED))
    (one,) = gravest(both).values()
    assert one.heard.status is FIRING


def test_what_is_remembered_of_resolved_alerts_is_bounded() -> None:
    many = [placed(RESOLVED, since_h=h) for h in range(400)]
    ward = after(*many).ward(FIRST)
    assert len(ward.concerns.resolved) == 256
    assert novelty(ward, placed(since_h=399), {}) is Novelty.REPLAYED
    assert isinstance(many[0].heard, ev.AlertHeard)
