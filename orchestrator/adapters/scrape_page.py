"""Reads a /metrics page, parsing what each series means only once.

The library's parser is strict but slow; a page repeats the same series at every fetch and
only their values change, so its answer is remembered by the series' own text.
Invariant: a page is read whole or not at all: cut off, doubled, or with time stamps of its
own (which would hide the age of its values) it is unreadable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Generic, TypeVar

from prometheus_client.parser import text_string_to_metric_families

_T = TypeVar("_T")
Identity = tuple[str, frozenset[tuple[str, str]]]


class PageUnreadable(Exception):
    """The page says nothing that may be believed. The text quotes nothing of it."""


@dataclass(slots=True)
class Series(Generic[_T]):
    """One series that somebody wants: its meaning, and what its reader last made of it.

    `before` is the last usable value, NaN until there was one.
    """

    meaning: _T
    before: float = nan
    page: int = -1


class PageReader(Generic[_T]):
    """Reads page after page of one exporter. Not thread-safe.

    Args:
        meaning: of a sample name and its labels; None when nobody wants it.
    """

    def __init__(self, meaning: Callable[[str, dict[str, str]], _T | None]) -> None:
        self._meaning = meaning
        self._texts: dict[str, Series[_T] | None] = {}
        self._series: dict[Identity, Series[_T] | None] = {}
        self._page = 0

    def read(self, page: str) -> list[tuple[Series[_T], float]]:
        """The wanted series of a page with their values, which may be NaN or infinite.

        Raises: PageUnreadable.
        """
        if not page.endswith("\n"):
            raise PageUnreadable("cut off")
        self._page += 1
        present: dict[str, Series[_T] | None] = {}
        found: list[tuple[Series[_T], float]] = []
        for line in page.split("\n"):
            if not line or line[0] == "#":
                continue
            text, value = _split(line)
            series = self._texts[text] if text in self._texts else self._identified(text)
            present[text] = series
            if series is None:
                continue
            if series.page == self._page:
                raise PageUnreadable("the same series twice")
            series.page = self._page
            found.append((series, _number(value)))
        self._texts = present
        self._prune()
        return found

    def _identified(self, text: str) -> Series[_T] | None:
        name, labels = _parsed(text)
        identity = (name, frozenset(labels.items()))
        if identity not in self._series:
            meaning = self._meaning(name, labels)
            self._series[identity] = None if meaning is None else Series(meaning=meaning)
        return self._series[identity]

    def _prune(self) -> None:
        """Forget series that are gone, once they are as many as those that are there."""
        if len(self._series) > 2 * len(self._texts):
            here = {id(series) for series in self._texts.values()}
            self._series = {
                identity: series for identity, series in self._series.items() if id(series) in here
            }


def _split(line: str) -> tuple[str, str]:
    """The series' text and the rest; a value holds neither a brace nor a space."""
    end = line.rfind("}") + 1
    if end == 0:
        name, _, rest = line.partition(" ")
        return name, rest
    return line[:end], line[end:]


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    try:
        (family,) = text_string_to_metric_families(f"{text} 0\n")
        (sample,) = family.samples
    except (ValueError, IndexError) as error:
        raise PageUnreadable("a line is not in the text format") from error
    return sample.name, sample.labels


def _number(rest: str) -> float:
    """The one value after a series."""
    try:
        return float(rest)
    except ValueError as error:
        stamped = len(rest.split()) > 1
        problem = "samples carry time stamps of their own" if stamped else "a value is no number"
        raise PageUnreadable(problem) from error
