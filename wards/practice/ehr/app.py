"""The practice EHR over HTTP: which request means what, and what is answered.

Invariants: every answer says which system gave it; a create and the search of its
condition are one step; a refusal is an OperationOutcome and changes nothing.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from orchestrator.adapters.clock import PracticeClock
from wards.practice.ehr import answers, faults
from wards.practice.ehr.counters import Counters
from wards.practice.ehr.query import BadQuery, history_of, search_of
from wards.practice.ehr.resource import ID, Json, problems
from wards.practice.ehr.store import Store, Version
from wards.practice.serving import health
from wards.practice.wire import (
    NOBODY,
    RESOURCE_TYPES,
    SLICES,
    SYSTEM_HEADER,
    WARD_HEADER,
    WARD_TAG_SYSTEM,
    instant,
)

FHIR_JSON = "application/fhir+json"
LOCK_PATIENCE_S = 30.0
STREAM_EVERY_S = 1.0
END_OF_TIME = "9999"
WARD = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
METHODS = ("GET", "POST", "PUT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request's ward, slice and the rest of its path."""

    request: Request
    ward: str
    slice: str
    path: tuple[str, ...]

    @property
    def base(self) -> str:
        """The FHIR base by which the request came, as its sender sees it."""
        prefix = f"/{self.slice}" if self.slice in SLICES else ""
        url = self.request.url
        return f"{url.scheme}://{url.netloc}{prefix}/fhir"


class Problem(Exception):
    """A refusal with its HTTP status, its FHIR issue code, and its sentences."""

    def __init__(self, status: int, code: str, *sentences: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.sentences = sentences


class Ehr:
    """One practice EHR as an ASGI application."""

    def __init__(self, *, system: str, store: Store, clock: PracticeClock, seed: int) -> None:
        self.system = system
        self._store = store
        self._clock = clock
        self._chance = faults.Chance(seed)
        self._faults = faults.NONE
        self._counters = Counters()
        self._counters.take_census(store.census())
        self._locks: dict[str, asyncio.Lock] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        own = await self._own_page(request)
        if own is not None:
            await own(scope, receive, send)
            return
        await self._serve(_asked(request), send)

    async def _own_page(self, request: Request) -> Response | None:
        match request.url.path:
            case "/healthz":
                return _plain_json(health(self.system))
            case "/metrics":
                return Response(self._counters.page(), media_type="text/plain; version=0.0.4")
            case "/faults":
                return await self._fault_page(request)
            case _:
                return None

    async def _fault_page(self, request: Request) -> Response:
        if request.method in ("PUT", "PATCH"):  # PUT: exactly these; PATCH: these as well
            before = faults.NONE if request.method == "PUT" else self._faults
            wanted = faults.changed(before, await _json_of(request))
            if isinstance(wanted, tuple):
                return _plain_json({"problems": list(wanted)}, status=422)
            self._faults = wanted
        return _plain_json(faults.as_json(self._faults))

    async def _serve(self, asked: Asked, send: Send) -> None:
        request = asked.request
        self._counters.opened()
        begun, status = self._clock.monotonic(), 500
        try:
            response = await self._answer(asked)
            status = response.status_code
            response.headers[SYSTEM_HEADER] = self.system
            await response(request.scope, request.receive, send)
        finally:
            took_s = self._clock.monotonic() - begun
            method = request.method if request.method in METHODS else "other"
            self._counters.answered(asked.ward, asked.slice, method, status, took_s)

    async def _answer(self, asked: Asked) -> Response:
        struck = self._struck(asked.ward)
        if struck.latency_s:
            await asyncio.sleep(struck.latency_s)
        try:
            self._maybe_fail(struck.error_rate)
            return await self._dispatch(asked)
        except Problem as problem:
            text = answers.outcome(problem.code, *problem.sentences)
            return _fhir(text, status=problem.status)
        except BadQuery as bad:
            return _fhir(answers.outcome("invalid", str(bad)), status=400)

    def _maybe_fail(self, rate: float) -> None:
        if self._chance.comes(rate):
            raise Problem(500, "exception", "the system failed; the entry was not saved")

    def _struck(self, ward: str) -> faults.Faults:
        return self._faults if self._faults.strike(ward) else faults.NONE

    async def _dispatch(self, asked: Asked) -> Response:
        match asked.request.method, asked.path:
            case "POST", ("session", "login"):
                return await self._login(asked)
            case "GET", ("stream",):
                return StreamingResponse(_heartbeat(), media_type="text/event-stream")
            case "GET", ("fhir", "metadata"):
                return _fhir(answers.capability(self.system, now=self._now()))
            case method, ("fhir", type_, *rest) if type_ in RESOURCE_TYPES:
                return await self._fhir(asked, method, type_, tuple(rest))
            case _:
                raise Problem(404, "not-supported", "this EHR has nothing at this address")

    async def _fhir(self, asked: Asked, method: str, type_: str, rest: tuple[str, ...]) -> Response:
        match method, rest:
            case "GET", _:
                return self._read(asked, type_, rest)
            case "POST", ():
                return await self._create(asked, type_)
            case "PUT", (id_,):
                return await self._update(asked, type_, id_)
            case _:
                raise Problem(405, "not-supported", "records are read, created and updated here")

    def _read(self, asked: Asked, type_: str, rest: tuple[str, ...]) -> Response:
        match rest:
            case ():
                return self._search(asked, type_)
            case ("_history",):
                return self._history(asked, type_, None)
            case (id_,):
                return _one(self._existing(type_, id_))
            case (id_, "_history"):
                self._existing(type_, id_)
                return self._history(asked, type_, id_)
            case (id_, "_history", number):
                return _one(self._numbered(type_, id_, number))
            case _:
                raise Problem(404, "not-supported", "this EHR has nothing at this address")

    async def _login(self, asked: Asked) -> Response:
        match await _json_of(asked.request):
            case {"user": str(user)} if user:
                if self._chance.comes(self._struck(asked.ward).login_fail_rate):
                    return _plain_json({"problem": "login failed"}, status=401)
                return _plain_json({"session": uuid4().hex})
            case _:
                return _plain_json({"problem": "a login names its user"}, status=400)

    def _search(self, asked: Asked, type_: str) -> Response:
        params = asked.request.query_params
        search, now = search_of(type_, params.multi_items()), self._now()
        page = self._store.search(search, now=now)
        total = None if params.get("_total") == "none" else self._store.total(search, now=now)
        address = f"{asked.base}/{type_}"
        text = answers.searchset(
            page.versions,
            base=asked.base,
            self_url=_link(address, params.multi_items()),
            next_url=_next(address, params, page.next_cursor),
            total=total,
        )
        return _fhir(text)

    def _history(self, asked: Asked, type_: str, id_: str | None) -> Response:
        params = asked.request.query_params
        query = history_of(params.multi_items())
        page = self._store.history(
            type_, id_, since=query.since, before=query.before, count=query.count, now=self._now()
        )
        address = "/".join(part for part in (asked.base, type_, id_, "_history") if part)
        text = answers.history(
            page.versions,
            base=asked.base,
            self_url=_link(address, params.multi_items()),
            next_url=_next(address, params, page.next_cursor),
        )
        return _fhir(text)

    async def _create(self, asked: Asked, type_: str) -> Response:
        resource = _checked(await _json_of(asked.request), type_, None)
        condition = asked.request.headers.get("if-none-exist")
        await self._take_lock(asked.ward)
        try:
            existing = self._meeting(type_, condition) if condition else ()
            if len(existing) > 1:
                raise Problem(412, "multiple-matches", "several records meet If-None-Exist")
            if existing:
                return _one(existing[0], location=asked.base)
            stored = self._save(asked, resource | {"id": str(uuid4())}, method="POST")
        finally:
            self._locks[asked.ward].release()
        return _one(stored, status=201, location=asked.base)

    async def _update(self, asked: Asked, type_: str, id_: str) -> Response:
        if not ID.fullmatch(id_):
            raise Problem(400, "invalid", "an id has 1 to 64 letters, digits, dashes and dots")
        resource = _checked(await _json_of(asked.request), type_, id_)
        await self._take_lock(asked.ward)
        try:
            number = self._store.newest_number(type_, id_)
            match_ = asked.request.headers.get("if-match")
            if match_ is not None and match_ != f'W/"{number}"':
                raise Problem(412, "conflict", f"the newest version is {number}: read it again")
            stored = self._save(asked, resource, method="PUT")
        finally:
            self._locks[asked.ward].release()
        return _one(stored, status=200 if number else 201, location=asked.base)

    async def _take_lock(self, ward: str) -> None:
        """Wait for the ward's record lock; a lockup holds it before this write may go on."""
        lock = self._locks.setdefault(ward, asyncio.Lock())
        try:
            async with asyncio.timeout(LOCK_PATIENCE_S):
                await lock.acquire()
        except TimeoutError:
            sentence = "the record is locked by another user: try again"
            raise Problem(503, "lock-error", sentence) from None
        try:
            await asyncio.sleep(self._struck(ward).lockup_s)
        except asyncio.CancelledError:
            lock.release()
            raise

    def _save(self, asked: Asked, resource: Json, *, method: str) -> Version:
        struck = self._struck(asked.ward)
        type_ = resource["resourceType"]
        kept = _tagged(faults.damaged(resource, struck, self._chance), asked.ward)
        later_s = struck.slow_results_s if type_ == "DiagnosticReport" else 0.0
        updated = self._in(later_s)
        stored = self._store.put(
            kept,
            ward=asked.ward,
            method=method,
            updated=updated,
            visible_from=updated if later_s else None,
        )
        if stored.version == 1:
            self._counters.recorded(asked.ward, type_)
        return stored

    def _existing(self, type_: str, id_: str) -> Version:
        version = self._store.current(type_, id_, now=self._now())
        return version or _missing(type_)

    def _numbered(self, type_: str, id_: str, number: str) -> Version:
        known = self._store.version(type_, id_, int(number)) if number.isdecimal() else None
        return known or _missing(type_)

    def _meeting(self, type_: str, condition: str) -> tuple[Version, ...]:
        search = search_of(type_, parse_qsl(condition, keep_blank_values=True))
        if not search.conditions:
            raise Problem(400, "invalid", "If-None-Exist needs a search parameter")
        # Also records that are not to be seen yet: repeating a create must not double them.
        return self._store.search(search, now=END_OF_TIME).versions

    def _now(self) -> str:
        return instant(self._clock.now())

    def _in(self, real_s: float) -> str:
        now = self._clock.now()  # reads the clock's rate as well
        return instant(now + timedelta(seconds=real_s * self._clock.rate))


def _asked(request: Request) -> Asked:
    ward = request.headers.get(WARD_HEADER, "")
    parts = tuple(part for part in request.url.path.split("/") if part)
    sliced = bool(parts) and parts[0] in SLICES
    return Asked(
        request=request,
        ward=ward if WARD.fullmatch(ward) else NOBODY,
        slice=parts[0] if sliced else "direct",
        path=parts[1:] if sliced else parts,
    )


def _checked(resource: object, type_: str, id_: str | None) -> Json:
    if not isinstance(resource, dict):
        raise Problem(400, "structure", "the body is not a JSON object")
    found = problems(resource, type_, id_)
    if found:
        raise Problem(422, "invalid", *found)
    return resource


def _missing(type_: str) -> NoReturn:
    raise Problem(404, "not-found", f"no such {type_}")


def _tagged(resource: Json, ward: str) -> Json:
    if ward == NOBODY:
        return resource
    meta = resource.get("meta", {})
    others = [tag for tag in meta.get("tag", []) if tag.get("system") != WARD_TAG_SYSTEM]
    tags = [*others, {"system": WARD_TAG_SYSTEM, "code": ward}]
    return resource | {"meta": meta | {"tag": tags}}


async def _json_of(request: Request) -> object:
    try:
        return json.loads(await request.body())
    except ValueError:
        return None


async def _heartbeat() -> AsyncIterator[str]:
    """A stream such as a live monitor's: it goes on until either side ends."""
    while True:
        yield "data: {}\n\n"
        await asyncio.sleep(STREAM_EVERY_S)


def _one(version: Version, *, status: int = 200, location: str | None = None) -> Response:
    response = _fhir(version.body, status=status)
    response.headers["ETag"] = answers.etag(version)
    if location is not None:
        path = f"{version.type}/{version.id}/_history/{version.version}"
        response.headers["Location"] = f"{location}/{path}"
    return response


def _link(address: str, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(pairs)}" if pairs else address


def _next(address: str, params: QueryParams, cursor: int | None) -> str | None:
    if cursor is None:
        return None
    kept = [(name, value) for name, value in params.multi_items() if name != "_cursor"]
    return _link(address, [*kept, ("_cursor", str(cursor))])


def _fhir(text: str, *, status: int = 200) -> Response:
    return Response(text, status_code=status, media_type=FHIR_JSON)


def _plain_json(document: Mapping[str, Any], *, status: int = 200) -> Response:
    return Response(answers.text(document), status_code=status, media_type="application/json")
