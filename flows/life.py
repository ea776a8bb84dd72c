"""A run's sign of life, kept beside the routes and not in Prefect.

Prefect shows a run whose process was killed as Running for ever. So the process that
carries a run renews a lease; who sees it stand still knows that the run is dead, and a
second process for the same ward sees that it is not alone.
Source: prefect facts, section 3 (deaths); design section 4.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import StrEnum

import structlog

from orchestrator.errors import Unavailable
from orchestrator.ports import Clock, Leases
from orchestrator.service.leases import Keeper, LeaseBook

log = structlog.get_logger()
RUN_NOTE = "run"  # note on the lease: the id of the Prefect run that this process carries
RELEASED_S = 0.001
RENEWALS_A_LEASE = 4


class Standing(StrEnum):
    """Whether this process carries the run."""

    MINE = "mine"
    WAITING = "waiting"  # somebody held it; not watched long enough to say whether they live
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"  # the leases do not answer


class SignOfLife:
    """One lease of one process. A cancelled renewal may still run when it is released: locked."""

    def __init__(
        self, leases: Leases, clock: Clock, *, name: str, run: str, holder: str, lease_s: float
    ) -> None:
        self._leases = leases
        self._book = LeaseBook(clock)
        self._keeper = Keeper(leases, self._book, holder=holder, duration_s=lease_s)
        self._last_words = Keeper(leases, self._book, holder=holder, duration_s=RELEASED_S)
        self._notes = {RUN_NOTE: run}
        self._lock = threading.Lock()
        self.name = name
        self.every_s = lease_s / RENEWALS_A_LEASE
        self.standing = Standing.WAITING

    def renew(self) -> Standing:
        """Take or renew it, and say how we stand. Blocks for one call to the leases."""
        with self._lock:
            try:
                self.standing = self._hold()
            except Unavailable as error:
                log.warning("leases.missed", problem=str(error))
                self.standing = Standing.UNKNOWN
            return self.standing

    def release(self) -> None:
        """Let the lease lapse at once, so that the next process need not wait for it."""
        with self._lock:
            if self.standing is not Standing.MINE:
                return
            try:
                self._last_words.hold(self.name, self._notes)
            except Unavailable as error:
                log.warning("leases.missed", problem=str(error))

    def _hold(self) -> Standing:
        self._book.see(self._leases.all())
        if self._keeper.hold(self.name, self._notes):
            return Standing.MINE
        return Standing.ELSEWHERE if self._book.is_alive(self.name) else Standing.WAITING


@asynccontextmanager
async def carried(sign: SignOfLife) -> AsyncGenerator[Standing]:
    """Carry a run: MINE (or UNKNOWN, when nobody can tell), or ELSEWHERE at once.

    The sign is renewed in the background, also while a step takes long.
    """
    while await asyncio.to_thread(sign.renew) is Standing.WAITING:  # noqa: ASYNC110
        await asyncio.sleep(sign.every_s)
    renewing = asyncio.create_task(_renew(sign))
    try:
        yield sign.standing
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
        await asyncio.to_thread(sign.release)


async def _renew(sign: SignOfLife) -> None:
    while True:
        await asyncio.sleep(sign.every_s)
        await asyncio.to_thread(sign.renew)
