"""How soon a breach was seen: from the sample that first showed it to the tick that decided.

For /metrics alone; nothing is decided by it. Source: design section 8, "each part has a
histogram in production".
"""

from dataclasses import dataclass, field

from orchestrator.core.decision import Rollback
from orchestrator.core.event import Trigger
from orchestrator.core.ids import SignalName
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Code, Level, Verdict
from orchestrator.service.watch import TickReport, WardTick
from wards.model import WardId

BEYOND = frozenset({Code.BEYOND_ONCE, Code.BEYOND_LIMIT, Code.OCCURRED})


@dataclass(slots=True)
class Onsets:
    """When what is beyond its limit was first sampled, in monotonic seconds."""

    _since_s: dict[tuple[WardId, SignalName], float] = field(
        default_factory=dict[tuple[WardId, SignalName], float]
    )
    _told: set[WardId] = field(default_factory=set[WardId])

    def detected(self, report: TickReport) -> tuple[float, ...]:
        """Seconds from the first sample beyond to this tick's decision, of each breach that it
        was the first to answer."""
        at_s = report.began_at_s + report.judged_s
        for item in report.wards:
            for verdict in item.verdicts:
                self._note(item.view.ward, verdict, at_s)
        found = (self._answered(item) for item in report.wards)
        return tuple(at_s - since_s for since_s in found if since_s is not None)

    def _note(self, ward: WardId, verdict: Verdict, at_s: float) -> None:
        if verdict.code in BEYOND:
            self._since_s.setdefault((ward, verdict.signal), at_s - (verdict.age_s or 0.0))
        elif verdict.level is not Level.BLIND:  # blindness says nothing of what was seen before
            self._since_s.pop((ward, verdict.signal), None)

    def _answered(self, item: WardTick) -> float | None:
        ward, decision = item.view.ward, item.decision
        if not isinstance(decision, Rollback):
            self._told.discard(ward)
            return None
        cause, is_new = decision.cause, ward not in self._told
        self._told.add(ward)
        if not is_new or item.view.state.phase is Phase.RETURNING or cause.signal is None:
            return None
        since_s = self._since_s.get((ward, cause.signal))
        return since_s if cause.trigger is Trigger.BREACH else None
