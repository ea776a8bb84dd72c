"""The wards of a practice hospital and how their staff take turns, as a file and as values. Pure.

The shape of a pattern is that of a programme file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

from wards.catalogue import WEEKDAYS, PatternSection
from wards.model import Ward
from wards.shifts import Patterns, ShiftKind, ShiftPattern, ShiftSpan

ZONE = ZoneInfo("Europe/Stockholm")
EVERY_DAY = frozenset(range(7))
ROUND_THE_CLOCK = ShiftPattern(
    name="round the clock",
    effective_from=date(2020, 1, 1),
    spans=(
        ShiftSpan(kind=ShiftKind.DAY, start=time(6, 45), end=time(15, 30), weekdays=EVERY_DAY),
        ShiftSpan(kind=ShiftKind.EVENING, start=time(13, 30), end=time(22), weekdays=EVERY_DAY),
        ShiftSpan(kind=ShiftKind.NIGHT, start=time(21), end=time(7, 15), weekdays=EVERY_DAY),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeWard:
    """A ward with staff in it."""

    ward: str
    beds: int
    patterns: Patterns = (ROUND_THE_CLOCK,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """All wards of one hospital, in one time zone."""

    zone: ZoneInfo
    wards: tuple[PracticeWard, ...]


USUAL = Staffing(
    zone=ZONE,
    wards=(
        PracticeWard(ward="medicine-52", beds=24),
        PracticeWard(ward="surgery-31", beds=28),
        PracticeWard(ward="children-12", beds=16),
    ),
)


def practice_wards(wards: Iterable[Ward]) -> tuple[PracticeWard, ...]:
    """The wards of a programme, to be practised with."""
    return tuple(
        PracticeWard(ward=ward.id, beds=ward.beds, patterns=ward.patterns) for ward in wards
    )


def staffing_from(raw: Mapping[str, Any]) -> Staffing:
    """What a wards file says.

    Raises: KeyError, ValueError (also pydantic's and zoneinfo's) for a file that is none.
    """
    return Staffing(
        zone=ZoneInfo(raw["zone"]), wards=tuple(_ward_from(item) for item in raw["wards"])
    )


def staffing_json(staffing: Staffing) -> dict[str, Any]:
    """A wards file that says this."""
    return {
        "zone": staffing.zone.key,
        "wards": [
            {
                "ward": ward.ward,
                "beds": ward.beds,
                "patterns": [_pattern_json(pattern) for pattern in ward.patterns],
            }
            for ward in staffing.wards
        ],
    }


def _ward_from(raw: Mapping[str, Any]) -> PracticeWard:
    patterns = tuple(_pattern_from(item) for item in raw.get("patterns", ()))
    return PracticeWard(
        ward=raw["ward"], beds=int(raw["beds"]), patterns=patterns or (ROUND_THE_CLOCK,)
    )


def _pattern_from(raw: Mapping[str, Any]) -> ShiftPattern:
    section = PatternSection.model_validate(
        {"effective_from": raw["effective_from"], "spans": raw["spans"]}
    )
    return section.meaning(raw.get("name", "unnamed"))


def _pattern_json(pattern: ShiftPattern) -> dict[str, Any]:
    return {
        "name": pattern.name,
        "effective_from": pattern.effective_from.isoformat(),
        "spans": [
            {
                "kind": span.kind.value,
                "start": f"{span.start:%H:%M}",
                "end": f"{span.end:%H:%M}",
                "weekdays": [WEEKDAYS[day] for day in sorted(span.weekdays)],
            }
            for span in pattern.spans
        ],
    }
