"""The ward, shift and window sections of a programme file, and what they mean.

Shapes only: whether names exist and times make sense together is asked of the plan.
"""

from datetime import date, time
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from wards.model import Contact, Hospital, Ward, WardId
from wards.shifts import ShiftKind, ShiftPattern, ShiftSpan
from wards.windows import ClosedPeriod, WindowPolicy

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
NAME = r"^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$"


def _wall_time(value: object) -> object:
    """Only "HH:MM" as text; a bare number is no time."""
    if isinstance(value, str) and len(value) == len("07:00"):
        return value
    if isinstance(value, time):
        return value
    raise ValueError('write a wall time as "07:00"')


WallTime = Annotated[time, BeforeValidator(_wall_time)]


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a field takes by itself or in a union."""
    inner = get_args(annotation) if not isinstance(annotation, type) else ()
    return {annotation} if not inner else {kind for one in inner for kind in _kinds(one)}


class Section(BaseModel):
    """A part of the file: nothing unknown in it, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _nothing_is_made_to_fit(cls, value: object, info: ValidationInfo) -> object:
        """`true` is no number of beds, and "24" is text."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if isinstance(value, bool) and bool not in kinds:
            raise ValueError("true and false do not belong here")
        if bool in kinds and not isinstance(value, bool):
            raise ValueError("write true or false")
        if isinstance(value, str) and kinds & {int, float} and str not in kinds:
            raise ValueError("write a number, without quotes")
        return value


class SpanSection(Section):
    """One line of a shift pattern."""

    kind: ShiftKind
    start: WallTime
    end: WallTime
    weekdays: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1)

    def meaning(self) -> ShiftSpan:
        """The span."""
        return ShiftSpan(
            kind=self.kind,
            start=self.start,
            end=self.end,
            weekdays=_days(self.weekdays),
        )


class PatternSection(Section):
    """A shift pattern from a local date on."""

    effective_from: date
    spans: tuple[SpanSection, ...] = Field(min_length=1)

    def meaning(self, name: str) -> ShiftPattern:
        """The pattern under its name."""
        return ShiftPattern(
            name=name,
            effective_from=self.effective_from,
            spans=tuple(span.meaning() for span in self.spans),
        )


class HospitalSection(Section):
    """A hospital."""

    id: str = Field(pattern=NAME)
    name: str

    def meaning(self) -> Hospital:
        """The hospital."""
        return Hospital(id=self.id, name=self.name)


class ContactSection(Section):
    """How a role is reached."""

    role: str
    channel: str


class WardSection(Section):
    """A ward; `shift_pattern` names an entry of `shift_patterns`."""

    id: str = Field(pattern=NAME)
    name: str
    hospital: str
    beds: int = Field(gt=0)
    shift_pattern: str
    slices: tuple[str, ...] = Field(min_length=1)
    contacts: tuple[ContactSection, ...] = ()
    downtime_procedure: str = Field(min_length=1)

    def meaning(self, patterns: tuple[ShiftPattern, ...]) -> Ward:
        """The ward with its shift patterns."""
        return Ward(
            id=WardId(self.id),
            name=self.name,
            hospital=self.hospital,
            beds=self.beds,
            patterns=patterns,
            slices=self.slices,
            contacts=tuple(Contact(role=one.role, channel=one.channel) for one in self.contacts),
            downtime_procedure=self.downtime_procedure,
        )


class ClosedSection(Section):
    """Local dates on which nothing moves forward."""

    first: date
    last: date
    reason: str


class WindowSection(Section):
    """When forward moves are allowed."""

    opens: WallTime
    closes: WallTime
    weekdays: tuple[Weekday, ...] = Field(min_length=1)
    on_holidays: bool = False
    before_day_off: bool = False
    minutes_before_handover: int = Field(default=0, ge=0)
    minutes_after_handover: int = Field(default=0, ge=0)
    hours_before_busiest_login: float = Field(default=0.0, ge=0)
    closed: tuple[ClosedSection, ...] = ()

    def meaning(self) -> WindowPolicy:
        """The policy."""
        return WindowPolicy(
            opens=self.opens,
            closes=self.closes,
            weekdays=_days(self.weekdays),
            on_holidays=self.on_holidays,
            before_day_off=self.before_day_off,
            minutes_before_handover=self.minutes_before_handover,
            minutes_after_handover=self.minutes_after_handover,
            hours_before_busiest_login=self.hours_before_busiest_login,
            closed=tuple(
                ClosedPeriod(first=one.first, last=one.last, reason=one.reason)
                for one in self.closed
            ),
        )


def _days(names: tuple[Weekday, ...]) -> frozenset[int]:
    return frozenset(WEEKDAYS.index(name) for name in names)
