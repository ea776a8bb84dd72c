"""One system behind the gateway: a bounded pool of connections of its own.

Invariant: a backend that hangs costs at most its own pool; every wait has an end,
except that for the next part of a stream that has begun.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import httpx2
from starlette.types import Receive

MAX_CONNECTIONS = 256
IDLE_S = 30.0

RawHeaders = Sequence[tuple[bytes, bytes]]


class Failure(StrEnum):
    """Why a backend gave no answer."""

    REFUSED = "backend-refused"
    BROKEN = "backend-broken"
    TIMEOUT = "backend-timeout"


FAILURE_STATUS: Mapping[Failure, int] = {
    Failure.REFUSED: 502,
    Failure.BROKEN: 502,
    Failure.TIMEOUT: 504,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to be passed on as it came; `receive` is None when it has no body."""

    method: str
    target: bytes
    headers: RawHeaders
    receive: Receive | None


class _Upload(httpx2.AsyncByteStream):
    """The sender's body, part by part; the wait for the answer begins when it has ended."""

    def __init__(self, receive: Receive, wait: asyncio.Timeout, timeout_s: float) -> None:
        self._receive = receive
        self._wait = wait
        self._timeout_s = timeout_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise httpx2.ReadError("the sender went away")
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self._wait.reschedule(asyncio.get_running_loop().time() + self._timeout_s)


class Backend:
    """A pool of connections to one address."""

    def __init__(self, address: str, *, timeout_s: float) -> None:
        self._address = httpx2.URL(address)
        self._timeout_s = timeout_s
        self._waits = {"connect": timeout_s, "write": timeout_s, "pool": timeout_s, "read": None}
        self._pool = httpx2.AsyncHTTPTransport(
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
                keepalive_expiry=IDLE_S,
            ),
        )

    async def ask(self, call: Call) -> httpx2.Response | Failure:
        """Pass a request on; the answer's body is still to be read, and then to be closed."""
        try:
            async with asyncio.timeout(None) as wait:
                return await self._pool.handle_async_request(self._request(call, wait))
        except httpx2.ConnectError:
            return Failure.REFUSED
        except (TimeoutError, httpx2.TimeoutException):
            return Failure.TIMEOUT
        except httpx2.TransportError:
            return Failure.BROKEN

    async def close(self) -> None:
        """Release the connections."""
        await self._pool.aclose()

    def _request(self, call: Call, wait: asyncio.Timeout) -> httpx2.Request:
        stream: httpx2.AsyncByteStream
        if call.receive is None:
            stream = httpx2.ByteStream(b"")
            wait.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
        else:
            stream = _Upload(call.receive, wait, self._timeout_s)
        return httpx2.Request(
            call.method,
            self._address.copy_with(raw_path=call.target),
            headers=list(call.headers),
            stream=stream,
            extensions={"timeout": self._waits},
        )
