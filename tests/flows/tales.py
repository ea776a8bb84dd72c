"""Ledgers that tell of a rollout, made by hand. Everything in them is invented."""

from datetime import UTC, datetime, timedelta

from orchestrator.adapters.clock import wait_until
from orchestrator.core.event import (
    Actor,
    Cause,
    Draft,
    Entry,
    Happening,
    ProgrammeStarted,
    PromotionIntended,
    RollbackBlocked,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
    StageEntered,
    Trigger,
    VerdictChanged,
    WardStarted,
)
from orchestrator.core.ids import ActorKind
from orchestrator.core.verdict import Code, Level
from tests.fakes_ledger import FakeLedger
from tests.plans import FIRST, LEGACY_UP, SECOND, SLOW, stages
from wards.model import WardId

START = datetime(2027, 3, 1, 5, 0, tzinfo=UTC)  # 06:00 in Stockholm
SENTINEL = Actor(kind=ActorKind.SENTINEL, name="sentinel-1")
GUARD = Actor(kind=ActorKind.GUARD, name="guard-1")
BREACH = Cause(
    trigger=Trigger.BREACH,
    reason="slow screens: 3.4 s, limit 2",
    signal=SLOW,
    value=3.4,
    limit=2.0,
    code=Code.BEYOND_LIMIT,
)
READINESS, SHADOW, NOTES, ALL, ACCEPTED = (stage.name for stage in stages())


class CountingLedger(FakeLedger):
    """Tells how often it was read."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def entries(self, *, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        self._looks += 1
        return super().entries(after=after, limit=limit)

    def await_looks(self, more: int) -> bool:
        """Whether it was read so many times more, before anybody loses patience."""
        wanted = self._looks + more
        return wait_until(lambda: self._looks >= wanted, timeout_s=60)


class Tale:
    """Writes happenings one after another, a second apart unless told otherwise."""

    def __init__(self) -> None:
        self.ledger = CountingLedger()
        self._at = START
        self._made = 0

    @property
    def now(self) -> datetime:
        """Where the tale stands."""
        return self._at

    def later(self, *, s: float = 1.0) -> "Tale":
        self._at += timedelta(seconds=s)
        return self

    def say(
        self, ward: WardId | None, *happenings: Happening, by: Actor = SENTINEL, at_s: float = 0.0
    ) -> "Tale":
        """`at_s`: seconds before or after where the tale stands (drained late: negative)."""
        for happening in happenings:
            self._made += 1
            draft = Draft(
                id=f"t{self._made}",
                at=self._at + timedelta(seconds=at_s),
                ward=ward,
                actor=by,
                plan_hash="p",
                code_version="test",
                happening=happening,
            )
            self.ledger.append((draft,))
            self.later()
        return self

    def entries(self, after: int = 0) -> tuple[Entry, ...]:
        return self.ledger.entries(after=after)

    def begun(self) -> "Tale":
        return self.say(None, ProgrammeStarted(wards=(FIRST, SECOND)))

    def at_shadow(self, ward: WardId = FIRST) -> "Tale":
        """The ward has entered the second rung, on legacy still."""
        self.say(ward, PromotionIntended(stage=SHADOW, epoch=1, exposes=False))
        return self.say(ward, StageEntered(stage=SHADOW, epoch=1, proven_after_s=0.1))

    def at(self, ward: WardId = FIRST, *, epoch: int = 1) -> "Tale":
        """The ward stands at the first slice, and one signal is healthy."""
        self.say(ward, WardStarted(stage=READINESS))
        for place, stage in enumerate((SHADOW, NOTES), epoch):
            self.say(ward, PromotionIntended(stage=stage, epoch=place, exposes=stage == NOTES))
            self.say(ward, StageEntered(stage=stage, epoch=place, proven_after_s=0.4))
        return self.say(ward, verdict(Level.PASS, Code.WITHIN, 1.2))

    def breached(self, ward: WardId = FIRST) -> "Tale":
        return self.say(ward, verdict(Level.BREACH, Code.BEYOND_LIMIT, 3.4))

    def intended(self, ward: WardId = FIRST, *, by: Actor = SENTINEL) -> "Tale":
        return self.say(ward, RollbackIntended(cause=BREACH, seen_at=self._at), by=by)

    def written(self, ward: WardId = FIRST, *, epoch: int = 7) -> "Tale":
        return self.say(ward, RollbackWritten(epoch=epoch, after_s=0.21))

    def proven(self, ward: WardId = FIRST, *, epoch: int = 7) -> "Tale":
        return self.say(ward, RollbackProven(epoch=epoch, probes=24, after_s=0.83, still_open=2))

    def blocked(self, ward: WardId = FIRST) -> "Tale":
        procedure = "Paper forms in the red binder."
        return self.say(
            ward, RollbackBlocked(cause=BREACH, legacy="not ready", downtime_procedure=procedure)
        )

    def returned(self, ward: WardId = FIRST) -> "Tale":
        """A whole return."""
        return self.breached(ward).intended(ward).written(ward).proven(ward)


def verdict(level: Level, code: Code, value: float | None) -> VerdictChanged:
    """A verdict on slow screens, limit 2 s."""
    return VerdictChanged(signal=SLOW, level=level, code=code, value=value, limit=2.0, n=40)


def legacy_verdict(level: Level) -> VerdictChanged:
    """Whether legacy answers as the ward."""
    code = Code.WITHIN if level is Level.PASS else Code.BEYOND_LIMIT
    value = 1.0 if level is Level.PASS else 0.0
    return VerdictChanged(signal=LEGACY_UP, level=level, code=code, value=value, limit=1.0, n=1)
