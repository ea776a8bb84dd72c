"""The gateway's data plane: one replica that passes a ward's requests to the side its route names.

Invariants: a request belongs to exactly one ward or to none, unless a bad edge is played; every
answer is stamped from the configuration that was applied to it; a copy of a read never delays the
read; what the gateway answers by itself says so and is never "no such record".
"""

import asyncio
from collections.abc import AsyncIterable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from starlette.types import Message, Receive, Scope, Send

from orchestrator.adapters.clock import PracticeClock
from wards.practice.gateway.backend import FAILURE_STATUS, Backend, Call, Failure, RawHeaders
from wards.practice.gateway.replica import Replica
from wards.practice.gateway.requestlog import (
    Line,
    RequestLog,
    client_of,
    method_of,
    resource_of,
)
from wards.practice.gateway.route import WARD, Rule, Trouble, rule_for
from wards.practice.gateway.served import Served
from wards.practice.wire import (
    CLIENT_HEADER,
    DRILL_HEADER,
    EPOCH_HEADER,
    GATEWAY_ERROR_HEADER,
    MIRRORED_HEADER,
    REPLICA_HEADER,
    SYSTEM_HEADER,
    SYSTEMS,
    WARD_HEADER,
)

MAX_COPIES = 32  # copies of reads under way at once; more are not made
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
OURS = frozenset(
    name.encode() for name in (MIRRORED_HEADER, EPOCH_HEADER, REPLICA_HEADER, GATEWAY_ERROR_HEADER)
)
DROPPED = HOP_BY_HOP | OURS
NOT_RELAYED = DROPPED | {b"date"}  # our own server adds the date
CHUNKED = (b"transfer-encoding", b"chunked")
NO_RULE = "no-rule"
UNKNOWN_FILTER = "unknown-filter"
NO_ENDPOINTS = "no-endpoints"
TROUBLE_STATUS: Mapping[str, int] = {
    NO_RULE: 404,
    UNKNOWN_FILTER: 500,
    NO_ENDPOINTS: 503,
    Trouble.NO_BACKEND: 500,
    Trouble.NO_WEIGHT: 503,
    Trouble.SEVERAL_BACKENDS: 500,
    Trouble.UNKNOWN_BACKEND: 500,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request whose ward has a route here, and the rule it takes."""

    scope: Scope
    ward: str
    rule: Rule
    begun: float


class DataPlane:
    """One replica as an ASGI application."""

    def __init__(
        self,
        replica: Replica,
        *,
        control: Served,
        backends: Mapping[str, Backend],
        mirrors: Mapping[str, Backend],
        log: RequestLog,
        clock: PracticeClock,
    ) -> None:
        self._replica = replica
        self._control = control
        self._backends = backends
        self._mirrors = mirrors
        self._log = log
        self._clock = clock
        self._copies: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = self._clock.monotonic()
        if self._control.behaviour.answer_delay_s:
            await asyncio.sleep(self._control.behaviour.answer_delay_s)
        ward = self._ward_of(scope["headers"])
        if not WARD.fullmatch(ward):
            await self._refuse(scope, send, status=400, code="ward-header", begun=begun)
            return
        route = self._control.serving(self._replica, ward)
        if route is None:
            await self._refuse(scope, send, status=404, code="no-route", begun=begun)
            return
        word = _header(scope["headers"], DRILL_HEADER) or ""
        path = scope["raw_path"].decode("latin-1")
        rule = rule_for(route.spec.rules, path, scope["method"], word)
        trouble = self._trouble(rule)
        if rule is None or trouble is not None:
            code = trouble or NO_RULE
            await self._refuse(scope, send, status=TROUBLE_STATUS[code], code=code, begun=begun)
            return
        asked = Asked(scope=scope, ward=ward, rule=rule, begun=begun)
        self._copy(asked)
        self._control.connections.enter(ward, rule.backend)
        try:
            await self._pass_on(asked, receive, send)
        finally:
            self._control.connections.leave(ward, rule.backend)

    def _ward_of(self, headers: RawHeaders) -> str:
        """The ward that a request belongs to; empty where it names none, or several before an edge
        that takes one only. Behind one that lets them through the route with more rules wins."""
        named = [value.decode("latin-1") for name, value in headers if name == WARD_HEADER.encode()]
        if len(named) == 1:
            return named[0]
        if self._control.behaviour.strict_edge:
            return ""
        routes = (self._control.serving(self._replica, ward) for ward in named)
        ordered = sorted((len(one.spec.rules), one.spec.ward) for one in routes if one is not None)
        return ordered[-1][1] if ordered else ""

    def _trouble(self, rule: Rule | None) -> str | None:
        if rule is None:
            return None
        asked = self._control.behaviour
        if rule.mirror is not None and not asked.mirrors:
            return UNKNOWN_FILTER
        if rule.backend in asked.unready:
            return NO_ENDPOINTS
        return rule.trouble

    async def _refuse(
        self, scope: Scope, send: Send, *, status: int, code: str, begun: float
    ) -> None:
        line = self._line(scope, status=status, system=None, begun=begun)
        self._log.write(line)
        await _answer(send, status, code, self._stamps(None))

    async def _pass_on(self, asked: Asked, receive: Receive, send: Send) -> None:
        has_body = _has_body(asked.scope["headers"])
        call = self._call_of(asked, receive if has_body else None)
        answer = await self._backends[asked.rule.backend].ask(call)
        if isinstance(answer, Failure):
            status = FAILURE_STATUS[answer]
            self._log.write(self._line_of(asked, status=status, system=None))
            await _answer(send, status, answer, self._stamps(asked.rule.epoch))
            return
        system = _system(answer)
        self._log.write(self._line_of(asked, status=answer.status_code, system=system))
        try:
            await _relay(answer, self._stamps(asked.rule.epoch), receive, send)
        finally:
            await answer.aclose()

    def _copy(self, asked: Asked) -> None:
        """Send the same read to the mirror, if there is one and room; nobody waits for it."""
        mirror, scope = asked.rule.mirror, asked.scope
        is_plain_read = scope["method"] == "GET" and not _has_body(scope["headers"])
        if mirror is None or not is_plain_read or len(self._copies) >= MAX_COPIES:
            return
        task = asyncio.create_task(self._send_copy(asked, mirror))
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)

    async def _send_copy(self, asked: Asked, mirror: str) -> None:
        call = self._call_of(asked, None)
        mark = (MIRRORED_HEADER.encode(), b"1")
        answer = await self._mirrors[mirror].ask(replace(call, headers=[*call.headers, mark]))
        if isinstance(answer, Failure):
            line = self._line_of(asked, status=FAILURE_STATUS[answer], system=None)
        else:
            line = self._line_of(asked, status=answer.status_code, system=_system(answer))
            await _discard(answer)
        self._log.write(replace(line, mirrored=True))

    def _call_of(self, asked: Asked, receive: Receive | None) -> Call:
        call = _call(asked.scope, receive)
        return replace(call, headers=[*call.headers, *_epoch_stamp(asked.rule.epoch)])

    def _stamps(self, epoch: int | None) -> RawHeaders:
        replica = (REPLICA_HEADER.encode(), str(self._replica.number).encode())
        return (replica, *_epoch_stamp(epoch))

    def _line_of(self, asked: Asked, *, status: int, system: str | None) -> Line:
        line = self._line(asked.scope, status=status, system=system, begun=asked.begun)
        return replace(line, ward=asked.ward, slice=asked.rule.name, epoch=asked.rule.epoch)

    def _line(self, scope: Scope, *, status: int, system: str | None, begun: float) -> Line:
        return Line(
            ward=None,
            slice=None,
            method=method_of(scope["method"]),
            resource=resource_of(scope["path"]),
            system=system,
            status=status,
            epoch=None,
            mirrored=False,
            client=client_of(_header(scope["headers"], CLIENT_HEADER)),
            replica=self._replica.number,
            took_s=self._clock.monotonic() - begun,
        )


async def _relay(answer: httpx2.Response, stamps: RawHeaders, receive: Receive, send: Send) -> None:
    given = ((name.lower(), value) for name, value in answer.headers.raw)
    kept = [pair for pair in given if pair[0] not in NOT_RELAYED]
    start = {"type": "http.response.start", "status": answer.status_code}
    await send({**start, "headers": [*kept, *stamps]})
    assert isinstance(answer.stream, AsyncIterable)
    parts = _send_parts(answer.stream, send)
    if "content-length" in answer.headers:
        await parts
    else:
        await _until_either(parts, _gone(receive))


async def _send_parts(stream: AsyncIterable[bytes], send: Send) -> None:
    """Pass the body on; a body that breaks off is left unfinished, for the receiver to see."""
    try:
        async for part in stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    except httpx2.TransportError:
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(answer: httpx2.Response) -> None:
    """Read a body of known length, so that its connection can be used again; drop any other."""
    if "content-length" in answer.headers:
        with suppress(httpx2.TransportError):
            await answer.aread()
    await answer.aclose()


async def _gone(receive: Receive) -> None:
    """Return when the receiver has gone away."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


async def _until_either(work: Coroutine[Any, Any, None], watch: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(watch)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(send: Send, status: int, code: str, stamps: RawHeaders) -> None:
    body = f'{{"gateway":"{code}"}}'.encode()
    own = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (GATEWAY_ERROR_HEADER.encode(), code.encode()),
    )
    await send({"type": "http.response.start", "status": status, "headers": [*own, *stamps]})
    await send({"type": "http.response.body", "body": body})


def _epoch_stamp(epoch: int | None) -> RawHeaders:
    return () if epoch is None else ((EPOCH_HEADER.encode(), str(epoch).encode()),)


def _call(scope: Scope, receive: Receive | None) -> Call:
    query = scope["query_string"]
    headers = [pair for pair in scope["headers"] if pair[0] not in DROPPED]
    if receive is not None and _header(scope["headers"], "content-length") is None:
        headers.append(CHUNKED)
    return Call(
        method=scope["method"],
        target=scope["raw_path"] + (b"?" + query if query else b""),
        headers=headers,
        receive=receive,
    )


def _has_body(headers: RawHeaders) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)


def _header(headers: RawHeaders, wanted: str) -> str | None:
    name = wanted.encode()
    return next((value.decode("latin-1") for key, value in headers if key == name), None)


def _system(answer: httpx2.Response) -> str | None:
    system = answer.headers.get(SYSTEM_HEADER)
    return system if system in SYSTEMS else None
