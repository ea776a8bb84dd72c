"""Appends and verified events a second, on SQLite and PostgreSQL."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.adapters.clock import SystemClock
from orchestrator.ledger import open_ledger, verify
from tests.ledger.stage import held, url_of


def run(quick: bool) -> list[dict[str, Any]]:
    """One event a transaction, each on disk before the answer."""
    return [_measure(kind, 200 if quick else 1000) for kind in ("sqlite", "postgres")]


def _measure(kind: str, events: int) -> dict[str, Any]:
    clock = SystemClock()
    with TemporaryDirectory() as folder, url_of(kind, Path(folder)) as url:
        ledger = open_ledger(url, timeout_s=10.0)
        began_s = clock.monotonic()
        for number in range(events):
            ledger.append([held(number)])
        appended_s = clock.monotonic() - began_s
        began_s = clock.monotonic()
        checked = verify(ledger)
        verified_s = clock.monotonic() - began_s
    assert checked.events == events
    return {
        "database": kind,
        "events": events,
        "appends_per_s": round(events / appended_s),
        "verified_per_s": round(events / verified_s),
    }
