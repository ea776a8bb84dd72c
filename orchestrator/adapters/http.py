"""One way to ask over HTTP: bounded in time and size, and honest about what was sent.

Invariant: an exchange ends by its deadline and within its size, whatever the other side
does; an answer is whole or it is none. Whether anything was sent is watched at the socket,
not guessed from the library's error.
"""

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from json import JSONDecodeError, loads
from types import TracebackType
from typing import Any, Self

import httpx2

from orchestrator.adapters.sockets import DeadlineTransport, exchange_within
from orchestrator.errors import Indeterminate, Unavailable

LARGEST_BODY = 64 * 1024 * 1024
OUR_OWN = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.ENETDOWN,
        errno.ENETUNREACH,
    }
)


class Trouble(StrEnum):
    """Why there is no answer."""

    NOT_SENT = "not_sent"  # refused, or not connected in time: nothing of the request went out
    UNANSWERED = "unanswered"  # sent, wholly or in part, and no whole answer came
    OURS = "ours"  # this machine could not ask: names, descriptors, its own network


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """A status of 2xx. A redirect is not followed, and is not good."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of good answers

    def json(self) -> Any:
        """The body as JSON. Raises: ValueError when it is none (NaN is none)."""
        try:
            return loads(self.body, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No answer. `reason` names the kind of error, never what was sent or received."""

    trouble: Trouble
    reason: str


class Http:
    """A pool of connections to one outside thing. Thread-safe.

    Proxies and certificates named in the environment are not used: what is asked must not
    depend on who started the process.

    Args:
        port: its name in errors.
        timeout_s: of a whole exchange.
        largest_body: bytes; a larger answer is none.
    """

    def __init__(self, port: str, *, timeout_s: float, largest_body: int = LARGEST_BODY) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._largest_body = largest_body
        self._client = httpx2.Client(
            transport=DeadlineTransport(), timeout=timeout_s, trust_env=False
        )

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        within_s: float | None = None,
    ) -> Answer | Failure:
        """One exchange, whatever its status. Never raises for what the other side does.

        Args:
            method: GET, POST, PUT.
            url: absolute.
            headers: besides the library's own.
            json: a body.
            form: the fields of a body.
            within_s: real seconds, instead of the usual `timeout_s`.
        """
        with exchange_within(self._timeout_s if within_s is None else within_s) as exchange:
            try:
                with self._client.stream(
                    method, url, headers=_plain(headers), json=json, data=form
                ) as response:
                    return self._collect(response)
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                return _failure(error, has_sent=exchange.has_sent)

    def read(self, method: str, url: str, **options: Any) -> Answer:
        """One exchange that changes nothing. Raises: Unavailable."""
        answer = self.ask(method, url, **options)
        if isinstance(answer, Failure):
            raise Unavailable(self._port, answer.reason)
        return answer

    def write(self, method: str, url: str, **options: Any) -> Answer:
        """One exchange that changes something.

        Raises: Unavailable when nothing was sent; Indeterminate when no whole answer came.
        """
        answer = self.ask(method, url, **options)
        if not isinstance(answer, Failure):
            return answer
        if answer.trouble is Trouble.UNANSWERED:
            raise Indeterminate(self._port, f"{method} ({answer.reason})")
        raise Unavailable(self._port, answer.reason)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _collect(self, response: httpx2.Response) -> Answer | Failure:
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > self._largest_body:
                reason = f"the answer is larger than {self._largest_body} bytes"
                return Failure(trouble=Trouble.UNANSWERED, reason=reason)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=headers, body=bytes(body))


def _failure(error: Exception, *, has_sent: bool) -> Failure:
    if has_sent:
        return Failure(trouble=Trouble.UNANSWERED, reason=_reason(error))
    trouble = Trouble.OURS if _is_ours(error) else Trouble.NOT_SENT
    return Failure(trouble=trouble, reason=_reason(error))


# The kind of error in words, nearest kind first; the library's own text could quote what was sent.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (httpx2.ConnectTimeout, "no connection in time"),
    (httpx2.ConnectError, "no connection"),
    (httpx2.PoolTimeout, "no free connection in time"),
    (httpx2.TimeoutException, "no answer in time"),
    (httpx2.ProtocolError, "the connection ended within the answer, or it was not HTTP"),
    (httpx2.NetworkError, "the connection broke"),
)


def _reason(error: Exception) -> str:
    fitting = (words for kind, words in _REASONS if isinstance(error, kind))
    return next(fitting, type(error).__name__)


def _is_ours(error: BaseException | None) -> bool:
    """Whether this machine's own names, network or descriptors failed, by the chain of causes."""
    while error is not None:
        if isinstance(error, httpx2.InvalidURL | httpx2.PoolTimeout | socket.gaierror):
            return True
        if isinstance(error, OSError) and error.errno in OUR_OWN:
            return True
        error = error.__cause__ or error.__context__
    return False


def _plain(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Ask for the answer as it is, so that its size on the wire is its size."""
    return {"accept-encoding": "identity", **(headers or {})}


def _refuse_constant(name: str) -> float:
    raise JSONDecodeError(f"{name} is not JSON", "", 0)
