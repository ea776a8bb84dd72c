"""How many may hold the sentinel's door, and for how long: nobody who says nothing holds it shut.

Each connection is an open file, and a process without files left can neither read a route nor
write one. So there are at most MOST_OPEN, and never more than half of the files; a new one takes
the place of the one that has kept us waiting longest. Source: design section 8.
"""

import asyncio
import resource
from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_OPEN = 2048  # a thousand alerts at once come by as many connections
FILES = 4 * MOST_OPEN
HEAD_WITHIN_S = 10.0


def room() -> int:
    """How many connections this process may hold; asks for the files that they need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST_OPEN if soft == resource.RLIM_INFINITY else min(MOST_OPEN, soft // 2)


class Connection(H11Protocol):
    """One connection; the head of each request must be whole within HEAD_WITHIN_S."""

    most_open = MOST_OPEN
    waits_since_s: float = 0.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Taken, if need be in another one's place."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()
        if len(self.connections) > self.most_open:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ended, by whomever."""
        self._wait_no_more()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Answered; the next request's time begins."""
        self._wait()
        super().on_response_complete()

    def is_waited_for(self) -> bool:
        """Whether the other side has not sent all of a request yet."""
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle or self.conn.their_state is h11.SEND_BODY

    def _wait(self) -> None:
        self._wait_no_more()
        self.waits_since_s = self.loop.time()
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _make_room(self) -> None:
        waited_for = (
            one
            for one in self.connections
            if isinstance(one, Connection)
            and one.is_waited_for()
            and not one.transport.is_closing()
        )
        longest = min(waited_for, key=lambda one: one.waits_since_s)  # at least ourselves
        longest.transport.abort()
