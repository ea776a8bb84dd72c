"""What the wards' workplaces report: screens, tasks, and harm that somebody at a screen can see.

Invariants: every series exists with 0 from the start, so that "none yet" is not "no data";
labels are wards and systems only; a task that nobody answered is labelled so.
"""

from collections import deque
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from wards.practice.wire import NOBODY, SLICES, SYSTEMS

SCREEN_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13)
RESULT_BUCKETS_S = (0.1, 0.2, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)
HOLD_WINDOW_S = 30.0
ANSWERERS = (*SYSTEMS, NOBODY)
PLACE = ("ward", "system")


class Holds:
    """How long writes were held up beyond what reads took meanwhile. Monotonic seconds.

    Slowness that reads share is not a hold, it is a slow system.
    """

    def __init__(self) -> None:
        self._writes: deque[tuple[float, float]] = deque()
        self._reads: deque[tuple[float, float]] = deque()
        self._waiting: dict[int, float] = {}
        self._next = 0

    def read(self, now: float, took_s: float) -> None:
        """A read was answered."""
        self._reads.append((now, took_s))

    def begin(self, now: float) -> int:
        """A write has been sent; `end` names it by the number answered here."""
        self._next += 1
        self._waiting[self._next] = now
        return self._next

    def end(self, write: int) -> float:
        """The write waits no more; the answer is when it was sent."""
        return self._waiting.pop(write)

    def finish(self, begun: float, now: float) -> None:
        """A write was answered here, or given up."""
        self._writes.append((now, now - begun))

    def longest_s(self, now: float) -> float:
        """The longest hold of the last half minute, also of a write that still waits."""
        waiting = max((now - begun for begun in self._waiting.values()), default=0.0)
        writes_s = max(_longest(self._writes, now), waiting)
        return max(0.0, writes_s - _longest(self._reads, now))


def _longest(recent: deque[tuple[float, float]], now: float) -> float:
    while recent and recent[0][0] < now - HOLD_WINDOW_S:
        recent.popleft()
    return max((took_s for _, took_s in recent), default=0.0)


class Telemetry:
    """The workplaces' /metrics page."""

    def __init__(self, wards: Sequence[str]) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, labels: Sequence[str] = PLACE) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self.screens = Histogram(
            "staff_screen_seconds",
            "Time until a screen answered.",
            ("ward", "slice", "system"),
            buckets=SCREEN_BUCKETS_S,
            registry=registry,
        )
        self.tasks = counter(
            "staff_tasks_total", "Tasks done.", ("ward", "slice", "system", "outcome")
        )
        self.logins = counter("staff_logins_total", "Attempts to log in.")
        self.logins_failed = counter("staff_logins_failed_total", "Attempts that failed.")
        self.notes = counter("staff_notes_total", "Notes written and read again.")
        self.text_lost = counter("staff_note_text_lost_total", "Notes read again with words gone.")
        self.negation_lost = counter(
            "staff_negation_lost_total", "Notes read again with a negation gone."
        )
        self.results = counter("staff_results_total", "Results seen.")
        self.orphans = counter("staff_results_orphan_total", "Results seen without a patient.")
        self.result_seconds = Histogram(
            "staff_results_seconds",
            "Time from the order to its result on the screen.",
            PLACE,
            buckets=RESULT_BUCKETS_S,
            registry=registry,
        )
        self.orders = counter("staff_orders_total", "Prescriptions written and read again.")
        self.wrong_doses = counter(
            "staff_wrong_dose_total", "Prescriptions stored with another dose."
        )
        self._lockup = Gauge(
            "staff_lockup_seconds",
            "Longest hold of a write in the last 30 s, beyond what reads take.",
            PLACE,
            registry=registry,
        )
        self.last_work = Gauge(
            "staff_last_work_timestamp_seconds",
            "When a ward's staff last finished a task; practice time.",
            ("ward",),
            registry=registry,
        )
        self.holds = {(ward, system): Holds() for ward in wards for system in ANSWERERS}
        self._begin_with_zero(wards)

    def page(self, now: float) -> bytes:
        """The exposition text at a monotonic moment."""
        for (ward, system), holds in self.holds.items():
            self._lockup.labels(ward, system).set(holds.longest_s(now))
        return generate_latest(self._registry)

    def _begin_with_zero(self, wards: Sequence[str]) -> None:
        for ward in wards:
            self.last_work.labels(ward)
            for system in ANSWERERS:
                self._place_with_zero(ward, system)

    def _place_with_zero(self, ward: str, system: str) -> None:
        for metric in (
            self.logins,
            self.logins_failed,
            self.notes,
            self.text_lost,
            self.negation_lost,
            self.results,
            self.orphans,
            self.result_seconds,
            self.orders,
            self.wrong_doses,
            self._lockup,
        ):
            metric.labels(ward, system)
        for slice_ in SLICES:
            self.screens.labels(ward, slice_, system)
            for outcome in ("ok", "failed"):
                self.tasks.labels(ward, slice_, system, outcome)
