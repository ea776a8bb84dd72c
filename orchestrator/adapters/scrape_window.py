"""What counters did within a window, however often they were reset meanwhile.

Each cell keeps a running total of increases; frames keep all totals at the moment of a
fetch. An increase is the difference of two frames. Frames thin out with age, so memory
grows with the logarithm of the longest window, at the price of a window up to a thirtieth
shorter than asked; the true span is always told.
Quantiles follow Prometheus: linear within a bucket, the highest finite bound beyond it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isinf, nan

from orchestrator.core.reading import Absence

RESOLUTION = 30  # neighbouring frames stand no further apart than their age divided by this


@dataclass(frozen=True, slots=True)
class _Frame:
    at_s: float
    totals: "array[float]"  # NaN: the cell was not on the page, or not usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Increase:
    """How much each of some cells grew, in the cells' order, over `span_s` real seconds."""

    by: tuple[float, ...]
    span_s: float


class Counters:
    """Running totals of cells, frame by frame. Not thread-safe."""

    def __init__(self, *, longest_window_s: float) -> None:
        self._longest_s = longest_window_s
        self._totals = array("d")
        self._frames: list[_Frame] = []
        self._stamps: list[float] = []
        self._broken: set[int] = set()

    def new_cell(self) -> int:
        """Room for one more sum of series."""
        self._totals.append(0.0)
        return len(self._totals) - 1

    def take(self, page: Iterable[tuple[int, float, float]], at_s: float) -> None:
        """One whole page: for each series of a cell its value before (NaN: never) and now.

        A series that fell was reset, so all of it is new. One that is seen for the first
        time is new when its cell was on the page before; else it is where we begin.
        """
        totals, present = self._totals, array("d", [nan]) * len(self._totals)
        self._broken.clear()
        for cell, before, value in page:
            if not 0.0 <= value < inf:
                self._broken.add(cell)
            elif before >= 0.0:  # never true of NaN
                totals[cell] += value - before if value >= before else value
            elif self._was_there(cell):
                totals[cell] += value
            present[cell] = totals[cell]
        for cell in self._broken:
            present[cell] = nan
        self._keep(_Frame(at_s, present))

    def increase(self, cells: Sequence[int], window_s: float) -> Increase | Absence:
        """How much the cells grew over the window. Needs a page to have been taken.

        From the oldest frame within the window that has all of the cells, to the newest.
        """
        newest = self._frames[-1]
        if not _has_all(newest, cells):
            is_broken = any(cell in self._broken for cell in cells)
            return Absence.NOT_FINITE if is_broken else Absence.NO_SERIES
        oldest = bisect_left(self._stamps, newest.at_s - window_s)
        for frame in self._frames[oldest:-1]:
            if _has_all(frame, cells):
                by = tuple(newest.totals[cell] - frame.totals[cell] for cell in cells)
                return Increase(by=by, span_s=newest.at_s - frame.at_s)
        return Absence.WARMING_UP

    def _was_there(self, cell: int) -> bool:
        return bool(self._frames) and _has_all(self._frames[-1], (cell,))

    def _keep(self, newest: _Frame) -> None:
        """Drop frames that are too old, and those whose neighbours stand close for their age."""
        kept: list[_Frame] = []
        for frame, younger in pairwise((*self._frames, newest)):
            age_s = newest.at_s - frame.at_s
            if age_s > self._longest_s:
                continue
            if not kept or younger.at_s - kept[-1].at_s > age_s / RESOLUTION:
                kept.append(frame)
        self._frames = [*kept, newest]
        self._stamps = [frame.at_s for frame in self._frames]


def _has_all(frame: _Frame, cells: Sequence[int]) -> bool:
    totals, size = frame.totals, len(frame.totals)
    for cell in cells:  # noqa: SIM110 - the innermost loop of a tick; a generator is half as fast
        if cell >= size or not totals[cell] >= 0.0:  # never true of NaN
            return False
    return True


def quantile(q: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """The q-quantile of a histogram's increase; None where it says nothing.

    Args:
        q: from 0 to 1.
        bounds: upper bounds, ascending; the last must be infinite.
        counts: cumulative, one for each bound.
    """
    if len(bounds) < 2 or not isinf(bounds[-1]) or counts[-1] <= 0:  # noqa: PLR2004 - a finite one and the rest
        return None
    rank = q * counts[-1]
    place = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(bounds) - 1)
    if place == len(bounds) - 1:
        return bounds[-2]
    if place == 0 and bounds[0] <= 0:
        return bounds[0]
    low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    share = (rank - below) / (counts[place] - below)
    return low + (bounds[place] - low) * share
