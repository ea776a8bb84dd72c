"""Signs of life: keeping a lease, and telling whether somebody else's still lives.

A lease lives while its record keeps changing; each observer times that on its own
monotonic clock from when it saw the change, so nobody's wall clock matters.
Source: design rule 7; peers' wall-clock leases as the warning.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.core.gates.facts import Life
from orchestrator.core.verdict import Level
from orchestrator.errors import Conflict, Indeterminate
from orchestrator.ports import Clock, LeaseRecord, Leases, Standstill
from wards.model import WardId

SENTINEL = "sentinel"
GUARD = "guard"
WARD_PREFIX = "ward-"
RELEASED = "nobody"  # the holder of a lease that was given up
BEHIND = "behind_s"  # note on the sentinel's lease: how long the ledger has missed its words
DEAF = "deaf_s"  # note on the sentinel's lease: how long no alert source has answered it
FENCE = "fence"  # note on the sentinel's lease: whether the fence refused what it must
LEGACY = "legacy"  # note on a ward's lease: how ready legacy was at the last tick
TAKEN_BY = "taken_by"  # note on a ward's lease: a guard took it, to act on it
ACTION = "guard"  # note on a ward's lease: what the guard is to do when it lapses


def ward_lease(ward: WardId) -> str:
    """The name of the lease that says: somebody watches this ward."""
    return f"{WARD_PREFIX}{ward}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sighting:
    version: str
    changed_at_s: float
    changes: int


class LeaseBook:
    """What one process has seen of all leases. Not shared between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sightings: dict[str, _Sighting] = {}
        self._records: dict[str, LeaseRecord] = {}

    def see(self, records: Iterable[LeaseRecord]) -> None:
        """Note which leases changed since the last look."""
        now_s = self._clock.monotonic()
        self._records = {record.name: record for record in records}
        for record in self._records.values():
            self._note(record, now_s)

    def record(self, name: str) -> LeaseRecord | None:
        """The lease as last seen."""
        return self._records.get(name)

    def records(self) -> Mapping[str, LeaseRecord]:
        """Every lease as last seen, by name."""
        return self._records

    def note(self, record: LeaseRecord) -> None:
        """Note one lease that we have just written ourselves."""
        self._records[record.name] = record
        self._note(record, self._clock.monotonic())

    def age_s(self, name: str) -> float | None:
        """Real seconds since it was seen to change; None if it was never seen."""
        sighting = self._sightings.get(name)
        return None if sighting is None else self._clock.monotonic() - sighting.changed_at_s

    def is_lapsed(self, name: str) -> bool:
        """It stood still for its whole duration under our eyes, or is not there at all."""
        record = self._records.get(name)
        age_s = self.age_s(name)
        return record is None or age_s is None or age_s > record.duration_s

    def is_alive(self, name: str) -> bool | None:
        """True: seen to be renewed within its duration; None: not watched long enough to say."""
        sighting = self._sightings.get(name)
        if sighting is None or self.is_lapsed(name):
            return False
        return True if sighting.changes > 0 else None

    def excuse(self, seconds: float) -> None:
        """Let so many seconds count for no lease: nobody could have been seen to renew in them."""
        self._sightings = {
            name: replace(one, changed_at_s=one.changed_at_s + seconds)
            for name, one in self._sightings.items()
        }

    def forget(self, name: str) -> None:
        """Start timing a lease anew (after we ourselves were not looking)."""
        self._sightings.pop(name, None)

    def forget_all(self) -> None:
        """Start timing every lease anew."""
        self._sightings.clear()

    def standstills(self) -> Mapping[str, Standstill]:
        """How long each lease that is there has stood still under our eyes."""
        now_s = self._clock.monotonic()
        return {
            name: Standstill(version=one.version, for_s=max(0.0, now_s - one.changed_at_s))
            for name, one in self._sightings.items()
            if name in self._records
        }

    def recall(self, leases: Mapping[str, Standstill]) -> None:
        """Go on from what another saw; since it looked last, no time has counted for anybody. A
        lease that has changed meanwhile is timed anew as soon as it is seen."""
        now_s = self._clock.monotonic()
        for name, one in leases.items():
            self._sightings[name] = _Sighting(
                version=one.version, changed_at_s=now_s - one.for_s, changes=0
            )

    def _note(self, record: LeaseRecord, now_s: float) -> None:
        before = self._sightings.get(record.name)
        if before is None:
            after = _Sighting(version=record.resource_version, changed_at_s=now_s, changes=0)
        elif before.version == record.resource_version:
            return
        else:
            after = _Sighting(
                version=record.resource_version,
                changed_at_s=now_s,
                changes=before.changes + 1,
            )
        self._sightings[record.name] = after


def life(book: LeaseBook) -> Life:
    """Which of the two watching processes are seen to live, and how far the record lags."""
    return Life(
        sentinel=book.is_alive(SENTINEL),
        guard=book.is_alive(GUARD),
        behind_s=_seconds_noted(book, BEHIND),
        fence=_fence(book),
        deaf_s=_seconds_noted(book, DEAF),
    )


def fence_note(stands: bool | None) -> str:
    """As it stands on the sentinel's lease."""
    return {True: "stands", False: "open", None: "unknown"}[stands]


def legacy_noted(book: LeaseBook, ward: WardId) -> Level | None:
    """How ready legacy was at the last tick, from a ward's living lease; None without one.

    A note that nobody can read is BLIND.
    """
    record = book.record(ward_lease(ward))
    if record is None or book.is_lapsed(record.name) or LEGACY not in record.notes:
        return None
    return _level(record.notes[LEGACY])


def legacy_left(book: LeaseBook) -> Mapping[WardId, Level]:
    """How ready legacy was by the notes on all wards' leases, living or not: what was known of it
    by whoever watched last, and what a guard would go by."""
    return {
        WardId(name.removeprefix(WARD_PREFIX)): _level(record.notes[LEGACY])
        for name, record in book.records().items()
        if name.startswith(WARD_PREFIX) and LEGACY in record.notes
    }


def _level(said: str) -> Level:
    return Level.__members__.get(said.upper(), Level.BLIND)


def _fence(book: LeaseBook) -> bool | None:
    """What the sentinel noted; a lapsed lease says nothing."""
    record = book.record(SENTINEL)
    if record is None or book.is_lapsed(SENTINEL):
        return None
    return {"stands": True, "open": False}.get(record.notes.get(FENCE, ""))


def _seconds_noted(book: LeaseBook, note: str) -> float:
    """What the sentinel said last; one that says nothing sensible might say infinity."""
    record = book.record(SENTINEL)
    try:
        said_s = float("inf") if record is None else float(record.notes.get(note, "inf"))
    except ValueError:
        return float("inf")
    return said_s if said_s >= 0 else float("inf")


class Keeper:
    """Takes and renews leases for one holder; a lost race is an answer, not an error."""

    def __init__(self, leases: Leases, book: LeaseBook, *, holder: str, duration_s: float) -> None:
        self._leases = leases
        self._book = book
        self._duration_s = duration_s
        self.holder = holder

    def hold(self, name: str, notes: Mapping[str, str], *, seize: bool = False) -> bool:
        """Renew what is ours, or take what is free or has lapsed; whether we hold it now.

        Args:
            seize: take it from a living holder too (the active sentinel takes over wards).
        Raises: Unavailable.
        """
        record = self._book.record(name)
        if record is None:
            return self._put(name, notes, transitions=0, version="")
        if record.holder == self.holder:
            return self._put(
                name, notes, transitions=record.transitions, version=record.resource_version
            )
        if seize or record.holder == RELEASED or self._book.is_lapsed(name):
            return self._put(
                name, notes, transitions=record.transitions + 1, version=record.resource_version
            )
        return False

    def release(self, name: str) -> bool:
        """Give up what is ours, so that the next one need not wait for it to lapse; whether it is
        given up. Raises: Unavailable."""
        record = self._book.record(name)
        if record is None or record.holder != self.holder:
            return False
        return self._put(
            name,
            record.notes,
            transitions=record.transitions,
            version=record.resource_version,
            holder=RELEASED,
        )

    def _put(
        self,
        name: str,
        notes: Mapping[str, str],
        *,
        transitions: int,
        version: str,
        holder: str | None = None,
    ) -> bool:
        try:
            record = self._leases.put(
                name,
                holder=holder or self.holder,
                duration_s=self._duration_s,
                transitions=transitions,
                notes=notes,
                resource_version=version,
            )
        except (Conflict, Indeterminate):
            return False
        self._book.note(record)
        return True
