"""Writes down what happens where it happens: on local disk first, in the ledger later.

The way back never waits for a database, and not even for a disk: what cannot be
journalled is kept in memory and tried again. Source: design rules 2 and 3.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import structlog

from orchestrator.core.event import Actor, Draft, Happening
from orchestrator.core.text import all_plain
from orchestrator.errors import Unavailable
from orchestrator.ports import Clock, Journal
from wards.model import WardId

log = structlog.get_logger()
# A healthy fsync takes milliseconds; a slow one holds no return up for longer, however many wards.
PATIENCE_S = 0.2


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

    def now(self) -> datetime:
        """Wall time, as it is put on what is noted."""
        return self._clock.now()

    def draft(self, ward: WardId | None, happening: Happening) -> Draft:
        """A happening of now, by this process, with an id of its own; its texts made plain."""
        return Draft(
            id=uuid4().hex,
            at=self._clock.now(),
            ward=ward,
            actor=self.actor,
            plan_hash=self._plan_hash,
            code_version=self._code_version,
            happening=all_plain(happening),
        )

    def note(self, ward: WardId | None, happening: Happening) -> Draft:
        """Write a happening to the journal; never raises, never loses it while we live."""
        draft = self.draft(ward, happening)
        for listener in self._listeners:
            listener(draft)
        self._unwritten.append(draft)
        self.flush()
        return draft

    def flush(self, within_s: float = PATIENCE_S) -> int:
        """Write what is still only in memory, in order; how many remain.

        Gives up after `within_s` seconds of waiting for others and as many of its own writing:
        who comes later writes the rest.
        """
        if self._lock.acquire(timeout=within_s):
            try:
                self._write(until_s=self._clock.monotonic() + within_s)
            finally:
                self._lock.release()
        return len(self._unwritten)

    def unwritten(self) -> int:
        """How many drafts are only in memory, because no disk took them."""
        return len(self._unwritten)

    def _write(self, *, until_s: float) -> None:
        while self._unwritten and self._clock.monotonic() <= until_s:
            draft = self._unwritten[0]
            try:
                self._journal.write(draft)
            except Unavailable as error:
                log.error("journal.refused", problem=str(error), waiting=len(self._unwritten))
                return
            except (ValueError, TypeError):
                # It can never be encoded; behind it, everything else would wait for ever.
                log.exception("journal.unwritable", ward=draft.ward, draft=draft.id)
            except Exception:
                # Of what may pass (no thread can be started, no memory) nothing is lost by it.
                log.exception("journal.stumbled", waiting=len(self._unwritten))
                return
            self._unwritten.popleft()
