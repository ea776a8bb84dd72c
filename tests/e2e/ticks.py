"""How many looks of the sentinel a return took, by the sentinel's own log.

The promise is in ticks, and so is its test: however slow the machine, a breach that is visible is
answered before a third tick begins. The route's write follows at once, on a thread of its own that
waits for no tick. How many seconds all of it takes, `make bench` says.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from orchestrator.adapters.clock import wait_until

TICKS_TO_DECIDE = 2
EACH_TICK: Mapping[str, str] = {"WARDSHIFT_LOG_LEVEL": "DEBUG"}  # for the processes to be watched


def ticks_between(home: Path, after: datetime, until: datetime) -> int:
    """Ticks that began after one moment and not after another, both of the hospital's clock; once
    one that began later has ended, so that none is still under way."""
    log = home / "logs" / "sentinel.log"
    assert wait_until(lambda: any(one > until for one in _begun(log)), timeout_s=60.0), log
    return sum(after < one <= until for one in _begun(log))


def _begun(log: Path) -> list[datetime]:
    lines = (json.loads(line) for line in log.read_text("utf-8").splitlines() if line[:1] == "{")
    return [
        datetime.fromisoformat(line["began_at"])
        for line in lines
        if line["event"] == "sentinel.ticked"
    ]
