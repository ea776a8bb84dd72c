"""The practice gateway and its two EHRs as real processes, ended by the pids that were started."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from orchestrator.adapters.clock import set_practice_clock, wait_until

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
SLICES = ("notes", "results")


@dataclass(frozen=True)
class PracticeSite:
    """Addresses of one practice site, and ways to make it behave."""

    admin: str
    gateways: tuple[str, ...]
    ehrs: Mapping[str, str]
    processes: Mapping[str, "subprocess.Popen[bytes]"]

    def create_route(self, ward: str) -> None:
        """A route of both slices, all on legacy, epoch 1."""
        rules = [
            {"name": name, "path_prefix": f"/{name}", "backend": "legacy", "mirror": None}
            for name in SLICES
        ]
        fallback = {"name": "fallback", "path_prefix": "/", "backend": "legacy", "mirror": None}
        notes = {"who": "test", "why": "made", "run": "", "epoch": "1"}
        call(
            "POST",
            f"{self.admin}/routes",
            {
                "metadata": {"name": f"ward-{ward}", "annotations": notes},
                "spec": {"ward": ward, "epoch": 1, "rules": [*rules, fallback]},
            },
        )

    def route(self, ward: str) -> dict[str, Any]:
        """A route as it is stored, asked without the code under test."""
        return call("GET", f"{self.admin}/routes/{ward}")

    def behave(self, **behaviour: Any) -> None:
        """Behave exactly so; without settings, as usual."""
        call("PUT", f"{self.admin}/behaviour", behaviour)

    def break_ehr(self, system: str, **faults: Any) -> None:
        """Exactly these faults; without any, none."""
        call("PUT", f"{self.ehrs[system]}/faults", faults)


def call(method: str, url: str, body: Any = None) -> Any:
    """One JSON exchange; an answer that is not good is an error with its body."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data=data, method=method), timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        with error:
            raise AssertionError(f"{method} {url}: {error.code} {error.read().decode()}") from error


@contextmanager
def practice_site(folder: Path, *, replicas: int = 2) -> Iterator[PracticeSite]:
    """Two EHRs behind one gateway, ready. Raises: RuntimeError with a process's last words."""
    clock = folder / "clock.json"
    set_practice_clock(clock, now=datetime(2027, 3, 1, 9, tzinfo=UTC), rate=1.0)
    legacy, candidate, admin, *data = _free_ports(3 + replicas)
    ehrs = {"legacy": legacy, "candidate": candidate}
    common = ("--clock", str(clock), "--parent-pid", str(os.getpid()))
    with ExitStack() as stack:
        processes = {
            system: stack.enter_context(
                _process(
                    folder / f"{system}.log",
                    "wards.practice.ehr",
                    *("--system", system, "--port", str(port)),
                    *("--store", str(folder / f"{system}.sqlite"), *common),
                )
            )
            for system, port in ehrs.items()
        }
        processes["gateway"] = stack.enter_context(
            _process(
                folder / "gateway.log",
                "wards.practice.gateway",
                *("--ports", *map(str, data), "--admin-port", str(admin)),
                *("--legacy", _url(legacy), "--candidate", _url(candidate)),
                *("--state", str(folder / "gateway.json"), "--log", str(folder / "requests.jsonl")),
                *common,
            )
        )
        for name, port in {**ehrs, "gateway": admin}.items():
            _await_ready(processes[name], _url(port), folder / f"{name}.log")
        yield PracticeSite(
            admin=_url(admin),
            gateways=tuple(_url(port) for port in data),
            ehrs={system: _url(port) for system, port in ehrs.items()},
            processes=processes,
        )


@contextmanager
def _process(log: Path, module: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-m", module, *arguments), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)  # should it have been stopped
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    def is_ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{log.stem} ended: {log.read_text()[-2000:]}")
        try:
            with urlopen(f"{url}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    if not wait_until(is_ready, timeout_s=READY_LIMIT_S):
        raise RuntimeError(f"{log.stem} is not ready: {log.read_text()[-2000:]}")


def _free_ports(wanted: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(wanted)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
