"""What became of a report from the bedside, for the one who made it. Pure.

A receipt is looked up again and again until the ward is proven to be back; it is the fold's
answer and never a promise. Source: design section 8, "the reporter gets a receipt".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.core.concern import StopReport
from orchestrator.core.decision import blocked_return
from orchestrator.core.ids import Role, SliceName
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.core.view import recorded_exposure
from wards.model import WardId


class Became(StrEnum):
    """What a report led to so far."""

    UNPROVEN = "unproven"  # no right code: people were paged, nothing froze
    FROZEN = "frozen"  # nothing moves forward; waits for a second word or a signal
    UNCONFIRMED = "unconfirmed"  # the same, and its window is over
    AT_HOME = "at_home"  # nothing moves forward, and the ward works in legacy anyway
    BLOCKED = "blocked"  # it should return, and legacy is not ready
    RETURNING = "returning"
    RETURNED = "returned"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One report as it stands. `waits_until`: how long a second word counts with it (wall time);
    `returned_at`: when the ward was proven to be on legacy; `is_frozen`: the whole programme."""

    report: str
    ward: WardId
    role: Role
    slice_name: SliceName | None
    made_at: datetime
    became: Became
    is_frozen: bool
    waits_until: datetime
    returned_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: Role | None = None

    @property
    def is_settled(self) -> bool:
        """Looking again shows nothing new about the ward itself."""
        return self.became in (Became.RETURNED, Became.TAKEN_BACK)


def find_report(programme: ProgrammeState, number: str) -> tuple[WardState, StopReport] | None:
    """The report of that number, and its ward; None once its ward has begun again."""
    return next((found for found in all_reports(programme) if found[1].report == number), None)


def all_reports(programme: ProgrammeState) -> Iterator[tuple[WardState, StopReport]]:
    """Every report that is kept, ward by ward."""
    return ((ward, one) for ward in programme.wards.values() for one in ward.concerns.reports)


def receipt_of(
    plan: Plan, programme: ProgrammeState, ward: WardState, one: StopReport, now: datetime
) -> Receipt:
    """What is to be told of a report now."""
    waits_until = one.made_at + timedelta(seconds=plan.policy.stop.window_s)
    returned = ward.returned if ward.phase is Phase.ROLLED_BACK else None
    return Receipt(
        report=one.report,
        ward=ward.ward,
        role=one.role,
        slice_name=one.slice_name,
        made_at=one.made_at,
        became=_became(plan, ward, one, is_over=now > waits_until),
        is_frozen=programme.freeze is not None,
        waits_until=waits_until,
        returned_at=None if returned is None else returned.proven_at,
        acknowledged_at=one.acknowledged_at,
        acknowledged_by=one.acknowledged_by,
    )


def _became(plan: Plan, ward: WardState, one: StopReport, *, is_over: bool) -> Became:
    """Where the ward is comes first: who reads this works there."""
    if ward.phase is Phase.ROLLED_BACK:
        return Became.RETURNED
    if ward.phase is Phase.RETURNING:
        return Became.RETURNING
    if not one.is_proven:
        return Became.UNPROVEN
    if one.is_cancelled:
        return Became.TAKEN_BACK
    if not recorded_exposure(plan, ward):
        return Became.AT_HOME
    if blocked_return(plan, ward) is not None:
        return Became.BLOCKED
    return Became.UNCONFIRMED if is_over else Became.FROZEN
