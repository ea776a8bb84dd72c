"""A ward's way as one picture: which system served each slice, shift by shift, and the return.

SVG, the same bytes for the same facts; every colour is doubled by a word or a pattern.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from orchestrator.core.ids import Side
from orchestrator.core.verdict import Level
from orchestrator.reports.facts import ReturnFacts, Span, TimelineFacts
from orchestrator.reports.words import TRIGGERS, number
from wards.shifts import ShiftKind

WIDTH_IN = 13.0
HEAD_IN, FOOT_IN, RETURN_IN = 0.75, 1.15, 1.2  # above the lanes, below them, for the return
LANE_IN = 0.34
LANE = 0.84  # of a lane's height is filled
CHARACTER = 0.0052  # of the picture's width that a character of a label needs
# Colours that remain apart for colour-blind readers.
SIDES = {Side.LEGACY: "#56B4E9", Side.CANDIDATE: "#E69F00"}
HATCHES = {Side.LEGACY: "", Side.CANDIDATE: "///"}
LEVELS = {
    Level.PASS: "#BFE3D5",
    Level.WARN: "#F0E442",
    Level.BLIND: "#BBBBBB",
    Level.BREACH: "#D55E00",
}
SHIFTS = {ShiftKind.DAY: "#FFFFFF", ShiftKind.EVENING: "#E4E4EE", ShiftKind.NIGHT: "#C3C3D8"}
# How a tick is written, by what it shows: year, month, day, hour, minute, second.
DAYS = ["%Y", "%b %Y", "%a %d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
MIDNIGHTS = ["", "%Y", "%b %Y", "%a %d %b", "%H:%M", "%H:%M"]
RETURN = "#A30000"
INK = "#222222"
STYLE: Any = {
    "svg.hashsalt": "wardshift",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "hatch.linewidth": 0.5,
}


def timeline_svg(facts: TimelineFacts, path: Path) -> None:
    """Draw a ward's way into an SVG file. Raises: OSError."""
    with mpl.rc_context(STYLE):
        figure = _figure(facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasSVG(figure).print_svg(path, metadata=_metadata(facts))


def summary(facts: TimelineFacts) -> str:
    """The picture in one paragraph, for people who cannot see it."""
    stages = ", ".join(f"{span.what} from {_local(facts, span.start)}" for span in facts.stages)
    returns = " ".join(_return_words(facts, item) for item in facts.returns)
    return f"{facts.ward_name}: {stages or 'not begun'}. {returns or 'No return to legacy.'}"


def _metadata(facts: TimelineFacts) -> dict[str, Any]:
    return {
        "Title": f"{facts.programme}: {facts.ward_name} ({facts.ward})",
        "Description": summary(facts),
        "Creator": "wardshift",
        "Date": None,
        "Language": "en",
    }


def _figure(facts: TimelineFacts) -> Figure:
    lanes_in = (len(facts.slices) + 3) * LANE_IN
    height_in = HEAD_IN + lanes_in + FOOT_IN + (RETURN_IN if facts.returns else 0.0)
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor="white")
    _way(_axes(figure, HEAD_IN, lanes_in), facts)
    if facts.returns:
        _return(_axes(figure, HEAD_IN + lanes_in + FOOT_IN, 0.8), facts.returns[-1])
    title = f"{facts.ward_name} ({facts.ward})"
    figure.text(0.012, 1 - 0.12 / height_in, title, fontsize=15, weight="bold", va="top")
    figure.text(0.012, 1 - 0.44 / height_in, _subtitle(facts), fontsize=9.5, va="top")
    figure.legend(handles=_legend(), loc="upper right", ncols=4, frameon=False, fontsize=8.5)
    return figure


def _axes(figure: Figure, top_in: float, height_in: float) -> Axes:
    """Axes as wide as the picture, so many inches below its top."""
    whole_in = figure.get_figheight()
    bottom = 1 - (top_in + height_in) / whole_in
    return figure.add_axes((0.16, bottom, 0.825, height_in / whole_in))


def _subtitle(facts: TimelineFacts) -> str:
    return (
        f"Programme {facts.programme}, {_local(facts, facts.start)} to "
        f"{_local(facts, facts.end)}, times in {facts.zone.key}"
    )


def _way(axes: Axes, facts: TimelineFacts) -> None:
    """Lanes from top to bottom: shifts, stages, one a slice, verdict."""
    names = ["Shift", "Stage", *(item.title for item in facts.slices), "Worst verdict"]
    bottom = len(names)
    for shift in facts.shifts:
        axes.axvspan(
            date2num(max(shift.start, facts.start)),
            date2num(min(shift.end, facts.end)),
            color=SHIFTS[shift.kind],
            linewidth=0,
            zorder=0,
        )
    shifts = [
        Span(start=max(one.start, facts.start), end=min(one.end, facts.end), what=one.kind)
        for one in facts.shifts
    ]
    _lane(
        axes,
        facts,
        0,
        ((span, SHIFTS[span.what], "", span.what) for span in shifts),
    )
    _lane(axes, facts, 1, ((span, "white", "", span.what) for span in facts.stages))
    for place, item in enumerate(facts.slices, 2):
        _lane(
            axes,
            facts,
            place,
            (
                (s, SIDES[s.what], "///" if s.what is Side.CANDIDATE else "", s.what)
                for s in item.spans
            ),
        )
    levels = ((span, LEVELS[span.what], "", span.what.name) for span in facts.levels)
    _lane(axes, facts, bottom - 1, levels)
    for item in facts.returns:
        _mark(axes, facts, item, bottom)
    for item in facts.blocked:
        axes.axvline(date2num(item.at), color=RETURN, linestyle=":", linewidth=1.4, zorder=4)
    _frame(axes, facts, names)


def _frame(axes: Axes, facts: TimelineFacts, names: list[str]) -> None:
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(date2num(facts.start), date2num(facts.end))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    locator = AutoDateLocator(tz=facts.zone, minticks=5, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=facts.zone, formats=DAYS, zero_formats=MIDNIGHTS)
    axes.xaxis.set_major_formatter(formatter)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _lane(
    axes: Axes,
    facts: TimelineFacts,
    place: int,
    boxes: Iterable[tuple[Span[Any], str, str, str]],
) -> None:
    """Boxes side by side with a word in each that is wide enough for it."""
    whole = (facts.end - facts.start).total_seconds()
    for span, colour, hatch, label in boxes:
        start, end = date2num(span.start), date2num(span.end)
        axes.broken_barh(
            [(start, end - start)],
            (place - LANE / 2, LANE),
            facecolor=colour,
            edgecolor=INK,
            linewidth=0.5,
            hatch=hatch,
            zorder=2,
        )
        if len(label) * CHARACTER < (span.end - span.start).total_seconds() / whole:
            axes.text(
                (start + end) / 2,
                place,
                label,
                ha="center",
                va="center",
                fontsize=8,
                zorder=5,
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8} if hatch else None,
            )


def _mark(axes: Axes, facts: TimelineFacts, item: ReturnFacts, bottom: int) -> None:
    """A line through all lanes at the moment a return began, with what caused it."""
    at = date2num(item.began)
    axes.axvline(at, color=RETURN, linewidth=2.0, zorder=4)
    on_the_left = item.began - facts.start > (facts.end - facts.start) / 2
    axes.annotate(
        f"{_local(facts, item.began)}  {_cause(item)}",
        xy=(at, bottom - 0.45),
        xytext=(-4 if on_the_left else 4, -30),
        textcoords="offset points",
        ha="right" if on_the_left else "left",
        color=RETURN,
        weight="bold",
        annotation_clip=False,
    )


def _return(axes: Axes, item: ReturnFacts) -> None:
    """The last return second by second: begun, written, proven, in real seconds."""
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"The return by {item.by}, in real seconds", loc="left", fontsize=9.5)
    longest = max(item.proven_after_s or 0.0, item.written_after_s or 0.0, 0.1)
    axes.set_xlim(-0.03 * longest, longest * 1.35)
    axes.set_ylim(0, 1)
    axes.axhline(0.35, color=INK, linewidth=1.0)
    _moment(axes, 0.0, "begun", SIDES[Side.CANDIDATE])
    if item.written_after_s is not None:
        _moment(
            axes, item.written_after_s, f"route on legacy {item.written_after_s:.2f} s", "white"
        )
    if item.proven_after_s is None:
        axes.text(longest * 1.33, 0.75, "not proven yet", ha="right", color=RETURN, weight="bold")
    else:
        _moment(axes, item.proven_after_s, _proof_words(item), SIDES[Side.LEGACY])


def _moment(axes: Axes, at_s: float, label: str, colour: str) -> None:
    axes.plot([at_s], [0.35], marker="o", markersize=9, markeredgecolor=INK, color=colour)
    axes.annotate(
        label, (at_s, 0.35), xytext=(0, 11), textcoords="offset points", ha="left", va="bottom"
    )


def _proof_words(item: ReturnFacts) -> str:
    still = "uncounted" if item.still_open is None else str(item.still_open)
    return (
        f"proven {item.proven_after_s:.2f} s\n{item.probes} probes; still open on the "
        f"candidate: {still}"
    )


def _legend() -> list[Patch]:
    sides = [
        Patch(facecolor=SIDES[Side.LEGACY], edgecolor=INK, label="legacy serves"),
        Patch(
            facecolor=SIDES[Side.CANDIDATE], edgecolor=INK, hatch="///", label="candidate serves"
        ),
    ]
    return [
        *sides,
        Patch(facecolor=SHIFTS[ShiftKind.NIGHT], edgecolor=INK, label="night shift"),
        Patch(facecolor=RETURN, edgecolor=RETURN, label="return to legacy"),
    ]


def _cause(item: ReturnFacts) -> str:
    """Why, in one line: of a breach the numbers compared, else what asked for the return."""
    cause = item.cause
    if cause.signal is None or cause.value is None:
        return TRIGGERS[cause.trigger]
    signal = cause.signal.replace("_", " ")
    return f"{signal}: {number(cause.value)}, limit {number(cause.limit)}"


def _return_words(facts: TimelineFacts, item: ReturnFacts) -> str:
    proof = (
        "not proven yet"
        if item.proven_after_s is None
        else f"proven after {item.proven_after_s:.2f} s"
    )
    return f"Returned to legacy at {_local(facts, item.began)} ({_cause(item)}), {proof}."


def _local(facts: TimelineFacts, at: datetime) -> str:
    return f"{at.astimezone(facts.zone):%Y-%m-%d %H:%M}"
