"""What signals have shown of a ward: its last verdicts, and the times in which it was not clear.

Folded from the ledger. A word may reach the ledger late, from a host whose link was down;
what was said meanwhile stands against it. Source: design sections 4, 6 and 11.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.event import CLOCKS_APART, Actor, BaselineMeasured, VerdictChanged
from orchestrator.core.ids import SignalName
from orchestrator.core.verdict import Level
from wards.shifts import ShiftKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVerdict:
    """The verdict a signal has had since `since`, by the word of `by`. `value`: the last that was
    read, now or before it went out of sight; 0 before any."""

    verdict: VerdictChanged
    since: datetime
    by: Actor | None = None
    value: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blemish:
    """A time in which the ward was blind or in breach: shifts it touches do not soak."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a signal reads on legacy for one kind of shift (signal's unit)."""

    signal: SignalName
    shift: ShiftKind
    value: float


def is_overtaken(verdicts: Iterable[LastVerdict], new: LastVerdict) -> bool:
    """Whether somebody else has said something newer of that signal.

    One writer's words come in order, whatever becomes of its clock. Of two writers a small
    difference may be their clocks', and then the worse word stands: it hides no harm.
    """
    for before in verdicts:
        if before.verdict.signal == new.verdict.signal:
            is_older = before.by != new.by and new.since < before.since
            is_worse = new.verdict.level > before.verdict.level
            return is_older and not (is_worse and before.since - new.since <= CLOCKS_APART)
    return False


def after(verdicts: Iterable[LastVerdict], new: LastVerdict) -> tuple[LastVerdict, ...]:
    """The last verdicts with the new one in its signal's place; one without a value takes nothing
    back of what was read before."""
    before = {item.verdict.signal: item for item in verdicts}
    known = before.pop(new.verdict.signal, new).value
    value = known if new.verdict.value is None else new.verdict.value
    return (*before.values(), replace(new, value=value))


def unsettled(
    settled: tuple[tuple[SignalName, float], ...], verdict: VerdictChanged
) -> tuple[tuple[SignalName, float], ...]:
    """A judgement by a lower limit says that a never event's counter was reset: from then on,
    all it counts is new."""
    if verdict.limit is None:
        return settled
    return tuple(
        (name, min(count, verdict.limit) if name == verdict.signal else count)
        for name, count in settled
    )


def is_unclear(verdicts: Iterable[LastVerdict]) -> bool:
    """Whether anything is blind or in breach."""
    return any(item.verdict.level >= Level.BLIND for item in verdicts)


def marked(
    blemishes: tuple[Blemish, ...], verdicts: Iterable[LastVerdict], at: datetime
) -> tuple[Blemish, ...]:
    """The blemishes after those verdicts: one begins, or the open one ends."""
    unclear = is_unclear(verdicts)
    is_open = any(one.until is None for one in blemishes)
    if unclear and not is_open:
        return (*blemishes, Blemish(since=at, until=None))
    if not unclear and is_open:
        # Wherever it stands: a gap that nobody watched may have been noted after it.
        return tuple(replace(one, until=at) if one.until is None else one for one in blemishes)
    return blemishes


def marked_late(blemishes: tuple[Blemish, ...], late: LastVerdict) -> tuple[Blemish, ...]:
    """What was unclear to somebody at some time was so, however late the word of it comes: the
    shift of that moment does not soak."""
    if late.verdict.level < Level.BLIND:
        return blemishes
    return (Blemish(since=late.since, until=late.since), *blemishes)


def measured(baselines: Iterable[Baseline], new: BaselineMeasured) -> tuple[Baseline, ...]:
    """The baselines with the new one in place of the last of its signal and kind of shift."""
    key = (new.signal, new.shift)
    others = (item for item in baselines if (item.signal, item.shift) != key)
    return (*others, Baseline(signal=new.signal, shift=new.shift, value=new.value))
