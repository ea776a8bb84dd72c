"""What a proven return left open in the candidate is counted until it has ended.

A switch leads new requests to legacy; a stream that was open stays on the candidate until
somebody ends it, and whoever reads the board should know which of the two is so. Beside the
ticks, on a thread of its own; nothing is decided by it. Source: design section 7.
"""

from concurrent.futures import Executor, Future

import structlog

from orchestrator.core.event import RollbackDrained
from orchestrator.core.ids import Side
from orchestrator.core.returned import Return, is_undrained
from orchestrator.core.state import Phase, ProgrammeState
from orchestrator.ports import Clock, Prober
from orchestrator.service.scribe import Scribe
from wards.model import WardId

log = structlog.get_logger()
AGAIN_S = 5.0


class DrainWatch:
    """Counts again and again, for every ward that is home and was not seen drained."""

    def __init__(self, prober: Prober, scribe: Scribe, clock: Clock, executor: Executor) -> None:
        self._prober = prober
        self._scribe = scribe
        self._clock = clock
        self._executor = executor
        self._running: Future[None] | None = None
        self._counted_at_s: float | None = None

    def look(self, state: ProgrammeState) -> None:
        """Begin another count when one is due."""
        now_s = self._clock.monotonic()
        if self._running is not None and not self._running.done():
            return
        if self._counted_at_s is not None and now_s - self._counted_at_s < AGAIN_S:
            return
        undrained = [(name, back) for name, back in _returned(state) if is_undrained(back)]
        if undrained:
            self._counted_at_s = now_s
            self._running = self._executor.submit(self._count, undrained)

    def _count(self, undrained: list[tuple[WardId, Return]]) -> None:
        try:
            for ward, back in undrained:
                # None: it cannot be counted just now, which is not nothing.
                if self._prober.open_on(ward, Side.CANDIDATE) == 0 and back.epoch is not None:
                    self._scribe.note(ward, RollbackDrained(epoch=back.epoch))
        except Exception:
            log.exception("drains.stumbled")


def _returned(state: ProgrammeState) -> list[tuple[WardId, Return]]:
    return [
        (name, ward.returned)
        for name, ward in state.wards.items()
        if ward.phase is Phase.ROLLED_BACK and ward.returned is not None
    ]
