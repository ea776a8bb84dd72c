"""`make bench`: measured, never asserted. Tables on stdout, JSON under build/bench/.

python -m tests.bench [--quick] [reaction|tick|ledger|command|cluster ...]
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from orchestrator.cli.output import show_table
from tests.bench import cluster, command, ledger, reaction, tick

OUT = Path("build/bench")
BENCHES: dict[str, Callable[[bool], list[dict[str, Any]]]] = {
    "tick": tick.run,
    "ledger": ledger.run,
    "command": command.run,
    "reaction": reaction.run,
    "cluster": cluster.run,
}


def main(arguments: list[str]) -> int:
    """Run the named benches, or all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    quick = "--quick" in arguments
    names = [name for name in arguments if name in BENCHES] or list(BENCHES)
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        rows = BENCHES[name](quick)
        facts = {"cores": os.cpu_count(), "python": platform.python_version(), "quick": quick}
        text = json.dumps({"bench": name, **facts, "rows": rows}, indent=2)
        (OUT / f"{name}.json").write_text(text, encoding="utf-8")
        columns = list(rows[0])
        show_table(name, columns, ([row[column] for column in columns] for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
