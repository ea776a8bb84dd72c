"""The board says what really happened, in the reader's language; people's own words in quotes."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.alarm import alarm_cause, alarms
from orchestrator.core.event import AlertStatus, Cause, ProgrammeStopped, Trigger
from orchestrator.core.freeze import Freeze, FreezeKind, frozen_by_report
from orchestrator.core.gates.answer import Closed
from orchestrator.core.plan import StopPolicy
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.core.verdict import Level
from orchestrator.reports.board import Sight, board
from orchestrator.reports.board_codes import Head, RoutesApi, Sign, Watcher
from orchestrator.reports.board_page import LANGUAGES, Mood, Page, page
from orchestrator.reports.board_words import Lang, Words
from tests.plans import FIRST, HEAD, LEAD, SECOND, plan
from tests.reports.sights import (
    ALIVE,
    NOW,
    RETURN,
    alerted,
    first,
    judged,
    reported,
    route_at,
    sight,
    ward_at,
)

SV, EN = LANGUAGES[Lang.SV], LANGUAGES[Lang.EN]
BOTH = pytest.mark.parametrize("words", [SV, EN], ids=["sv", "en"])
SHUT = (Closed(gate="not_frozen", evidence="", todo=""),)


def frozen(what: Sight, freeze: Freeze, **more: Any) -> Sight:
    """The same sight, frozen; the other ward waits for that alone."""
    state = replace(what.state, freeze=freeze, **more)
    return replace(what, state=state, gates={SECOND: SHUT})


def stopped_at_the_bedside(ward: WardState | None = None, **more: Any) -> Sight:
    """One nurse has pressed stop; nothing went anywhere."""
    freeze = frozen_by_report(FIRST, "r7", NOW, 9)
    return frozen(sight(ward=ward or reported(), **more), freeze)


def other_card(whole: Page) -> str:
    return next(card for card in whole.cards if card.id == SECOND).on_call


@BOTH
def test_every_kind_of_freeze_has_words(words: Words) -> None:
    assert set(words.freezes) == set(FreezeKind)


def test_a_freeze_knows_what_began_it() -> None:
    back = Freeze(ward=FIRST, reason="slow", since=NOW)
    assert back.kind is FreezeKind.RETURN
    assert frozen_by_report(FIRST, "r7", NOW, 9).kind is FreezeKind.REPORT
    assert replace(back, ward=None).kind is FreezeKind.STOP


def test_a_report_that_froze_the_programme_is_no_return_and_leads_the_head() -> None:
    whole = page(board(stopped_at_the_bedside()), SV)
    assert whole.summary == "Ward ava-1: larm eller anmälan"
    assert whole.mood is Mood.WATCH
    assert other_card(whole) == "Väntar på: att stoppet efter en anmälan hävs"
    assert "återgång" not in whole.summary + other_card(whole)
    english = page(board(stopped_at_the_bedside()), EN)
    assert english.summary == "Ward ava-1: an alert or a report"
    assert other_card(english) == "Waits for: the freeze after a report to end"


def test_a_report_from_a_ward_that_nothing_exposes_freezes_in_its_own_words() -> None:
    ward = replace(reported(), stage="shadow")
    what = stopped_at_the_bedside(ward=ward, route=route_at("shadow"))
    assert page(board(what), SV).summary == "Allt står still efter en anmälan"


def test_two_wards_with_alerts_are_counted() -> None:
    mine, other = alerted(AlertStatus.SILENCED), replace(reported(), ward=SECOND)
    what = sight(ward=mine)
    state = replace(what.state, wards={FIRST: mine, SECOND: other})
    routes = {FIRST: route_at("notes"), SECOND: replace(route_at("notes"), ward=SECOND)}
    what = replace(
        what, state=state, routes=routes, lease_ages_s={FIRST: 1.0, SECOND: 1.0},
        judged={FIRST: judged(), SECOND: judged()},
    )  # fmt: skip
    assert page(board(what), SV).summary == "2 avdelningar: larm eller anmälan"


def test_a_protection_that_is_not_whole_is_said_beside_the_alert() -> None:
    whole = page(board(stopped_at_the_bedside(life=replace(ALIVE, guard=False))), SV)
    assert whole.mood is Mood.UNSAFE
    assert whole.summary == "Ward ava-1: larm eller anmälan. Skyddet är inte helt"


@pytest.mark.parametrize(
    ("freeze", "summary", "gate"),
    [
        (
            Freeze(ward=FIRST, reason="slow", since=NOW),
            "Allt står still efter en återgång",
            "Väntar på: att stoppet efter en återgång hävs",
        ),
        (
            Freeze(ward=None, reason="licence", since=NOW),
            "Hela införandet är stoppat",
            "Väntar på: att stoppet av hela införandet hävs",
        ),
    ],
)
def test_other_freezes_are_said_as_what_they_are(freeze: Freeze, summary: str, gate: str) -> None:
    whole = page(board(frozen(sight(), freeze)), SV)
    assert (whole.summary, other_card(whole)) == (summary, gate)


def unwritten(**more: Any) -> Sight:
    """A return is intended, and its route could not be written."""
    ward = ward_at(Phase.RETURNING, "notes", returned=RETURN)
    return frozen(sight(ward=ward, **more), Freeze(ward=FIRST, reason="slow", since=NOW))


def test_a_return_that_is_not_written_yet_has_not_gone_back() -> None:
    for what in (unwritten(), unwritten(routes=None)):
        whole = page(board(what), SV)
        assert first(what).head is Head.UNWRITTEN
        assert "Ward ava-1 ska tillbaka till gamla systemet men är inte omkopplad än" in (
            whole.banners[0].text
        )
        assert "gick tillbaka" not in whole.banners[0].text
        card = next(card for card in whole.cards if card.id == FIRST)
        assert "inte omkopplad" in card.staff
        assert "Rutten till gamla systemet är inte skriven än" in card.on_call
        assert "bevis" not in card.on_call


def test_a_return_that_is_written_waits_for_proof() -> None:
    written = replace(RETURN, epoch=5, written_at=NOW)
    ward = ward_at(Phase.RETURNING, "notes", returned=written)
    what = frozen(sight(ward=ward), Freeze(ward=FIRST, reason="slow", since=NOW))
    assert first(what).head is Head.RETURNING
    assert "är på väg tillbaka till gamla systemet" in page(board(what), SV).banners[0].text
    assert "Kontrollerna" in page(board(what), SV).cards[0].on_call


def test_a_return_whose_route_is_home_already_is_not_said_to_be_unwritten() -> None:
    """Between the write and the word of it; also by another hand."""
    ward = ward_at(Phase.RETURNING, "notes", returned=RETURN)
    assert first(sight(ward=ward, route=route_at(None))).head is Head.RETURNING


def returned(cause: Cause, ward: WardState | None = None, **more: Any) -> Sight:
    """A ward that is back, for that reason."""
    back = replace(RETURN, cause=cause, epoch=5, written_at=NOW, proven_at=NOW, still_open=0)
    mine = replace(ward or ward_at(Phase.AT_STAGE, "notes"), phase=Phase.ROLLED_BACK, returned=back)
    what = sight(ward=mine, route=route_at(None), tick=judged(Level.PASS))
    return frozen(what, Freeze(ward=FIRST, reason=cause.reason, since=NOW), **more)


def said(what: Sight, words: Words = SV) -> str:
    """The line of the last return, and the banner."""
    whole = page(board(what), words)
    card = next(card for card in whole.cards if card.id == FIRST)
    line = next(line for line in card.lines if line.label == words.labels.returned)
    return f"{line.text} | {whole.banners[0].text}"


CAUSES: dict[str, tuple[Cause, str, tuple[str, ...]]] = {
    "report": (
        Cause(
            trigger=Trigger.STOP,
            reason="stopped at the bedside by ward_head (report r7), confirmed by a second person",
        ),
        "någon på avdelningen stoppade: anmälan r7 från avdelningschef",
        ("bedside", "confirmed", "ward_head"),
    ),
    "alert": (
        Cause(trigger=Trigger.ALERT, reason="alert SlowDisk firing"),
        "ett larm: SlowDisk",
        ("alert", "firing"),
    ),
    "person": (
        Cause(trigger=Trigger.PERSON, reason="operations: wrong dose: 5 mg"),
        "en person begärde det: driftjour, ”wrong dose: 5 mg”",
        ("operations",),
    ),
    "nothing said": (
        Cause(trigger=Trigger.PERSON, reason="operations: asked for by a person"),
        "en person begärde det: driftjour",
        ("operations", "asked", "”"),
    ),
    "programme": (
        Cause(
            trigger=Trigger.PROGRAMME,
            reason="the programme was stopped by programme_lead: licence lapsed",
        ),
        "hela införandet stoppades: ”licence lapsed”",
        ("the programme", "stopped by"),
    ),
    "lease": (
        Cause(trigger=Trigger.LEASE, reason="nobody renewed the ward's lease"),
        "ingen övervakade avdelningen längre",
        ("renewed",),
    ),
    "another hand": (
        Cause(
            trigger=Trigger.PERSON,
            reason="person:operations wrote on the route: rollback: operations: screens froze",
        ),
        "en person begärde det: driftjour, ”screens froze”",
        ("wrote on the route",),
    ),
    "unsaid": (
        Cause(
            trigger=Trigger.PERSON,
            reason="person:operations returned the ward; no word of why has come",
        ),
        "en person begärde det",
        ("no word",),
    ),
}


@pytest.mark.parametrize(("cause", "swedish", "never"), CAUSES.values(), ids=CAUSES)
def test_a_cause_is_said_in_swedish_and_own_words_as_they_were_typed(
    cause: Cause, swedish: str, never: tuple[str, ...]
) -> None:
    text = said(returned(cause, ward=reported()))
    assert swedish.lower() in text.lower()
    assert text.lower().count(swedish.lower()) == 2, "on the card and in the banner"
    assert not [word for word in never if word in text]


def really(ward: WardState, state: ProgrammeState) -> Cause:
    """What the core itself gives as the cause of such a ward's return."""
    one = replace(
        plan(), policy=replace(plan().policy, stop=StopPolicy(roles=(HEAD,), alone=(HEAD,)))
    )
    cause = alarm_cause(alarms(one, state, ward, exposed=("notes",), verdicts=(), now=NOW))
    assert cause is not None
    return cause


REAL: dict[str, tuple[WardState, dict[str, Any], str]] = {
    "report": (reported(), {}, "stoppade: anmälan r7 från avdelningschef"),
    "alert": (alerted(AlertStatus.FIRING), {}, "ett larm: SlowDisk"),
    "programme": (
        reported(),
        {"stopped": ProgrammeStopped(role=LEAD, reason="licence lapsed")},
        "hela införandet stoppades: ”licence lapsed”",
    ),
}


@pytest.mark.parametrize(("ward", "more", "swedish"), REAL.values(), ids=REAL)
def test_the_causes_that_the_core_gives_are_understood(
    ward: WardState, more: dict[str, Any], swedish: str
) -> None:
    """They are read out of its sentences, so a sentence that changes must change here as well."""
    cause = really(ward, replace(sight().state, **more))
    assert swedish in said(returned(cause, ward=ward))


def test_an_english_board_says_a_cause_in_english() -> None:
    text = said(returned(CAUSES["person"][0]), EN)
    assert "a person asked for it: operations, “wrong dose: 5 mg”" in text.replace(
        "A person", "a person"
    )


def test_alerts_and_reports_on_a_card_are_in_swedish() -> None:
    card = page(board(sight(ward=alerted(AlertStatus.SILENCED))), SV).cards[0]
    assert card.on_call == "Larmet SlowDisk (tystat, inte borta)."
    card = page(board(sight(ward=reported())), SV).cards[0]
    assert card.on_call == "Anmälan r7 från avdelningschef (inte bekräftad)."
    english = page(board(sight(ward=reported())), EN).cards[0]
    assert english.on_call == "Report r7 from the ward head (not confirmed)."


def test_a_stopped_programme_names_the_role_and_quotes_its_words() -> None:
    stop = ProgrammeStopped(role=LEAD, reason="licence lapsed")
    what = frozen(sight(), Freeze(ward=None, reason=stop.reason, since=NOW), stopped=stop)
    whole = page(board(what), SV)
    assert "hela införandet är stoppat (”licence lapsed”)" in whole.banners[0].text
    card = next(card for card in whole.cards if card.id == FIRST)
    assert "Hela införandet stoppades av programledare: ”licence lapsed”" in card.on_call


def test_a_hold_quotes_its_words() -> None:
    card = page(board(sight(ward=ward_at(Phase.AT_STAGE, "notes", held="short of staff"))), SV)
    assert card.cards[0].held == "Pausad: ”short of staff”"


def test_an_empty_programme_has_no_freeze_words() -> None:
    assert page(board(sight(state=ProgrammeState(plan_hash="h"))), SV).banners == ()


@pytest.mark.parametrize(
    ("routes_api", "words", "named"),
    [
        (RoutesApi.API_SERVER, SV, "Kubernetes API-server"),
        (RoutesApi.API_SERVER, EN, "Kubernetes API server"),
        (RoutesApi.PRACTICE, SV, "övningstrafikstyrningens administration"),
        (RoutesApi.PRACTICE, EN, "practice gateway's administration"),
    ],
)
def test_who_was_asked_for_the_routes_is_named_and_no_gateway_is_blamed(
    routes_api: RoutesApi, words: Words, named: str
) -> None:
    whole = page(board(sight(routes=None, routes_api=routes_api)), words)
    light = next(one for one in whole.lights if one.label == words.watchers[Watcher.ROUTES])
    assert light.text == f"{named} {words.signs[Watcher.ROUTES, Sign.BAD]}"
    assert named in whole.cards[0].on_call
    assert set(words.routes_apis) == set(RoutesApi)


def test_no_word_of_the_swedish_board_means_something_else_in_a_hospital() -> None:
    whole = f"{SV}".lower()
    for word in ("växel", "spärr", "väktar", " proven "):
        assert word not in whole
