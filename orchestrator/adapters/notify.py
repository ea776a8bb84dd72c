"""Tells people: in the log, and in a file that somebody may follow.

Invariant: paging never delays what pages. Each way of telling has its own thread and a
bounded queue; one that fails or hangs costs the others nothing, and what it could not
take is said in the log.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from queue import Full, Queue

import structlog

from orchestrator.adapters.clock import SystemClock
from orchestrator.ports import Notifier, Page

WAITING_PAGES = 1000
PAGES_WITHIN_S = 5.0
log = structlog.get_logger()


class LogNotifier:
    """One error line a page: a person must act."""

    def page(self, page: Page) -> None:
        """Write the line."""
        log.error(
            "page.sent",
            ward=page.ward,
            code=page.code,
            message=page.message,
            next_action=page.next_action,
        )


class FileNotifier:
    """One JSON line a page, appended to a file; wall time as `at`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock = SystemClock()

    def page(self, page: Page) -> None:
        """Append the line. Raises: OSError; whoever calls it isolates that."""
        line = json.dumps({"at": self._clock.now().isoformat(), **asdict(page)}, ensure_ascii=False)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Text that is no text (half of a pair) may not cost a page.
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")


class FanOut:
    """The notifier port over several ways of telling. Thread-safe."""

    def __init__(self, notifiers: Sequence[Notifier], *, waiting: int = WAITING_PAGES) -> None:
        self._tellers = [_Teller(notifier, waiting) for notifier in notifiers]

    def page(self, page: Page) -> None:
        """Hand the page to every way; returns at once. Never raises."""
        for teller in self._tellers:
            teller.take(page)

    def settle(self, *, timeout_s: float) -> bool:
        """Whether all that was handed over so far is told, or given up, within the time."""
        left_s = _until(timeout_s)
        marks = [teller.mark(left_s) for teller in self._tellers]
        told = [mark is not None and mark.wait(left_s()) for mark in marks]
        return all(told)

    def close(self, *, timeout_s: float) -> bool:
        """Take no more; whether all that was handed over is told within the time."""
        left_s = _until(timeout_s)
        told = [teller.close(left_s) for teller in self._tellers]
        return all(told)


class _Teller:
    """One notifier on its own thread, which dies with the process."""

    def __init__(self, notifier: Notifier, waiting: int) -> None:
        self._notifier = notifier
        self._pages: Queue[Page | threading.Event | None] = Queue(waiting)
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def take(self, page: Page) -> None:
        is_taken = True
        try:
            self._pages.put_nowait(page)
        except Full:
            is_taken = False
        if not is_taken:
            log.error("page.dropped", ward=page.ward, code=page.code, by=self._name())

    def mark(self, left_s: Callable[[], float]) -> threading.Event | None:
        """Set once everything before it is told; None when it found no room."""
        mark = threading.Event()
        try:
            self._pages.put(mark, timeout=left_s())
        except Full:
            return None
        return mark

    def close(self, left_s: Callable[[], float]) -> bool:
        try:
            self._pages.put(None, timeout=left_s())
        except Full:
            return False
        self._thread.join(left_s())
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (taken := self._pages.get()) is not None:
            if isinstance(taken, Page):
                self._tell(taken)
            else:
                taken.set()

    def _tell(self, page: Page) -> None:
        try:
            self._notifier.page(page)
        except Exception:  # outermost loop of this thread: the next page must be told
            log.exception("page.failed", ward=page.ward, code=page.code, by=self._name())

    def _name(self) -> str:
        return type(self._notifier).__name__


def tell_the_rest(notifier: Notifier) -> None:
    """Before a process ends: its pages go out on threads that end with it. Waits PAGES_WITHIN_S at
    most, so it comes after everything else that the process has to do."""
    if isinstance(notifier, FanOut) and not notifier.settle(timeout_s=PAGES_WITHIN_S):
        log.error("page.abandoned", waited_s=PAGES_WITHIN_S)


def _until(timeout_s: float) -> Callable[[], float]:
    """What is left of a time, in seconds, never below 0."""
    clock = SystemClock()
    deadline_s = clock.monotonic() + timeout_s
    return lambda: max(deadline_s - clock.monotonic(), 0.0)
