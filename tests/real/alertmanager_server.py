"""A real Alertmanager on a free port that tells one receiver, ended by its own pid."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.processes import free_port
from tests.real.parts import ALERTMANAGER, binary

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0


@dataclass(frozen=True)
class AlertmanagerServer:
    """One running server."""

    url: str
    process: "subprocess.Popen[bytes]"

    def fire(
        self, labels: Mapping[str, str], *, since: datetime, until: datetime | None = None
    ) -> None:
        """As Prometheus would tell it; with `until` in the past it has resolved."""
        alert = {"labels": dict(labels), "startsAt": since.isoformat()}
        if until is not None:
            alert["endsAt"] = until.isoformat()
        self._call("/api/v2/alerts", [alert])

    def silence(self, name: str, *, start: datetime, end: datetime) -> str:
        """Silence every alert of that name, as a person would; the silence's id."""
        matcher = {"name": "alertname", "value": name, "isRegex": False, "isEqual": True}
        return self._call(
            "/api/v2/silences",
            {
                "matchers": [matcher],
                "startsAt": start.isoformat(),
                "endsAt": end.isoformat(),
                "createdBy": "test",
                "comment": "synthetic",
            },
        )["silenceID"]

    def alerts(self) -> list[dict[str, Any]]:
        """All of them, asked without the code under test."""
        with urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            return json.load(answer)

    def kill(self) -> None:
        """Kill -9; it does not come back."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """It takes connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        self.process.send_signal(signal.SIGCONT)

    def _call(self, path: str, body: Any) -> Any:
        data = json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def alertmanager_running(
    folder: Path, config: str, *, port: int = 0
) -> Iterator[AlertmanagerServer]:
    """Start, wait until ready, and end a server with this configuration.

    `port`: its own; 0: a free one.

    Raises: PartMissing when there is no Alertmanager; RuntimeError with its last words when it
    does not become ready.
    """
    file, log = folder / "alertmanager.yaml", folder / "alertmanager.log"
    port = port or free_port()
    file.write_text(config)
    with log.open("wb") as output:
        process = subprocess.Popen(
            (
                str(binary(ALERTMANAGER)),
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ),
            stdout=output,
            stderr=output,
        )
    server = AlertmanagerServer(f"http://127.0.0.1:{port}", process)
    try:
        if not wait_until(lambda: _is_ready(server), timeout_s=READY_LIMIT_S):
            raise RuntimeError(f"Alertmanager is not ready: {log.read_text()[-2000:]}")
        yield server
    finally:
        _stop(server)


def _is_ready(server: AlertmanagerServer) -> bool:
    if server.process.poll() is not None:
        raise RuntimeError(f"Alertmanager ended with {server.process.returncode}")
    try:
        with urlopen(f"{server.url}/-/ready", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def _stop(server: AlertmanagerServer) -> None:
    server.go_on()
    server.process.terminate()
    try:
        server.process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
