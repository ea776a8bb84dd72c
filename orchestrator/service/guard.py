"""The dead man's switch: a ward whose lease stands still goes back to legacy.

Needs the routes and the leases and nothing else: no plan, no ledger, no Prefect. What a
ward wants done, and how ready legacy was last, the sentinel leaves on the ward's lease.
Invariant: a lease that is renewed is never acted upon, for it must first be taken by
compare-and-set. Two guards do no harm. What a dead sentinel allowed is taken back. Time in
which the guard itself could not look says little about others; a guard that was killed goes on
from what it had seen.
Source: design rule 7 and section 8.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

import structlog

from orchestrator.core.event import Cause, Trigger
from orchestrator.core.plan import GuardAction
from orchestrator.core.route import (
    NO_GRANT,
    ObservedRoute,
    Route,
    exposed_slices,
    is_exposed,
)
from orchestrator.core.state import WardState
from orchestrator.core.verdict import Level
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Clock, GuardMemory, Leases, Notifier, Page, Remembered, Routes
from orchestrator.service.leases import (
    ACTION,
    GUARD,
    LEGACY,
    SENTINEL,
    TAKEN_BY,
    Keeper,
    LeaseBook,
    ward_lease,
)
from orchestrator.service.rollback import Hands, RollbackReport, roll_back
from wards.model import WardId

log = structlog.get_logger()
LOOKS_NEEDED = 4  # in a lease that passes without a sign of life


@dataclass(slots=True)
class Guard:
    """One guard. `step` is one turn of its loop; `hands_for` makes what a return of that
    route needs."""

    routes: Routes
    leases: Leases
    keeper: Keeper
    book: LeaseBook
    notifier: Notifier
    clock: Clock
    executor: Executor
    hands_for: Callable[[Route], Hands]
    lease_s: float
    memory: GuardMemory
    _before: str | None = None  # the name under which the guard before us held leases
    _looked_at_s: float | None = None
    _unleased_since_s: dict[WardId, float] = field(default_factory=dict[WardId, float])
    _paged: set[WardId] = field(default_factory=set[WardId])
    _returns: dict[WardId, Future[RollbackReport]] = field(
        default_factory=dict[WardId, Future[RollbackReport]]
    )
    _returning_since_s: dict[WardId, float] = field(default_factory=dict[WardId, float])

    def step(self) -> None:
        """Look at routes and leases once; begin what must be done; show our own sign of life."""
        try:
            routes = self.routes.all()
            leases = self.leases.all()
        except Unavailable as error:
            log.warning("guard.missed", problem=str(error))
            return
        if self._looked_at_s is None:
            self._go_on_from_the_one_before()
        self._excuse_what_was_not_seen()
        self.book.see(leases)
        for observed in routes:
            self._each(lambda one=observed: self._look_at(one), observed.route.ward)
        self._each(lambda: self.keeper.hold(GUARD, {}, seize=self._is_ours(GUARD)), None)
        self.memory.save(Remembered(holder=self.keeper.holder, leases=self.book.standstills()))
        if self.book.is_lapsed(SENTINEL):
            self._take_grants_back(routes)

    def _go_on_from_the_one_before(self) -> None:
        """At our first look and not before: until then nobody may have been answered."""
        known = self.memory.load()
        if known is not None:
            self._before = known.holder
            self.book.recall(known.leases)

    def _excuse_what_was_not_seen(self) -> None:
        """Between two looks no more than a part of a lease counts, however long we were stopped or
        the API did not answer: whoever lives must be given a moment to show it again."""
        now_s, before_s = self.clock.monotonic(), self._looked_at_s
        self._looked_at_s = now_s
        if before_s is None:
            return
        unseen_s = now_s - before_s - self.lease_s / LOOKS_NEEDED
        if unseen_s > 0:
            self.book.excuse(unseen_s)
            for ward in self._unleased_since_s:
                self._unleased_since_s[ward] += unseen_s

    def _each(self, look: Callable[[], object], ward: WardId | None) -> None:
        """What goes wrong with one ward's lease is no reason to leave the others unguarded."""
        try:
            look()
        except (Unavailable, Refused) as error:
            log.warning("guard.missed", ward=ward, problem=str(error))

    def _take_grants_back(self, routes: Iterable[ObservedRoute]) -> None:
        """A run that sleeps must not wake an hour after its sentinel died and find its grant. Comes
        last in a turn; a return takes the grant away by itself."""
        for observed in routes:
            ward = observed.route.ward
            if not observed.granted or self._is_returning(ward):
                continue
            try:
                self.routes.grant(ward, NO_GRANT, resource_version=observed.resource_version)
                log.warning("grant.taken_back", ward=ward)
            except (Conflict, Refused) as error:
                log.warning("grant.missed", ward=ward, epoch=NO_GRANT, problem=str(error))
            except (Unavailable, Indeterminate) as error:
                # That took time, and the next look may find a ward to return.
                log.warning("grant.missed", ward=ward, epoch=NO_GRANT, problem=str(error))
                return

    def _is_returning(self, ward: WardId) -> bool:
        running = self._returns.get(ward)
        return running is not None and not running.done()

    def _look_at(self, observed: ObservedRoute) -> None:
        ward = observed.route.ward
        if not is_exposed(observed.route):
            self._unleased_since_s.pop(ward, None)
            self._returning_since_s.pop(ward, None)
            self._paged.discard(ward)
            return
        if not self._has_lapsed(ward):
            self._paged.discard(ward)
            return
        if self._must_only_page(ward):
            self._page(observed.route)
        else:
            self._restore(observed.route)

    def _has_lapsed(self, ward: WardId) -> bool:
        """Stood still for its whole duration, or taken by this guard to act on it; a lease that
        is not there gets the same time."""
        name = ward_lease(ward)
        record = self.book.record(name)
        if self._is_ours(name):
            return True  # taken to restore, and the route is still exposed: go on
        if self._is_left_by_another(name):
            return True
        if record is not None:
            self._unleased_since_s.pop(ward, None)
            return self.book.is_lapsed(name)
        since_s = self._unleased_since_s.setdefault(ward, self.clock.monotonic())
        return self.clock.monotonic() - since_s > self.lease_s

    def _is_left_by_another(self, name: str) -> bool:
        """Another guard found it lapsed and took it, and neither the route nor the lease has moved
        since: it hangs, or is gone. That nobody watches need not be found out once more."""
        record, age_s = self.book.record(name), self.book.age_s(name)
        if record is None or age_s is None or record.notes.get(TAKEN_BY) != GUARD:
            return False
        return age_s > record.duration_s / LOOKS_NEEDED

    def _is_ours(self, name: str) -> bool:
        """Held by this guard, or by the one in whose place it was started."""
        record = self.book.record(name)
        return record is not None and record.holder in {self.keeper.holder, self._before}

    def _must_only_page(self, ward: WardId) -> bool:
        record = self.book.record(ward_lease(ward))
        notes: Mapping[str, str] = {} if record is None else record.notes
        is_sick = notes.get(LEGACY) == Level.BREACH.name.lower()
        return is_sick or notes.get(ACTION) == GuardAction.PAGE

    def _restore(self, route: Route) -> None:
        if self._is_returning(route.ward):
            return
        name = ward_lease(route.ward)
        notes = {ACTION: GuardAction.RESTORE, TAKEN_BY: GUARD}
        may_seize = self._is_ours(name) or self._is_left_by_another(name)
        if not self.keeper.hold(name, notes, seize=may_seize):
            return  # renewed meanwhile: somebody lives
        cause = Cause(trigger=Trigger.LEASE, reason="nobody renewed the ward's lease")
        hands = self.hands_for(route)
        state = WardState(ward=route.ward, epoch=route.epoch)
        log.error("guard.restoring", ward=route.ward, slices=exposed_slices(route))
        since_s = self._returning_since_s.setdefault(route.ward, self.clock.monotonic())
        self._returns[route.ward] = self.executor.submit(_said_aloud, hands, state, cause, since_s)

    def _page(self, route: Route) -> None:
        if route.ward in self._paged:
            return
        self._paged.add(route.ward)
        self.notifier.page(
            Page(
                ward=route.ward,
                code="lease_lapsed",
                message=f"Nobody watches {route.ward} any more, and it is on the candidate. "
                "By the ward's policy, or because legacy was not ready, nothing was switched.",
                next_action=f"Start a sentinel, or: wardshift rollback {route.ward}",
            )
        )


def _said_aloud(hands: Hands, state: WardState, cause: Cause, since_s: float) -> RollbackReport:
    """The outermost frame of a return on its own thread."""
    try:
        return roll_back(hands, state, cause, since_s=since_s)
    except Exception:
        log.exception("rollback.stumbled", ward=state.ward)
        raise
