"""Readings from a /metrics page that is fetched directly: one fetch serves all.

Invariant: a number comes from the page that this very call fetched; without that page,
every reading is SourceDown. What happened before the last page counts only through the
window that the query names.
Counts that come with a reading: of a ratio how much its denominator grew, of a quantile
how many observations there were, of a rate the increase, of a latest value 1. So a
counter of never events is read as it stands (`latest`), where zero is a good number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, assert_never

from orchestrator.adapters.http import Failure, Http
from orchestrator.adapters.scrape_page import PageReader, PageUnreadable, Series
from orchestrator.adapters.scrape_window import Counters, Increase, quantile
from orchestrator.core.ids import SignalName
from orchestrator.core.plan import Reduce, ScrapeQuery, Signal
from orchestrator.core.reading import Absence, NoData, Reading, SourceDown, reading_of
from orchestrator.errors import Unavailable
from orchestrator.ports import Clock, Readings
from wards.model import WardId

_OK = 200
_WARD = "ward"
_T = TypeVar("_T")
Labels: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Column:
    """One metric under one label match: of each ward its cell, of a histogram its buckets."""

    metric: str
    labels: Labels
    cells: dict[WardId, int] = field(default_factory=dict[WardId, int])
    buckets: dict[WardId, dict[float, int]] = field(default_factory=dict[WardId, dict[float, int]])
    sums: dict[WardId, float] = field(default_factory=dict[WardId, float])

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.labels)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What one series adds to: sums of present values by ward, and counters' cells."""

    sums: tuple[tuple[_Column, WardId], ...]
    cells: tuple[int, ...]


class ScrapeSource:
    """The signal source over one page. Not thread-safe: one read at a time.

    Args:
        signals: all that may ever be asked; others are NOT_ASKED. They are gathered from
            every page, so that a window is full when a signal is asked for the first time.
        wards: the wards whose series are kept.
    Raises: ValueError for a query that is incomplete.
    """

    def __init__(
        self,
        url: str,
        signals: Sequence[Signal],
        wards: Sequence[WardId],
        clock: Clock,
        *,
        timeout_s: float,
    ) -> None:
        problems = [problem for signal in signals for problem in _incomplete(signal)]
        if problems:
            raise ValueError("; ".join(problems))
        self._url = url
        self._wards = frozenset(wards)
        self._clock = clock
        self._http = Http("scrape", timeout_s=timeout_s)
        self._columns: dict[tuple[Reduce, str, Labels], _Column] = {}
        self._readers = {
            signal.name: self._reader(signal.query)
            for signal in signals
            if isinstance(signal.query, ScrapeQuery)
        }
        windows = (s.query.window_s or 0.0 for s in signals if isinstance(s.query, ScrapeQuery))
        self._counters = Counters(longest_window_s=max(windows, default=0.0))
        self._pages = PageReader(self._meaning)

    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        """One reading for every pair from one fetch. Never raises."""
        at_s = self._clock.monotonic()
        try:
            self._take(self._fetch(), at_s)
        except (Unavailable, PageUnreadable) as error:
            down = SourceDown(reason=str(error))
            return {(ward, signal.name): down for signal in signals for ward in wards}
        age_s = self._clock.monotonic() - at_s
        return self._readings(signals, wards, age_s)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _fetch(self) -> str:
        answer = self._http.ask("GET", self._url, headers={"accept": "text/plain;version=0.0.4"})
        if isinstance(answer, Failure):
            raise Unavailable("page", answer.reason)
        if answer.status != _OK:
            raise Unavailable("page", f"answered {answer.status}")
        try:
            return answer.body.decode()
        except UnicodeDecodeError as error:
            raise PageUnreadable("not UTF-8") from error

    def _take(self, page: str, at_s: float) -> None:
        found = self._pages.read(page)
        for column in self._columns.values():
            column.sums.clear()
        for series, value in found:
            for column, ward in series.meaning.sums:
                column.sums[ward] = column.sums.get(ward, 0.0) + value
        self._counters.take(
            (
                (cell, series.before, value)
                for series, value in found
                for cell in series.meaning.cells
            ),
            at_s,
        )
        _remember(found)

    def _readings(
        self, signals: Sequence[Signal], wards: Sequence[WardId], age_s: float
    ) -> Readings:
        readings: dict[tuple[WardId, SignalName], Reading] = {}
        for signal in signals:
            reader = self._readers.get(signal.name, _not_asked)
            for ward in wards:
                readings[ward, signal.name] = reader(ward, age_s)
        return readings

    def _meaning(self, name: str, labels: dict[str, str]) -> _Meaning | None:
        ward = WardId(labels.get(_WARD, ""))
        if ward not in self._wards:
            return None
        matching = [
            (reduce, column)
            for (reduce, _, _), column in self._columns.items()
            if column.metric == name and column.matches(labels)
        ]
        if not matching:
            return None
        sums = tuple((column, ward) for reduce, column in matching if reduce is Reduce.LATEST)
        cells = (self._cell(reduce, column, ward, labels) for reduce, column in matching)
        return _Meaning(sums=sums, cells=tuple(cell for cell in cells if cell is not None))

    def _cell(
        self, reduce: Reduce, column: _Column, ward: WardId, labels: dict[str, str]
    ) -> int | None:
        match reduce:
            case Reduce.LATEST:
                return None
            case Reduce.QUANTILE:
                bound = _bound(labels.get("le", ""))
                return _cell_of(column.buckets.setdefault(ward, {}), bound, self._counters)
            case Reduce.RATE_PER_S | Reduce.RATIO:
                return _cell_of(column.cells, ward, self._counters)
        assert_never(reduce)

    def _column(self, reduce: Reduce, metric: str, labels: Labels) -> _Column:
        shared = Reduce.RATE_PER_S if reduce is Reduce.RATIO else reduce
        name = f"{metric}_bucket" if reduce is Reduce.QUANTILE else metric
        return self._columns.setdefault((shared, name, labels), _Column(name, labels))

    def _reader(self, query: ScrapeQuery) -> Callable[[WardId, float], Reading]:
        column = self._column(query.reduce, query.metric, query.labels)
        window_s = query.window_s or 0.0
        match query.reduce:
            case Reduce.LATEST:
                return _latest(column)
            case Reduce.RATE_PER_S:
                return self._rate(column, window_s)
            case Reduce.RATIO:
                whole = self._column(query.reduce, query.per or "", query.per_labels)
                return self._ratio(column, whole, window_s)
            case Reduce.QUANTILE:
                return self._quantile(column, query.quantile or 0.0, window_s)
        assert_never(query.reduce)

    def _rate(self, column: _Column, window_s: float) -> Callable[[WardId, float], Reading]:
        def read(ward: WardId, age_s: float) -> Reading:
            grown = self._grown((column.cells.get(ward),), window_s)
            if not isinstance(grown, Increase):
                return NoData(reason=grown)
            (by,) = grown.by
            return reading_of(by / grown.span_s, n=int(by), age_s=age_s)

        return read

    def _ratio(
        self, part: _Column, whole: _Column, window_s: float
    ) -> Callable[[WardId, float], Reading]:
        def read(ward: WardId, age_s: float) -> Reading:
            grown = self._grown((part.cells.get(ward), whole.cells.get(ward)), window_s)
            if not isinstance(grown, Increase):
                return NoData(reason=grown)
            by, per = grown.by
            if per == 0:
                return NoData(reason=Absence.NO_SERIES)  # nothing happened in the window
            return reading_of(by / per, n=int(per), age_s=age_s)

        return read

    def _quantile(
        self, column: _Column, q: float, window_s: float
    ) -> Callable[[WardId, float], Reading]:
        def read(ward: WardId, age_s: float) -> Reading:
            buckets = sorted(column.buckets.get(ward, {}).items())
            grown = self._grown([cell for _, cell in buckets], window_s)
            if not isinstance(grown, Increase):
                return NoData(reason=grown)
            number = quantile(q, [bound for bound, _ in buckets], grown.by)
            if number is None:
                return NoData(reason=Absence.NO_SERIES)  # nothing was observed in the window
            return reading_of(number, n=int(grown.by[-1]), age_s=age_s)

        return read

    def _grown(self, cells: Sequence[int | None], window_s: float) -> Increase | Absence:
        known = [cell for cell in cells if cell is not None]
        if not known or len(known) < len(cells):
            return Absence.NO_SERIES
        return self._counters.increase(known, window_s)


def incomplete(query: ScrapeQuery) -> tuple[str, ...]:
    """What a query lacks to be answered, in words; nothing when it is whole."""
    q, named = query.quantile, f"{query.metric}, {query.reduce}"
    problems = {
        "`window_s` must be more than 0": query.reduce is not Reduce.LATEST
        and (query.window_s or 0.0) <= 0,
        "`per` must name the denominator": query.reduce is Reduce.RATIO and not query.per,
        "`quantile` must lie between 0 and 1": query.reduce is Reduce.QUANTILE
        and (q is None or not 0 <= q <= 1),
    }
    return tuple(f"{named}: {words}" for words, is_so in problems.items() if is_so)


def _incomplete(signal: Signal) -> tuple[str, ...]:
    return incomplete(signal.query) if isinstance(signal.query, ScrapeQuery) else ()


def _latest(column: _Column) -> Callable[[WardId, float], Reading]:
    def read(ward: WardId, age_s: float) -> Reading:
        number = column.sums.get(ward)
        if number is None:
            return NoData(reason=Absence.NO_SERIES)
        return reading_of(number, n=1, age_s=age_s)

    return read


def _not_asked(_ward: WardId, _age_s: float) -> Reading:
    return NoData(reason=Absence.NOT_ASKED)


def _cell_of(cells: dict[_T, int], key: _T, counters: Counters) -> int:
    if key not in cells:
        cells[key] = counters.new_cell()
    return cells[key]


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise PageUnreadable("a bucket has no bound") from error


def _remember(found: Sequence[tuple[Series[_Meaning], float]]) -> None:
    """Keep each series' last usable value: over a NaN in between, a counter goes on."""
    for series, value in found:
        if 0.0 <= value < float("inf"):
            series.before = value
