"""What a guard knows of leases, on its own disk, so that its successor need not time them anew.

A kill -9 of the guard together with the sentinel costs a ward no second lease. One guard a
folder: another one beside it in the same folder, or one without a disk, remembers nothing and
guards all the same. A disk that hangs holds nobody up: at most one write waits.
Source: design rule 7.
"""

import fcntl
import json
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from orchestrator.ports import Remembered, Standstill

log = structlog.get_logger()


class FileGuardMemory:
    """The guard-memory port on a file, held under a lock for as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._latest: Remembered | None = None
        self._wanted = threading.Event()
        self._lock = _locked(path)
        if self._lock is not None:
            threading.Thread(target=self._run, name="memory", daemon=True).start()

    def load(self) -> Remembered | None:
        """What the guard before us knew; None without one, or where it makes no sense."""
        if self._lock is None:
            return None
        try:
            return _read(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ArithmeticError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("memory.not_read", problem=type(error).__name__)
            return None

    def save(self, known: Remembered) -> None:
        """Keep this in place of what was kept; beside the work, the last one wins. Never raises."""
        self._latest = known
        self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            known = self._latest
            if known is not None:
                self._write(known)

    def _write(self, known: Remembered) -> None:
        beside = self._path.with_suffix(".new")
        try:
            beside.write_text(json.dumps(_document(known)), encoding="utf-8")
            beside.replace(self._path)  # whole or not at all, also for who is killed
        except OSError as error:
            log.warning("memory.not_kept", problem=error.strerror)


def _locked(path: Path) -> int | None:
    """A lock that ends with the process; None where another guard has it, or no disk takes it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("memory.not_kept", problem=error.strerror)
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _document(known: Remembered) -> Mapping[str, Any]:
    leases = {name: [one.version, one.for_s] for name, one in known.leases.items()}
    return {"holder": known.holder, "leases": leases}


def _seconds(said: Any) -> float:
    """Raises: ValueError for what is no time."""
    for_s = float(said)
    if not math.isfinite(for_s):
        raise ValueError(f"{said} s")
    return max(0.0, for_s)


def _read(raw: Mapping[str, Any]) -> Remembered:
    leases = {
        str(name): Standstill(version=str(version), for_s=_seconds(for_s))
        for name, (version, for_s) in raw["leases"].items()
    }
    return Remembered(holder=str(raw["holder"]), leases=leases)
