"""`make bench`: tables on stdout, JSON under build/bench/; 1 where a target was missed or a bench
failed, each of which keeps none of the others from being measured.

python -m tests.bench [--quick] [tick|ledger|command|reaction|cluster ...]
"""

import json
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from orchestrator.adapters.clock import SystemClock
from orchestrator.cli.output import say, show_table
from tests.bench import cluster, command, ledger, reaction, tick
from tests.bench.targets import missed, summary

OUT = Path("build/bench")
Bench = Callable[[bool], Iterable[dict[str, Any]]]
BENCHES: dict[str, Bench] = {
    "tick": tick.run,
    "ledger": ledger.run,
    "command": command.run,
    "reaction": reaction.run,
    "cluster": cluster.run,
}


@dataclass
class Run:
    """What came of the benches so far; lines for people."""

    out: Path
    quick: bool
    short: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def measure(self, name: str, bench: Bench) -> None:
        """One bench; of one that fails, the rows that it had, and its error, are kept."""
        say(f"bench: {name} ...")
        began_s, rows = SystemClock().monotonic(), list[dict[str, Any]]()
        try:
            for row in bench(self.quick):
                rows.append(row)
                self.short += missed(name, [row])
            how = "measured"
        except Exception as error:
            # The outermost frame of a bench: the others are measured all the same.
            traceback.print_exc()
            self.failed.append(name)
            how = f"failed ({type(error).__name__}: {error})"
        self._keep(name, rows, how)
        say(f"bench: {name}: {how}, {SystemClock().monotonic() - began_s:.0f} s")

    def _keep(self, name: str, rows: list[dict[str, Any]], how: str) -> None:
        facts = {"cores": os.cpu_count(), "python": platform.python_version()}
        found = {"bench": name, **facts, "quick": self.quick, "ended": how, "rows": rows}
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / f"{name}.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
        if rows:
            columns = list(rows[0])
            show_table(name, columns, ([row[column] for column in columns] for row in rows))
            sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the named benches, or all."""
    run = Run(OUT, quick="--quick" in arguments)
    for name in [name for name in arguments if name in BENCHES] or list(BENCHES):
        run.measure(name, BENCHES[name])
    say(f"bench: {summary(run.short, run.failed)}")
    return 1 if run.short or run.failed else 0


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    sys.exit(main(sys.argv[1:]))
