"""The board's rows: which head a ward gets, and that nothing unknown or old ever looks calm."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.alarm import AlarmCode
from orchestrator.core.event import AlertStatus, ProgrammeStopped, VerdictChanged
from orchestrator.core.gates.facts import Life
from orchestrator.core.ids import Side
from orchestrator.core.route import RETURN_MARK
from orchestrator.core.seen import LastVerdict
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Code, Level
from orchestrator.reports.board import HEADS, board
from orchestrator.reports.board_codes import Head, Sign, Watcher
from tests.plans import FIRST, LEAD, LEGACY_UP, SECOND, SLOW, TEXT_LOST
from tests.reports.sights import (
    ALIVE,
    BLOCKED,
    MUST_HOLD,
    NOW,
    RETURN,
    alerted,
    entering,
    first,
    judged,
    reported,
    route_at,
    sight,
    verdict,
    ward_at,
)

HOME = route_at(None)
CALM = (
    Head.MOVING,
    Head.WARN,
    Head.EXPOSED,
    Head.ACCEPTED,
    Head.SHADOW,
    Head.READY,
    Head.WAITING,
    Head.RETURNED,
    Head.NOT_CLEAR,
)

CASES: dict[str, tuple[Head, dict[str, Any]]] = {
    "exposed, all within": (Head.EXPOSED, {}),
    "near a limit": (Head.WARN, {"tick": judged(Level.WARN)}),
    "out of sight": (Head.BLIND, {"tick": judged(Level.BLIND)}),
    "exposed, and nothing was judged": (Head.BLIND, {"judged": {}}),
    "over a limit": (Head.BREACH, {"tick": judged(Level.BREACH)}),
    "an alert that fires": (Head.BREACH, {"ward": alerted(AlertStatus.FIRING)}),
    "a silenced alert": (Head.ALARMED, {"ward": alerted(AlertStatus.SILENCED)}),
    "one report from the bedside": (Head.ALARMED, {"ward": reported()}),
    "a report that a signal confirms": (
        Head.BREACH,
        {"ward": reported(), "tick": judged(Level.WARN)},
    ),
    "legacy sick, ward sound": (Head.NO_WAY_BACK, {"tick": judged(legacy=Level.BREACH)}),
    "over a limit, legacy sick": (
        Head.BLOCKED,
        {"tick": judged(Level.BREACH, Level.BREACH, MUST_HOLD)},
    ),
    "was blocked, and the tick is calm again": (
        Head.EXPOSED,
        {"ward": ward_at(Phase.AT_STAGE, "notes", blocked=BLOCKED)},
    ),
    "was blocked, and nobody ticks": (
        Head.BLOCKED,
        {"ward": ward_at(Phase.AT_STAGE, "notes", blocked=BLOCKED), "judged": None},
    ),
    "returning": (
        Head.RETURNING,
        {"ward": ward_at(Phase.RETURNING, "notes", returned=replace(RETURN, written_at=NOW))},
    ),
    "must return, and no route carries it": (
        Head.UNWRITTEN,
        {"ward": ward_at(Phase.RETURNING, "notes", returned=RETURN)},
    ),
    "returned by a hand that the record does not know yet": (
        Head.RETURNING,
        {"route": route_at(None, why=f"{RETURN_MARK}slow", epoch=9)},
    ),
    "home": (
        Head.RETURNED,
        {"ward": ward_at(Phase.ROLLED_BACK, "notes", returned=RETURN), "route": HOME, "judged": {}},
    ),
    "home by the record, exposed by the route": (
        Head.STRAY,
        {"ward": ward_at(Phase.ROLLED_BACK, "notes", returned=RETURN)},
    ),
    "waiting by the record, exposed by the route": (Head.STRAY, {"ward": ward_at(Phase.WAITING)}),
    "more exposed than the record allows": (Head.STRAY, {"route": route_at("all")}),
    "entering a stage": (
        Head.MOVING,
        {
            "ward": ward_at(Phase.PROMOTING, "shadow", intent=entering("notes")),
            "route": route_at("shadow"),
        },
    ),
    "accepted": (
        Head.ACCEPTED,
        {"ward": ward_at(Phase.ACCEPTED, "accepted"), "route": route_at("accepted")},
    ),
    "in shadow": (
        Head.SHADOW,
        {"ward": ward_at(Phase.AT_STAGE, "shadow"), "route": route_at("shadow")},
    ),
    "in shadow, out of sight": (
        Head.NOT_CLEAR,
        {
            "ward": ward_at(Phase.AT_STAGE, "shadow"),
            "route": route_at("shadow"),
            "tick": judged(Level.BLIND),
        },
    ),
    "in shadow, legacy sick": (
        Head.LEGACY_SICK,
        {
            "ward": ward_at(Phase.AT_STAGE, "shadow"),
            "route": route_at("shadow"),
            "tick": judged(legacy=Level.BREACH),
        },
    ),
    "at readiness": (Head.READY, {"ward": ward_at(Phase.AT_STAGE, "readiness"), "route": HOME}),
    "waiting": (Head.WAITING, {"ward": ward_at(Phase.WAITING), "route": HOME, "judged": {}}),
    "routes unreadable, exposed by the record": (Head.SIDE_UNKNOWN, {"routes": None}),
    "routes unreadable, home by the record": (
        Head.SIDE_UNKNOWN,
        {"routes": None, "ward": ward_at(Phase.WAITING), "judged": {}},
    ),
    "routes unreadable and over a limit": (
        Head.BREACH,
        {"routes": None, "tick": judged(Level.BREACH)},
    ),
    "no route of its own": (Head.NO_ROUTE, {"routes": {}}),
    "a dead sentinel": (Head.UNWATCHED, {"life": replace(ALIVE, sentinel=False), "judged": None}),
    "a sentinel not seen yet": (
        Head.UNWATCHED,
        {"life": replace(ALIVE, sentinel=None), "judged": None},
    ),
    "a lapsed lease": (Head.UNWATCHED, {"lease_ages_s": {FIRST: 8.1}}),
    "no lease": (Head.UNWATCHED, {"lease_ages_s": {}}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_head_of_a_ward(name: str) -> None:
    head, changed = CASES[name]
    assert first(sight(**changed)).head is head


def test_every_head_has_a_case_and_one_place_in_the_table() -> None:
    assert [head for head, _ in HEADS] == list(Head)
    assert {head for head, _ in CASES.values()} == set(Head)


UNSURE: tuple[dict[str, Any], ...] = (
    {"routes": None},
    {"routes": {}},
    {"judged": None, "ledger_age_s": None},
    {"judged": None, "ledger_age_s": 8.1},
    {"judged": None, "life": Life(sentinel=None, guard=None)},
    {"life": Life(sentinel=False, guard=True)},
    {"lease_ages_s": {}},
)


@pytest.mark.parametrize("changed", UNSURE)
@pytest.mark.parametrize("level", [Level.PASS, Level.WARN])
@pytest.mark.parametrize("phase", [Phase.AT_STAGE, Phase.PROMOTING, Phase.ACCEPTED])
def test_nothing_unknown_looks_calm(changed: dict[str, Any], level: Level, phase: Phase) -> None:
    """Design rule 1, for people's eyes: an exposed ward of which something is not known."""
    old = VerdictChanged(signal=SLOW, level=level, code=Code.WITHIN, value=1.0, limit=2.0, n=9)
    ward = ward_at(
        phase,
        "notes",
        intent=entering("all") if phase is Phase.PROMOTING else None,
        verdicts=(LastVerdict(verdict=old, since=NOW),),
    )
    assert first(sight(ward=ward, tick=judged(level), **changed)).head not in CALM


def test_a_standby_shows_what_the_record_says_while_it_is_read() -> None:
    said = VerdictChanged(
        signal=SLOW, level=Level.WARN, code=Code.NEAR_LIMIT, value=1.5, limit=2.0, n=9
    )
    ward = ward_at(Phase.AT_STAGE, "notes", verdicts=(LastVerdict(verdict=said, since=NOW),))
    row = first(sight(ward=ward, judged=None, is_active=False))
    assert (row.head, row.level, row.signals[0].verdict.value) == (Head.WARN, Level.WARN, 1.5)
    old = first(sight(ward=ward, judged=None, is_active=False, ledger_age_s=8.1))
    assert (old.head, old.level) == (Head.BLIND, None)


def test_sides_are_the_routes_own_and_never_the_records() -> None:
    row = first(sight(ward=ward_at(Phase.AT_STAGE, "all"), route=route_at("notes")))
    assert [item.side for item in row.slices] == [Side.CANDIDATE, Side.LEGACY]
    assert row.expected == ("Notes", "Results")
    unknown = first(sight(routes=None))
    assert [item.side for item in unknown.slices] == [None, None]
    assert unknown.is_exposed


def test_what_is_mirrored_is_said_and_is_on_legacy() -> None:
    row = first(sight(ward=ward_at(Phase.AT_STAGE, "shadow"), route=route_at("shadow")))
    assert {(item.side, item.is_mirrored) for item in row.slices} == {(Side.LEGACY, True)}


def test_the_signal_behind_a_verdict_comes_first_and_all_are_counted() -> None:
    tick = judged(Level.PASS)
    more = (verdict(Level.WARN, TEXT_LOST), verdict(Level.BREACH, "of an earlier plan"))
    row = first(sight(tick=replace(tick, verdicts=(*tick.verdicts, *more))))
    assert [item.verdict.level for item in row.signals] == [Level.BREACH, Level.WARN]
    assert (row.judged, row.not_clear, row.level) == (4, 2, Level.BREACH)
    assert row.signals[0].title == "of an earlier plan"


def test_of_many_good_signals_the_one_nearest_its_limit_is_shown() -> None:
    near = verdict(Level.PASS, SLOW, value=1.9)
    far = verdict(Level.PASS, LEGACY_UP, value=1.0, limit=1.0)
    row = first(sight(tick=replace(judged(), verdicts=(far, near))))
    assert [item.verdict for item in row.signals] == [near]


def test_the_most_urgent_ward_stands_first_and_equals_keep_the_plans_order() -> None:
    calm = board(sight(ward=ward_at(Phase.WAITING), route=HOME, judged={}))
    assert [row.id for row in calm.wards] == [FIRST, SECOND]
    stray = replace(route_at("all"), ward=SECOND)
    loud = board(sight(routes={FIRST: route_at("notes"), SECOND: stray}, lease_ages_s={FIRST: 1}))
    assert [row.id for row in loud.wards] == [SECOND, FIRST]


@pytest.mark.parametrize(
    ("changed", "watcher", "sign"),
    [
        ({}, Watcher.SENTINEL, Sign.GOOD),
        ({"life": replace(ALIVE, sentinel=False)}, Watcher.SENTINEL, Sign.BAD),
        ({"life": replace(ALIVE, guard=False)}, Watcher.GUARD, Sign.BAD),
        ({"life": replace(ALIVE, guard=None)}, Watcher.GUARD, Sign.UNKNOWN),
        ({"life": replace(ALIVE, fence=False)}, Watcher.FENCE, Sign.BAD),
        ({"life": replace(ALIVE, fence=None)}, Watcher.FENCE, Sign.UNKNOWN),
        ({"routes": None}, Watcher.ROUTES, Sign.BAD),
        ({"ledger_age_s": None}, Watcher.LEDGER, Sign.BAD),
        ({"ledger_age_s": 8.1}, Watcher.LEDGER, Sign.BAD),
        ({"ledger_problem": "its chain is broken"}, Watcher.LEDGER, Sign.BAD),
        ({"ledger_age_s": 7.9}, Watcher.LEDGER, Sign.GOOD),
    ],
)
def test_what_the_board_leans_on(changed: dict[str, Any], watcher: Watcher, sign: Sign) -> None:
    signs = {row.watcher: row.sign for row in board(sight(**changed)).watchers}
    assert signs[watcher] is sign


def test_a_ledger_that_was_never_read_is_no_programme_that_was_not_started() -> None:
    empty = replace(sight().state, plan_hash=None)
    assert board(sight(state=empty)).is_unstarted
    assert not board(sight(state=empty, ledger_age_s=None)).is_unstarted


def test_a_stopped_programme_says_of_an_exposed_ward_that_it_must_go_back() -> None:
    stop = ProgrammeStopped(role=LEAD, reason="licence lapsed")
    row = first(sight(state=replace(sight().state, stopped=stop)))
    assert row.head is Head.BREACH
    assert [alarm.code for alarm in row.alarms] == [AlarmCode.STOPPED]
