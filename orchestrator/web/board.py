"""The ward board: `/` is the whole page, `/now` the part of it that is fetched again and again.

Only for looking. The page keeps itself live, and says loudly when it is not: what `/now` put on
the screen covers itself after OLD_AFTER_S, whatever becomes of script, network or sentinel.
Nothing from elsewhere is loaded, nothing is kept by a browser. Source: design section 4.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from orchestrator.ports import Clock
from orchestrator.reports.board import Board
from orchestrator.reports.board_page import LANGUAGES, page
from orchestrator.reports.board_words import Lang, Words

POLL_S = 1.0
OLD_AFTER_S = 10.0
KEEP_S = 0.5  # so many viewers at once cost no more than one
AGE = "Board-Age"  # seconds since what an answer shows was looked at

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_templates = Environment(
    loader=PackageLoader("orchestrator.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(slots=True)
class Shared:
    """One look at everything for all who ask within a moment, or while it is taken: when looking
    takes seconds, nobody queues for a look of their own. Thread-safe."""

    look: Callable[[], Board]
    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: tuple[Board, float] | None = None
    _ended_s: float = 0.0

    def get(self) -> tuple[Board, float]:
        """The board, and its age in real seconds."""
        asked_s = self.clock.monotonic()
        with self._lock:
            if self._kept is None or not self._is_new(self._kept, asked_s):
                began_s = self.clock.monotonic()
                self._kept = (self.look(), began_s)
                self._ended_s = self.clock.monotonic()
            return self._kept[0], self._age_s(self._kept)

    def _is_new(self, kept: tuple[Board, float], asked_s: float) -> bool:
        return self._age_s(kept) <= KEEP_S or self._ended_s > asked_s

    def _age_s(self, kept: tuple[Board, float]) -> float:
        return self.clock.monotonic() - kept[1]


def board_routes(look: Callable[[], Board], clock: Clock) -> list[Route]:
    """`/` and `/now`, in Swedish; `?lang=en` for English."""
    shared = Shared(look, clock)

    def whole(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = _policy(nonce)
        return _answer("board.html", _words(request), shared, policy, nonce=nonce)

    def now(request: Request) -> Response:
        return _answer("now.html", _words(request), shared, "default-src 'none'")

    return [Route("/", whole), Route("/now", now)]


def _answer(template: str, words: Words, shared: Shared, policy: str, nonce: str = "") -> Response:
    board, age_s = shared.get()
    body = _templates.get_template(template).render(
        page=page(board, words),
        words=words,
        labels=words.labels,
        nonce=nonce,
        poll_ms=round(POLL_S * 1000),
        old_after_s=OLD_AFTER_S,
        age_s=f"{age_s:.3f}",
    )
    headers = {**HEADERS, AGE: f"{age_s:.3f}", "Content-Security-Policy": policy}
    return HTMLResponse(body, headers=headers)


def _policy(nonce: str) -> str:
    """Nothing may be loaded, framed or sent but the page's own style, script and `/now`."""
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _words(request: Request) -> Words:
    asked = request.query_params.get("lang", "")
    return LANGUAGES[Lang.EN if asked == Lang.EN else Lang.SV]
