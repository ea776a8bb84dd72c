"""A small sound plan for tests, and ways to change one thing in it. Everything is invented."""

from dataclasses import replace
from datetime import date, time
from zoneinfo import ZoneInfo

from orchestrator.core.ids import ProviderName, Role, Side, SignalName, SliceName, StageName
from orchestrator.core.plan import (
    GuardAction,
    Plan,
    Policy,
    ProbeKind,
    ProbeQuery,
    ProofPolicy,
    Provider,
    ProviderKind,
    Purpose,
    Reduce,
    ScrapeQuery,
    Signal,
    Slice,
    Soak,
    Stage,
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
from wards.model import Hospital, Ward, WardId
from wards.shifts import ShiftKind, ShiftPattern, ShiftSpan
from wards.windows import WindowPolicy

ZONE = ZoneInfo("Europe/Stockholm")
EVERY_DAY = frozenset(range(7))
NOTES = SliceName("notes")
RESULTS = SliceName("results")
CSO = Role("clinical_safety_officer")
LEAD = Role("programme_lead")
HEAD = Role("ward_head")
TEXT_LOST = SignalName("text_lost")
SLOW = SignalName("slow_screens")
FAILED_LOGINS = SignalName("failed_logins")
LEGACY_UP = SignalName("legacy_answers")
FIRST = WardId("ava-1")
SECOND = WardId("med-2")


def pattern() -> ShiftPattern:
    """Day 07-15, evening 15-21, night 21-07, every day."""
    return ShiftPattern(
        name="plain",
        effective_from=date(2020, 1, 1),
        spans=(
            ShiftSpan(kind=ShiftKind.DAY, start=time(7), end=time(15), weekdays=EVERY_DAY),
            ShiftSpan(kind=ShiftKind.EVENING, start=time(15), end=time(21), weekdays=EVERY_DAY),
            ShiftSpan(kind=ShiftKind.NIGHT, start=time(21), end=time(7), weekdays=EVERY_DAY),
        ),
    )


def signal(
    name: SignalName = SLOW,
    threshold: Threshold | None = None,
    *,
    slice_name: SliceName | None = None,
    min_samples: int = 1,
    purpose: Purpose = Purpose.SAFETY,
    patience_s: float = 10.0,
) -> Signal:
    """A scraped signal, fresh within 5 s."""
    return Signal(
        name=name,
        title=name.replace("_", " "),
        unit="s",
        provider=ProviderName("staff"),
        query=ScrapeQuery(metric=name, reduce=Reduce.LATEST),
        threshold=threshold or Limit(direction=Direction.AT_MOST, limit=2.0, warn=1.0),
        fresh_within_s=5.0,
        blind_patience_s=patience_s,
        min_samples=min_samples,
        slice_name=slice_name,
        purpose=purpose,
    )


def legacy_signal() -> Signal:
    """Legacy answers a round trip as the ward."""
    return replace(
        signal(
            LEGACY_UP,
            Limit(direction=Direction.AT_LEAST, limit=1.0),
            purpose=Purpose.LEGACY_READY,
        ),
        provider=ProviderName("legacy"),
        query=ProbeQuery(kind=ProbeKind.FHIR_ROUND_TRIP, of=Side.LEGACY),
    )


def stages() -> tuple[Stage, ...]:
    """readiness -> shadow -> notes -> all -> accepted."""
    every = (NOTES, RESULTS)
    return (
        Stage(name=StageName("readiness"), title="Readiness"),
        Stage(name=StageName("shadow"), title="Shadow", mirrored=every, soak=Soak(shifts=1)),
        Stage(
            name=StageName("notes"),
            title="Notes",
            candidate=(NOTES,),
            approvals=(CSO, HEAD),
            soak=Soak(shifts=1),
        ),
        Stage(name=StageName("all"), title="All", candidate=every, soak=Soak(shifts=2, nights=1)),
        Stage(name=StageName("accepted"), title="Accepted", candidate=every, approvals=(CSO,)),
    )


def policy() -> Policy:
    """Tick 1 s, lease 8 s."""
    return Policy(
        tick_s=1.0,
        lease_s=8.0,
        retry_budget_s=2.0,
        margin_s=1.0,
        query_budget_s=0.8,
        write_budget_s=0.5,
        max_harm_window_s=30.0,
        proof=ProofPolicy(probes=2, every_s=0.1, deadline_s=5.0),
        guard=GuardAction.RESTORE,
        max_exposed_wards=1,
        resume_roles=(CSO, LEAD),
    )


def ward(name: WardId) -> Ward:
    """An invented ward of 24 beds."""
    return Ward(
        id=name,
        name=f"Ward {name}",
        hospital="sas",
        beds=24,
        patterns=(pattern(),),
        slices=("notes", "results"),
        contacts=(),
        downtime_procedure="Paper forms in the red binder at the ward desk.",
    )


def plan() -> Plan:
    """Two wards, two slices, four signals; open windows at any time."""
    return Plan(
        name="test",
        region="invented",
        zone=ZONE,
        starts_on=date(2027, 3, 1),
        legacy=System(product="Old", version="1"),
        candidate=System(product="New", version="2026.11.3"),
        hospitals=(Hospital(id="sas", name="Practice hospital"),),
        wards=(ward(FIRST), ward(SECOND)),
        slices=(
            Slice(name=NOTES, title="Notes", path_prefix="/notes"),
            Slice(name=RESULTS, title="Results", path_prefix="/results"),
        ),
        stages=stages(),
        providers=(
            Provider(
                name=ProviderName("staff"),
                kind=ProviderKind.SCRAPE,
                address="staff_metrics",
                sample_every_s=1.0,
                timeout_s=0.5,
            ),
            Provider(
                name=ProviderName("legacy"),
                kind=ProviderKind.PROBE,
                address="legacy",
                sample_every_s=0.0,
                timeout_s=0.5,
            ),
        ),
        signals=(
            signal(TEXT_LOST, Tripwire(), slice_name=NOTES),
            signal(
                SLOW,
                Limit(
                    direction=Direction.AT_MOST,
                    limit=2.0,
                    warn=1.0,
                    repetition=Repetition(m=2, n=3),
                ),
            ),
            signal(
                FAILED_LOGINS,
                BaselineRatio(direction=Direction.AT_MOST, times=3.0, warn_times=2.0),
            ),
            legacy_signal(),
        ),
        windows=open_windows(),
        roles=(CSO, LEAD, HEAD),
        policy=policy(),
    )


def open_windows() -> WindowPolicy:
    """Open but for the last second of a day."""
    return WindowPolicy(
        opens=time(0),
        closes=time(23, 59, 59),
        weekdays=EVERY_DAY,
        on_holidays=True,
        before_day_off=True,
    )
