"""How long a person waits for the command line, interpreter and all."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.adapters.clock import SystemClock
from orchestrator.ledger import migrate
from orchestrator.settings import write_site
from tests.bench.figures import p50, p99

PRACTICE = Path("wards/data/practice.yaml").resolve()
NOWHERE = "http://127.0.0.1:9"
TARGETS_MS = {"--help": 300, "list": 1000, "show": 1000}


def run(quick: bool) -> list[dict[str, Any]]:
    """Median and tail in milliseconds beside the target."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        write_site(home, {"plan": str(PRACTICE), "gateway_admin": NOWHERE, "gateways": "[]"})
        migrate(f"sqlite:///{home / 'ledger.sqlite'}")
        return [_measure(words, home, 3 if quick else 10) for words in _verbs()]


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
        subprocess.run(command, capture_output=True, check=False)
        took_ms.append((clock.monotonic() - began_s) * 1000)
    target = TARGETS_MS[words[0]]
    return {
        "command": f"wardshift {' '.join(words)}",
        "p50_ms": round(p50(took_ms)),
        "p99_ms": round(p99(took_ms)),
        "target_ms": target,
        "ratio": round(p50(took_ms) / target, 2),
    }
