"""Follows the ledger beside the tick, and never in its way.

One thread drains the local journal into the ledger and reads what is new. What has been
read is kept in a local replica, and what the ledger does not have yet in the machine's own
journals, so that a process that starts while the database is gone still knows the wards.
Source: design section 4, "if the ledger is down".
"""

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from orchestrator.core.event import Draft, Entry
from orchestrator.core.state import ProgrammeState, apply, fold
from orchestrator.errors import Corrupt, Unavailable, WardshiftError
from orchestrator.ports import Clock, Ledger

log = structlog.get_logger()


class Replica(Protocol):
    """A local copy of entries that were read from the ledger."""

    def load(self) -> tuple[Entry, ...]:
        """What was kept, in order; a torn end is dropped."""
        ...

    def extend(self, entries: Iterable[Entry]) -> None:
        """Keep more; all of it or nothing. Raises: Unavailable."""
        ...


class Follower:
    """The state of the programme as far as this process can know it. Thread-safe to read."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        replica: Replica,
        drain: Callable[[], object],
        every_s: float,
        journalled: Callable[[], Iterable[Draft]] = tuple,
    ) -> None:
        """`journalled`: what this machine's journals hold for the ledger, in order of time; asked
        once, for what an earlier process said that no ledger has heard."""
        self._ledger = ledger
        self._clock = clock
        self._replica = replica
        self._drain = drain
        self._every_s = every_s
        self._lock = threading.Lock()
        self._own: dict[str, tuple[Draft, float]] = {}
        # Before the replica: what is drained in between is then in one of the two at least.
        pending = _pending_of(journalled)
        kept = replica.load()
        self._state = self._ahead = fold(kept)
        seen = {entry.draft.id for entry in kept}
        for draft in pending:
            if draft.id not in seen:
                self.add(draft)
        self._unkept: tuple[Entry, ...] = ()
        self._fresh_since_s: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self.corrupt: Corrupt | None = None

    def start(self) -> None:
        """Begin following in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End following; waits no longer than one round."""
        self._stop.set()

    def state(self) -> ProgrammeState:
        """The ledger as last read, and on top of it what this process itself wrote since."""
        return self._ahead

    def add(self, draft: Draft) -> None:
        """This process, or one before it, wrote a happening that the ledger does not have yet."""
        with self._lock:
            self._own[draft.id] = (draft, self._clock.monotonic())
            self._ahead = apply(self._ahead, draft)

    def pending(self) -> int:
        """How many happenings of this machine the ledger has not shown us yet."""
        with self._lock:
            return len(self._own)

    def behind_s(self) -> float:
        """Real seconds since the oldest of them was said; 0 without any."""
        with self._lock:
            said_at_s = min((at_s for _, at_s in self._own.values()), default=None)
        return 0.0 if said_at_s is None else self._clock.monotonic() - said_at_s

    def read_after(self, moment_s: float) -> bool:
        """Whether the ledger was read to its end by a round that began after that moment."""
        return self._fresh_since_s is not None and self._fresh_since_s > moment_s

    def age_s(self) -> float | None:
        """Real seconds since the last successful round began; None before the first."""
        since = self._fresh_since_s
        return None if since is None else self._clock.monotonic() - since

    def round(self) -> bool:
        """Drain and read once; False when the ledger does not answer."""
        began_s = self._clock.monotonic()
        self._try_to_drain()
        try:
            self._take(self._ledger.entries(after=self._state.head))
        except Corrupt as error:
            self._report(error)
            return False
        except WardshiftError as error:
            log.warning("ledger.missed", problem=str(error))
            return False
        self._fresh_since_s = began_s
        return True

    def _try_to_drain(self) -> None:
        """What cannot be drained now stays on disk, and is no reason to stop reading."""
        try:
            self._drain()
        except WardshiftError as error:
            log.warning("drain.missed", problem=str(error))
        except Exception:
            # A fault of ours in draining must not make this process blind to the record.
            log.exception("drain.stumbled")

    def _take(self, entries: tuple[Entry, ...]) -> None:
        self._keep(entries)
        if not entries:
            return
        with self._lock:
            self._state = fold(entries, self._state)
            for entry in entries:
                self._own.pop(entry.draft.id, None)
            self._ahead = self._state
            for draft, _ in self._own.values():
                self._ahead = apply(self._ahead, draft)

    def _keep(self, entries: tuple[Entry, ...]) -> None:
        """Copy what was read, and first what the disk refused before: a copy ends at its gap."""
        self._unkept = (*self._unkept, *entries)
        if not self._unkept:
            return
        try:
            self._replica.extend(self._unkept)
        except Unavailable as error:
            log.error("replica.refused", problem=str(error), waiting=len(self._unkept))
        else:
            self._unkept = ()

    def _report(self, error: Corrupt) -> None:
        if self.corrupt is None:
            log.error("ledger.corrupt", problem=str(error))
        self.corrupt = error

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.round()
            except Exception:
                # The outermost loop of this thread: following late is safe, not following is not.
                log.exception("follower.stumbled")
            self._stop.wait(self._every_s)


def _pending_of(journalled: Callable[[], Iterable[Draft]]) -> tuple[Draft, ...]:
    """A journal that cannot be read keeps no process from watching."""
    try:
        return tuple(journalled())
    except Exception:
        log.exception("journal.unread")
        return ()
