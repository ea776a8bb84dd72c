"""Stop the line over HTTP: a form for a phone at the bedside, its receipt, and the same as JSON.

A right code is never turned away for how often somebody pressed. A wrong one, an unknown role
and a role without a code are answered alike: people are paged, nothing moves. Every answer that
is not a receipt says that nothing was received. Source: design section 8.
"""

import json
import secrets
import threading
from asyncio import get_running_loop, timeout
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from orchestrator.core.ids import Role, SliceName
from orchestrator.core.plan import Plan
from orchestrator.core.receipt import Became, Receipt
from orchestrator.core.text import plain
from orchestrator.ports import Clock
from orchestrator.reports.receipts import receipt_json
from orchestrator.service.stopping import SOMEBODY, StopLine
from orchestrator.web.limits import Buckets
from orchestrator.web.stop_api import DESCRIPTION, PATH, description
from orchestrator.web.stop_en import ENGLISH
from orchestrator.web.stop_sv import SWEDISH
from orchestrator.web.stop_words import StopWords
from wards.model import Ward, WardId

log = structlog.get_logger()
MOST_BYTES = 8 * 1024
BODY_WITHIN_S = 10.0
PRESSES_AT_ONCE = 4
CHECKS_AT_ONCE = 2
CHECK_WITHIN_S = 5.0
UNPROVEN_BURST, UNPROVEN_EVERY_S = 10, 60.0
LOOK_AGAIN_S = 2
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_templates = Environment(
    loader=PackageLoader("orchestrator.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Codes(Protocol):
    """The site's stop codes."""

    def roles(self) -> tuple[str, ...]:
        """The roles that have one. Never raises."""
        ...

    def is_right(self, role: str, code: str) -> bool:
        """Whether it is that role's code; takes real time on purpose. Never raises."""
        ...


class NotReceived(Exception):
    """Nothing was kept of it; `problem` is a sentence for the person."""

    def __init__(self, status: int, code: str, problem: Callable[[StopWords], str]) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody sent, as it came."""

    ward: str = ""
    role: str = ""
    code: str = ""
    staff_code: str = ""
    slice: str = ""
    words: str = ""


@dataclass(slots=True)
class StopDoor:
    """What a stop needs over HTTP. `digest`: of a staff code; None for nobody's."""

    plan: Plan
    line: StopLine
    codes: Codes
    digest: Callable[[str], str | None]
    clock: Clock
    _unproven: Buckets = field(init=False)
    _checks: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(CHECKS_AT_ONCE)
    )

    def __post_init__(self) -> None:
        self._unproven = Buckets(self.clock, UNPROVEN_BURST, UNPROVEN_EVERY_S)

    def is_open(self) -> bool:
        """Whether any role that may stop has a code."""
        return bool(set(self.plan.policy.stop.roles) & set(self.codes.roles()))

    def take(self, said: Said) -> Receipt:
        """One stop. Raises: NotReceived."""
        if not self.is_open():
            raise NotReceived(403, "closed", lambda words: words.closed_text)
        if not (said.ward and said.role):
            raise NotReceived(422, "missing", lambda words: words.missing)
        ward = self._ward(said.ward)
        role, slice_name = Role(said.role), self._slice(said.slice)
        if self._is_proven(said):
            reporter = self.digest(said.staff_code) or SOMEBODY
            return self.line.report(
                ward, role, reporter=reporter, words=said.words, slice_name=slice_name
            )
        if not self._unproven.take(ward):
            log.warning("stop.crowded", ward=ward)
            raise NotReceived(429, "too_many", lambda words: words.too_many)
        return self.line.unproven(ward, role, words=said.words, slice_name=slice_name)

    def _ward(self, said: str) -> WardId:
        for one in self.plan.wards:
            if one.id == said:
                return one.id
        raise NotReceived(
            422, "unknown_ward", lambda words: words.unknown_ward.format(ward=plain(said))
        )

    def _is_proven(self, said: Said) -> bool:
        """Checks are few at once, so that guessing costs the watch nothing."""
        if not self._checks.acquire(timeout=CHECK_WITHIN_S):
            raise NotReceived(429, "too_many", lambda words: words.too_many)
        try:
            is_right = self.codes.is_right(said.role, said.code)
        finally:
            self._checks.release()
        return is_right and said.role in self.plan.policy.stop.roles

    def _slice(self, said: str) -> SliceName | None:
        """An unknown slice is no reason to turn a stop away."""
        return next((one.name for one in self.plan.slices if one.name == said), None)


def stop_routes(door: StopDoor) -> list[Route]:
    """The form, its receipts, and both as JSON."""
    # Threads of their own: whoever guesses codes keeps nobody from asking whether we live, or from
    # pushing an alert.
    hands = ThreadPoolExecutor(PRESSES_AT_ONCE, thread_name_prefix="press")

    async def taken(said: Said) -> Receipt:
        return await get_running_loop().run_in_executor(hands, door.take, said)

    def form(request: Request) -> Response:
        words = _words(request.query_params.get("lang", ""))
        ward = str(request.path_params.get("ward", ""))
        if not door.is_open():
            return _form(door, words, Said(), status=403, problem=words.closed_text)
        if ward and ward not in {one.id for one in door.plan.wards}:
            problem = f"{words.unknown_ward.format(ward=plain(ward))} {words.nothing_sent}"
            return _form(door, words, Said(), status=404, problem=problem, title=words.no_such_ward)
        return _form(door, words, Said(ward=ward))

    async def press(request: Request) -> Response:
        words = _words(request.query_params.get("lang", ""))
        said = Said()
        try:
            said = _said(_pairs(await _body(request)))
            receipt = await taken(said)
        except NotReceived as error:
            problem = error.problem(words)
            return _form(door, words, said, status=error.status, problem=problem)
        lang = "" if words is SWEDISH else f"?lang={words.lang}"
        return RedirectResponse(f"/stop/receipt/{receipt.report}{lang}", 303, headers=HEADERS)

    def receipt(request: Request) -> Response:
        words = _words(request.query_params.get("lang", ""))
        found = door.line.receipt(request.path_params["number"])
        if found is None:
            problem = words.unknown_receipt
            return _page("stop_receipt.html", words, 404, problem=problem, receipt=None)
        return _receipt(door, words, found)

    async def api(request: Request) -> Response:
        try:
            said = _said(_fields(await _body(request)))
            made = await taken(said)
        except NotReceived as error:
            body = {"problem": error.problem(ENGLISH), "code": error.code, "received": False}
            return JSONResponse(body, error.status, headers=HEADERS)
        status = 202 if made.became is Became.UNPROVEN else 201
        return JSONResponse(receipt_json(made), status, headers=HEADERS)

    def api_receipt(request: Request) -> Response:
        found = door.line.receipt(request.path_params["number"])
        if found is None:
            body = {"problem": ENGLISH.unknown_receipt, "code": "unknown_receipt"}
            return JSONResponse(body, 404, headers=HEADERS)
        return JSONResponse(receipt_json(found), headers=HEADERS)

    def described(_request: Request) -> Response:
        return JSONResponse(description(door.plan))

    return [
        Route("/stop", form, methods=["GET"]),
        Route("/stop", press, methods=["POST"]),
        Route("/stop/receipt/{number}", receipt, methods=["GET"]),
        Route("/stop/{ward}", form, methods=["GET"]),
        Route("/stop/{ward}", press, methods=["POST"]),
        Route(PATH, api, methods=["POST"]),
        Route(DESCRIPTION, described, methods=["GET"]),
        Route(PATH + "/{number}", api_receipt, methods=["GET"]),
    ]


async def _body(request: Request) -> bytes:
    """At most MOST_BYTES within BODY_WITHIN_S. Raises: NotReceived."""
    taken = bytearray()
    try:
        async with timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                taken += chunk
                if len(taken) > MOST_BYTES:
                    raise NotReceived(413, "too_long", lambda words: words.too_long)
    except (TimeoutError, ClientDisconnect) as error:
        raise NotReceived(408, "too_slow", lambda words: words.missing) from error
    return bytes(taken)


def _pairs(body: bytes) -> Mapping[str, object]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=20))
    except ValueError as error:
        raise NotReceived(422, "malformed", lambda words: words.missing) from error


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotReceived(422, "malformed", lambda words: words.missing) from error
    if not isinstance(parsed, dict):
        raise NotReceived(422, "malformed", lambda words: words.missing)
    return parsed


def _said(fields: Mapping[str, object]) -> Said:
    """What is not a text counts as left out; a stop is not turned away for it."""
    names = ("ward", "role", "code", "staff_code", "slice", "words")
    texts = {name: fields.get(name) for name in names}
    return Said(**{name: text.strip() for name, text in texts.items() if isinstance(text, str)})


def _words(lang: str) -> StopWords:
    return ENGLISH if lang == ENGLISH.lang else SWEDISH


def _form(
    door: StopDoor,
    words: StopWords,
    said: Said,
    *,
    status: int = 200,
    problem: str = "",
    title: str = "",
) -> Response:
    """`title`: of the problem; that nothing was received, unless something else is said."""
    return _page(
        "stop.html",
        words,
        status,
        plan=door.plan,
        roles=door.plan.policy.stop.roles,
        said=said,
        problem=problem,
        problem_title=(title or words.not_received) if door.is_open() else words.closed,
        is_open=door.is_open(),
    )


def _receipt(door: StopDoor, words: StopWords, made: Receipt) -> Response:
    def local(at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(door.plan.zone):%H:%M:%S}"

    ward: Ward = door.plan.ward(made.ward)
    told = words.told[made.became]
    until, returned = local(made.waits_until)[:5], local(made.returned_at)
    return _page(
        "stop_receipt.html",
        words,
        200,
        problem="",
        receipt=made,
        ward=ward,
        title=told.title,
        text=told.text.format(until=until, returned=returned),
        made_at=local(made.made_at),
        taken_at=local(made.acknowledged_at),
        now=local(door.clock.now()),
        minutes=f"{door.plan.policy.stop.acknowledge_within_s / 60:.0f}",
        look_again_s=None if made.is_settled and made.acknowledged_at else LOOK_AGAIN_S,
    )


def _page(template: str, words: StopWords, status: int, **values: Any) -> Response:
    """One page, with nothing from elsewhere and no script at all."""
    nonce = secrets.token_urlsafe(16)
    body = _templates.get_template(template).render(words=words, nonce=nonce, **values)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return HTMLResponse(body, status_code=status, headers=headers)
