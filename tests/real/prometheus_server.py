"""A real Prometheus on a free port, scraping what a test names, ended by its own pid."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.processes import free_port
from tests.real.parts import PROMETHEUS, binary

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0


@dataclass(frozen=True)
class PrometheusServer:
    """One running server."""

    url: str
    process: "subprocess.Popen[bytes]"
    targets_file: Path

    def scrape(self, targets: Sequence[str]) -> None:
        """Scrape these `host:port` targets from now on; the server sees the change itself."""
        new = self.targets_file.with_suffix(".new")
        new.write_text(json.dumps([{"targets": list(targets)}]))
        new.replace(self.targets_file)

    def kill(self) -> None:
        """Kill -9; it does not come back."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """It hangs from when this returns: connections are taken, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """It answers again."""
        self.process.send_signal(signal.SIGCONT)

    def query(self, promql: str) -> list[dict[str, object]]:
        """The raw result vector, asked without the code under test."""
        request = Request(f"{self.url}/api/v1/query", data=urlencode({"query": promql}).encode())
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]["result"]


@contextmanager
def prometheus_running(
    folder: Path,
    targets: Sequence[str],
    *,
    scrape_every_s: float = 0.25,
    rules: Sequence[Path] = (),
    alertmanager: str = "",
    port: int = 0,
) -> Iterator[PrometheusServer]:
    """Start, wait until ready, and end a server that scrapes `host:port` targets.

    `alertmanager`: `host:port` of who is told of alerts. `port`: its own; 0: a free one.

    Raises: PartMissing when there is no Prometheus; RuntimeError with its last words when
    it does not become ready.
    """
    config = folder / "prometheus.yaml"
    targets_file = folder / "targets.json"
    config.write_text(_config(targets_file, scrape_every_s, rules, alertmanager))
    log = folder / "prometheus.log"
    port = port or free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            (
                str(binary(PROMETHEUS)),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
                # As docs/how-to/alerts.md says: an alert that was told to nobody, because the
                # Alertmanager was not yet found, is told again after this and not after a minute.
                "--rules.alert.resend-delay=10s",
            ),
            stdout=output,
            stderr=output,
        )
    server = PrometheusServer(f"http://127.0.0.1:{port}", process, targets_file)
    server.scrape(targets)
    try:
        if not wait_until(lambda: _is_ready(server), timeout_s=READY_LIMIT_S):
            raise RuntimeError(f"Prometheus is not ready: {log.read_text()[-2000:]}")
        yield server
    finally:
        _stop(server)


def _config(
    targets_file: Path, scrape_every_s: float, rules: Sequence[Path], alertmanager: str
) -> str:
    every = f"{scrape_every_s * 1000:.0f}ms"
    told = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
    return json.dumps(
        {
            "global": {
                "scrape_interval": every,
                "scrape_timeout": every,
                "evaluation_interval": every,
            },
            "rule_files": [str(file) for file in rules],
            "alerting": {"alertmanagers": told},
            "scrape_configs": [
                {
                    "job_name": "tests",
                    "file_sd_configs": [{"files": [str(targets_file)], "refresh_interval": "1s"}],
                }
            ],
        }
    )


def _is_ready(server: PrometheusServer) -> bool:
    if server.process.poll() is not None:
        raise RuntimeError(f"Prometheus ended with {server.process.returncode}")
    try:
        with urlopen(f"{server.url}/-/ready", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def _stop(server: PrometheusServer) -> None:
    server.go_on()
    server.process.terminate()
    try:
        server.process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
