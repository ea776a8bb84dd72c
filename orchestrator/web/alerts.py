"""The door for pushed alerts: Alertmanager's webhook, version 4, on the sentinel's own page.

Whoever has no token gets no further than its header; nobody makes it hold more than a bounded
message for a bounded time, and judging is done on threads of its own. It answers 200 only when
all is on disk and the return is under way: any other answer means send it again, or mend it.
Source: design section 8; rule 11.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    NonNegativeInt,
    ValidationError,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.core.event import AlertStatus
from orchestrator.core.placing import Notice
from orchestrator.ports import Clock
from orchestrator.service.hearing import Reached
from orchestrator.web.bucket import Bucket

PATH: Final = "/alerts"
DESCRIPTION: Final = "/alerts/openapi.json"
PROBLEMS_NAMED: Final = 3


class Tokens(Protocol):
    """Who may send."""

    @property
    def is_empty(self) -> bool:
        """Nobody."""
        ...

    def takes(self, token: str) -> bool:
        """Whether it is one of those that may."""
        ...


class Takes(Protocol):
    """What acts on messages; see `hearing.Hearing`."""

    def told(self, notices: Sequence[Notice]) -> Reached:
        """Journal and act. May block."""
        ...

    def refused(self, problem: str) -> None:
        """Tell people that alerts of a known sender could not be taken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one sender may cost: bytes of a message, real seconds for all of its body, messages
    at once and a second, bodies that are held at once, messages that are judged at once."""

    largest_body: int = 1024 * 1024
    body_within_s: float = 10.0
    most_at_once: int = 2000
    a_second: float = 100.0
    bodies_at_once: int = 64
    judged_at_once: int = 32


def _dated(value: Any) -> Any:
    """RFC 3339 only: a number in a text is no moment. Raises: ValueError."""
    if not isinstance(value, str):
        return value
    if not _DATED.match(value):
        raise ValueError("a moment is written like 2027-03-01T06:00:00Z")
    return datetime.fromisoformat(value.upper())


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 14.0 is the same as 14."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$")
Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]
Count = Annotated[NonNegativeInt, BeforeValidator(_whole)]


class Alert(BaseModel):
    """One alert. Whatever else a sender says of it is not read."""

    model_config = ConfigDict(strict=True, extra="ignore")

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    startsAt: Moment  # noqa: N815 - Alertmanager's names
    endsAt: Moment | None = None  # noqa: N815

    def notice(self) -> Notice:
        """As the core reads it."""
        is_over = self.status == "resolved"
        return Notice(
            labels=self.labels,
            status=AlertStatus.RESOLVED if is_over else AlertStatus.FIRING,
            started_at=self.startsAt,
            ended_at=self.endsAt if is_over else None,
        )


class Message(BaseModel):
    """A group of alerts. `truncatedAlerts`: how many the sender left out."""

    model_config = ConfigDict(strict=True, extra="ignore")

    version: Literal["4"]
    alerts: list[Alert]
    truncatedAlerts: Count = 0  # noqa: N815


class _No(Exception):
    """An answer that is a refusal, in a sentence."""

    def __init__(self, status: int, problem: str, **headers: str) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.headers = headers


@dataclass(slots=True)
class Receiver:
    """The door. `answered` hears the status of every answer."""

    takes: Takes
    tokens: Tokens
    clock: Clock
    answered: Callable[[int], None]
    limits: Limits = field(default_factory=Limits)
    _bucket: Bucket = field(init=False)
    _bodies: asyncio.Semaphore = field(init=False)
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self._bucket = Bucket(self.clock, most=limits.most_at_once, a_second=limits.a_second)
        self._bodies = asyncio.Semaphore(limits.bodies_at_once)
        self._pool = ThreadPoolExecutor(limits.judged_at_once, thread_name_prefix="alerts")

    def routes(self) -> tuple[BaseRoute, ...]:
        """For the sentinel's application."""
        return (
            Route(DESCRIPTION, _describe, methods=["GET"]),
            Route(PATH, self.receive, methods=["POST"]),
        )

    async def receive(self, request: Request) -> Response:
        """Take one message."""
        try:
            answer = await self._taken(request)
        except _No as no:
            headers = {name.replace("_", "-"): value for name, value in no.headers.items()}
            answer = JSONResponse({"problem": no.problem}, no.status, headers)
        self.answered(answer.status_code)
        return answer

    async def _taken(self, request: Request) -> Response:
        self._authenticate(request)
        self._ration()
        loop = asyncio.get_running_loop()
        try:
            body = await self._body(request)
            return await loop.run_in_executor(self._pool, self._judge, body)
        except _No as no:
            # A known sender's alerts: what is not taken is not dropped in silence.
            await loop.run_in_executor(self._pool, self.takes.refused, no.problem)
            raise

    def _authenticate(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        is_known = self.tokens.takes(token.strip())  # as long for every kind of wrong
        if kind.lower() == "bearer" and is_known:
            return
        problem = "this token is not known here; send Authorization: Bearer TOKEN"
        if self.tokens.is_empty:
            problem = "no token is set up here, so nothing is taken; wardshift alerts token"
        raise _No(401, problem, WWW_Authenticate="Bearer", Connection="close")

    def _ration(self) -> None:
        wait_s = self._bucket.take()
        if wait_s:
            problem = f"too many messages; send it again in {wait_s} s"
            raise _No(429, problem, Retry_After=str(wait_s), Connection="close")

    async def _body(self, request: Request) -> bytes:
        said = request.headers.get("content-length", "0")
        if said.isdecimal() and len(said) < 20 and int(said) > self.limits.largest_body:  # noqa: PLR2004 - digits of 64 bits
            raise self._too_large()
        async with self._bodies:
            try:
                return await asyncio.wait_for(self._read(request), self.limits.body_within_s)
            except TimeoutError:
                problem = f"the message was not whole within {self.limits.body_within_s:g} s"
                raise _No(408, problem, Connection="close") from None
            except ClientDisconnect:
                raise _No(400, "the sender hung up within its message") from None

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.limits.largest_body:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> _No:
        problem = (
            f"the message is larger than {self.limits.largest_body} bytes; group alerts by ward"
        )
        return _No(413, problem, Connection="close")

    def _judge(self, body: bytes) -> Response:
        message = _understood(body)
        if message.truncatedAlerts:
            self.takes.refused(f"the sender left out {message.truncatedAlerts} alerts")
        reached = self.takes.told([alert.notice() for alert in message.alerts])
        return JSONResponse(_said(reached), 200 if reached.is_kept else 503)


def _understood(body: bytes) -> Message:
    """Raises: _No for what is no message of alerts."""
    try:
        return Message.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        is_json = found[0]["type"] != "json_invalid"
        problems = "; ".join(_problem(one) for one in found[:PROBLEMS_NAMED])
        raise _No(422 if is_json else 400, problems) from None


def _problem(one: Any) -> str:
    """Where and what; never what was sent, for that is the sender's."""
    where = ".".join(str(part) for part in one["loc"] if isinstance(part, int) or part in _NAMES)
    return f"{where or 'message'}: {one['msg']}"


_NAMES: Final = frozenset({*Message.model_fields, *Alert.model_fields})


def _said(reached: Reached) -> dict[str, Any]:
    return {
        **{novelty.value: count for novelty, count in reached.novelties.items()},
        "unplaced": reached.unplaced,
        "wards": dict(reached.wards),
        "journalled": reached.is_kept,
    }


def _describe(_request: Request) -> Response:
    return JSONResponse(description())


def description() -> dict[str, Any]:
    """The door in OpenAPI."""
    schema = Message.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs")
    answers = {
        "400": "no JSON, or cut off",
        "401": "no token, or one that is not known",
        "408": "the body took too long",
        "413": "the body is too large",
        "422": "JSON, but no message of alerts",
        "429": "too many messages",
    }
    problem = _json({"type": "object", "required": ["problem"]})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wardshift alert receiver", "version": "4"},
        "paths": {
            PATH: {
                "post": {
                    "operationId": "receiveAlerts",
                    "security": [{"token": []}],
                    "requestBody": {
                        "required": True,
                        **_json({"$ref": "#/components/schemas/Message"}),
                    },
                    "responses": {
                        "200": {"description": "on disk, and acted upon", **_json(_REACHED)},
                        "503": {
                            "description": "acted upon, but not on disk: send again",
                            **_json(_REACHED),
                        },
                        **{code: {"description": why, **problem} for code, why in answers.items()},
                    },
                }
            }
        },
        "components": {
            "schemas": {**parts, "Message": schema},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_REACHED: Final = {
    "type": "object",
    "required": ["new", "known", "replayed", "kept", "unplaced", "wards", "journalled"],
}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
