"""A ward's staff at work: one task after another, several at once, for as long as it runs."""

import asyncio

import structlog

from wards.practice.clinicians.errand import Desk, Errand
from wards.practice.clinicians.tasks import TASKS
from wards.practice.clinicians.tempo import Pacer, Task, Turns, pace, weights
from wards.practice.staffing import PracticeWard, Staffing

HANDS = 16  # tasks under way at once; when the systems hang, everybody waits

log = structlog.get_logger()


class WardAtWork:
    """The work of one ward."""

    def __init__(
        self, ward: PracticeWard, *, staffing: Staffing, desk: Desk, rate_per_s: float
    ) -> None:
        self._ward = ward
        self._zone = staffing.zone
        self._desk = desk
        self._pacer = Pacer(rate_per_s=rate_per_s)
        self._turns = Turns()
        self._hands = asyncio.Semaphore(HANDS)
        self._under_way: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Work until cancelled."""
        while True:
            await self._hands.acquire()
            await self._wait()
            now = self._desk.clock.now()
            task = self._turns.next(weights(self._ward.patterns, self._zone, now))
            doing = asyncio.create_task(self._do(task))
            self._under_way.add(doing)
            doing.add_done_callback(self._under_way.discard)
            await asyncio.sleep(0)  # its first request is charged now

    async def _do(self, task: Task) -> None:
        try:
            await TASKS[task](Errand(self._desk, self._charge))
        except Exception as error:  # noqa: BLE001 - one task's surprise must not end the work
            # No traceback: it may quote a record.
            log.warning("task.broken", ward=self._desk.ward, task=task, error=type(error).__name__)
        finally:
            self._hands.release()

    async def _wait(self) -> None:
        """Wait until the ward may begin its next task; those under way may be charged meanwhile."""
        now = self._desk.clock.monotonic
        while (left_s := self._pacer.wait_s(now())) > 0:  # noqa: ASYNC110 - it moves meanwhile
            await asyncio.sleep(left_s)

    def _charge(self) -> None:
        clock = self._desk.clock
        speed = pace(self._ward.patterns, self._zone, clock.now())
        self._pacer.charge(clock.monotonic(), pace=speed)
