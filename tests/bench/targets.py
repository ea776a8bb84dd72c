"""Which figures missed their targets. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What names a row, and its columns: the figure, and the most that it may be (None: no
    target)."""

    name: str
    figure: str
    most: str


TARGETS = {
    "command": (Target("{command}", "p50_ms", "target_ms"),),
    "reaction": (Target("tick {tick_s:g} s", "written_p50_s", "target_written_p50_s"),),
    "cluster": (
        Target("{what}", "p99_ms", "target_p99_ms"),
        Target("{what}", "times_bare_p99", "most_times_bare"),
    ),
}


def missed(bench: str, rows: Sequence[Row]) -> list[str]:
    """A line for each figure above its target; one that is no number is above any.

    Raises: KeyError where a row does not have the columns.
    """
    return [
        f"{bench}, {target.name.format_map(row)}: {target.figure} is {row[target.figure]}, "
        f"at most {row[target.most]}"
        for target in TARGETS.get(bench, ())
        for row in rows
        if row[target.most] is not None and not _within(row[target.figure], row[target.most])
    ]


def summary(short: Sequence[str], failed: Sequence[str]) -> str:
    """The last word of a run: what was missed, and which benches did not come to their end."""
    parts = [
        f"targets missed: {len(short)} ({'; '.join(short)})" if short else "",
        f"failed, see above: {', '.join(failed)}" if failed else "",
    ]
    said = "; ".join(part for part in parts if part)
    return said or "no target was missed"


def _within(figure: float | None, most: float) -> bool:
    return figure is not None and figure <= most
