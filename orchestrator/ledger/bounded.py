"""A journal that nobody waits for longer than a moment: a disk may hang as well as refuse.

A hung fsync cannot be ended, only left behind, so each write runs on a thread of its own
and is given up after a moment. Source: design rule 2.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from orchestrator.core.event import Draft
from orchestrator.errors import Unavailable
from orchestrator.ports import Journal

DISK_PATIENCE_S: Final = 0.5  # a healthy fsync takes milliseconds; a ward is not kept waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    draft_id: str
    written: Future[None]


class BoundedJournal:
    """A journal whose `write` answers within `patience_s` real seconds, and at once while an
    earlier write still hangs. Thread-safe.

    A draft that was given up counts as not written; written again after the disk came back,
    it is found to be there and is not written twice.
    """

    def __init__(self, journal: Journal, *, patience_s: float = DISK_PATIENCE_S) -> None:
        self._journal = journal
        self._patience_s = patience_s
        self._hung: _Attempt | None = None
        self._lock = threading.Lock()

    def write(self, draft: Draft) -> None:
        """See ports.Journal. Raises: Unavailable also when the disk does not answer in time."""
        with self._lock:
            attempt, patience_s = self._attempt(draft)
            self._hung = attempt
            try:
                attempt.written.result(timeout=patience_s)
            except TimeoutError:
                raise Unavailable("journal", "the disk does not answer") from None
            finally:
                if attempt.written.done():
                    self._hung = None

    def pending(self) -> tuple[Draft, ...]:
        """See ports.Journal."""
        return self._journal.pending()

    def settle(self, ids: Iterable[str]) -> None:
        """See ports.Journal."""
        self._journal.settle(ids)

    def _attempt(self, draft: Draft) -> tuple[_Attempt, float]:
        """The write that still hangs or was this very draft's, without waiting; or a new one."""
        hung = self._hung
        if hung is not None and hung.draft_id == draft.id:
            return hung, 0.0
        if hung is not None and not hung.written.done():
            raise Unavailable("journal", "the disk still does not answer")
        return self._begin(draft), self._patience_s

    def _begin(self, draft: Draft) -> _Attempt:
        attempt = _Attempt(draft_id=draft.id, written=Future())
        # A daemon: a process that is told to end does not wait for a hung disk either.
        threading.Thread(
            target=_run, args=(self._journal, draft, attempt.written), name="journal", daemon=True
        ).start()
        return attempt


def _run(journal: Journal, draft: Draft, written: Future[None]) -> None:
    try:
        journal.write(draft)
    except Exception as error:  # noqa: BLE001  # whatever it is: somebody waits for the answer
        written.set_exception(error)
    else:
        written.set_result(None)
