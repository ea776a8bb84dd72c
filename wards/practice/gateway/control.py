"""The gateway's shared state: what was accepted, what is served, and who is connected.

Invariants: changes are made one after another; a change is on disk before it is served
or answered; nothing here waits for a backend.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import PracticeClock
from wards.practice.gateway import statefile
from wards.practice.gateway.behaviour import USUAL, Behaviour, status_json
from wards.practice.gateway.book import Book, Kept, Refusal
from wards.practice.gateway.replica import Replica
from wards.practice.gateway.route import Route, as_json
from wards.practice.wire import SYSTEMS


class Connections:
    """Requests and streams open now, by ward and side."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()

    def enter(self, ward: str, side: str) -> None:
        """One more is open."""
        self._open[ward, side] += 1

    def leave(self, ward: str, side: str) -> None:
        """One of them has ended."""
        self._open[ward, side] -= 1

    def of(self, ward: str) -> dict[str, Any]:
        """The counts of one ward."""
        return {"ward": ward, **{side: self._open[ward, side] for side in SYSTEMS}}

    def wards(self) -> tuple[str, ...]:
        """Every ward that ever had one."""
        return tuple(sorted({ward for ward, _ in self._open}))


class Control:
    """What the admin side changes and the data plane reads. One event loop uses it."""

    def __init__(self, *, path: Path, clock: PracticeClock, replicas: int) -> None:
        self._path = path
        self._clock = clock
        self._writing = asyncio.Lock()
        self.book = statefile.load(path)
        self.behaviour = USUAL
        self.connections = Connections()
        self.replicas: Sequence[Replica] = tuple(
            Replica(number, self.book.routes.values()) for number in range(replicas)
        )

    async def change(self, wanted: Callable[[Book], Kept | Refusal]) -> Kept | Refusal:
        """Make one change: decide, keep, then let the replicas have it."""
        async with self._writing:
            answer = wanted(self.book)
            if isinstance(answer, Refusal) or answer.book is self.book:
                return answer
            await asyncio.to_thread(statefile.keep, self._path, answer.book)
            self.book = answer.book
            if isinstance(answer.entry, Route):
                self._hand_over(answer.entry)
            return answer

    def behave(self, behaviour: Behaviour) -> None:
        """Behave like this from now on, also with changes that are still on their way."""
        self.behaviour = behaviour

    def serving(self, replica: Replica, ward: str) -> Route | None:
        """The ward's route as one replica serves it now."""
        lateness_s = self.behaviour.lateness_of(replica.number)
        return replica.serving(ward, now=self._clock.monotonic(), lateness_s=lateness_s)

    def route_json(self, route: Route) -> dict[str, Any]:
        """A route with the status that the behaviour gives it."""
        status = status_json(
            self.behaviour.status,
            generation=route.generation,
            served=min(self._served(replica, route) for replica in self.replicas),
        )
        return as_json(route) | {"status": status}

    def _served(self, replica: Replica, route: Route) -> int:
        served = self.serving(replica, route.spec.ward)
        return served.generation if served else 0

    def _hand_over(self, route: Route) -> None:
        now = self._clock.monotonic()
        for replica in self.replicas:
            replica.accept(route, at=now)
