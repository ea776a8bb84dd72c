"""Begins returns on threads of their own, at most one at a time for a ward.

A return that could not be written is begun again by whoever asks next, and people are told
once: harm goes on, and the ward itself can do something about that. Source: design section 8.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import structlog

from orchestrator.core.event import Cause
from orchestrator.core.state import Phase, WardState
from orchestrator.core.view import WardView
from orchestrator.ports import Notifier, Page
from orchestrator.service.rollback import Hands, Outcome, RollbackReport, roll_back
from wards.model import WardId

log = structlog.get_logger()
HOME = (Outcome.PROVEN, Outcome.REPEATED)
Running = Future[RollbackReport]


@dataclass(slots=True)
class Returns:
    """Thread-safe. `state_of`: the ward as this process knows it now; `procedure_of`: what the
    ward does until it is back."""

    hands: Hands
    notifier: Notifier
    executor: Executor
    state_of: Callable[[WardId], WardState]
    procedure_of: Callable[[WardId], str]
    _running: dict[WardId, Running] = field(default_factory=dict[WardId, Running])
    _since_s: dict[WardId, float] = field(default_factory=dict[WardId, float])
    _told: set[WardId] = field(default_factory=set[WardId])
    # Entered again where an executor runs a return in the caller's own thread.
    _lock: Any = field(default_factory=threading.RLock)

    def begin(self, item: WardView, cause: Cause) -> Running | None:
        """Begin, or go on with, the ward's return; the one that runs, or None when it came home
        after the caller had looked."""
        with self._lock:
            before = self._running.get(item.ward)
            if before is not None and not before.done():
                return before
            state = self.state_of(item.ward)
            if state.phase is Phase.ROLLED_BACK and item.state.phase is not Phase.ROLLED_BACK:
                return None
            since_s = self._since_s.setdefault(item.ward, self.hands.clock.monotonic())
            waits_for = self._delayed(item.ward, before)
            begun = self.executor.submit(self._go, state, cause, since_s)
            self._running[item.ward] = begun
        if waits_for:
            self.notifier.page(_page(item.ward, waits_for, self.procedure_of(item.ward)))
        return begun

    def ended(self, ward: WardId) -> None:
        """Nothing asks for the ward to return any more; the next return is counted anew."""
        with self._lock:
            self._since_s.pop(ward, None)
            self._told.discard(ward)

    def asked_s(self, ward: WardId) -> float:
        """Real seconds since the return that is still asked for was first begun; 0 without one."""
        since_s = self._since_s.get(ward)
        return 0.0 if since_s is None else self.hands.clock.monotonic() - since_s

    def _go(self, state: WardState, cause: Cause, since_s: float) -> RollbackReport:
        """The outermost frame of a return on its own thread: a fault of ours is said aloud, and
        whoever looks next, and finds the ward not home, begins again."""
        try:
            report = roll_back(self.hands, state, cause, is_fresh=True, since_s=since_s)
        except Exception:
            log.exception("rollback.stumbled", ward=state.ward)
            raise
        if report.outcome in HOME:
            self.ended(state.ward)  # else the ward's next return would be counted from here
        return report

    def _delayed(self, ward: WardId, before: Running | None) -> str:
        """What the try before this one waited for, once; empty when there is nothing to tell."""
        if ward in self._told or before is None or before.exception() is not None:
            return ""
        report = before.result()
        if report.outcome is not Outcome.NOT_WRITTEN:
            return ""
        self._told.add(ward)
        return report.detail


def _page(ward: WardId, waits_for: str, procedure: str) -> Page:
    return Page(
        ward=ward,
        code="rollback_delayed",
        message=f"{ward} must return to legacy, and its route could not be written: {waits_for}. "
        "It is tried again at every tick.",
        next_action=f"Until it is on legacy: {procedure} Then see why whatever keeps the "
        "routes does not answer (the API server, in practice the gateway's administration); "
        "restart no gateway.",
    )
