"""The gateway's own control plane: routes and leases that were accepted, kept in a file.

Invariants: changes are made one after another; a change is on disk before it is served
or answered; nothing here waits for a backend.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import PracticeClock
from wards.practice.gateway import statefile
from wards.practice.gateway.behaviour import status_json
from wards.practice.gateway.book import Book, Kept, Refusal
from wards.practice.gateway.route import Route, as_json
from wards.practice.gateway.served import Served


class Control(Served):
    """What the admin side changes and the data plane reads. One event loop uses it."""

    def __init__(self, *, path: Path, clock: PracticeClock, replicas: int) -> None:
        self._path = path
        self._writing = asyncio.Lock()
        self.book = statefile.load(path)
        super().__init__(self.book.routes.values(), clock=clock, replicas=replicas)

    async def change(self, wanted: Callable[[Book], Kept | Refusal]) -> Kept | Refusal:
        """Make one change: decide, keep, then let the replicas have it."""
        async with self._writing:
            answer = wanted(self.book)
            if isinstance(answer, Refusal) or answer.book is self.book:
                return answer
            await asyncio.to_thread(statefile.keep, self._path, answer.book)
            self.book = answer.book
            if isinstance(answer.entry, Route):
                self.hand_over(answer.entry)
            return answer

    def route_json(self, route: Route) -> dict[str, Any]:
        """A route with the status that the behaviour gives it."""
        status = status_json(
            self.behaviour.status,
            generation=route.generation,
            served=self.served_generation(route.spec.ward),
        )
        return as_json(route) | {"status": status}
