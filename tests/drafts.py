"""Making entries for tests, in order, at times that tests choose."""

from datetime import UTC, datetime, timedelta
from itertools import count

from orchestrator.core.event import Actor, Draft, Entry, Happening
from orchestrator.core.ids import ActorKind
from wards.model import WardId

START = datetime(2027, 3, 1, 6, tzinfo=UTC)
SENTINEL = Actor(kind=ActorKind.SENTINEL, name="test")
_ids = count()


def draft(
    ward: WardId | None, happening: Happening, *, after_h: float = 0.0, plan_hash: str = "p"
) -> Draft:
    """A draft some hours after START."""
    return Draft(
        id=f"d{next(_ids)}",
        at=START + timedelta(hours=after_h),
        ward=ward,
        actor=SENTINEL,
        plan_hash=plan_hash,
        code_version="test",
        happening=happening,
    )


def entries(*drafts: Draft) -> tuple[Entry, ...]:
    """The drafts in order, numbered from 1; hashes are not what these tests look at."""
    return tuple(
        Entry(seq=seq, draft=one, prev_hash="", hash=str(seq)) for seq, one in enumerate(drafts, 1)
    )
