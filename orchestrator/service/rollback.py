"""The way back: journal, restore, prove, count. It needs a route API and nothing else.

Idempotent: called again after a crash at any point, by any process, it completes the
same return. It always raises the epoch, also when the route is on legacy already, so
that a promotion intended before it can never land after it. Source: design rules 2-4, 6.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import structlog

from orchestrator.core.event import (
    Cause,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackRepeated,
    RollbackWritten,
)
from orchestrator.core.ids import Side
from orchestrator.core.plan import ProofPolicy
from orchestrator.core.route import (
    MOST_EPOCH,
    RETURN_MARK,
    Annotation,
    ObservedRoute,
    Route,
    all_legacy,
    is_exposed,
    is_return,
)
from orchestrator.core.state import Phase, WardState
from orchestrator.core.text import all_plain, plain
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Clock, Prober, Routes
from orchestrator.service.scribe import Scribe
from orchestrator.service.switch import NotYet, Proof, prove
from orchestrator.service.writes_first import WritesFirst
from wards.model import WardId

log = structlog.get_logger()
DRAIN_PATIENCE_S = 5.0  # longer than a screen takes to load, shorter than a stream lives
# Past the epoch that a promotion may have been intended under, for all this hand knows.
RETURN_LEAP = 2
LOST_RACES = 8  # a route that changes more often than this within one call is being fought over


class Outcome(StrEnum):
    """How far a return came in this call."""

    PROVEN = "proven"
    PENDING = "pending"
    NOT_WRITTEN = "not_written"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReport:
    """What was reached; `detail` says in words what is waited for."""

    outcome: Outcome
    epoch: int | None = None
    written_after_s: float | None = None
    proven_after_s: float | None = None
    still_open: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What a return needs: the routes, a way to ask the data plane, a pen and a clock; `writes`:
    shared by all returns that these hands make at once."""

    routes: Routes
    prober: Prober
    scribe: Scribe
    clock: Clock
    proof: ProofPolicy
    writes: WritesFirst = field(default_factory=WritesFirst)


def roll_back(
    hands: Hands,
    state: WardState,
    cause: Cause,
    *,
    is_fresh: bool = False,
    since_s: float | None = None,
) -> RollbackReport:
    """Return a ward to legacy as far as it can be done now.

    Args:
        state: what is known of the ward; it decides what is noted and which epoch is surely past.
        is_fresh: the state is the record's present end, or the caller's own watching. Without
            that, nobody's word that the ward is home already is taken: a promotion may be on
            its way that this state does not know, so the route is written under a new epoch.
        since_s: monotonic second of the first word, when an earlier call did not come to an end:
            how long the ward waited is counted from there.
    Raises: nothing that a caller could handle better than by calling again.
    """
    began = hands.clock.monotonic() if since_s is None else since_s
    cause = all_plain(cause)  # as it will be on record: else each call would be taken for a new one
    try:
        with hands.writes.writing():
            written = _written(hands, state, cause, began, is_fresh=is_fresh)
    except (Unavailable, Conflict, Refused, Indeterminate) as error:
        waited_s = round(hands.clock.monotonic() - began, 3)
        log.error("rollback.delayed", ward=state.ward, problem=str(error), waited_s=waited_s)
        return RollbackReport(outcome=Outcome.NOT_WRITTEN, detail=str(error))
    if isinstance(written, RollbackReport):
        return written
    return complete(hands, state.ward, written.route, began=began)


def _written(
    hands: Hands, state: WardState, cause: Cause, began: float, *, is_fresh: bool
) -> ObservedRoute | RollbackReport:
    """The route as it was written; a report where there is nothing left to prove.

    Raises: as `write_legacy`.
    """
    if state.phase is Phase.ROLLED_BACK:
        repeated = _repeat(hands, state, cause, began, is_fresh=is_fresh)
        if repeated is not None:
            return repeated
    _note_trigger(hands, state, cause)
    before = _written_before(hands, state) if is_fresh else None
    return before or _restore(hands, state, cause, began, is_fresh=is_fresh)


def _note_trigger(hands: Hands, state: WardState, cause: Cause) -> None:
    """The return begins by this word, goes on by it, or is asked for by one more."""
    if state.phase is not Phase.RETURNING:
        hands.scribe.note(state.ward, RollbackIntended(cause=cause, seen_at=hands.clock.now()))
    elif state.returned is not None and not state.returned.is_known(cause):
        hands.scribe.note(state.ward, RollbackRepeated(cause=cause))


def complete(hands: Hands, ward: WardId, route: Route, *, began: float) -> RollbackReport:
    """Prove a restored route through the data plane, and count what is still open."""
    written_after_s = hands.clock.monotonic() - began
    hands.writes.wait()
    proof = prove(hands.prober, hands.clock, hands.proof, route, ward)
    if isinstance(proof, NotYet):
        return _pending(hands, ward, route.epoch, proof, written_after_s)
    return _proven(hands, ward, route.epoch, proof, began, written_after_s)


def _repeat(
    hands: Hands, state: WardState, cause: Cause, began: float, *, is_fresh: bool
) -> RollbackReport | None:
    """One more trigger for a ward that the record has at home: the same epoch if the record is
    fresh, else a new one, which outlives any promotion. None when the route is not home.

    Raises: Unavailable (whether it is home cannot be seen, so nothing is claimed), and as
    `write_legacy`.
    """
    observed = hands.routes.get(state.ward)
    if is_exposed(observed.route):
        return None
    if not is_fresh:
        observed = _restore(hands, state, cause, began, is_fresh=False)
    hands.scribe.note(state.ward, RollbackRepeated(cause=cause))
    return RollbackReport(outcome=Outcome.REPEATED, epoch=observed.route.epoch)


def _written_before(hands: Hands, state: WardState) -> ObservedRoute | None:
    """The route, if this very return has been written already (by us, before a crash)."""
    if state.returned is None or state.returned.epoch is None:
        return None
    if state.phase is not Phase.RETURNING:
        return None
    observed = hands.routes.get(state.ward)
    is_ours = observed.route.epoch >= state.returned.epoch and not is_exposed(observed.route)
    return observed if is_ours else None


def _restore(
    hands: Hands, state: WardState, cause: Cause, began: float, *, is_fresh: bool
) -> ObservedRoute:
    written = write_legacy(hands.routes, state, _annotation(hands, cause), is_fresh=is_fresh)
    hands.scribe.note(
        state.ward,
        RollbackWritten(
            epoch=written.route.epoch, after_s=round(hands.clock.monotonic() - began, 4)
        ),
    )
    return written


def write_legacy(
    routes: Routes,
    state: WardState,
    annotation: Annotation,
    *,
    is_fresh: bool,
    is_over: Callable[[Route], bool] = lambda _: False,
) -> ObservedRoute:
    """Write every slice to legacy under a new epoch; a lost race is decided again. Should the
    slices' own rules be refused, whatever they hold, the fallback alone is written: it is legacy.

    `is_over`: the route as read leaves nothing to do, and is returned as it is.
    Raises: Unavailable, Refused; Conflict or Indeterminate after too many lost races.
    """
    lost: Conflict | Refused | Indeterminate | None = None
    is_plainest = False
    for _ in range(LOST_RACES):
        observed = routes.get(state.ward)
        if is_over(observed.route):
            return observed
        if is_fresh and is_return(observed.route) and observed.route.epoch > state.epoch:
            return observed  # another hand was faster, and its epoch fences what we know of
        epoch = min(max(observed.route.epoch, state.epoch) + RETURN_LEAP, MOST_EPOCH)
        target = all_legacy(observed.route, epoch=epoch, annotation=annotation)
        if is_plainest:
            target = replace(target, rules=())
        try:
            return routes.replace(target, resource_version=observed.resource_version)
        except (Conflict, Indeterminate) as error:
            lost = error
        except Refused as error:
            if error.code != "stale_epoch":
                if is_plainest or error.code == "no_route":
                    raise
                is_plainest = True
            lost = error
    assert lost is not None
    raise lost


def _annotation(hands: Hands, cause: Cause) -> Annotation:
    actor = hands.scribe.actor
    return Annotation(
        who=plain(f"{actor.kind}:{actor.name}"), why=plain(f"{RETURN_MARK}{cause.reason}")
    )


def _pending(
    hands: Hands, ward: WardId, epoch: int, proof: NotYet, written_after_s: float
) -> RollbackReport:
    hands.scribe.note(
        ward,
        RollbackPending(
            epoch=epoch, waited_s=round(proof.waited_s, 3), waiting_for=proof.waiting_for
        ),
    )
    return RollbackReport(
        outcome=Outcome.PENDING,
        epoch=epoch,
        written_after_s=written_after_s,
        detail=proof.waiting_for,
    )


def _drained(hands: Hands, ward: WardId) -> int | None:
    """Requests that were under way end by themselves; streams do not, so they are waited for
    only so long, and counted."""
    until_s = hands.clock.monotonic() + DRAIN_PATIENCE_S
    still_open = hands.prober.open_on(ward, Side.CANDIDATE)
    while still_open and hands.clock.monotonic() < until_s:
        hands.clock.sleep(hands.proof.every_s)
        still_open = hands.prober.open_on(ward, Side.CANDIDATE)
    return still_open


def _proven(
    hands: Hands, ward: WardId, epoch: int, proof: Proof, began: float, written_after_s: float
) -> RollbackReport:
    after_s = hands.clock.monotonic() - began
    still_open = _drained(hands, ward)
    hands.scribe.note(
        ward,
        RollbackProven(
            epoch=epoch, probes=proof.probes, after_s=round(after_s, 4), still_open=still_open
        ),
    )
    return RollbackReport(
        outcome=Outcome.PROVEN,
        epoch=epoch,
        written_after_s=written_after_s,
        proven_after_s=after_s,
        still_open=still_open,
    )
