"""What a running sentinel can say for the ward board: gathered here, judged by nobody here.

Works with the ledger down (the follower's copy and journal) and with the routes down (then no
side is known). Reading another thread's books is safe: each is replaced whole, never changed.
"""

import os
from dataclasses import dataclass

from orchestrator.bootstrap import Installation
from orchestrator.cli.standing import Standing, gates
from orchestrator.core.gates.answer import GateAnswer
from orchestrator.core.gates.facts import Life
from orchestrator.reports.board import Board, Judged, Sight, board
from orchestrator.reports.board_codes import RoutesApi
from orchestrator.service.follow import Follower
from orchestrator.service.leases import GUARD, life, ward_lease
from orchestrator.service.sentinel import Sentinel
from wards.model import WardId


@dataclass(frozen=True, slots=True, kw_only=True)
class Seer:
    """One sentinel's eyes."""

    installation: Installation
    sentinel: Sentinel
    follower: Follower

    def board(self, standing: Standing) -> Board:
        """The board as things are now, the routes and the record as just read."""
        plan = self.installation.plan
        return board(
            Sight(
                plan=plan,
                state=standing.state,
                routes=standing.routes,
                judged=self._judged(),
                life=self.life(),
                lease_ages_s=self._lease_ages_s(),
                gates=self._gates(standing),
                tick_age_s=self.sentinel.tick_age_s(),
                ledger_age_s=self.follower.age_s(),
                ledger_problem=standing.record.problem,
                ledger_pending=self.follower.pending(),
                now=self.installation.clock.now(),
                seen_by=f"sentinel {os.getpid()}",
                is_active=self.sentinel.is_active,
                routes_api=RoutesApi.API_SERVER
                if self.installation.site.kubeconfig
                else RoutesApi.PRACTICE,
            )
        )

    def life(self) -> Life:
        """Who is seen to live: the active one knows of itself, a standby reads it off leases."""
        one = self.sentinel
        if not one.is_active:
            return life(one.book)
        return Life(
            sentinel=self._is_fresh(),
            guard=one.book.is_alive(GUARD),
            behind_s=self.follower.behind_s(),
            fence=one.fence.stands(),
            deaf_s=one.deaf_s(),
        )

    def _is_fresh(self) -> bool:
        age_s = self.sentinel.tick_age_s()
        return age_s is not None and age_s <= self.sentinel.lease_s

    def _judged(self) -> dict[WardId, Judged] | None:
        report = self.sentinel.last_tick
        if not self.sentinel.is_active or not self._is_fresh() or report is None:
            return None
        if not report.is_fresh:
            return None
        return {
            item.view.ward: Judged(verdicts=item.verdicts, decision=item.decision)
            for item in report.wards
        }

    def _lease_ages_s(self) -> dict[WardId, float]:
        book = self.sentinel.book
        ages = ((ward.id, book.age_s(ward_lease(ward.id))) for ward in self.installation.plan.wards)
        return {ward: age_s for ward, age_s in ages if age_s is not None}

    def _gates(self, standing: Standing) -> dict[WardId, tuple[GateAnswer, ...]]:
        now = self.life()
        return {
            ward.id: gates(standing, standing.state.ward(ward.id), now)
            for ward in self.installation.plan.wards
        }
