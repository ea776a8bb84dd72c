"""How far a ward's latest return to legacy has come. Pure.

Written, then proven, then drained: a switched route leads new requests to legacy, and streams
that were open in the candidate stay there until they end by themselves.
Source: design section 7, states of a switch.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.event import (
    Cause,
    Draft,
    RollbackDrained,
    RollbackPending,
    RollbackProven,
    RollbackRepeated,
    RollbackWritten,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """The latest return to legacy and how far it came; `..._after_s`: real seconds of it.

    `still_open`: what the candidate was still answering when last counted; 0: drained; None: it
    could not be counted. `also`: what else asked for it before it was proven.
    """

    cause: Cause
    seen_at: datetime
    actor: str
    epoch: int | None = None
    written_at: datetime | None = None
    written_after_s: float | None = None
    proven_at: datetime | None = None
    proven_after_s: float | None = None
    still_open: int | None = None
    waiting_for: str = ""
    also: tuple[Cause, ...] = ()

    def is_known(self, cause: Cause) -> bool:
        """Whether it began for that cause, or was asked for by it since."""
        return cause == self.cause or cause in self.also


def went(back: Return, draft: Draft) -> Return:
    """The return with one more word of it; of another epoch's streams it says nothing."""
    match draft.happening:
        case RollbackWritten(epoch=epoch, after_s=after_s):
            return replace(back, epoch=epoch, written_at=draft.at, written_after_s=after_s)
        case RollbackPending(waiting_for=waiting_for):
            return replace(back, waiting_for=waiting_for)
        case RollbackProven(epoch=epoch, still_open=still_open, after_s=after_s):
            return replace(
                back, epoch=epoch, proven_at=draft.at, still_open=still_open, waiting_for="",
                proven_after_s=after_s,
            )  # fmt: skip
        case RollbackRepeated(cause=cause) if back.proven_at is None and not back.is_known(cause):
            return replace(back, also=(*back.also, cause))
        case RollbackDrained(epoch=epoch) if epoch == back.epoch:
            return replace(back, still_open=0)
        case _:
            return back


def is_undrained(back: Return) -> bool:
    """Proven, with something left in the candidate when last counted."""
    return back.proven_at is not None and bool(back.still_open)
