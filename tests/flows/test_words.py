"""What people read: the facts are there, whatever the sentence around them."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows import tables, wording
from flows.ending import ACCEPTED, PAGED, ROLLED_BACK, programme_end, ward_end
from flows.record import show_sickness, show_story, showings
from flows.story import Telling, tell
from orchestrator.core.event import GateAnswered, HoldPlaced, WardAccepted
from orchestrator.core.gates.answer import Closed, Open, Unknown
from orchestrator.core.plan import Soak
from orchestrator.core.soak import SoakProgress
from orchestrator.core.verdict import Code, Level
from tests.flows.tales import NOTES, Tale, verdict
from tests.plans import FIRST, SECOND, ZONE, plan
from wards.model import WardId

KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def told(tale: Tale) -> Telling:
    return tell(Telling(), tale.entries())


def returned() -> Telling:
    return told(Tale().begun().at().returned())


@pytest.mark.parametrize("ward", ["W07", "Medicin 52", "avd. 3/Öst", "-x-"])
def test_an_artifact_key_is_one_that_prefect_takes(ward: str) -> None:
    assert KEY.fullmatch(wording.key("signals", ward))


@pytest.mark.parametrize(
    ("utc_hour", "local"), [((2027, 1, 15, 2), "03:00:00"), ((2027, 7, 15, 13), "15:00:00")]
)
def test_times_are_the_hospitals_own(utc_hour: tuple[int, int, int, int], local: str) -> None:
    assert wording.clock_time(datetime(*utc_hour, tzinfo=UTC), ZONE) == local


def test_a_returned_ward_ends_red_with_signal_value_limit_time_and_next_action() -> None:
    end = ward_end(plan(), returned(), FIRST)
    assert end is not None
    assert (end.is_good, end.name) == (False, ROLLED_BACK)
    for fact in ("slow screens", "3.4", "limit 2", "06:00:10", "24 probes", f"resume {FIRST}"):
        assert fact in end.message
    assert end.step == f"next: wardshift resume {FIRST}, two roles"


def test_a_frozen_programme_names_the_ward_and_how_to_thaw_it() -> None:
    end = programme_end(plan(), returned())
    assert end is not None
    assert end.name == ROLLED_BACK
    for fact in (FIRST, NOTES, "06:00:10", "slow screens", "3.4", "limit 2"):
        assert fact in end.title
    assert end.step == f"next: wardshift resume {FIRST}, then --programme, two roles"
    assert FIRST in end.message
    assert "resume --programme" in end.message


@pytest.mark.parametrize("so_far", ["intended", "written"])
def test_a_return_that_is_not_proven_has_no_end_yet(so_far: str) -> None:
    tale = Tale().begun().at().breached().intended()
    telling = told(tale if so_far == "intended" else tale.written())
    assert ward_end(plan(), telling, FIRST) is None
    assert programme_end(plan(), telling) is None
    assert showings(plan(), telling)[0].end is None


def test_an_accepted_ward_ends_green() -> None:
    tale = Tale().begun().at().say(FIRST, WardAccepted(stage=NOTES))
    end = ward_end(plan(), told(tale), FIRST)
    assert end is not None
    assert (end.is_good, end.name) == (True, ACCEPTED)


def test_a_programme_ends_green_only_when_every_ward_is_accepted() -> None:
    tale = Tale().begun().at().say(FIRST, WardAccepted(stage=NOTES))
    assert programme_end(plan(), told(tale)) is None
    end = programme_end(plan(), told(tale.at(SECOND).say(SECOND, WardAccepted(stage=NOTES))))
    assert end is not None
    assert end.is_good


def test_a_showing_has_name_steps_log_page_and_end() -> None:
    (showing,) = showings(plan(), returned())
    assert showing.name == f"ROLLBACK {FIRST}: slow screens: 3.4 s, limit 2"
    keys = ["stood", "intended", "frozen", "written", "proven", "next"]
    assert [mark.key for mark in showing.marks] == keys
    names = " / ".join(mark.name for mark in showing.marks)
    for fact in (NOTES, "06:00:10", f"wardshift resume {FIRST}"):
        assert fact in names
    assert len(showing.log) == 3
    assert showing.end is not None
    for fact in ("3.4 / 2", "0.83 s", "24 probes", "Old", f"wardshift resume {FIRST}"):
        assert fact in showing.page


def test_a_page_for_sick_legacy_names_the_downtime_procedure() -> None:
    (showing,) = showings(plan(), told(Tale().begun().at().breached().blocked()))
    assert showing.name.startswith(f"PAGED {FIRST}")
    assert showing.end is not None
    assert showing.end.name == PAGED
    assert "red binder" in showing.end.message
    assert "red binder" in showing.page


def test_a_ward_that_the_plan_in_hand_does_not_have_is_shown_all_the_same() -> None:
    telling = returned()
    stranger = replace(
        telling.stories[0],
        ward=WardId("gone-9"),
        cause=replace(telling.stories[0].cause, signal="gone"),
    )
    assert "gone-9" in show_story(plan(), stranger).page
    sick = told(Tale().begun().at().breached().blocked()).sicknesses[0]
    assert "gone-9" in show_sickness(plan(), replace(sick, ward=WardId("gone-9"))).page


def test_run_names_fit_a_list() -> None:
    assert len(wording.rollback_run(FIRST, "long " * 100)) == wording.NAME_LENGTH


def test_every_signal_has_a_row_and_one_never_judged_is_not_healthy() -> None:
    rows = tables.signals(plan(), told(Tale().begun().at()).state.ward(FIRST))
    assert {row["signal"] for row in rows} == {signal.title for signal in plan().signals}
    judged = {row["signal"]: row for row in rows}
    assert judged["slow screens"]["value"] == "1.2 s"
    assert judged["slow screens"]["threshold"] == "at most 2 s"
    assert "PASS" in judged["slow screens"]["verdict"]
    assert judged["legacy answers"]["verdict"] == tables.NOT_JUDGED


@pytest.mark.parametrize(
    ("level", "first"),
    [
        (Level.BREACH, "slow screens"),
        (Level.BLIND, "slow screens"),
        (Level.WARN, "text lost"),
        (Level.PASS, "text lost"),
    ],
)
def test_the_worst_signal_stands_first_and_one_never_judged_before_the_healthy(
    level: Level, first: str
) -> None:
    tale = Tale().begun().at().say(FIRST, verdict(level, Code.WITHIN, 1.2))
    rows = tables.signals(plan(), told(tale).state.ward(FIRST))
    assert rows[0]["signal"] == first


def test_a_tables_title_says_what_it_comes_to() -> None:
    state = told(Tale().begun().at().breached()).state
    title = tables.essence(plan(), state.ward(FIRST))
    for fact in (FIRST, "BREACH", "slow screens", "3.4 s", "at most 2 s"):
        assert fact in title
    assert "no signal" in tables.essence(plan(), state.ward(SECOND))
    frozen = tables.board_title(plan(), returned().state)
    assert FIRST in frozen
    assert "slow screens" in frozen


def test_a_gates_title_names_the_first_closed_one() -> None:
    ward = returned().state.ward(FIRST)
    answers = (Open(gate="a", evidence="x"), Closed(gate="b_c", evidence="why", todo="do"))
    assert "b c: why" in tables.gate_essence(ward, answers)
    assert "1 gates are open" in tables.gate_essence(ward, answers[:1])
    assert "no gate" in tables.gate_essence(ward, ())


def test_a_blind_signal_shows_no_number() -> None:
    tale = Tale().begun().at().say(FIRST, verdict(Level.BLIND, Code.NO_DATA, None))
    rows = tables.signals(plan(), told(tale).state.ward(FIRST))
    (slow,) = (row for row in rows if row["signal"] == "slow screens")
    assert slow["value"] == tables.NONE
    assert "BLIND" in slow["verdict"]
    assert "no_data" in slow["verdict"]


def test_closed_gates_come_first_with_what_to_do() -> None:
    rows = tables.gates(
        (
            Open(gate="a", evidence="fine"),
            Closed(gate="b", evidence="not fine", todo="mend it"),
            Unknown(gate="c", evidence="dark", todo="look"),
        )
    )
    assert [row["gate"] for row in rows] == ["b", "c", "a"]
    assert [row["what to do"] for row in rows] == ["mend it", "look", ""]


@pytest.mark.parametrize(
    ("done", "needed", "percent"),
    [
        (Soak(), Soak(), 100),
        (Soak(shifts=5, nights=0), Soak(shifts=9, nights=2), 0),
        (Soak(shifts=9, nights=1), Soak(shifts=9, nights=2), 50),
        (Soak(shifts=20, nights=9), Soak(shifts=9, nights=2), 100),
    ],
    ids=["none needed", "a night is missing altogether", "half the nights", "more than enough"],
)
def test_soak_shows_the_part_that_lags_most(done: Soak, needed: Soak, percent: int) -> None:
    assert tables.soaked(SoakProgress(done=done, needed=needed)).percent == percent


def test_the_board_has_every_ward_with_stand_and_next_action() -> None:
    rows = tables.board(plan(), returned().state)
    assert len(rows) == len(plan().wards)
    assert "rolled back" in rows[0]["stands"]
    assert f"resume {FIRST}" in rows[0]["next"]
    assert rows[1]["stands"] == "not begun"
    assert FIRST in rows[1]["next"]


def test_the_board_shows_holds_and_closed_gates() -> None:
    tale = (
        Tale()
        .begun()
        .at()
        .say(FIRST, HoldPlaced(reason="staffing"), GateAnswered(stage=NOTES, closed=("not_held",)))
    )
    row = tables.board(plan(), told(tale).state)[0]
    assert "staffing" in row["next"]
    assert row["waits for"] == "not held"
