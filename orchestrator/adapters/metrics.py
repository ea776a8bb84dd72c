"""What a sentinel shows of itself to Prometheus: the only home of its client's registry.

Each part of the harm window (detect, decide, write, prove) has a histogram of its own, in
real seconds; the parts follow one another. What a return may come to need is shown too, so that
`deploy/prometheus/rules.yaml` can say that the way back itself is degraded.
No label holds anything but a ward, a trigger, or one of a few fixed words.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from orchestrator.core.event import (
    AlertHeard,
    AlertStatus,
    AlertUnplaced,
    Draft,
    RollbackBlocked,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackWritten,
    Trigger,
    Via,
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
    def judged_s(self) -> float:
        """Until everything was judged."""
        ...

    @property
    def took_s(self) -> float:
        """Until everything was judged, begun and written down."""
        ...


class Way(Protocol):
    """What a return may come to need; see the sentinel's WayBack."""

    @property
    def fence(self) -> bool | None:
        """Whether the fence stands; None when nobody can say."""
        ...

    @property
    def guard(self) -> bool | None:
        """Whether a guard is seen to live; None when not watched long enough."""
        ...

    @property
    def sentinel(self) -> bool | None:
        """Whether the leading sentinel is seen to live."""
        ...

    @property
    def behind_s(self) -> float:
        """Real seconds for which the ledger has missed this process's words."""
        ...

    @property
    def unwritten(self) -> int:
        """How many of them are only in memory."""
        ...

    @property
    def routes_read(self) -> bool:
        """Whether the routes answered at the last tick."""
        ...


FENCE_WORDS = {True: "stands", False: "open", None: "unknown"}


class SentinelMetrics:
    """One process's metrics in a registry of its own. Thread-safe."""

    def __init__(self, *, version: str, plan_hash: str, lease_s: float) -> None:
        self._registry = CollectorRegistry()
        self._tick = self._seconds("tick", "One watch tick, readings included", FAST_S)
        self._detect = self._seconds(
            "detect", "From the first sample beyond its limit to the tick that decided", SLOW_S
        )
        self._decide = self._seconds("decide", "Judging, after the last reading", FAST_S)
        self._write = self._seconds(
            "write", "From a return's beginning to the route's acknowledged write", SLOW_S
        )
        self._prove = self._seconds("prove", "From the route's write to the proof", SLOW_S)
        self._return = self._seconds("return", "From a return's beginning to its proof", SLOW_S)
        self._written_after_s: dict[WardId | None, float] = {}
        self._show_the_way()
        self._lease_age = self._gauge(
            "wardshift_lease_age_seconds", "Since the ward's lease was renewed", "ward"
        )
        limit = self._gauge("wardshift_lease_limit_seconds", "After which a guard takes a lease")
        limit.set(lease_s)
        self._exposed = self._gauge("wardshift_exposed_wards", "Wards with a slice exposed")
        self._blind = self._gauge("wardshift_blind_signals", "Signals of wards without sight")
        self._pending = self._gauge("wardshift_ledger_pending", "Drafts not yet in the ledger")
        self._reports = self._gauge(
            "wardshift_reports_unanswered", "Reports from the bedside that nobody has in hand"
        )
        self._oldest_report = self._gauge(
            "wardshift_report_waiting_seconds", "Since the ward's oldest of them was made", "ward"
        )
        self._active = self._gauge("wardshift_active", "1: this sentinel leads; 0: it stands by")
        self._ticks = Counter("wardshift_ticks", "Ticks ended", registry=self._registry)
        self._rollbacks = Counter(
            "wardshift_rollbacks", "Returns begun", ("trigger",), registry=self._registry
        )
        self._alerts = self._counter("wardshift_alerts", "Alerts heard of wards", "status")
        self._unplaced = self._counter("wardshift_alerts_unplaced", "Alerts told to people")
        self._messages = self._counter(
            "wardshift_alert_messages", "Messages of alerts answered", "code"
        )
        self._silence = self._gauge(
            "wardshift_alert_source_silent_seconds", "Since it answered wholly", "source"
        )
        for status in AlertStatus:
            self._alerts.labels(status=status.value)
        for trigger in Trigger:
            self._rollbacks.labels(trigger=trigger.value)
        self._returns_pending = Counter(
            "wardshift_returns_pending",
            "Proofs of a return that ran out of time and went on",
            registry=self._registry,
        )
        self._blocked = Counter(
            "wardshift_returns_blocked",
            "Returns that were not made because legacy was not ready",
            registry=self._registry,
        )
        self._probes = Counter("wardshift_probes", "Probes asked", registry=self._registry)
        self._probe_failures = Counter(
            "wardshift_probe_failures",
            "Probes that the data plane did not answer as the route says",
            registry=self._registry,
        )
        info = Info("wardshift", "What runs here", registry=self._registry)
        info.info({"version": version, "plan_hash": plan_hash})

    def ticked(self, tick: Tick, *, exposed: int, blind: int) -> None:
        """One tick ended. Leases are shown anew after it."""
        self._ticks.inc()
        self._tick.observe(tick.took_s)
        self._decide.observe(tick.judged_s - tick.read_s)
        self._exposed.set(exposed)
        self._blind.set(blind)
        self._forget_wards()

    def active(self, *, is_active: bool) -> None:
        """Whether this sentinel leads; one that does not says nothing of wards."""
        self._active.set(is_active)
        if not is_active:
            self._exposed.set(0)
            self._blind.set(0)
            self._forget_wards()

    def detected(self, after_s: float) -> None:
        """A breach was answered so many seconds after its first sample."""
        self._detect.observe(after_s)

    def legacy(self, ward: WardId, *, is_ready: bool) -> None:
        """Whether legacy was seen to be able to take the ward."""
        self._legacy.labels(ward=ward).set(is_ready)

    def way_back(self, way: Way) -> None:
        """What there is to say of the way back itself."""
        for stands, word in FENCE_WORDS.items():
            self._fence.labels(state=word).set(way.fence is stands)
        self._alive.labels(process="guard").set(way.guard is True)
        self._alive.labels(process="sentinel").set(way.sentinel is True)
        self._behind.set(way.behind_s)
        self._unwritten.set(way.unwritten)
        self._routes_read.set(way.routes_read)

    def probed(self, asked: int, failed: int) -> None:
        """One round of probes through the gateways, as one ward."""
        self._probes.inc(asked)
        self._probe_failures.inc(failed)

    def lease(self, ward: WardId, age_s: float) -> None:
        """Real seconds since the ward's lease was renewed."""
        self._lease_age.labels(ward=ward).set(age_s)

    def pending(self, drafts: int) -> None:
        """How many drafts wait for the ledger."""
        self._pending.set(drafts)

    def reports(self, waiting: Sequence[tuple[WardId, float]]) -> None:
        """How long each report from the bedside has waited for somebody to take it in hand, in
        seconds of the installation's clock. A sentinel that stands by says so too: it may be the
        only one that has heard of it."""
        oldest: dict[WardId, float] = {}
        for ward, waited_s in waiting:
            oldest[ward] = max(waited_s, oldest.get(ward, 0.0))
        self._reports.set(len(waiting))
        self._oldest_report.clear()
        for ward, waited_s in oldest.items():
            self._oldest_report.labels(ward=ward).set(waited_s)

    def silences(self, silences_s: Mapping[Via, float]) -> None:
        """Real seconds since each polled alert source answered."""
        for via, silent_s in silences_s.items():
            self._silence.labels(source=via.value).set(silent_s)

    def answered(self, code: int) -> None:
        """A message of alerts was answered with that status."""
        self._messages.labels(code=str(code)).inc()

    def noted(self, draft: Draft) -> None:
        """Count what a scribe has just noted; made to be one of its listeners."""
        match draft.happening:
            case RollbackIntended(cause=cause):
                self._rollbacks.labels(trigger=cause.trigger.value).inc()
                self._written_after_s.pop(draft.ward, None)
            case RollbackWritten(after_s=after_s):
                self._write.observe(after_s)
                self._written_after_s[draft.ward] = after_s
            case RollbackPending():
                self._returns_pending.inc()
            case RollbackProven(after_s=after_s):
                written_after_s = self._written_after_s.pop(draft.ward, 0.0)
                self._prove.observe(max(0.0, after_s - written_after_s))
                self._return.observe(after_s)
            case RollbackBlocked():
                self._blocked.inc()
            case AlertHeard(status=status):
                self._alerts.labels(status=status.value).inc()
            case AlertUnplaced():
                self._unplaced.inc()
            case _:
                pass

    def page(self) -> bytes:
        """All of it in the text format, of type CONTENT_TYPE."""
        return generate_latest(self._registry)

    def _show_the_way(self) -> None:
        self._fence = self._gauge(
            "wardshift_fence", "1 for the state that the fence was seen in last", "state"
        )
        self._alive = self._gauge(
            "wardshift_alive", "1: seen to renew its lease; 0: not, or not yet", "process"
        )
        self._legacy = self._gauge(
            "wardshift_legacy_ready", "1: legacy was seen to be able to take the ward", "ward"
        )
        self._behind = self._gauge(
            "wardshift_ledger_behind_seconds", "Since the oldest word that the ledger misses"
        )
        self._unwritten = self._gauge(
            "wardshift_journal_unwritten", "Drafts only in memory: no disk took them"
        )
        self._routes_read = self._gauge(
            "wardshift_routes_read", "1: the routes answered at the last tick"
        )

    def _forget_wards(self) -> None:
        self._lease_age.clear()
        self._legacy.clear()

    def _seconds(self, part: str, words: str, buckets: tuple[float, ...]) -> Histogram:
        name = f"wardshift_{part}_seconds"
        return Histogram(name, words, buckets=buckets, registry=self._registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(name, words, labels, registry=self._registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self._registry)
