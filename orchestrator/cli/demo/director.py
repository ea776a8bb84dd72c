"""Leads the demonstration: how fast time goes, who approves, when what breaks.

It does only what people and a test hospital's fault switch could do: it writes approvals
as roles, sets the practice clock and the candidate's faults. Everything else happens by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time

from orchestrator.adapters.clock import PracticeClock
from orchestrator.bootstrap import Installation
from orchestrator.core.event import Actor, Entry
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.state import Phase, ProgrammeState, WardState, fold
from orchestrator.errors import WardshiftError
from orchestrator.service.desk import Desk
from wards.calendar import is_workday
from wards.model import WardId
from wards.practice.hospital import Hospital
from wards.shifts import ShiftKind, incoming

# Practice seconds per real second.
WAITING_RATE = 60.0  # while processes start, which takes real time
WORKING_RATE = 6000.0  # an hour in 0.6 s
EMPTY_RATE = 20000.0  # weekends and nights between windows, when nothing can move
# The half hour between handover and the end of the window is all that is left of a day when its
# shift ends a soak: at working speed it would be gone between two looks of a flow.
NARROW_RATE = 1000.0
NARROW = (time(15, 30), time(16, 30))
TIME_ALONE = {"in_window", "soaked"}  # the gates that open by themselves
MORNING = time(6)  # well before a window opens
REAL_RATE = 1.0  # when it matters
BREAKS_AFTER = time(18, 0)  # well into the evening shift
FAULTS = {"drop_text_rate": 0.6, "latency_s": 0.5}
POLL_S = 0.1
AFTER_PROOF_S = 6.0  # real seconds in which the candidate must not be asked any more


@dataclass(slots=True)
class Director:
    """One demonstration. `tell` gets each new entry; `breaking` is called as the fault is set."""

    installation: Installation
    hospital: Hospital
    tell: Callable[[Entry], None]
    breaking: Callable[[WardId], None]
    entries: tuple[Entry, ...] = ()
    broke_at: datetime | None = None
    _state: ProgrammeState = field(default_factory=ProgrammeState)
    _rate: float = 0.0

    def play(self, *, deadline_s: float) -> bool:
        """Until the second ward is back and nothing moves any more; False at the deadline."""
        self._desk("programme_lead").start()
        began_s = self._clock.monotonic()
        while self._clock.monotonic() - began_s < deadline_s:
            self._read()
            if self._is_over():
                return True
            self._approve()
            self._break()
            self._pace()
            self._clock.sleep(POLL_S)
        return False

    def linger(self) -> None:
        """Let clinicians work on after the proof, and tell what still comes."""
        until_s = self._clock.monotonic() + AFTER_PROOF_S
        while self._clock.monotonic() < until_s:
            self._read()
            self._clock.sleep(POLL_S)

    @property
    def state(self) -> ProgrammeState:
        """The programme as the ledger was last read."""
        return self._state

    @property
    def _clock(self) -> PracticeClock:
        clock = self.installation.clock
        assert isinstance(clock, PracticeClock)
        return clock

    @property
    def _breaking_ward(self) -> WardId:
        return self.installation.plan.wards[1].id

    def _desk(self, role: str) -> Desk:
        return self.installation.desk(Actor(kind=ActorKind.PERSON, name=role))

    def _read(self) -> None:
        try:
            new = self.installation.ledger.entries(after=self._state.head)
        except WardshiftError:
            return  # read again in a moment; the story is told from what is there
        self._state = fold(new, self._state)
        self.entries = (*self.entries, *new)
        for entry in new:
            self.tell(entry)

    def _is_over(self) -> bool:
        ward = self._state.ward(self._breaking_ward)
        return ward.phase is Phase.ROLLED_BACK

    def _approve(self) -> None:
        """People who have read the evidence approve what waits only for them (and a window)."""
        for ward in self._state.wards.values():
            if ward.phase is Phase.AT_STAGE and "approved" in ward.closed_gates:
                self._approve_next(ward)

    def _approve_next(self, ward: WardState) -> None:
        plan = self.installation.plan
        following = None if ward.stage is None else plan.stage_after(ward.stage)
        if following is None:
            return
        for role in following.approvals:
            if (following.name, role) not in ward.approvals:
                self._desk(role).approve(ward.ward, following.name, role, comment="demonstration")

    def _break(self) -> None:
        """In the second ward's first evening on the candidate, text begins to disappear."""
        if self.broke_at is not None or not self._is_evening_on_candidate():
            return
        self._set_rate(REAL_RATE)
        self.breaking(self._breaking_ward)
        self.broke_at = self._clock.now()
        self.hospital.fault("candidate", wards=[self._breaking_ward], **FAULTS)

    def _is_evening_on_candidate(self) -> bool:
        plan = self.installation.plan
        ward = self._state.ward(self._breaking_ward)
        if ward.phase is not Phase.AT_STAGE or ward.stage is None:
            return False
        if not plan.stage(StageName(ward.stage)).candidate:
            return False
        now = self._clock.now()
        shift = incoming(plan.ward(ward.ward).patterns, plan.zone, now)
        return shift.kind is ShiftKind.EVENING and now.astimezone(plan.zone).time() >= BREAKS_AFTER

    def _pace(self) -> None:
        if self.broke_at is None:
            self._set_rate(self._wanted_rate())

    def _wanted_rate(self) -> float:
        moving = [ward for ward in self._state.wards.values() if ward.phase is not Phase.ACCEPTED]
        if not moving or any(ward.phase is Phase.PROMOTING for ward in moving):
            return WAITING_RATE
        only_time = all(ward.closed_gates == ("in_window",) for ward in moving)
        if only_time and (self._is_day_off() or self._is_after_hours()):
            return EMPTY_RATE
        if self._is_narrow() and any(set(ward.closed_gates) <= TIME_ALONE for ward in moving):
            return NARROW_RATE
        return WORKING_RATE

    def _is_narrow(self) -> bool:
        return NARROW[0] <= self._local() < NARROW[1]

    def _is_after_hours(self) -> bool:
        return not MORNING <= self._local() < NARROW[1]

    def _local(self) -> time:
        return self._clock.now().astimezone(self.installation.plan.zone).time()

    def _is_day_off(self) -> bool:
        return not is_workday(self._clock.now().astimezone(self.installation.plan.zone).date())

    def _set_rate(self, rate: float) -> None:
        if rate != self._rate:
            self.hospital.set_speed(rate)
            self._rate = rate
