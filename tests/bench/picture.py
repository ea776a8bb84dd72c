"""How fast the way back is, as one picture, from the figures that `make bench` left.

python -m tests.bench.picture docs/pictures/bench.svg
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from orchestrator.reports.timeline import INK, STYLE

FIGURES = Path("build/bench")
MARKS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
TARGET = "#A30000"


@dataclass(frozen=True)
class Line:
    """One way back; milliseconds. `target`: for the p99, or the median where it says so."""

    what: str
    p50: float
    p99: float
    target: float | None = None


def lines() -> list[Line]:
    """Raises: OSError where a bench has not been run."""
    of_cluster = [
        Line(row["what"], row["p50_ms"], row["p99_ms"], row["target_p99_ms"])
        for row in _rows("cluster")
    ]
    of_breach = [
        Line(
            f"breach visible in Prometheus -> written, tick {row['tick_s']:g} s (target: median)",
            row["written_p50_s"] * 1000,
            row["written_p99_s"] * 1000,
            row["target_written_p50_s"] * 1000 if row["target_written_p50_s"] else None,
        )
        for row in _rows("reaction")
    ]
    return [*of_cluster, *of_breach]


def draw(found: list[Line], path: Path) -> None:
    """Each way a bar from median to p99 on one logarithmic scale, and its target."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 0.5 * len(found) + 1.2), layout="constrained")
        axes = figure.add_subplot()
        for height, line in enumerate(reversed(found)):
            _draw_one(axes, height, line)
        axes.set_yticks(range(len(found)), [line.what for line in reversed(found)])
        axes.set_xscale("log")
        axes.set_xlim(10, 20_000)
        axes.set_xticks(MARKS, [f"{mark:,}" for mark in MARKS])
        axes.set_xlabel("milliseconds, logarithmic: from median to 99th percentile; | target")
        axes.grid(visible=True, axis="x", which="both", alpha=0.25)
        path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


def _draw_one(axes: Axes, height: int, line: Line) -> None:
    least = max(line.p99, line.p50 * 1.02)  # one measurement is a mark, not nothing
    axes.barh(height, least - line.p50, left=line.p50, height=0.5, color="#56B4E9")
    beside = max(least, line.target or 0.0) * 1.06
    axes.text(beside, height, f"{line.p50:.0f} / {line.p99:.0f}", va="center", color=INK)
    if line.target is not None:
        axes.plot([line.target] * 2, [height - 0.4, height + 0.4], color=TARGET, linewidth=2)


def _rows(name: str) -> list[dict[str, Any]]:
    return json.loads((FIGURES / f"{name}.json").read_text("utf-8"))["rows"]


if __name__ == "__main__":
    draw(lines(), Path(sys.argv[1]))
