"""How long a person waits for the command line, interpreter and all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.ledger import migrate
from orchestrator.settings import write_site
from tests.bench.figures import p50, p99

PRACTICE = Path("wards/data/practice.yaml").resolve()
NOWHERE = "http://127.0.0.1:9"
SITE = {
    "plan": str(PRACTICE),
    "gateway_admin": NOWHERE,
    "gateways": json.dumps([NOWHERE]),
    "addresses": json.dumps(dict.fromkeys(("staff_metrics", "legacy", "candidate"), NOWHERE)),
}
TARGETS_MS = {"--help": 300, "list": 1000, "show": 1000}


def run(quick: bool) -> list[dict[str, Any]]:
    """Median and tail in milliseconds beside the target: alone, and where a sentinel answers."""
    times = 3 if quick else 20
    with TemporaryDirectory() as folder:
        home = Path(folder)
        write_site(home, SITE)
        migrate(f"sqlite:///{home / 'ledger.sqlite'}")
        alone = [_measure(words, home, times) for words in _verbs()]
        with _sentinel(home):
            answered = [_measure(words, home, times) for words in _verbs()[1:]]
    for row in answered:
        row["command"] += " (a sentinel answers)"
    return alone + answered


@contextmanager
def _sentinel(home: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "orchestrator.cli.main", "sentinel", "--home", str(home)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            if not wait_until(lambda: any((home / "run").glob("sentinel-*")), timeout_s=60):
                raise RuntimeError("the sentinel did not start")
            SystemClock().sleep(2.0)  # its first ticks
            yield
        finally:
            process.terminate()


def _installed() -> dict[str, str]:
    """The environment of an installation: byte code is kept between runs."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _verbs() -> tuple[tuple[str, ...], ...]:
    return (("--help",), ("list",), ("show", "medicine-52"))


def _measure(words: tuple[str, ...], home: Path, times: int) -> dict[str, Any]:
    clock = SystemClock()
    took_ms: list[float] = []
    command = [sys.executable, "-m", "orchestrator.cli.main", *words]
    if words[0] != "--help":
        command += ["--home", str(home)]
    for _ in range(times):
        began_s = clock.monotonic()
        subprocess.run(command, capture_output=True, check=True, env=_installed())
        took_ms.append((clock.monotonic() - began_s) * 1000)
    target = TARGETS_MS[words[0]]
    return {
        "command": f"wardshift {' '.join(words)}",
        "p50_ms": round(p50(took_ms)),
        "p99_ms": round(p99(took_ms)),
        "target_ms": target,
        "ratio": round(p50(took_ms) / target, 2),
    }
