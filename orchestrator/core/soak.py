"""How far a ward has soaked: whole clinical shifts without blindness or breach.

Source: design section 5, "nine whole shifts, at least two nights and one weekend".
"""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.plan import Plan, Soak
from orchestrator.core.seen import Blemish
from orchestrator.core.state import WardState
from wards.shifts import Shift, ShiftKind, whole_shifts

SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakProgress:
    """Shifts soaked so far beside those that are needed."""

    done: Soak
    needed: Soak

    @property
    def is_enough(self) -> bool:
        """Every part of the need is met."""
        return (
            self.done.shifts >= self.needed.shifts
            and self.done.nights >= self.needed.nights
            and self.done.weekend_shifts >= self.needed.weekend_shifts
        )


def soak_progress(plan: Plan, ward: WardState, now: datetime) -> SoakProgress:
    """Count the whole clean shifts since the ward entered its stage.

    Raises: KeyError when the plan does not know the ward or its stage.
    """
    needed = Soak() if ward.stage is None else plan.stage(ward.stage).soak
    if ward.entered_at is None:
        return SoakProgress(done=Soak(), needed=needed)
    patterns = plan.ward(ward.ward).patterns
    shifts = whole_shifts(patterns, plan.zone, ward.entered_at, now)
    clean = tuple(shift for shift in shifts if not _is_touched(shift, ward.blemishes))
    return SoakProgress(done=_count(clean), needed=needed)


def _count(shifts: tuple[Shift, ...]) -> Soak:
    return Soak(
        shifts=len(shifts),
        nights=sum(shift.kind is ShiftKind.NIGHT for shift in shifts),
        weekend_shifts=sum(shift.date.weekday() >= SATURDAY for shift in shifts),
    )


def _is_touched(shift: Shift, blemishes: tuple[Blemish, ...]) -> bool:
    return any(
        blemish.since < shift.end and (blemish.until is None or blemish.until > shift.start)
        for blemish in blemishes
    )
