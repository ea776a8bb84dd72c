"""A real Prefect server as a process, for tests: SQLite, a free port, ended by its pid."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.prefect_env import api_url, server_env

START_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0
HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class PrefectServer:
    """One server with its own folder; it can be stopped and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.api = api_url(HOST, self.port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.home / "prefect").mkdir(parents=True, exist_ok=True)
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "prefect", "server", "start"),
                env={**_clean(), **server_env(self.home, host=HOST, port=self.port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        assert wait_until(self._is_up, timeout_s=START_LIMIT_S, every_s=0.2), self._last_words()

    def stop(self) -> None:
        """End it by its pid."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._last_words()
        return self._answers()

    def _last_words(self) -> str:
        return (self.home / "server.log").read_text(errors="replace")[-2000:]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def _clean() -> dict[str, str]:
    """The environment without whatever Prefect settings the test run itself has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
