"""Why nothing moves forward in a programme, and who has agreed that it may again.

What begins and ends a freeze is in the fold of the ledger (`state.py`). Source: design
sections 4 and 8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.core.ids import Role
from wards.model import WardId


class FreezeKind(StrEnum):
    """What began a freeze."""

    RETURN = "return"
    REPORT = "report"  # from the bedside, while nothing went back
    STOP = "stop"  # of the whole programme


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Why nothing moves forward in the programme. `ward`: whose return or report began it; None
    when the programme itself was stopped. `report`: the only cause is that bedside report;
    `later`: those that came during it, in the order in which they came.
    `seq`: of the entry that began it, 0 while it is only in a journal."""

    ward: WardId | None
    reason: str
    since: datetime
    agreed: frozenset[Role] = frozenset()
    report: str | None = None
    later: tuple[str, ...] = ()
    seq: int = 0

    @property
    def origin(self) -> str:
        """Where it began: a ward, or the programme."""
        return "the programme" if self.ward is None else self.ward

    @property
    def kind(self) -> FreezeKind:
        """What began it."""
        if self.ward is None:
            return FreezeKind.STOP
        return FreezeKind.RETURN if self.report is None else FreezeKind.REPORT


def frozen_by_report(ward: WardId, report: str, since: datetime, seq: int) -> Freeze:
    """The freeze that a report from the bedside begins."""
    reason = f"the line was stopped at the bedside (report {report})"
    return Freeze(ward=ward, reason=reason, since=since, report=report, seq=seq)


def roles_needed(
    asked: tuple[Role, ...], agreed: frozenset[Role], named: Callable[[str], str] = str
) -> str:
    """Who must still agree that things go on, in words; and who has."""
    left = ", ".join(named(role) for role in asked if role not in agreed)
    if not agreed:
        return f"two of {left}"
    return f"{', '.join(named(role) for role in sorted(agreed))} has agreed; one more of {left}"
