"""What a sentinel shows of itself to Prometheus: the only home of its client's registry.

Each part of the harm window (tick, decide, write, prove) has a histogram of its own, in
real seconds. No label holds anything but a ward or a trigger.
"""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from orchestrator.core.event import (
    Draft,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
    Trigger,
)
from wards.model import WardId

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)


class Tick(Protocol):
    """One tick in real seconds: reading everything, and all of it."""

    @property
    def read_s(self) -> float:
        """Until the last reading was there."""
        ...

    @property
    def took_s(self) -> float:
        """Until everything was judged, begun and written down."""
        ...


class SentinelMetrics:
    """One process's metrics in a registry of its own. Thread-safe."""

    def __init__(self, *, version: str, plan_hash: str) -> None:
        self._registry = CollectorRegistry()
        self._tick = self._seconds("tick", "One watch tick, readings included", FAST_S)
        self._decide = self._seconds("decide", "Judging, after the last reading", FAST_S)
        self._write = self._seconds("write", "From a return's beginning to the route", SLOW_S)
        self._prove = self._seconds("prove", "From a return's beginning to the proof", SLOW_S)
        self._lease_age = self._gauge(
            "wardshift_lease_age_seconds", "Since the ward's lease was renewed", "ward"
        )
        self._exposed = self._gauge("wardshift_exposed_wards", "Wards with a slice exposed")
        self._blind = self._gauge("wardshift_blind_signals", "Signals of wards without sight")
        self._pending = self._gauge("wardshift_ledger_pending", "Drafts not yet in the ledger")
        self._active = self._gauge("wardshift_active", "1: this sentinel leads; 0: it stands by")
        self._ticks = Counter("wardshift_ticks", "Ticks ended", registry=self._registry)
        self._rollbacks = Counter(
            "wardshift_rollbacks", "Returns begun", ("trigger",), registry=self._registry
        )
        for trigger in Trigger:
            self._rollbacks.labels(trigger=trigger.value)
        info = Info("wardshift", "What runs here", registry=self._registry)
        info.info({"version": version, "plan_hash": plan_hash})

    def ticked(self, tick: Tick, *, exposed: int, blind: int) -> None:
        """One tick ended. Leases are shown anew after it."""
        self._ticks.inc()
        self._tick.observe(tick.took_s)
        self._decide.observe(tick.took_s - tick.read_s)
        self._exposed.set(exposed)
        self._blind.set(blind)
        self._lease_age.clear()

    def active(self, *, is_active: bool) -> None:
        """Whether this sentinel leads."""
        self._active.set(is_active)

    def lease(self, ward: WardId, age_s: float) -> None:
        """Real seconds since the ward's lease was renewed."""
        self._lease_age.labels(ward=ward).set(age_s)

    def pending(self, drafts: int) -> None:
        """How many drafts wait for the ledger."""
        self._pending.set(drafts)

    def noted(self, draft: Draft) -> None:
        """Count what a scribe has just noted; made to be one of its listeners."""
        match draft.happening:
            case RollbackIntended(cause=cause):
                self._rollbacks.labels(trigger=cause.trigger.value).inc()
            case RollbackWritten(after_s=after_s):
                self._write.observe(after_s)
            case RollbackProven(after_s=after_s):
                self._prove.observe(after_s)
            case _:
                pass

    def page(self) -> bytes:
        """All of it in the text format, of type CONTENT_TYPE."""
        return generate_latest(self._registry)

    def _seconds(self, part: str, words: str, buckets: tuple[float, ...]) -> Histogram:
        name = f"wardshift_{part}_seconds"
        return Histogram(name, words, buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self._registry)
