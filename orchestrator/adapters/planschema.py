"""The shape of a programme file: units in names, nothing unknown, no silent conversion."""

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from orchestrator.core.ids import ProviderName, Role, Side, SignalName, SliceName, StageName
from orchestrator.core.plan import (
    AlertPolicy,
    CancelPolicy,
    DrillPolicy,
    GuardAction,
    Plan,
    Policy,
    ProbeKind,
    ProbeQuery,
    PromQuery,
    ProofPolicy,
    Provider,
    ProviderKind,
    Purpose,
    Query,
    Reduce,
    ScrapeQuery,
    Signal,
    Slice,
    Soak,
    Stage,
    StopPolicy,
    System,
)
from orchestrator.core.threshold import (
    BaselineRatio,
    Direction,
    Limit,
    Repetition,
    Threshold,
    Tripwire,
)
from wards.catalogue import (
    NAME,
    HospitalSection,
    PatternSection,
    Section,
    WardSection,
    WindowSection,
)

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
WORD = r"^[a-z][a-z0-9_]{0,60}$"
StageWord = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]


def _zone(value: object) -> object:
    if isinstance(value, str):
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(
                f"{value!r} is no time zone, write for example Europe/Stockholm"
            ) from None
    return value


class SystemSection(Section):
    """An EHR."""

    product: str
    version: str


class SliceSection(Section):
    """A slice."""

    name: str = Field(pattern=NAME)
    title: str
    path_prefix: str = Field(pattern=r"^/[a-z0-9-]+$")


class SoakSection(Section):
    """Whole shifts before the next stage."""

    shifts: int = Field(default=0, ge=0)
    nights: int = Field(default=0, ge=0)
    weekend_shifts: int = Field(default=0, ge=0)


class StageSection(Section):
    """A rung of the ladder."""

    name: StageWord
    title: str
    candidate: tuple[str, ...] = ()
    mirrored: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    soak: SoakSection = SoakSection()


class ProviderSection(Section):
    """A source of readings."""

    name: str = Field(pattern=WORD)
    kind: ProviderKind
    address: str = Field(pattern=WORD)
    sample_every_s: NotNegative
    timeout_s: Positive
    metrics: tuple[str, ...] = ()


class ScrapeSection(Section):
    """A metric of a page."""

    metric: str
    reduce: Reduce
    labels: dict[str, str] = Field(default_factory=dict)
    per: str | None = None
    per_labels: dict[str, str] = Field(default_factory=dict)
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    window_s: Positive | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ScrapeSection":
        needs = {Reduce.RATIO: ("per", "window_s"), Reduce.RATE_PER_S: ("window_s",)}
        needs[Reduce.QUANTILE] = ("quantile", "window_s")
        missing = [name for name in needs.get(self.reduce, ()) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"reduce {self.reduce} needs {' and '.join(missing)}")
        return self


class PrometheusSection(Section):
    """A query for all wards at once."""

    promql: str = Field(min_length=1)


class ProbeSection(Section):
    """A question to an EHR."""

    kind: ProbeKind
    of: Side
    path: str = ""


class ThresholdSection(Section):
    """Exactly one of: tripwire, a limit, a multiple of the legacy baseline."""

    tripwire: bool = False
    at_most: FiniteFloat | None = None
    at_least: FiniteFloat | None = None
    at_most_times_baseline: Positive | None = None
    at_least_times_baseline: Positive | None = None
    warn: FiniteFloat | None = None
    least_limit: FiniteFloat | None = None
    of_the_last_ticks: tuple[int, int] = (1, 1)

    @model_validator(mode="after")
    def _one_kind(self) -> "ThresholdSection":
        kinds = (
            self.tripwire or None, self.at_most, self.at_least,
            self.at_most_times_baseline, self.at_least_times_baseline,
        )  # fmt: skip
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError(
                "give exactly one of tripwire, at_most, at_least, at_most_times_baseline, "
                "at_least_times_baseline"
            )
        return self

    def meaning(self) -> Threshold:
        """The threshold."""
        if self.tripwire:
            return Tripwire()
        m, n = self.of_the_last_ticks
        repetition = Repetition(m=m, n=n)
        direction = (
            Direction.AT_MOST
            if self.at_most is not None or self.at_most_times_baseline is not None
            else Direction.AT_LEAST
        )
        times = self.at_most_times_baseline or self.at_least_times_baseline
        if times is not None:
            return BaselineRatio(
                direction=direction,
                times=times,
                warn_times=self.warn,
                least_limit=self.least_limit,
                repetition=repetition,
            )
        limit = self.at_most if self.at_most is not None else self.at_least
        assert limit is not None
        return Limit(direction=direction, limit=limit, warn=self.warn, repetition=repetition)


class SignalSection(Section):
    """A signal with its question and its threshold."""

    name: str = Field(pattern=WORD)
    title: str
    unit: str
    provider: str
    scrape: ScrapeSection | None = None
    prometheus: PrometheusSection | None = None
    probe: ProbeSection | None = None
    threshold: ThresholdSection
    fresh_within_s: Positive
    blind_patience_s: Positive
    min_samples: int = Field(default=1, ge=1)
    slice: str | None = None
    purpose: Purpose = Purpose.SAFETY
    failure: str = ""

    @model_validator(mode="after")
    def _one_question(self) -> "SignalSection":
        asked = (self.scrape, self.prometheus, self.probe)
        if sum(one is not None for one in asked) != 1:
            raise ValueError("give exactly one of scrape, prometheus, probe")
        return self

    def query(self) -> Query:
        """The question."""
        if self.prometheus is not None:
            return PromQuery(promql=self.prometheus.promql)
        if self.probe is not None:
            return ProbeQuery(kind=self.probe.kind, of=self.probe.of, path=self.probe.path)
        assert self.scrape is not None
        asked = self.scrape
        return ScrapeQuery(
            metric=asked.metric,
            reduce=asked.reduce,
            labels=tuple(sorted(asked.labels.items())),
            per=asked.per,
            per_labels=tuple(sorted(asked.per_labels.items())),
            quantile=asked.quantile,
            window_s=asked.window_s,
        )

    def meaning(self) -> Signal:
        """The signal."""
        return Signal(
            name=SignalName(self.name),
            title=self.title,
            unit=self.unit,
            provider=ProviderName(self.provider),
            query=self.query(),
            threshold=self.threshold.meaning(),
            fresh_within_s=self.fresh_within_s,
            blind_patience_s=self.blind_patience_s,
            min_samples=self.min_samples,
            slice_name=None if self.slice is None else SliceName(self.slice),
            purpose=self.purpose,
            failure=self.failure,
        )


class ProofSection(Section):
    """When a switch counts as done."""

    probes: int = Field(ge=1)
    every_s: Positive
    deadline_s: Positive


class AlertSection(Section):
    """How alerts name ward, slice and severity, and what a severity asks for."""

    ward_label: str = "ward"
    slice_label: str = "slice"
    severity_label: str = "severity"
    returns: tuple[str, ...] = ("critical",)
    holds: tuple[str, ...] = ("warning",)
    patience_s: NotNegative = 60.0


class StopSection(Section):
    """Who may stop the line, and what confirms a report."""

    roles: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    window_s: Positive = 900.0
    acknowledge_within_s: Positive = 300.0


class CancelSection(Section):
    """Which roles may take back a return that still waits, by its trigger."""

    alert: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


class DrillSection(Section):
    """How a return is rehearsed and for how long the evidence counts."""

    valid_days: int = Field(default=30, ge=1)
    rounds: int = Field(default=3, ge=1)
    restore_within_s: Positive = 5.0
    prove_within_s: Positive = 30.0


class PolicySection(Section):
    """Safety arithmetic and who may do what."""

    tick_s: Positive
    lease_s: Positive
    retry_budget_s: NotNegative
    margin_s: NotNegative
    query_budget_s: Positive
    write_budget_s: Positive
    max_harm_window_s: Positive
    proof: ProofSection
    guard: GuardAction
    max_exposed_wards: int = Field(default=1, ge=1)
    resume_roles: tuple[str, ...] = Field(min_length=1)
    alerts: AlertSection = AlertSection()
    stop: StopSection = StopSection()
    cancel: CancelSection = CancelSection()
    drill: DrillSection = DrillSection()


class ProgrammeFile(Section):
    """The whole file."""

    programme: str = Field(pattern=NAME)
    region: str
    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)]
    starts_on: date
    legacy: SystemSection
    candidate: SystemSection
    roles: tuple[str, ...] = Field(min_length=1)
    hospitals: tuple[HospitalSection, ...] = Field(min_length=1)
    shift_patterns: dict[str, tuple[PatternSection, ...]] = Field(min_length=1)
    wards: tuple[WardSection, ...] = Field(min_length=1)
    slices: tuple[SliceSection, ...] = Field(min_length=1)
    stages: tuple[StageSection, ...] = Field(min_length=1)
    providers: tuple[ProviderSection, ...] = Field(min_length=1)
    signals: tuple[SignalSection, ...] = Field(min_length=1)
    windows: WindowSection
    policy: PolicySection

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    def meaning(self) -> Plan:
        """The plan. A ward whose shift pattern is not there gets none, for `problems` to see."""
        patterns = {
            name: tuple(one.meaning(name) for one in dated)
            for name, dated in self.shift_patterns.items()
        }
        return Plan(
            name=self.programme,
            region=self.region,
            zone=self.time_zone,
            starts_on=self.starts_on,
            legacy=System(product=self.legacy.product, version=self.legacy.version),
            candidate=System(product=self.candidate.product, version=self.candidate.version),
            hospitals=tuple(one.meaning() for one in self.hospitals),
            wards=tuple(one.meaning(patterns.get(one.shift_pattern, ())) for one in self.wards),
            slices=tuple(
                Slice(name=SliceName(one.name), title=one.title, path_prefix=one.path_prefix)
                for one in self.slices
            ),
            stages=tuple(_stage(one) for one in self.stages),
            providers=tuple(_provider(one) for one in self.providers),
            signals=tuple(one.meaning() for one in self.signals),
            windows=self.windows.meaning(),
            roles=tuple(Role(one) for one in self.roles),
            policy=_policy(self.policy),
        )


def _stage(section: StageSection) -> Stage:
    return Stage(
        name=StageName(section.name),
        title=section.title,
        candidate=tuple(SliceName(name) for name in section.candidate),
        mirrored=tuple(SliceName(name) for name in section.mirrored),
        approvals=tuple(Role(name) for name in section.approvals),
        soak=Soak(
            shifts=section.soak.shifts,
            nights=section.soak.nights,
            weekend_shifts=section.soak.weekend_shifts,
        ),
    )


def _provider(section: ProviderSection) -> Provider:
    return Provider(
        name=ProviderName(section.name),
        kind=section.kind,
        address=section.address,
        sample_every_s=section.sample_every_s,
        timeout_s=section.timeout_s,
        metrics=section.metrics,
    )


def _policy(section: PolicySection) -> Policy:
    return Policy(
        tick_s=section.tick_s,
        lease_s=section.lease_s,
        retry_budget_s=section.retry_budget_s,
        margin_s=section.margin_s,
        query_budget_s=section.query_budget_s,
        write_budget_s=section.write_budget_s,
        max_harm_window_s=section.max_harm_window_s,
        proof=ProofPolicy(
            probes=section.proof.probes,
            every_s=section.proof.every_s,
            deadline_s=section.proof.deadline_s,
        ),
        guard=section.guard,
        max_exposed_wards=section.max_exposed_wards,
        resume_roles=_roles(section.resume_roles),
        alerts=AlertPolicy(**section.alerts.model_dump()),
        stop=StopPolicy(
            roles=_roles(section.stop.roles),
            alone=_roles(section.stop.alone),
            window_s=section.stop.window_s,
            acknowledge_within_s=section.stop.acknowledge_within_s,
        ),
        cancel=CancelPolicy(alert=_roles(section.cancel.alert), stop=_roles(section.cancel.stop)),
        drill=DrillPolicy(**section.drill.model_dump()),
    )


def _roles(names: tuple[str, ...]) -> tuple[Role, ...]:
    return tuple(Role(name) for name in names)
