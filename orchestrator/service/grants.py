"""Which forward writes the sentinel allows, and the end of what was allowed.

A grant stands on the route until its write is made. A run that sleeps between its last look and
its write (a stopped process, a paused machine) must not find it there when everything else has
changed: what is no longer allowed, or was not used in time, is taken back, which makes the route
another version than the sleeper read. Source: design rules 4 and 5; decision 0006.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from orchestrator.core.decision import Hold, Rollback
from orchestrator.core.route import NO_GRANT, ObservedRoute
from orchestrator.core.state import Intent, ProgrammeState
from orchestrator.core.verdict import Level, worst
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Clock, Routes
from orchestrator.service.watch import TickReport, WardTick
from wards.model import WardId

log = structlog.get_logger()
Allowed: TypeAlias = tuple[WardId, int]  # a ward's move forward under that epoch
LASTS_LEASES = 2  # a run writes within moments of its grant, or gives the promotion up
ENDS_A_LEASE = 4  # an end takes no longer part of one: the next one must have the lead in time


@dataclass(slots=True)
class Grants:
    """Those of one sentinel. For the thread that ticks."""

    routes: Routes
    clock: Clock
    lease_s: float
    _since_s: dict[Allowed, float] = field(default_factory=dict[Allowed, float])
    _open: set[WardId] = field(default_factory=set[WardId])  # whose routes had one when seen last

    def look(
        self,
        report: TickReport,
        seen: tuple[ObservedRoute, ...],
        state: ProgrammeState,
        *,
        leased: Container[WardId],
    ) -> None:
        """Allow what is in the ledger, leased and clear at this tick; take everything else back.

        Args:
            seen: every route, as read in this tick. leased: wards whose lease we renew.
        """
        clear = {item.view.ward for item in report.wards if _is_clear(item)}
        for observed in seen:
            ward = observed.route.ward
            intent = None if state.freeze is not None else _exposing(state, ward)
            is_allowed = intent is not None and ward in leased and ward in clear
            self._settle(observed, intent if is_allowed else None)

    def take_back(self, seen: tuple[ObservedRoute, ...]) -> None:
        """Allow nothing."""
        for observed in seen:
            self._settle(observed, None)

    def end(self) -> None:
        """Allow nothing, before this process ends. Each route is read now, for our own grant made
        it another one than was last seen. What does not answer in time is left to the guard."""
        until_s = self.clock.monotonic() + self.lease_s / ENDS_A_LEASE
        for ward in sorted(self._open):
            if self.clock.monotonic() > until_s:
                log.warning("grant.missed", ward=ward, epoch=NO_GRANT, problem="no time is left")
                continue
            try:
                self._settle(self.routes.get(ward), None)
            except (Unavailable, Refused) as error:
                log.warning("grant.missed", ward=ward, epoch=NO_GRANT, problem=str(error))

    def _settle(self, observed: ObservedRoute, intent: Intent | None) -> None:
        ward, granted = observed.route.ward, observed.granted or NO_GRANT
        self._keep_open(ward, granted)
        wanted = NO_GRANT
        if intent is not None and not self._is_spent(ward, intent.epoch):
            wanted = intent.epoch
        if wanted and observed.route.epoch >= wanted:
            return
        # One that another sentinel gave is timed from when it is first seen.
        if (granted == wanted or self._write(observed, wanted)) and wanted:
            self._since_s.setdefault((ward, wanted), self.clock.monotonic())

    def _keep_open(self, ward: WardId, granted: int) -> None:
        if granted == NO_GRANT:
            self._open.discard(ward)
        else:
            self._open.add(ward)

    def _is_spent(self, ward: WardId, epoch: int) -> bool:
        """It was allowed for long enough; the next intent has another epoch."""
        since_s = self._since_s.get((ward, epoch))
        lasts_s = LASTS_LEASES * self.lease_s
        return since_s is not None and self.clock.monotonic() - since_s > lasts_s

    def _write(self, observed: ObservedRoute, epoch: int) -> bool:
        ward = observed.route.ward
        try:
            self.routes.grant(ward, epoch, resource_version=observed.resource_version)
        except (Unavailable, Conflict, Indeterminate, Refused) as error:
            log.warning("grant.missed", ward=ward, epoch=epoch, problem=str(error))
            return False
        self._keep_open(ward, epoch)
        if epoch == NO_GRANT:
            log.info("grant.taken_back", ward=ward)
        else:
            log.info("grant.given", ward=ward, epoch=epoch)
        return True


def _exposing(state: ProgrammeState, ward: WardId) -> Intent | None:
    ward_state = state.ward(ward)
    intent = ward_state.intent
    if ward_state.held is not None or intent is None or not intent.exposes:
        return None
    return intent


def _is_clear(item: WardTick) -> bool:
    """Nothing that this sentinel itself saw at this tick speaks against more exposure."""
    levels = (verdict.level for verdict in item.verdicts)
    is_calm = worst(levels) < Level.BLIND and not item.alarms
    return is_calm and not isinstance(item.decision, Rollback | Hold)
