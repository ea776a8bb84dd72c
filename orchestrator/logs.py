"""How the processes speak to operators: JSON lines on stderr, or colours on a terminal.

A command that a person runs speaks in sentences: its log lines go to a file in the home folder, so
that they drown none of them. WARDSHIFT_LOG=1 puts them on stderr. With WARDSHIFT_LOG_LEVEL=DEBUG
the sentinel tells each of its ticks too.

Log is not audit: the ledger is. Nothing that looks like a Swedish personal identity
number passes (design rule 11), and a log that cannot be written holds nobody up: a full
disk, a closed pipe or a reader that stopped reading must not delay a return (rule 5).
"""

import atexit
import logging
import os
import queue
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from orchestrator.core.text import without_identity

COMMAND = "wardshift"
COMMAND_FILE = "commands.log"
MOST_BYTES = 4_000_000  # then the file begins anew, and the one before it is kept
ON_STDERR = "WARDSHIFT_LOG"
LEVEL = "WARDSHIFT_LOG_LEVEL"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MOST_LINES = 10_000
LAST_WORDS_S = 1.0


def drop_identifiers(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace whatever looks like a personal identity number in any text of a log line."""
    return {key: _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return without_identity(value)
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(item) for item in value]
        case _:
            return value


def drop_rendered(_logger: object, _method: str, line: Any) -> str:
    """The last look at a whole line: numbers, keys and objects have become text by now."""
    return without_identity(line)


class Outlet:
    """Takes log lines without ever waiting, and writes them from a thread of its own: to stderr,
    or, of a command (`is_quiet`), to its `file`, nowhere while it has none.

    Beyond ``most`` waiting lines, new ones are dropped and counted; the count is told
    when writing works again.
    """

    def __init__(self, most: int = MOST_LINES) -> None:
        self._lines: queue.Queue[str] = queue.Queue(most)
        self._start = threading.Lock()
        self._writer: threading.Thread | None = None
        self.dropped = 0
        self.is_quiet = False
        self.file: Path | None = None

    def msg(self, line: str) -> None:
        """Accept one line; never blocks, never raises."""
        self._ensure_writer()
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    debug = info = warning = error = critical = exception = fatal = failure = err = log = msg

    def drain(self, within_s: float = LAST_WORDS_S) -> bool:
        """Wait until what was accepted is written, at most ``within_s`` seconds; whether it is."""
        with self._lines.all_tasks_done:
            return self._lines.all_tasks_done.wait_for(
                lambda: not self._lines.unfinished_tasks, timeout=within_s
            )

    def _ensure_writer(self) -> None:
        with self._start:
            if self._writer is None or not self._writer.is_alive():
                self._writer = threading.Thread(target=self._write, name="log", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            # stderr is looked up each time: whoever runs this process may have put another there.
            # A stream that is closed or full is nobody's reason to stop.
            with suppress(OSError, ValueError):
                self._put(line)
                self._tell_dropped()
            self._lines.task_done()

    def _tell_dropped(self) -> None:
        if self.dropped:
            dropped, self.dropped = self.dropped, 0
            self._put(f'{{"event": "log.dropped", "lines": {dropped}}}')

    def _put(self, line: str) -> None:
        if not self.is_quiet:
            _say(line)
        elif self.file is not None:
            _append(self.file, line)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _append(file: Path, line: str) -> None:
    if file.exists() and file.stat().st_size > MOST_BYTES:
        file.replace(file.with_suffix(".log.1"))
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"{line}\n")


outlet = Outlet()
atexit.register(outlet.drain)


def configure(process: str, *, level: str = "INFO") -> None:
    """Set up structlog for one process. Every line carries the process's name. Those of a command
    are kept in the file that `keep_in` names. WARDSHIFT_LOG_LEVEL in the environment wins."""
    asked = os.environ.get(LEVEL, "").upper()
    outlet.is_quiet = process == COMMAND and not os.environ.get(ON_STDERR)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            drop_identifiers,
            _renderer(),
            drop_rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelName(asked if asked in LEVELS else level)
        ),
        logger_factory=lambda *_: outlet,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    if asked and asked not in LEVELS:  # no reason not to start: somebody may wait for a return
        log = structlog.get_logger()
        log.warning("log.level_unknown", asked=asked, known=LEVELS, used=level)


def keep_in(home: Path) -> None:
    """In which home folder a command's log lines are kept; one that is not there keeps none."""
    outlet.file = home / COMMAND_FILE


def _renderer() -> Any:
    with suppress(OSError, ValueError):
        if sys.stderr.isatty() and not outlet.is_quiet:
            return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer()
