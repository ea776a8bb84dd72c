"""The sentinel's gauges, shown on its metrics page."""

from orchestrator.adapters.metrics import SentinelMetrics
from orchestrator.service.watch import TickReport
from wards.model import WardId


class PageGauges:
    """The sentinel's port over one process's metrics."""

    def __init__(self, metrics: SentinelMetrics) -> None:
        self._metrics = metrics

    def ticked(self, report: TickReport, *, exposed: int, blind: int) -> None:
        """One tick ended."""
        self._metrics.ticked(report, exposed=exposed, blind=blind)

    def active(self, *, is_active: bool) -> None:
        """Whether this process is the active sentinel."""
        self._metrics.active(is_active=is_active)

    def lease(self, ward: WardId, age_s: float) -> None:
        """Real seconds since the ward's lease was renewed."""
        self._metrics.lease(ward, age_s)

    def legacy(self, ward: WardId, *, is_ready: bool) -> None:
        """Whether legacy was seen to be able to take the ward at this tick."""
        self._metrics.legacy(ward, is_ready=is_ready)

    def detected(self, after_s: float) -> None:
        """A breach was answered so many seconds after its first sample."""
        self._metrics.detected(after_s)
