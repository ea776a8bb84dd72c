"""All providers together, side by side, none waiting for another.

Invariant: every pair that is asked has exactly one reading. A provider that has not
answered by the deadline is SourceDown, and is not asked again before its old read has
ended: so each has one thread, for ever, and a hung one costs the others nothing.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TypeAlias, assert_never

import structlog

from orchestrator.adapters.probe import ProbeSource
from orchestrator.adapters.prometheus import PrometheusSource
from orchestrator.adapters.scrape import ScrapeSource, incomplete
from orchestrator.core.ids import ProviderName, SignalName
from orchestrator.core.plan import (
    Plan,
    ProbeQuery,
    PromQuery,
    Provider,
    ProviderKind,
    ScrapeQuery,
    Signal,
)
from orchestrator.core.reading import Reading, SourceDown
from orchestrator.errors import ConfigError
from orchestrator.ports import Clock, Readings, SignalSource
from wards.model import WardId

log = structlog.get_logger()
_Question: TypeAlias = tuple[Future[Readings], Sequence[Signal], Sequence[WardId]]
_QUERIES = {
    ProviderKind.SCRAPE: ScrapeQuery,
    ProviderKind.PROMETHEUS: PromQuery,
    ProviderKind.PROBE: ProbeQuery,
}
NO_COUNT = (
    "a query's result carries no count, so min_samples can only be 1; put the minimum into the "
    "query: `... and on (ward) increase(x_total[5m]) >= 30`"
)


class _Reader:
    """One provider's own thread. It dies with the process, so a hung read delays no exit."""

    def __init__(self, name: ProviderName, source: SignalSource) -> None:
        self._source = source
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._under_way: Future[Readings] | None = None
        threading.Thread(target=self._run, name=f"read-{name}", daemon=True).start()

    def begin(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Future[Readings] | None:
        """Begin a read; None while the one before has not ended."""
        if self._under_way is not None and not self._under_way.done():
            return None
        self._under_way = Future()
        self._questions.put((self._under_way, signals, wards))
        return self._under_way

    def close(self) -> None:
        """The thread ends after the read that is under way."""
        self._questions.put(None)

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            future, signals, wards = question
            try:
                future.set_result(self._source.read(signals, wards))
            except Exception as error:  # outermost loop of this thread: no reading is SourceDown
                log.exception("source.stumbled")
                future.set_exception(error)


class SourceSet:
    """The readers of all providers. Used by one thread; `closers` give back what they hold."""

    def __init__(
        self,
        sources: Mapping[ProviderName, SignalSource],
        closers: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._readers = {name: _Reader(name, source) for name, source in sources.items()}
        self._closers = closers

    def read_all(
        self, signals: Sequence[Signal], wards: Sequence[WardId], *, deadline_s: float
    ) -> Readings:
        """One reading for every pair, after at most `deadline_s` real seconds. Never raises."""
        begun = {
            provider: (asked, self._begin(provider, asked, wards))
            for provider, asked in _by_provider(signals).items()
        }
        wait([f for _, f in begun.values() if isinstance(f, Future)], timeout=deadline_s)
        readings: dict[tuple[WardId, SignalName], Reading] = {}
        for asked, future in begun.values():
            answer = future if isinstance(future, SourceDown) else _answer(future)
            for signal in asked:
                for ward in wards:
                    readings[ward, signal.name] = _one(answer, ward, signal)
        return readings

    def close(self) -> None:
        """Ask nobody any more; a read that is under way may fail."""
        for reader in self._readers.values():
            reader.close()
        for close in self._closers:
            close()

    def _begin(
        self, provider: ProviderName, signals: Sequence[Signal], wards: Sequence[WardId]
    ) -> Future[Readings] | SourceDown:
        reader = self._readers.get(provider)
        if reader is None:
            return SourceDown(reason="no such provider")
        return reader.begin(signals, wards) or SourceDown(reason="still hung")


def source_set(plan: Plan, addresses: Mapping[str, str], clock: Clock) -> SourceSet:
    """A source for each of the plan's providers, at the site's addresses.

    Raises: ConfigError with every query that its provider cannot answer; KeyError for an
        address that is not there.
    """
    asked = _by_provider(plan.signals)
    problems = [
        problem
        for provider in plan.providers
        for signal in asked.get(provider.name, ())
        for problem in _problems(provider, signal)
    ]
    if problems:
        raise ConfigError(tuple(problems))
    sources = {
        provider.name: _source(plan, provider, addresses[provider.address], clock)
        for provider in plan.providers
    }
    return SourceSet(sources, [source.close for source in sources.values()])


def _source(
    plan: Plan, provider: Provider, url: str, clock: Clock
) -> ScrapeSource | PrometheusSource | ProbeSource:
    match provider.kind:
        case ProviderKind.SCRAPE:
            signals = [signal for signal in plan.signals if signal.provider == provider.name]
            wards = [ward.id for ward in plan.wards]
            return ScrapeSource(url, signals, wards, clock, timeout_s=provider.timeout_s)
        case ProviderKind.PROMETHEUS:
            return PrometheusSource(url, timeout_s=provider.timeout_s)
        case ProviderKind.PROBE:
            return ProbeSource(url, timeout_s=provider.timeout_s)
    assert_never(provider.kind)


def _problems(provider: Provider, signal: Signal) -> tuple[str, ...]:
    where = f"signal {signal.name} of provider {provider.name}"
    if not isinstance(signal.query, _QUERIES[provider.kind]):
        return (f"{where}: {provider.kind} cannot answer a {type(signal.query).__name__}",)
    if isinstance(signal.query, ScrapeQuery):
        return tuple(f"{where}: {problem}" for problem in incomplete(signal.query))
    if provider.kind is ProviderKind.PROMETHEUS and signal.min_samples > 1:
        return (f"{where}: {NO_COUNT}",)
    return ()


def _by_provider(signals: Sequence[Signal]) -> Mapping[ProviderName, Sequence[Signal]]:
    grouped: dict[ProviderName, list[Signal]] = {}
    for signal in signals:
        grouped.setdefault(signal.provider, []).append(signal)
    return grouped


def _answer(future: Future[Readings]) -> Readings | SourceDown:
    if not future.done():
        return SourceDown(reason="deadline")
    if future.exception() is not None:
        return SourceDown(reason="the source stumbled")
    return future.result()


def _one(answer: Readings | SourceDown, ward: WardId, signal: Signal) -> Reading:
    if isinstance(answer, SourceDown):
        return answer
    return answer.get((ward, signal.name), SourceDown(reason="left out of the answer"))
