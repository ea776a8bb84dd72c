"""Host names to addresses, bounded in time, and remembered for when nobody can say.

The system's resolver waits as long as it likes and cannot be interrupted. It is asked on a
thread of its own, once a host at a time; whoever waits goes on with the address that was good
before. Source: design rule 2 (no dependency of the way back is waited for without bound).
"""

import ipaddress
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate

Resolver = Callable[[str], tuple[str, ...]]
# Of the time that is left: the connection and the exchange need the rest.
SHARE = 0.5


def system_resolver(host: str) -> tuple[str, ...]:
    """The machine's own answer, in its order of preference. Raises: OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Names:
    """Addresses of hosts for one process. Thread-safe."""

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._good: dict[str, tuple[str, ...]] = {}
        self._asked: dict[str, Future[tuple[str, ...]]] = {}

    def addresses(self, host: str, *, within_s: float) -> tuple[str, ...]:
        """Where a host is, or was when it could last be said.

        Raises: OSError when nobody ever said, TimeoutError when nobody said in time.
        """
        if _is_address(host):
            return (host,)
        asked = self._ask(host)
        try:
            return asked.result(timeout=within_s * SHARE)
        except (OSError, TooLate):
            with self._lock:
                known = self._good.get(host)
            if known is None:
                raise
            return known

    def _ask(self, host: str) -> Future[tuple[str, ...]]:
        with self._lock:
            running = self._asked.get(host)
            if running is not None:
                return running
            asked: Future[tuple[str, ...]] = Future()
            self._asked[host] = asked
        threading.Thread(target=self._find, args=(host, asked), name="names", daemon=True).start()
        return asked

    def _find(self, host: str, asked: Future[tuple[str, ...]]) -> None:
        try:
            found = self._resolve(host)
        except OSError as error:
            self._end(host)
            asked.set_exception(error)
            return
        with self._lock:
            self._good[host] = found
        self._end(host)
        asked.set_result(found)

    def _end(self, host: str) -> None:
        with self._lock:
            self._asked.pop(host, None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
