"""The second line behind the sentinel: a breach in the record that nobody acts upon.

Whoever follows the ledger may see that a ward must return while no return begins, or
that one began and was never written. After two ticks it makes the same plain, idempotent
rollback itself. Invariant: it never acts sooner than the sentinel had time to, and what
it did itself counts for it at once, whether or not the ledger shows it yet.
Source: design section 4; prefect facts, section 7 rule 2.
"""

from dataclasses import dataclass, field

import structlog

from orchestrator.core.event import Cause, Draft
from orchestrator.core.ids import SignalName
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply
from orchestrator.ports import Clock
from orchestrator.service.advance import Did, Step
from orchestrator.service.rollback import Hands, RollbackReport, roll_back

log = structlog.get_logger()
PATIENCE_TICKS = 2


def unanswered(step: Step) -> Cause | None:
    """Why the ward must return although, as far as the record goes, nobody has restored it."""
    if step.did is Did.MUST_RETURN:
        return step.cause
    returned = step.ward.returned
    if step.ward.phase is Phase.RETURNING and returned is not None and returned.epoch is None:
        return returned.cause
    return None


@dataclass(slots=True)
class Patience:
    """How long the same need has stood before our own eyes, in monotonic seconds."""

    limit_s: float
    _need: tuple[Phase, SignalName | None] | None = None
    _since_s: float = 0.0

    def is_over(self, need: tuple[Phase, SignalName | None] | None, *, at_s: float) -> bool:
        """Whether this need has stood for the whole patience; another need starts anew."""
        if need != self._need:
            self._need, self._since_s = need, at_s
        return need is not None and at_s - self._since_s >= self.limit_s

    def start_again(self, *, at_s: float) -> None:
        """We have just acted: give that the same time."""
        self._since_s = at_s


@dataclass(slots=True)
class Returner:
    """Returns wards again and again until they are back. For one thread at a time.

    What it did itself counts before the ledger shows it, and once it has written the route,
    its own word about that is fresh.
    """

    hands: Hands
    _has_written: bool = field(default=False, init=False)
    _since_s: float | None = field(default=None, init=False)
    _own: list[Draft] = field(default_factory=list[Draft])

    def __post_init__(self) -> None:
        """Hear what our own hands note."""
        self.hands.scribe.listen(self._own.append)

    def known(self, ward: WardState) -> WardState:
        """The ward as recorded, and on top of it what we did since."""
        state = ProgrammeState(wards={ward.ward: ward})
        for draft in self._own:
            state = apply(state, draft)
        return state.ward(ward.ward)

    def go(self, ward: WardState, cause: Cause, *, is_fresh: bool) -> RollbackReport:
        """Begin, go on with or complete the return of a ward; `is_fresh`: as in `roll_back`."""
        is_fresh = is_fresh or self._has_written
        if self._since_s is None:
            self._since_s = self.hands.clock.monotonic()
        report = roll_back(
            self.hands, self.known(ward), cause, is_fresh=is_fresh, since_s=self._since_s
        )
        self._has_written = self._has_written or report.epoch is not None
        return report

    def forget(self) -> None:
        """The ledger shows what we did, or there was nothing."""
        self._own.clear()
        self._since_s = None


@dataclass(slots=True)
class Backstop:
    """One ward's second line, for one thread at a time. `tick_s` is the sentinel's tick."""

    returner: Returner
    clock: Clock
    tick_s: float
    _patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        """Two ticks: the sentinel has had its turn."""
        self._patience = Patience(limit_s=PATIENCE_TICKS * self.tick_s)

    def look(self, step: Step) -> RollbackReport | None:
        """Return the ward if its need has stood too long; None when there was nothing to do."""
        cause = unanswered(step)
        if cause is None:
            self.returner.forget()
        is_back = self.returner.known(step.ward).phase is Phase.ROLLED_BACK
        need = None if cause is None or is_back else (step.ward.phase, cause.signal)
        if not self._patience.is_over(need, at_s=self.clock.monotonic()) or cause is None:
            return None
        log.error("backstop.returning", ward=step.ward.ward, reason=cause.reason)
        report = self.returner.go(step.ward, cause, is_fresh=True)
        self._patience.start_again(at_s=self.clock.monotonic())
        return report
