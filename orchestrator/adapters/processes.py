"""Child processes under one supervisor: named, logged, restarted, and ended by their pids.

Invariant: no child outlives its supervisor, also when that is killed; only processes that
were started here are ever signalled. One lock a home folder keeps a second supervisor out.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from orchestrator.errors import Unavailable
from orchestrator.ports import Clock

log = structlog.get_logger()
HOST = "127.0.0.1"
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0  # a child that lived this long begins anew with the shortest pause
LAST_LINES = 12
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run. `environment` is the whole of it; `grace_s`: between asking and insisting."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    restart: bool = True
    grace_s: float = 10.0


@dataclass(slots=True)
class _Child:
    job: Job
    process: subprocess.Popen[bytes]
    started_at_s: float
    failures: int = 0
    ending: threading.Event = field(default_factory=threading.Event)


class Supervisor:
    """Starts jobs, starts them again when they end, and ends them. Thread-safe.

    Children are tied to one thread that lives as long as the supervisor: the kernel ends
    them when it is gone, however it went.
    """

    def __init__(self, log_dir: Path, clock: Clock) -> None:
        self._log_dir = log_dir
        self._clock = clock
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawn")

    def start(self, job: Job) -> int:
        """Start a job under its name; its pid. Raises: Unavailable when it cannot be started."""
        with self._lock:
            child = _Child(job=job, process=self._spawn(job), started_at_s=self._clock.monotonic())
            self._children[job.name] = child
        watcher = threading.Thread(
            target=self._keep, args=(child,), name=f"keep-{job.name}", daemon=True
        )
        watcher.start()
        return child.process.pid

    def pids(self) -> Mapping[str, int]:
        """The pids of what runs now, by name, in order of start."""
        with self._lock:
            return {
                name: child.process.pid
                for name, child in self._children.items()
                if child.process.poll() is None
            }

    def ended(self, name: str) -> int | None:
        """The exit code of a job that has ended, or ended before it was started again."""
        with self._lock:
            child = self._children[name]
            return child.process.poll()

    def failures(self, name: str) -> int:
        """How often in a row the job ended by itself soon after it was started."""
        with self._lock:
            return self._children[name].failures

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one child that runs. Raises: KeyError."""
        with self._lock:
            self._children[name].process.send_signal(number)

    def restart(self, name: str) -> int:
        """End a job and start it again; its new pid. Raises: KeyError, Unavailable."""
        job = self._children[name].job
        self.end(name)
        return self.start(job)

    def end(self, name: str) -> None:
        """Ask one child to end, insist after its grace, and wait until it is gone."""
        with self._lock:
            child = self._children[name]
            child.ending.set()
            process = child.process
        process.terminate()
        process.send_signal(signal.SIGCONT)  # one that was stopped could not hear it
        try:
            process.wait(child.job.grace_s)
        except subprocess.TimeoutExpired:
            log.warning("process.insisted", name=name, pid=process.pid)
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End everything, last started first. Idempotent."""
        for name in reversed(tuple(self._children)):
            self.end(name)
        self._spawner.shutdown()

    def log_file(self, name: str) -> Path:
        """Where a child's output goes."""
        return self._log_dir / f"{name}.log"

    def last_lines(self, name: str) -> str:
        """The end of a child's log, for a sentence about why it does not work."""
        try:
            with self.log_file(name).open(encoding="utf-8", errors="replace") as file:
                return "".join(deque(file, LAST_LINES)).rstrip()
        except OSError:
            return ""

    def _spawn(self, job: Job) -> subprocess.Popen[bytes]:
        return self._spawner.submit(self._popen, job).result()

    def _popen(self, job: Job) -> subprocess.Popen[bytes]:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        try:
            with self.log_file(job.name).open("ab") as out:
                return subprocess.Popen(  # noqa: S603 - our own commands
                    job.command,
                    env=dict(job.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    process_group=0,  # a terminal's Ctrl-C is the supervisor's to pass on
                    preexec_fn=_tied_to(os.getpid()),  # noqa: PLW1509 - two system calls
                )
        except OSError as error:
            raise Unavailable(job.name, f"cannot be started: {error.strerror}") from error

    def _keep(self, child: _Child) -> None:
        while True:
            code = child.process.wait()
            if child.ending.is_set() or not child.job.restart:
                return
            pause_s = self._pause_after(child)
            log.warning(
                "process.ended",
                name=child.job.name,
                pid=child.process.pid,
                code=code,
                again_in_s=pause_s,
            )
            if child.ending.wait(pause_s) or not self._again(child):
                return

    def _pause_after(self, child: _Child) -> float:
        """Count the failure; how long to wait before the next start, in seconds."""
        with self._lock:
            lived_s = self._clock.monotonic() - child.started_at_s
            child.failures = 1 if lived_s >= STEADY_S else child.failures + 1
            return min(FIRST_PAUSE_S * 2 ** (child.failures - 1), LONGEST_PAUSE_S)

    def _again(self, child: _Child) -> bool:
        with self._lock:
            if child.ending.is_set():
                return False
            try:
                child.process = self._spawn(child.job)
            except Unavailable as error:
                log.error("process.refused", name=child.job.name, problem=str(error))
                return False
            child.started_at_s = self._clock.monotonic()
            return True


class HomeLock:
    """One supervisor a home folder. The kernel lets it go when its holder ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / "up.lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises: Unavailable naming the process that has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise Unavailable(
                "up",
                f"{self._path.parent} is already running under process {holder}; use that one, "
                "end it with Ctrl-C, or choose another --home",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let it go. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether somebody listens on that port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


def _tied_to(parent: int) -> Callable[[], None] | None:
    """What a new child does first: ask the kernel to end it with the thread that started it."""
    libc = _LIBC
    if libc is None:
        return None

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the request took effect
            os._exit(1)

    return tie
