"""What the services need from outside, in protocols of one to four methods.

Every port's contract tests run against its fake and against the real thing.
Errors are those of `orchestrator.errors`; a port never lets a library's error through.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.core.event import Draft, Entry
from orchestrator.core.ids import Side, SignalName, SliceName
from orchestrator.core.placing import Notice
from orchestrator.core.plan import Signal
from orchestrator.core.reading import Reading
from orchestrator.core.route import ObservedRoute, Route
from wards.model import WardId


class Clock(Protocol):
    """Wall time, monotonic seconds, and sleep."""

    def now(self) -> datetime:
        """Aware UTC wall time (practice time in the practice hospital)."""
        ...

    def monotonic(self) -> float:
        """Real seconds; never set, never scaled."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for real seconds."""
        ...


Readings = Mapping[tuple[WardId, SignalName], Reading]


class SignalSource(Protocol):
    """One provider of readings."""

    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        """One reading for every pair asked, at most one query a signal for all wards; a probe asks
        as each ward.

        May block up to the provider's timeout. Never raises: a source that does not answer is
        SourceDown for every pair, and a probe that nobody answers is 0. Idempotent.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAnswer:
    """Every alert that a source has now, firing or silenced.

    `gaps`: what it could not say, in words; then an alert that is missing may fire all the same.
    """

    notices: tuple[Notice, ...]
    gaps: str = ""


class AlertSource(Protocol):
    """One system that knows which alerts fire."""

    def read(self) -> AlertAnswer:
        """What it has now. Bounded in time. Raises: Unavailable; a failed read ends no alert."""
        ...


class Routes(Protocol):
    """The gateway's routes: one object a ward, compare-and-set, fenced by epoch."""

    def all(self) -> tuple[ObservedRoute, ...]:
        """Every ward's route. Raises: Unavailable."""
        ...

    def get(self, ward: WardId) -> ObservedRoute:
        """One ward's route. Raises: Unavailable; Refused("no_route")."""
        ...

    def replace(self, route: Route, *, resource_version: str) -> ObservedRoute:
        """Replace the whole route at once.

        Raises: Conflict when the version is old; Refused("stale_epoch") by the fence, and
        Refused("no_grant") for a forward write whose epoch was not granted; Unavailable when
        nothing was sent; Indeterminate when the answer is unknown.
        """
        ...

    def grant(self, ward: WardId, epoch: int, *, resource_version: str) -> ObservedRoute:
        """Allow one forward write of this route under that epoch, in place of what was allowed
        before; nothing else changes, but the version. Epoch 0, which no route has, allows nothing.

        Raises: as `replace`.
        """
        ...


class Fence(Protocol):
    """The rules at the routes themselves, to be tried without changing anything."""

    def try_out(self, route: Route, *, resource_version: str) -> None:
        """Everything that `Routes.replace` would do but the change.

        Raises: as `Routes.replace`; nothing when the write would be let through.
        """
        ...

    def missing_rules(self) -> tuple[str, ...]:
        """The rules that are not in force as they should be, each by its name, also those that
        nobody of ours could try out; empty when all are.

        Raises: Unavailable when they cannot be looked at.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """A lease as read. It lives while it keeps changing: observers time it on their own
    monotonic clock from the moment they saw `resource_version` change."""

    name: str
    holder: str
    duration_s: float
    transitions: int
    notes: Mapping[str, str]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """For how many seconds, seen without a gap, a lease has stood at a version."""

    version: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a guard knew at its last look: under which name it held leases, and how long each lease
    that it saw had stood still."""

    holder: str
    leases: Mapping[str, Standstill]


class GuardMemory(Protocol):
    """A guard's knowledge of leases, for the guard that is started after it is killed."""

    def load(self) -> Remembered | None:
        """What the one before us kept; None where there is nothing to go by. Never raises."""
        ...

    def save(self, known: Remembered) -> None:
        """Keep this in place of what was kept. Never blocks, never raises."""
        ...


class Leases(Protocol):
    """Signs of life, kept where the routes are and nowhere else."""

    def all(self) -> tuple[LeaseRecord, ...]:
        """Every lease. Raises: Unavailable."""
        ...

    def put(
        self,
        name: str,
        *,
        holder: str,
        duration_s: float,
        transitions: int,
        notes: Mapping[str, str],
        resource_version: str,
    ) -> LeaseRecord:
        """Take or renew; version "" creates. Raises: Conflict, Unavailable, Indeterminate."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """Who answered a probe through one gateway, under which epoch. None: no sensible answer."""

    gateway: str
    slice_name: SliceName
    side: Side | None
    epoch: int | None
    took_ms: float
    problem: str = ""


class Prober(Protocol):
    """Asks the data plane itself, with the ward's identity."""

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        """One answer for each slice through each gateway. Never raises; bounded in time.

        Args:
            drill: the word of a drill to carry; empty: as the ward's clinicians ask.
        """
        ...

    def open_on(self, ward: WardId, side: Side) -> int | None:
        """Requests and streams open on a side now; None when it cannot be counted."""
        ...


class Ledger(Protocol):
    """The record: append-only, hash-chained, compare-and-set on the sequence."""

    def append(
        self, drafts: Sequence[Draft], *, expected_seq: int | None = None
    ) -> tuple[Entry, ...]:
        """Append all or none, in order; a draft whose id is already kept is not kept twice
        (its existing entry is returned).

        Args:
            expected_seq: the head the caller decided on; None: whatever the head is.
        Raises: Conflict when the head has moved; Unavailable; Indeterminate.
        """
        ...

    def entries(self, *, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """Entries with a greater seq, in order. Raises: Unavailable, Corrupt."""
        ...

    def head(self) -> int:
        """The greatest seq, 0 when empty. Raises: Unavailable."""
        ...


class Journal(Protocol):
    """Local, fsynced, append-only: what may happen without a database."""

    def write(self, draft: Draft) -> None:
        """On disk when it returns. Raises: Unavailable (disk full, read-only)."""
        ...

    def pending(self) -> tuple[Draft, ...]:
        """Written and not yet known to be in the ledger, oldest first."""
        ...

    def settle(self, ids: Iterable[str]) -> None:
        """These are in the ledger. Idempotent; losing it only means a repeated drain."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A message to people: what happened, where, what to do next. No patient identity."""

    ward: WardId | None
    code: str
    message: str
    next_action: str


class Notifier(Protocol):
    """Tells people. Must never delay what comes before it."""

    def page(self, page: Page) -> None:
        """Hand the message over; returns at once. Never raises."""
        ...
