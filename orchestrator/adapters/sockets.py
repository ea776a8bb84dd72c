"""Sockets that know until when their exchange may last, and whether anything was sent.

Invariant: every wait on a socket is cut to what is left of the exchange, so a server that
drips a byte a second cannot hold anybody past the deadline.
Name resolution gets a share of what is left; the steps of a TLS handshake are bounded one by
one only.
"""

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2
import httpx2

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.names import Names

CONNECTIONS = 64
IDLE_S = 30.0  # shorter than servers keep an idle connection

# Sockets wait in real time, whatever time it is in the practice hospital.
_clock = SystemClock()
_here = threading.local()
_names = Names()


@dataclass(slots=True)
class Exchange:
    """One request under way on one thread; `has_sent`: a byte of it may have gone out."""

    deadline_s: float
    has_sent: bool = False


@contextmanager
def exchange_within(timeout_s: float) -> Iterator[Exchange]:
    """Everything this thread sends or awaits inside belongs to one exchange of so many seconds."""
    exchange = Exchange(deadline_s=_clock.monotonic() + timeout_s)
    _here.exchange = exchange
    try:
        yield exchange
    finally:
        del _here.exchange


class DeadlineTransport(httpx2.HTTPTransport):
    """The library's transport over sockets that know the deadline of their exchange.

    The library's own timeouts begin anew with each byte received; its pool takes a network
    backend for just this, but its transport does not pass one on.
    """

    def __init__(self) -> None:
        context = _ssl_context()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=IDLE_S,
            network_backend=_Network(),
        )


class _Network(httpcore2.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        refused: httpcore2.ConnectError | None = None
        for address in _addresses(host, _left_s(timeout, httpcore2.ConnectTimeout)):
            try:
                stream = self._inner.connect_tcp(
                    address,
                    port,
                    timeout=_left_s(timeout, httpcore2.ConnectTimeout),
                    local_address=local_address,
                    socket_options=socket_options or (),
                )
            except httpcore2.ConnectError as error:
                refused = error
            else:
                return _Stream(stream)
        raise refused or httpcore2.ConnectError(f"{host} has no address")


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left_s(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left_s = _left_s(timeout, httpcore2.WriteTimeout)
        _here.exchange.has_sent = True
        self._inner.write(buffer, left_s)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left_s = _left_s(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left_s))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _addresses(host: str, within_s: float) -> tuple[str, ...]:
    try:
        return _names.addresses(host, within_s=within_s)
    except TimeoutError:
        raise httpcore2.ConnectTimeout(f"nobody said where {host} is") from None
    except OSError as error:
        raise httpcore2.ConnectError(f"where {host} is cannot be found: {error}") from error


def _left_s(timeout_s: float | None, late: type[Exception]) -> float:
    left_s = _here.exchange.deadline_s - _clock.monotonic()
    if left_s <= 0:
        raise late("the exchange's deadline has passed")
    return left_s if timeout_s is None else min(left_s, timeout_s)


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)
