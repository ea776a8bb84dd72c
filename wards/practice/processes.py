"""The practice hospital's own processes: started, watched and ended by their ids.

Invariants: only a process that was started here is ever signalled; a port is chosen, not
fixed, and a clash is answered with another port; a process that does not become healthy
is an error with its own last words.
"""

import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx2

from orchestrator.adapters.clock import wait_until
from orchestrator.errors import Unavailable
from wards.practice.serving import PORT_TAKEN

FIRST_PORT = 20_000  # below the range from which systems take the ports of outgoing connections
LAST_PORT = 31_999
PORT_TRIES = 20
HEALTHY_WITHIN_S = 30.0
TERM_WITHIN_S = 5.0
LAST_LINES = 8
PACKAGE_ROOT = Path(__file__).resolve().parents[2]

Ports = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one process is started: its module, its arguments once its ports are known.

    `health_port`: the one of its ports that answers /healthz. `is_healthy`: for a program that
    has other ways to say so; it may raise what the client raises, or ValueError.
    """

    name: str
    module: str
    port_names: tuple[str, ...]
    arguments: Callable[[Ports], Sequence[str]]
    health_port: str
    is_healthy: Callable[[httpx2.Client, Ports, int], bool] | None = None
    healthy_within_s: float = HEALTHY_WITHIN_S


class Starter:
    """A thread that starts all children and lives until it is closed.

    The kernel ends a tied child when the thread that started it ends: that must not be
    some short-lived thread of the caller.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="practice-starter", daemon=True)
        self._thread.start()

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a child whose words go to a log file."""
        started: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        self._orders.put(lambda: started.put(_start(command, log)))
        child = started.get()
        if isinstance(child, OSError):
            raise child
        return child

    def close(self) -> None:
        """End the thread, and with it whatever is still tied to it."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            order()


class Child:
    """One process of the hospital, with the same ports for as long as the hospital stands."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        starter: Starter,
        client: httpx2.Client,
        home: Path,
        tie_to_parent: bool,
    ) -> None:
        self.name = recipe.name
        self.ports: Ports = {}
        self._recipe = recipe
        self._starter = starter
        self._client = client
        self._log = home / "logs" / f"{recipe.name}.log"
        self._parent_pid = os.getpid() if tie_to_parent else 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process now, or of the last one."""
        return self._own().pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended; a hung one has not."""
        return self._process is not None and self._process.poll() is None

    def url(self, port_name: str) -> str:
        """The address of one of its ports."""
        return f"http://127.0.0.1:{self.ports[port_name]}"

    def start(self) -> None:
        """Start on free ports and wait until it is healthy. Raises: Unavailable."""
        for _ in range(PORT_TRIES):
            self.ports = dict(
                zip(self._recipe.port_names, free_ports(len(self._recipe.port_names)), strict=True)
            )
            if self._start_here():
                return
        self._fail("found no free port")

    def start_again(self) -> None:
        """Start on the ports it had. Raises: Unavailable."""
        if self.is_running:
            self.end()
        if not wait_until(self._start_here, timeout_s=TERM_WITHIN_S, every_s=0.2):
            self._fail("did not get its ports back: something else listens there")

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process has not ended."""
        if self.is_running:
            self._own().send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.send(signal.SIGKILL)
        self._own().wait()

    def end(self) -> None:
        """Ask it to end, also when it hangs; after a while make it."""
        if self._process is None:
            return
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            self._process.wait(TERM_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _own(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise Unavailable("practice", f"{self.name} was never started")
        return self._process

    def _start_here(self) -> bool:
        """Start on the present ports; False if one of them is taken."""
        command = [sys.executable, "-m", self._recipe.module, *self._recipe.arguments(self.ports)]
        if self._parent_pid:
            command += ["--parent-pid", str(self._parent_pid)]
        self._process = self._starter.start(command, self._log)
        wait_until(self._is_settled, timeout_s=self._recipe.healthy_within_s)
        if self._process.poll() == PORT_TAKEN:
            return False
        if not self._is_healthy():
            self._fail("did not become healthy")
        return True

    def _is_settled(self) -> bool:
        return not self.is_running or self._is_healthy()

    def _is_healthy(self) -> bool:
        asked = self._recipe.is_healthy
        try:
            if asked is not None:
                return asked(self._client, self.ports, self.pid)
            answer = self._client.get(f"{self.url(self._recipe.health_port)}/healthz", timeout=1.0)
            # Another process could listen there: the answer must be from the one started here.
            return answer.json().get("pid") == self.pid
        except (httpx2.HTTPError, ValueError):
            return False

    def _fail(self, what: str) -> NoReturn:
        self.end()
        code = self._process.returncode if self._process else None
        words = self._log.read_text(encoding="utf-8").splitlines()[-LAST_LINES:]
        said = "\n".join(words) or "(nothing)"
        raise Unavailable(
            "practice",
            f"{self.name} {what} (exit code {code}); it last said, in {self._log}:\n{said}",
        )


def free_ports(count: int) -> tuple[int, ...]:
    """Ports on which nobody listens at this moment. Raises: Unavailable."""
    found: list[int] = []
    span = LAST_PORT - FIRST_PORT + 1
    for _ in range(count * 100):
        if len(found) == count:
            return tuple(found)
        port = FIRST_PORT + secrets.randbelow(span)
        if port not in found and _is_free(port):
            found.append(port)
    raise Unavailable("practice", f"no free port between {FIRST_PORT} and {LAST_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes] | OSError:
    try:
        with log.open("ab") as words:
            return subprocess.Popen(  # noqa: S603 - our own modules with our own arguments
                command,
                cwd=PACKAGE_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,  # a Ctrl-C is for the starter, who ends them in order
            )
    except OSError as error:
        return error
