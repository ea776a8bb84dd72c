"""The page itself: nothing gets through that should not, it is live, and an old one says so."""

import re
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestrator.core.freeze import Freeze
from orchestrator.core.state import Phase
from orchestrator.reports.board import Board, board
from orchestrator.web.board import AGE, KEEP_S, OLD_AFTER_S, POLL_S, board_routes
from orchestrator.web.pages import Health, Pages, app
from tests.fakes import FakeClock
from tests.plans import FIRST, plan
from tests.reports.sights import RETURN, sight, ward_at

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


class Looker:
    """Counts the looks; gives the board it was given."""

    def __init__(self, what: Board) -> None:
        self.what = what
        self.looks = 0
        self.clock = FakeClock()

    def __call__(self) -> Board:
        self.looks += 1
        return self.what


def browser(looker: Looker) -> TestClient:
    return TestClient(Starlette(routes=board_routes(looker, looker.clock)))


@pytest.fixture
def looker() -> Looker:
    return Looker(board(sight()))


@pytest.mark.parametrize("path", ["/", "/now"])
def test_texts_of_plans_and_people_are_never_markup(path: str) -> None:
    wards = (
        replace(plan().wards[0], name=HOSTILE, downtime_procedure=HOSTILE),
        *plan().wards[1:],
    )
    odd = replace(
        plan(),
        name=HOSTILE,
        wards=wards,
        signals=tuple(replace(one, title=HOSTILE, unit=HOSTILE) for one in plan().signals),
        slices=tuple(replace(one, title=HOSTILE) for one in plan().slices),
        stages=tuple(replace(one, title=HOSTILE) for one in plan().stages),
    )
    cause = replace(RETURN.cause, signal=None, reason=HOSTILE)
    returned = replace(RETURN, cause=cause, waiting_for=HOSTILE)
    ward = ward_at(Phase.RETURNING, "notes", returned=returned, held=HOSTILE)
    what = sight(ward=ward, plan=odd, seen_by=HOSTILE, ledger_problem=HOSTILE)
    freeze = Freeze(ward=FIRST, reason=HOSTILE, since=what.now)
    what = replace(what, state=replace(what.state, freeze=freeze))
    text = browser(Looker(board(what))).get(path).text
    assert "<img" not in text
    assert "<script>alert" not in text
    assert text.count("<script") == (1 if path == "/" else 0)
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8
    assert "{{7*7}}" in text


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(looker: Looker) -> None:
    one, another = (browser(looker).get("/") for _ in range(2))
    policy = one.headers["content-security-policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert f"'nonce-{nonce}'" not in another.headers["content-security-policy"]
    tags = re.findall(r"<(?:script|style)[^>]*>", one.text)
    assert len(tags) == 2
    assert all(f'nonce="{nonce}"' in tag for tag in tags)
    assert not re.findall(r"\son[a-z]+=|\sstyle=|https?://|src=", one.text)


@pytest.mark.parametrize("path", ["/", "/now"])
def test_nothing_is_kept_framed_or_guessed(path: str, looker: Looker) -> None:
    headers = browser(looker).get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("query", "lang", "words"),
    [
        ("", "sv", "Avdelningstavla"),
        ("?lang=sv", "sv", "Avdelningstavla"),
        ("?lang=en", "en", "Ward board"),
        ("?lang=%3Cscript%3E", "sv", "Avdelningstavla"),
    ],
)
def test_swedish_unless_english_is_asked_for(
    query: str, lang: str, words: str, looker: Looker
) -> None:
    text = browser(looker).get(f"/{query}").text
    assert f'<html lang="{lang}">' in text
    assert words in text
    assert words in browser(looker).get(f"/now{query}").text


def test_what_is_sent_covers_itself_when_nothing_newer_comes(looker: Looker) -> None:
    """Without any script: the cover is in what is sent, and only its replacement takes it away."""
    text = browser(looker).get("/").text
    assert 'class="cover"' in browser(looker).get("/now").text
    assert f"animation: uncover 0s linear {OLD_AFTER_S}s forwards" in text
    assert "@keyframes uncover { to { visibility: visible; } }" in text
    assert '<noscript><meta http-equiv="refresh"' in text
    assert POLL_S * 3 < OLD_AFTER_S


def test_many_viewers_cost_one_look_and_a_kept_one_says_its_age(looker: Looker) -> None:
    client = browser(looker)
    for _ in range(5):
        client.get("/now")
    assert looker.looks == 1
    looker.clock.advance(KEEP_S * 0.8)
    assert float(client.get("/now").headers[AGE]) == pytest.approx(KEEP_S * 0.8)
    looker.clock.advance(KEEP_S)
    assert float(client.get("/now").headers[AGE]) == 0.0
    assert looker.looks == 2


def test_a_look_that_fails_is_no_board() -> None:
    class Broken(Looker):
        def __call__(self) -> Board:
            raise RuntimeError("a fault of ours")

    looker = Broken(board(sight()))
    client = TestClient(
        Starlette(routes=board_routes(looker, looker.clock)), raise_server_exceptions=False
    )
    answer = client.get("/now")
    assert answer.status_code == 500
    assert "data-summary" not in answer.text


def test_pages_bring_their_own_routes_to_the_sentinels_app() -> None:
    healthy = Health(
        healthy=True, active=True, tick_age_s=0.1, ledger_age_s=0.1, ledger_pending=0,
        ledger_corrupt=None,
    )  # fmt: skip
    pages = Pages(
        health=lambda: healthy,
        metrics=lambda: b"",
        board=dict,
        ward=lambda _: None,
        ledger_age_s=lambda: 0.1,
    )
    more = [Route("/more", lambda _request: PlainTextResponse("here"))]
    client = TestClient(app(pages, more))
    assert client.get("/more").text == "here"
    assert client.get("/healthz").status_code == 200


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_can_be_read_on_its_ground(looker: Looker) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text of any size."""
    css = browser(looker).get("/").text
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", css))
    grounds = [name for name in colours if not name.startswith("on-")]
    assert len(grounds) >= 12
    for name in grounds:
        light, dark = sorted(
            (_luminance(colours[name]), _luminance(colours[f"on-{name}"])), reverse=True
        )
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name
