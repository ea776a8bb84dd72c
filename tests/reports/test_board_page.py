"""The board in words: every code has some in both languages, and they say what staff must do."""

from dataclasses import fields, replace
from string import Formatter
from typing import Any

import pytest

from orchestrator.core.alarm import AlarmCode
from orchestrator.core.event import AlertStatus, ProgrammeStopped, Trigger
from orchestrator.core.freeze import Freeze, FreezeKind
from orchestrator.core.gates.answer import Closed
from orchestrator.core.gates.rules import RULES
from orchestrator.core.ids import Side
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Code, Level
from orchestrator.reports.board import board
from orchestrator.reports.board_codes import Head, Sign, Watcher
from orchestrator.reports.board_page import LANGUAGES, TONES, Mood, Page, Tone, number, page
from orchestrator.reports.board_words import Lang, Words
from tests.plans import FIRST, LEAD
from tests.reports.sights import (
    ALIVE,
    DRILL,
    NOW,
    RETURN,
    alerted,
    first,
    judged,
    route_at,
    sight,
    verdict,
    ward_at,
)

SV, EN = LANGUAGES[Lang.SV], LANGUAGES[Lang.EN]
BOTH = pytest.mark.parametrize("words", [SV, EN], ids=["sv", "en"])
HOME = ward_at(Phase.ROLLED_BACK, "notes", returned=replace(RETURN, proven_at=NOW, still_open=0))


def printed(page: Page) -> str:
    """Everything that a page shows, but for its table of words."""
    shown = (getattr(page, item.name) for item in fields(page) if item.name != "words")
    return " ".join(str(item) for item in shown)


@BOTH
def test_every_code_has_words(words: Words) -> None:
    assert set(words.heads) == set(Head) == set(TONES)
    assert set(words.levels) == set(Level)
    assert set(words.codes) == set(Code)
    assert set(words.sides) == {*Side, None}
    assert set(words.signs) == {(one, sign) for one in Watcher for sign in Sign}
    assert set(words.watchers) == set(Watcher)
    assert set(words.triggers) == set(Trigger)
    assert set(words.alarms) == set(AlarmCode)
    assert {rule.__name__ for rule in RULES} <= set(words.gates)
    assert all(getattr(words.labels, item.name) for item in fields(words.labels))


def test_both_languages_say_the_same_things() -> None:
    def parts(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text)} - {None}

    for head in Head:
        sv, en = SV.heads[head], EN.heads[head]
        assert parts(sv.staff) == parts(en.staff), head
        assert parts(sv.on_call) == parts(en.on_call), head
    for item in fields(SV.labels):
        assert parts(getattr(SV.labels, item.name)) == parts(getattr(EN.labels, item.name)), item


@BOTH
def test_no_two_heads_that_ask_for_different_things_read_alike(words: Words) -> None:
    loud = [words.heads[head].title for head, tone in TONES.items() if tone is not Tone.QUIET]
    assert len({*loud}) == len(loud)


def test_a_swedish_board_says_number_limit_and_unit_in_swedish() -> None:
    card = page(board(sight(tick=judged(Level.WARN))), SV).cards[0]
    assert card.signals == ("slow screens: 1,25 s (gräns högst 2 s), nära gränsen",)
    assert card.level_text == "VARNING"
    assert card.beds == "24 vårdplatser"


def test_an_english_board_says_the_same() -> None:
    card = page(board(sight(tick=judged(Level.WARN))), EN).cards[0]
    assert card.signals == ("slow screens: 1.25 s (limit at most 2 s), near its limit",)


@BOTH
def test_the_downtime_procedure_is_part_of_what_to_do_when_it_is_needed(words: Words) -> None:
    changed = {"life": replace(ALIVE, sentinel=False), "judged": None}
    for what in (
        sight(**changed),
        sight(tick=judged(Level.BREACH)),
        sight(tick=judged(legacy=Level.BREACH)),
        sight(ward=ward_at(Phase.RETURNING, "notes", returned=RETURN)),
    ):
        card = page(board(what), words).cards[0]
        assert first(what).downtime in card.staff


@BOTH
def test_unknown_sides_are_said_to_be_unknown(words: Words) -> None:
    whole = page(board(sight(routes=None)), words)
    assert {chip.text for card in whole.cards for chip in card.chips} == {words.sides[None]}
    assert whole.mood is Mood.ASKS


@pytest.mark.parametrize(
    ("changed", "mood", "said"),
    [
        ({}, Mood.CALM, "Ingen avdelning kräver åtgärd"),
        ({"tick": judged(Level.WARN)}, Mood.WATCH, "Var uppmärksam: varning eller larm"),
        ({"ward": alerted(AlertStatus.SILENCED)}, Mood.WATCH, "Ward ava-1: larm eller anmälan"),
        ({"tick": judged(Level.BLIND)}, Mood.ASKS, "En avdelning kräver åtgärd"),
        ({"routes": None}, Mood.ASKS, "2 avdelningar kräver åtgärd"),
        ({"life": replace(ALIVE, guard=False)}, Mood.UNSAFE, "Skyddet är inte helt"),
        ({"life": replace(ALIVE, fence=None)}, Mood.UNSAFE, "Skyddet är inte helt"),
        ({"ledger_age_s": None}, Mood.UNSAFE, "Skyddet är inte helt"),
    ],
)
def test_the_board_is_calm_only_when_everything_is(
    changed: dict[str, Any], mood: Mood, said: str
) -> None:
    whole = page(board(sight(**changed)), SV)
    assert (whole.mood, whole.summary) == (mood, said)


def test_after_a_return_the_board_is_not_calm_but_stands_still() -> None:
    freeze = Freeze(ward=FIRST, reason="slow", since=NOW)
    state = replace(sight(ward=HOME).state, freeze=freeze)
    whole = page(board(sight(state=state, route=route_at(None), judged={})), SV)
    assert whole.mood is Mood.STANDSTILL


@BOTH
def test_slices_that_are_all_alike_are_one_chip_and_others_one_each(words: Words) -> None:
    (alike,) = page(board(sight(ward=HOME, route=route_at(None), judged={})), words).cards[0].chips
    assert alike.text == words.sides[Side.LEGACY]
    apart = page(board(sight()), words).cards[0].chips
    assert [chip.side for chip in apart] == ["candidate", "legacy"]


def test_no_card_is_left_out_of_the_groups() -> None:
    whole = page(board(sight()), SV)
    assert [card for _, cards in whole.groups for card in cards] == list(whole.cards)


def test_the_last_return_says_when_why_and_whether_it_is_proven() -> None:
    home = sight(ward=HOME, route=route_at(None), judged={})
    text = next(line.text for line in page(board(home), SV).cards[0].lines if "åter" in line.label)
    assert "började 07:00:00, bevisad 07:00:00, ingen är kvar i nya systemet" in text
    assert "En gräns passerades: slow screens, 3,2 s, gräns 2." in text
    going = replace(HOME, phase=Phase.RETURNING, returned=RETURN)
    assert "INTE BEVISAD ÄN" in printed(page(board(sight(ward=going)), SV))


@pytest.mark.parametrize(
    ("still_open", "said"),
    [(0, "ingen är kvar"), (3, "3 anslutningar är fortfarande öppna"), (None, "inte räknas")],
)
def test_who_is_left_in_the_new_system_is_said(still_open: int | None, said: str) -> None:
    ward = replace(HOME, returned=replace(HOME.returned, still_open=still_open))
    assert said in printed(page(board(sight(ward=ward, route=route_at(None))), SV))


def test_a_freeze_names_its_ward_its_cause_and_who_must_agree() -> None:
    freeze = Freeze(ward=FIRST, reason="slow", since=NOW, agreed=frozenset({LEAD}))
    state = replace(sight(ward=HOME).state, freeze=freeze)
    banner = page(board(sight(state=state, route=route_at(None))), SV).banners[0]
    assert banner.label == "STOPP FÖR ALLA STEG FRAMÅT"
    assert "Ward ava-1 gick tillbaka" in banner.text
    assert "slow screens, 3,2 s" in banner.text
    assert "en till av rollerna patientsäkerhetsansvarig" in banner.text


def test_what_is_waited_for_is_named_and_a_gate_without_words_by_its_code() -> None:
    names = ("approved", "a_new_gate", "in_window", "soaked", "not_held")
    closed = tuple(Closed(gate=name, evidence="", todo="") for name in names)
    card = page(board(sight(gates={FIRST: closed})), SV).cards[0]
    assert card.on_call == "Väntar på: godkännande, a_new_gate, tillåten tid (+2)"


def test_a_standby_says_that_another_one_watches() -> None:
    assert "reserven" in printed(page(board(sight(is_active=False)), SV))
    assert "reserven" not in printed(page(board(sight()), SV))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "?"), (0.0, "0"), (1234.5, "1234"), (0.12345, "0,123"), (12.0, "12")]
)
def test_numbers_are_short_and_never_exponents(value: float | None, text: str) -> None:
    assert number(value, SV) == text


@BOTH
def test_a_freeze_is_said_as_what_it_is(words: Words) -> None:
    """A report that froze the programme is no return; a stopped programme is no ward's."""
    reported = Freeze(ward=FIRST, reason="in English", since=NOW, report="r7")
    state = replace(sight().state, freeze=reported)
    shown = page(board(sight(state=state)), words)
    assert words.labels.frozen_report.format(ward="Ward ava-1", report="r7") in (
        shown.banners[0].text
    )
    assert shown.summary == words.freezes[FreezeKind.REPORT].summary
    stop = ProgrammeStopped(role=LEAD, reason="licence lapsed")
    whole = Freeze(ward=None, reason="licence lapsed", since=NOW)
    state = replace(sight().state, freeze=whole, stopped=stop)
    text = page(board(sight(state=state)), words).banners[0].text
    assert (
        words.labels.frozen_stop.format(reason=words.labels.quote.format(said="licence lapsed"))
        in text
    )


@pytest.mark.parametrize(
    ("drill", "said"),
    [
        (DRILL, "07:00:00, godkänd: tillbaka på 0,31 s, bevisat på 0,92 s"),
        (replace(DRILL, passed=False, problem="too slow"), "07:00:00, UNDERKÄND: too slow"),
        (None, None),
    ],
)
def test_the_last_drill_is_shown_and_nothing_before_the_first(drill: Any, said: Any) -> None:
    ward = ward_at(Phase.AT_STAGE, "notes", drill=drill)
    lines = {line.label: line.text for line in page(board(sight(ward=ward)), SV).cards[0].lines}
    assert lines.get("Senaste övning") == said


@BOTH
def test_one_of_a_kind_is_not_counted_as_many(words: Words) -> None:
    tick = replace(judged(), verdicts=(verdict(Level.PASS),))
    state = replace(sight().state, head=1)
    shown = page(board(sight(tick=tick, state=state)), words)
    assert shown.cards[0].signals[0] == words.labels.one_within
    assert shown.seen_by.endswith(words.labels.one_event)
