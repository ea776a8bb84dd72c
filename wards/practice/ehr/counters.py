"""What a practice EHR counts about itself, in its own collector registry."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Counters:
    """The EHR's own /metrics page."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ehr_requests_total",
            "Requests answered.",
            ("ward", "slice", "method", "status_class"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "ehr_request_seconds",
            "Time from request to answer.",
            ("ward", "slice"),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._records = Counter(
            "ehr_records_total", "Records kept.", ("ward", "type"), registry=self._registry
        )
        self._open = Gauge(
            "ehr_open_requests", "Requests and streams being answered.", registry=self._registry
        )

    def take_census(self, census: Iterable[tuple[str, str, int]]) -> None:
        """Begin with the records that a store already keeps: (ward, type, number)."""
        for ward, type_, number in census:
            self._records.labels(ward, type_).inc(number)

    def opened(self) -> None:
        """A request has come."""
        self._open.inc()

    def answered(self, ward: str, slice_: str, method: str, status: int, took_s: float) -> None:
        """A request has been answered, or its stream has ended."""
        self._open.dec()
        self._requests.labels(ward, slice_, method, f"{status // 100}xx").inc()
        self._seconds.labels(ward, slice_).observe(took_s)

    def recorded(self, ward: str, type_: str) -> None:
        """A new record is kept."""
        self._records.labels(ward, type_).inc()

    def page(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)
