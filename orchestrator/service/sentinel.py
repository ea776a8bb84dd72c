"""The sentinel's loop: be the active one, tick, and renew leases while ticks are fresh.

One lease says who is active; each ward that is exposed, or about to be, has a lease of
its own that the guard watches. A sentinel that cannot renew the first one stands by.
A forward write needs the sentinel's grant, which the route itself keeps: it is given only for
an intent of the ledger, on a leased ward whose verdicts of this very tick are clear, by a
sentinel that has read the ledger and renewed its own lease within one lease.
Source: design section 4 and rule 7.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from orchestrator.core.route import Route
from orchestrator.core.state import ProgrammeState
from orchestrator.core.verdict import Level
from orchestrator.errors import Unavailable
from orchestrator.ports import Clock, Leases, Page
from orchestrator.service.draining import DrainWatch
from orchestrator.service.drill import Leftovers
from orchestrator.service.fence import FenceWatch
from orchestrator.service.gateways import GatewayWatch
from orchestrator.service.grants import Grants
from orchestrator.service.leases import (
    ACTION,
    BEHIND,
    DEAF,
    FENCE,
    GUARD,
    LEGACY,
    SENTINEL,
    Keeper,
    LeaseBook,
    fence_note,
    legacy_left,
    ward_lease,
)
from orchestrator.service.reaction import Onsets
from orchestrator.service.watch import TickReport, Watch
from wards.model import WardId

log = structlog.get_logger()
RENEWALS_A_LEASE = 4  # a renewal may be lost three times before anybody else acts
TICKED_AT = "ticked_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What a return may come to need, as far as this sentinel sees it now.

    `fence`, `guard`, `sentinel`: whether it stands or they live, None when nobody can say.
    `behind_s`: real seconds for which the ledger has missed our words; `unwritten`: those of them
    that no disk took either. `routes_read`: the routes answered at the last tick.
    """

    fence: bool | None
    guard: bool | None
    sentinel: bool | None
    behind_s: float
    unwritten: int
    routes_read: bool


class Gauges(Protocol):
    """What the sentinel shows of itself on /metrics."""

    def ticked(self, report: TickReport, *, exposed: int, blind: int) -> None:
        """One tick ended."""
        ...

    def active(self, *, is_active: bool) -> None:
        """Whether this process is the active sentinel."""
        ...

    def lease(self, ward: WardId, age_s: float) -> None:
        """Real seconds since the ward's lease was renewed."""
        ...

    def legacy(self, ward: WardId, *, is_ready: bool) -> None:
        """Whether legacy was seen to be able to take the ward at this tick."""
        ...

    def detected(self, after_s: float) -> None:
        """A breach was answered so many seconds after its first sample."""
        ...


@dataclass(slots=True)
class Sentinel:
    """One process, active or standing by. `step` is one turn of its loop.

    `deaf_s`: for how many real seconds no alert source has answered; 0 where none is asked.
    `remind`: pages again for what nobody has taken in hand; after everything else of a turn.
    """

    watch: Watch
    fence: FenceWatch
    gateways: GatewayWatch
    drains: DrainWatch
    leases: Leases
    keeper: Keeper
    book: LeaseBook
    gauges: Gauges
    clock: Clock
    lease_s: float
    plan_hash: str
    leftovers: Leftovers
    deaf_s: Callable[[], float] = lambda: 0.0
    remind: Callable[[], None] = lambda: None
    is_active: bool = False
    last_tick: TickReport | None = None
    last_tick_at_s: float | None = None
    _paged_plan: str | None = None
    _renewed_at_s: dict[str, float] = field(default_factory=dict[str, float])
    _onsets: Onsets = field(default_factory=Onsets)
    _grants: Grants = field(init=False)

    def __post_init__(self) -> None:
        """What it allows it writes by the same hands as its returns."""
        self._grants = Grants(self.watch.hands.routes, self.clock, self.lease_s)

    def step(self) -> None:
        """Stand by, or tick and renew. Raises nothing that the routes cause."""
        if self._was_stopped():
            self._stand_by("stopped_too_long")
        if not self.is_active:
            self._try_to_lead()
        if not self.is_active:
            self.watch.go_on()
            return
        self.fence.look()
        began_at = self.clock.now()
        report = self.watch.tick()
        self.last_tick, self.last_tick_at_s = report, self.clock.monotonic()
        self._show(report, began_at)
        if report.is_fresh:
            self._renew(report)
        if report.is_fresh and report.routes_read:
            self._grant(report)
        self.gateways.look(_exposed_routes(report))
        self.drains.look(self.watch.record.state())
        if report.routes_read:
            self.leftovers.look(self.watch.routes(), self.watch.record.state())
        self.remind()

    def stand_down(self) -> None:
        """Before an orderly end: take back what was allowed, for nobody may be there to do it, and
        give the lead up, so that one that stands by takes it with its next turn, long before a
        ward's lease lapses and the guard would act."""
        if not self.is_active:
            return
        self._grants.end()
        try:
            self.keeper.release(SENTINEL)
        except Unavailable as error:
            log.warning("leases.missed", problem=str(error))
        self._stand_by("ending")

    def tick_age_s(self) -> float | None:
        """Real seconds since the last tick ended; None before the first."""
        return None if self.last_tick_at_s is None else self.clock.monotonic() - self.last_tick_at_s

    def way_back(self) -> WayBack:
        """What there is to say of the way back itself, leading or standing by."""
        return WayBack(
            fence=self.fence.stands(),
            guard=self.book.is_alive(GUARD),
            sentinel=self.book.is_alive(SENTINEL),
            behind_s=self.watch.record.behind_s(),
            unwritten=self.watch.hands.scribe.unwritten(),
            routes_read=self.last_tick is not None and self.last_tick.routes_read,
        )

    def stands_by(self) -> bool:
        """Whether another sentinel was seen to lead within its lease."""
        record = self.book.record(SENTINEL)
        if self.is_active or record is None:
            return False
        return record.holder != self.keeper.holder and not self.book.is_lapsed(SENTINEL)

    def _was_stopped(self) -> bool:
        age_s = self.tick_age_s()
        return self.is_active and age_s is not None and age_s > self.lease_s

    def _stand_by(self, why: str) -> None:
        log.warning("sentinel.stood_by", why=why)
        self.is_active = False
        self.last_tick_at_s = None
        self._renewed_at_s.clear()
        self.book.forget_all()
        self.watch.stand_by()
        self.gauges.active(is_active=False)

    def _try_to_lead(self) -> None:
        try:
            self._see_leases()
            before = self.book.record(SENTINEL)
            led = self.keeper.hold(SENTINEL, self._notes())
        except Unavailable as error:
            log.warning("leases.missed", problem=str(error))
            return
        if led:
            self._lead(None if before is None else before.notes.get(TICKED_AT))

    def _see_leases(self) -> None:
        """Raises: Unavailable."""
        self.book.see(self.leases.all())
        self.watch.noted = legacy_left(self.book)

    def _lead(self, last_sign: str | None) -> None:
        log.info("sentinel.activated", unwatched_since=last_sign)
        self.is_active = True
        self.watch.take_over(_moment(last_sign))
        self.gauges.active(is_active=True)

    def _renew(self, report: TickReport) -> None:
        if not (self._is_due(SENTINEL) or self._new_wards(report) or self._has_news(report)):
            return
        try:
            self._see_leases()
            if not self._renew_one(SENTINEL, self._notes(), seize=False):
                self._yield_to_another()
                return
            for ward in leased_wards(report, self.watch.record.state()):
                if not self._is_left_to_the_guard(ward):
                    self._renew_one(ward_lease(ward), self._ward_notes(ward), seize=True)
        except Unavailable as error:
            log.warning("leases.missed", problem=str(error))

    def _is_left_to_the_guard(self, ward: WardId) -> bool:
        """A ward that should have returned a lease ago, and whose route takes no write of ours: its
        lease lapses, for the guard's account may be let where ours is refused."""
        if self.watch.unwritten_s(ward) <= self.lease_s:
            return False
        if self._renewed_at_s.pop(ward_lease(ward), None) is not None:
            log.error("sentinel.left_to_guard", ward=ward)
        return True

    def _yield_to_another(self) -> None:
        """Stand by if another one holds the lease. A write that was merely lost or overtaken is no
        reason: then nobody would watch at all, although nobody else leads.

        Raises: Unavailable.
        """
        self._see_leases()
        found = self.book.record(SENTINEL)
        if found is not None and found.holder != self.keeper.holder:
            self._stand_by("another_sentinel_leads")
        else:
            log.warning("leases.missed", problem="our own lease takes no renewal")

    def _grant(self, report: TickReport) -> None:
        """Allow the forward writes that are in the ledger, of wards that are leased and clear."""
        seen, state = self.watch.routes(), self.watch.record.state()
        if self._has_another_plan(state) or not self._may_grant():
            self._grants.take_back(seen)
            return
        wards = (item.view.ward for item in report.wards)
        leased = {ward for ward in wards if ward_lease(ward) in self._renewed_at_s}
        self._grants.look(report, seen, state, leased=leased)

    def _has_another_plan(self, state: ProgrammeState) -> bool:
        """Its thresholds may be looser than those that were approved, so it allows nothing. It
        goes on watching and returning: by some plan is better than by none."""
        theirs = state.plan_hash
        if theirs is None or theirs == self.plan_hash:
            self._paged_plan = None
            return False
        if self._paged_plan != theirs:
            self._paged_plan = theirs
            self.watch.notifier.page(_plan_page(theirs, self.plan_hash))
        return True

    def _may_grant(self) -> bool:
        """Whatever speaks against it would have been heard within a lease: an alert, a hold or a
        freeze in the ledger, another sentinel that leads."""
        since_s = self.clock.monotonic() - self.lease_s
        knows_record = self.watch.record.read_after(since_s)
        leads = self._renewed_at_s.get(SENTINEL, float("-inf")) >= since_s
        return leads and knows_record and self.deaf_s() <= self.lease_s

    def _new_wards(self, report: TickReport) -> bool:
        wards = leased_wards(report, self.watch.record.state())
        return any(ward_lease(ward) not in self._renewed_at_s for ward in wards)

    def _has_news(self, report: TickReport) -> bool:
        """Legacy is not as the guard would read it now, if we died."""
        mine = (
            ward
            for ward in leased_wards(report, self.watch.record.state())
            if ward_lease(ward) in self._renewed_at_s
        )
        return any(self._noted(ward) != self._ward_notes(ward)[LEGACY] for ward in mine)

    def _noted(self, ward: WardId) -> str | None:
        record = self.book.record(ward_lease(ward))
        return None if record is None else record.notes.get(LEGACY)

    def _is_due(self, name: str) -> bool:
        renewed_at_s = self._renewed_at_s.get(name)
        pause_s = self.lease_s / RENEWALS_A_LEASE
        return renewed_at_s is None or self.clock.monotonic() - renewed_at_s >= pause_s

    def _renew_one(self, name: str, notes: Mapping[str, str], *, seize: bool) -> bool:
        held = self.keeper.hold(name, notes, seize=seize)
        if held:
            self._renewed_at_s[name] = self.clock.monotonic()
        return held

    def _notes(self) -> Mapping[str, str]:
        behind_s = self.watch.record.behind_s()
        return {
            TICKED_AT: self.clock.now().isoformat(),
            BEHIND: f"{behind_s:.1f}",
            DEAF: f"{self.deaf_s():.1f}",
            FENCE: fence_note(self.fence.stands()),
        }

    def _ward_notes(self, ward: WardId) -> Mapping[str, str]:
        return {
            LEGACY: self.watch.legacy_of(ward).name.lower(),
            ACTION: self.watch.plan.policy.guard,
        }

    def _show(self, report: TickReport, began_at: datetime) -> None:
        log.debug(
            "sentinel.ticked", began_at=began_at.isoformat(), took_s=round(report.took_s, 3),
            read_s=round(report.read_s, 3), wards=len(report.wards),
        )  # fmt: skip
        exposed = sum(bool(item.view.exposed) for item in report.wards)
        blind = sum(verdict.blind_for_s > 0 for item in report.wards for verdict in item.verdicts)
        self.gauges.ticked(report, exposed=exposed, blind=blind)
        for ward in leased_wards(report, self.watch.record.state()):
            age_s = self.book.age_s(ward_lease(ward))
            if age_s is not None:
                self.gauges.lease(ward, age_s)
        for item in report.wards:
            is_ready = self.watch.legacy_of(item.view.ward) < Level.BLIND
            self.gauges.legacy(item.view.ward, is_ready=is_ready)
        for after_s in self._onsets.detected(report):
            self.gauges.detected(after_s)


def _moment(said: str | None) -> datetime | None:
    """When the one before us ticked last; None for what says no moment."""
    try:
        moment = datetime.fromisoformat(said or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _plan_page(theirs: str, ours: str) -> Page:
    return Page(
        ward=None,
        code="other_plan",
        message=f"The programme runs under plan {theirs[:12]}, and the sentinel that leads was "
        f"started with {ours[:12]}. It watches and returns by its own; nothing moves forward.",
        next_action="Give the sentinel the approved plan file and start it again.",
    )


def leased_wards(report: TickReport, state: ProgrammeState) -> tuple[WardId, ...]:
    """The wards somebody must be seen to watch: exposed by route, or by a promotion under way."""
    return tuple(
        item.view.ward
        for item in report.wards
        if item.view.exposed or _is_entering(state, item.view.ward)
    )


def _exposed_routes(report: TickReport) -> tuple[Route, ...]:
    routes = (item.view.route for item in report.wards if item.view.exposed)
    return tuple(route for route in routes if route is not None)


def _is_entering(state: ProgrammeState, ward: WardId) -> bool:
    intent = state.ward(ward).intent
    return intent is not None and intent.exposes
