"""Whether a return could be proven just now: every gateway is asked as each exposed ward.

A gateway that answers nothing sensible would leave a return pending, and is better known
before. Beside the ticks, on a thread of its own; nothing is decided by it.
Source: design rule 6 and section 8.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future

import structlog

from orchestrator.core.route import Route
from orchestrator.ports import Clock, Prober
from orchestrator.service.switch import expected_sides, wrong_answer

log = structlog.get_logger()
AGAIN_S = 15.0


class GatewayWatch:
    """Asks again and again. `tell(asked, failed)`: what one round of probes came to."""

    def __init__(
        self, prober: Prober, clock: Clock, executor: Executor, tell: Callable[[int, int], None]
    ) -> None:
        self._prober = prober
        self._clock = clock
        self._executor = executor
        self._tell = tell
        self._running: Future[None] | None = None
        self._asked_at_s: float | None = None

    def look(self, routes: Iterable[Route]) -> None:
        """Begin another round through these routes when one is due."""
        now_s = self._clock.monotonic()
        if self._running is not None and not self._running.done():
            return
        if self._asked_at_s is not None and now_s - self._asked_at_s < AGAIN_S:
            return
        self._asked_at_s = now_s
        self._running = self._executor.submit(self._ask, tuple(routes))

    def _ask(self, routes: tuple[Route, ...]) -> None:
        try:
            for route in routes:
                self._ask_one(route)
        except Exception:
            log.exception("gateways.stumbled")

    def _ask_one(self, route: Route) -> None:
        sides = expected_sides(route)
        answers = self._prober.probe(route.ward, tuple(sides))
        wrong = [wrong_answer((answer,), sides, epoch=route.epoch) for answer in answers]
        problems = [problem for problem in wrong if problem is not None]
        self._tell(len(answers), len(problems))
        if problems:
            log.warning("gateways.missed", ward=route.ward, problem=problems[0])
