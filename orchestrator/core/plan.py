"""What a programme means, once its file has been read and found sound.

A plan names wards in order, slices, a ladder of stages, the signals that are watched
and the policies of safety. Addresses of machines are not in it: they belong to the
site, so that a plan tried in a test hospital has the same hash in the real one.
Source: design section 5.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from orchestrator.core.ids import (
    ProviderName,
    Role,
    Side,
    SignalName,
    SliceName,
    StageName,
)
from orchestrator.core.threshold import Threshold
from wards.model import Hospital, Ward, WardId
from wards.windows import WindowPolicy

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One EHR: its product and version as its supplier names them."""

    product: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A clinical workflow of a ward that can be routed on its own, by path prefix ("/notes")."""

    name: SliceName
    title: str
    path_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """How long a stage must be held before the next: whole clinical shifts, of which
    at least `nights` nights and `weekend_shifts` shifts that begin on a Saturday or Sunday."""

    shifts: int = 0
    nights: int = 0
    weekend_shifts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the ladder. `candidate` slices are worked in the candidate; `mirrored`
    slices stay on legacy while the candidate is fed copies of reads. The last is acceptance."""

    name: StageName
    title: str
    candidate: tuple[SliceName, ...] = ()
    mirrored: tuple[SliceName, ...] = ()
    approvals: tuple[Role, ...] = ()
    soak: Soak = Soak()


class ProviderKind(StrEnum):
    """Where readings come from."""

    PROMETHEUS = "prometheus"
    SCRAPE = "scrape"
    PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A source of readings. `address` names an entry of the site's addresses.

    `sample_every_s` is the age a sample can have when it is first readable;
    `metrics`, where given, lists every metric name that may be asked of it.
    """

    name: ProviderName
    kind: ProviderKind
    address: str
    sample_every_s: float
    timeout_s: float
    metrics: tuple[str, ...] = ()


class Reduce(StrEnum):
    """How samples of a scraped metric become one number."""

    LATEST = "latest"  # a gauge, or a counter of never events, as it stands
    RATE_PER_S = "rate_per_s"  # increase over the window, per second
    RATIO = "ratio"  # increase of the metric / increase of `per` over the window
    QUANTILE = "quantile"  # of a histogram's increase over the window


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeQuery:
    """One metric of a /metrics page, summed over all labels but `ward`, where `labels` match."""

    metric: str
    reduce: Reduce
    labels: tuple[tuple[str, str], ...] = ()
    per: str | None = None
    per_labels: tuple[tuple[str, str], ...] = ()
    quantile: float | None = None
    window_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromQuery:
    """PromQL that answers for all wards at once: one series a ward, label `ward`."""

    promql: str


class ProbeKind(StrEnum):
    """What a probe asks; its value is 1 for a good answer and 0 for a bad one."""

    HTTP = "http"
    FHIR_METADATA = "fhir_metadata"
    FHIR_ROUND_TRIP = "fhir_round_trip"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeQuery:
    """A question put to one EHR as that ward, with a synthetic patient."""

    kind: ProbeKind
    of: Side
    path: str = ""


Query: TypeAlias = ScrapeQuery | PromQuery | ProbeQuery


class Purpose(StrEnum):
    """What a signal is for: safety of exposure, or proof that legacy can be returned to."""

    SAFETY = "safety"
    LEGACY_READY = "legacy_ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A named quantity that is watched.

    `fresh_within_s`: an older sample is no data. `blind_patience_s`: how long an exposed
    ward may be without it. `min_samples`: fewer observations say nothing.
    `slice_name`: judged while that slice is exposed; None: while any slice is.
    """

    name: SignalName
    title: str
    unit: str
    provider: ProviderName
    query: Query
    threshold: Threshold
    fresh_within_s: float
    blind_patience_s: float
    min_samples: int = 1
    slice_name: SliceName | None = None
    purpose: Purpose = Purpose.SAFETY
    failure: str = ""


class GuardAction(StrEnum):
    """What the guard does when a lease lapses."""

    RESTORE = "restore"
    PAGE = "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPolicy:
    """When a switch counts as done: `probes` consecutive right answers for every slice
    through every gateway, at most `every_s` apart, or pending after `deadline_s`."""

    probes: int
    every_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """How an alert's labels name ward, slice and severity, and what a severity asks for.

    `patience_s` (wall time): how long an alert that fired before the ward was exposed may go on
    firing before the ward returns. A severity in neither list is told to people.
    """

    ward_label: str = "ward"
    slice_label: str = "slice"
    severity_label: str = "severity"
    returns: tuple[str, ...] = ("critical",)
    holds: tuple[str, ...] = ("warning",)
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPolicy:
    """Who may stop the line at the bedside, and what confirms a report.

    One report freezes the programme; within `window_s` (wall time) a second person, a role in
    `alone`, or any signal that is not PASS returns the ward. A report that nobody takes in hand
    within `acknowledge_within_s` pages again.
    """

    roles: tuple[Role, ...] = ()
    alone: tuple[Role, ...] = ()
    window_s: float = 900.0
    acknowledge_within_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPolicy:
    """Which roles may take back a return that still waits, by its trigger. A signal's breach,
    blindness, a lapsed lease and a person's own word wait for nothing and nobody."""

    alert: tuple[Role, ...] = ()
    stop: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPolicy:
    """How a return is rehearsed, how fast it must be (real seconds), and for how many days the
    evidence counts."""

    valid_days: int = 30
    rounds: int = 3
    restore_within_s: float = 5.0
    prove_within_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The programme's safety arithmetic, in real seconds, and who may do what."""

    tick_s: float
    lease_s: float
    retry_budget_s: float
    margin_s: float
    query_budget_s: float
    write_budget_s: float
    max_harm_window_s: float
    proof: ProofPolicy
    guard: GuardAction
    max_exposed_wards: int
    resume_roles: tuple[Role, ...]
    alerts: AlertPolicy = AlertPolicy()
    stop: StopPolicy = StopPolicy()
    cancel: CancelPolicy = CancelPolicy()
    drill: DrillPolicy = DrillPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole programme. Wards and stages are in the order of the rollout."""

    name: str
    region: str
    zone: ZoneInfo
    starts_on: date
    legacy: System
    candidate: System
    hospitals: tuple[Hospital, ...]
    wards: tuple[Ward, ...]
    slices: tuple[Slice, ...]
    stages: tuple[Stage, ...]
    providers: tuple[Provider, ...]
    signals: tuple[Signal, ...]
    windows: WindowPolicy
    roles: tuple[Role, ...]
    policy: Policy

    def ward(self, ward: WardId) -> Ward:
        """The ward of that id. Raises: KeyError."""
        return _named(self.wards, "id", ward)

    def stage(self, name: StageName) -> Stage:
        """The stage of that name. Raises: KeyError."""
        return _named(self.stages, "name", name)

    def index(self, name: StageName) -> int:
        """The stage's place on the ladder, from 0. Raises: KeyError."""
        return self.stages.index(self.stage(name))

    def stage_after(self, name: StageName) -> Stage | None:
        """The next rung, or None from acceptance."""
        place = self.index(name) + 1
        return self.stages[place] if place < len(self.stages) else None

    def signals_for(self, purpose: Purpose) -> tuple[Signal, ...]:
        """All signals of one purpose, in plan order."""
        return tuple(signal for signal in self.signals if signal.purpose is purpose)


def _named(items: tuple[_T, ...], field: str, wanted: str) -> _T:
    for item in items:
        if getattr(item, field) == wanted:
            return item
    raise KeyError(wanted)
