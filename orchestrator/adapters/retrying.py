"""How a read, or a write that may be repeated, is tried again: the only home of tenacity.

Only Unavailable is tried again. A lost race must be decided anew, an unknown outcome must
be observed first, and a refusal stays one. Source: style section 5.5.
"""

from collections.abc import Callable
from typing import TypeVar

import structlog
import tenacity

from orchestrator.errors import Unavailable
from orchestrator.ports import Clock

_T = TypeVar("_T")
log = structlog.get_logger()


class Retrying:
    """Calls an operation until it answers, within a budget on the monotonic clock.

    The budget holds between attempts: no attempt begins after it, and none is waited for
    past it. What one attempt takes is bounded by the operation's own timeout. Reusable and
    thread-safe.
    """

    def __init__(self, clock: Clock, *, budget_s: float, wait: tenacity.wait.wait_base) -> None:
        self._clock = clock
        self._budget_s = budget_s
        self._wait = wait

    def __call__(self, operation: Callable[[], _T]) -> _T:
        """The operation's answer.

        Raises: the last Unavailable when the budget is spent; any other error at once.
        """
        began_s = self._clock.monotonic()

        def is_spent(state: tenacity.RetryCallState) -> bool:
            spent_s = self._clock.monotonic() - began_s
            return spent_s + state.upcoming_sleep >= self._budget_s

        attempts = tenacity.Retrying(
            stop=is_spent,
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(Unavailable),
            sleep=self._clock.sleep,
            before_sleep=_say,
            reraise=True,
        )
        return attempts(operation)


def retrying(clock: Clock, *, budget_s: float, first_s: float, ceiling_s: float) -> Retrying:
    """Random waits from a window that doubles, so that many processes do not come back together.

    Args:
        clock: for the budget and the waits.
        budget_s: real seconds from the first attempt to the last.
        first_s: the longest wait before the second attempt.
        ceiling_s: the longest wait of all.
    """
    wait = tenacity.wait_random_exponential(multiplier=first_s, max=ceiling_s)
    return Retrying(clock, budget_s=budget_s, wait=wait)


def _say(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.info("attempt.repeated", attempt=state.attempt_number, problem=str(error))
