"""Writes down what happens where it happens: on local disk first, in the ledger later.

The way back never waits for a database, and not even for a disk: what cannot be
journalled is kept in memory and tried again. Source: design rules 2 and 3.
"""

import threading
from collections import deque
from collections.abc import Callable
from uuid import uuid4

import structlog

from orchestrator.core.event import Actor, Draft, Happening
from orchestrator.errors import Unavailable
from orchestrator.ports import Clock, Journal
from wards.model import WardId

log = structlog.get_logger()


class Scribe:
    """One process's pen. Thread-safe."""

    def __init__(
        self, journal: Journal, clock: Clock, *, actor: Actor, plan_hash: str, code_version: str
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._plan_hash = plan_hash
        self._code_version = code_version
        self._unwritten: deque[Draft] = deque()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Draft], None]] = []
        self.actor = actor

    def listen(self, listener: Callable[[Draft], None]) -> None:
        """Call this with every draft that is noted, before it is on disk."""
        self._listeners.append(listener)

    def draft(self, ward: WardId | None, happening: Happening) -> Draft:
        """A happening of now, by this process, with an id of its own."""
        return Draft(
            id=uuid4().hex,
            at=self._clock.now(),
            ward=ward,
            actor=self.actor,
            plan_hash=self._plan_hash,
            code_version=self._code_version,
            happening=happening,
        )

    def note(self, ward: WardId | None, happening: Happening) -> Draft:
        """Write a happening to the journal; never raises, never loses it while we live."""
        draft = self.draft(ward, happening)
        for listener in self._listeners:
            listener(draft)
        with self._lock:
            self._unwritten.append(draft)
        self.flush()
        return draft

    def flush(self) -> int:
        """Write what is still only in memory, in order; how many remain."""
        with self._lock:
            while self._unwritten:
                try:
                    self._journal.write(self._unwritten[0])
                except Unavailable as error:
                    log.error("journal.refused", problem=str(error), waiting=len(self._unwritten))
                    break
                self._unwritten.popleft()
            return len(self._unwritten)
