"""`wardshift demo`: starts everything, leads the story, and proves how it ended."""

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchestrator import logs
from orchestrator.adapters.clock import SystemClock
from orchestrator.cli.demo.director import Director
from orchestrator.cli.demo.evidence import (
    BreachObserver,
    ReturnTimes,
    candidate_answers,
    outcome,
    return_times,
)
from orchestrator.cli.demo.story import Narrator, when
from orchestrator.cli.everything import Everything, Wishes, clear, start_everything
from orchestrator.cli.output import Format, say, show_json
from orchestrator.core.event import Entry, RollbackIntended
from orchestrator.errors import ExitCode
from orchestrator.ledger import open_ledger, verify
from wards.model import WardId

DEMO_HOME = Path("build/demo")
LONGEST_S = 480.0
OBSERVED = "staff_note_text_lost_total"
TIMES = ("breach_visible_at", "decided_at", "restored_at", "proven_at")
EXPECTED = ("accepted", "rolled_back", "untouched")
INTRODUCTION = """
Three wards of a practice hospital get a new EHR, one ward and one slice at a time, beside
the old one. Everything you see happens in real processes: two EHRs, a gateway, clinicians at
work, a Prefect server with its worker, a sentinel that watches, a guard that watches the
watching. Practice time runs fast, and slows down when it matters.
"""


def demo(
    *,
    format: Format = Format.TABLE,  # noqa: A002
    keep: bool = False,
    kubernetes: bool = False,
    home: Path = DEMO_HOME,
) -> int:
    """Watch one ward be accepted, one break and come back by itself, one never touched.

    Example: wardshift demo --keep

    Args:
        format: table tells the story; json prints one object on stdout, the story on stderr.
        keep: Leave everything running afterwards, to be explored.
        kubernetes: Routes, leases and fence on a real API server (`make parts` builds it once).
        home: Folder for everything that is made; it is emptied first.
    """
    logs.configure("wardshift", level="WARNING")
    clock = SystemClock()
    began_s = clock.monotonic()
    clear(home)
    say(INTRODUCTION)
    plan = Path(str(files("wards") / "data" / "practice.yaml"))
    wishes = Wishes(practice=True, kubernetes=kubernetes, rate=60.0)
    everything = start_everything(plan, home, wishes, _told(clock, began_s))
    try:
        ended, result = _play(everything, clock, began_s)
        if format is Format.JSON:
            show_json(result)
        _conclude(result, ended=ended)
        if keep:
            _keep(everything)
    finally:
        say("Ending every process that was started")
        everything.stop()
    return ExitCode.DONE if ended and _is_the_story(result) else ExitCode.UNAVAILABLE


def _told(clock: SystemClock, began_s: float) -> Any:
    return lambda text: say(f"[{clock.monotonic() - began_s:5.1f} s] {text}")


def _play(
    everything: Everything, clock: SystemClock, began_s: float
) -> tuple[bool, dict[str, Any]]:
    installation = everything.installation
    hospital = everything.hospital
    assert hospital is not None
    observers: list[BreachObserver] = []

    narrator = Narrator(installation.plan)

    def tell(entry: Entry) -> None:
        text = narrator.sentence(entry)
        if text is not None:
            mark = "!!" if isinstance(entry.draft.happening, RollbackIntended) else "  "
            say(f"{mark} {when(installation.plan, entry)}  {text}")

    def breaking(ward: WardId) -> None:
        name = installation.plan.ward(ward).name
        say(f"\n   {name}: an ordinary evening shift. Practice time now runs as fast as real "
            "time.\n   The candidate begins to lose text from notes, and its "
            "screens slow down. Nobody touches anything from here on.\n")  # fmt: skip
        url = hospital.addresses["staff_metrics_url"]
        observer = BreachObserver(url, OBSERVED, ward, installation.clock)
        observer.start()
        observers.append(observer)

    director = Director(installation=installation, hospital=hospital, tell=tell, breaking=breaking)
    ended = director.play(deadline_s=LONGEST_S)
    director.linger()
    for observer in observers:
        observer.stop()
    observer = observers[0] if observers else None
    return ended, _result(everything, director, observer, clock.monotonic() - began_s)


def _result(
    everything: Everything, director: Director, observer: BreachObserver | None, wall_s: float
) -> dict[str, Any]:
    installation, hospital = everything.installation, everything.hospital
    assert hospital is not None
    log = Path(hospital.addresses["gateway_log"])
    wards = [ward.id for ward in installation.plan.wards]
    times = return_times(director.entries, wards[1])
    proven = times.proven.draft.at if times and times.proven else None
    checked = verify(open_ledger(installation.site.ledger, timeout_s=5.0))
    return {
        "wards": [
            {"ward": ward, "outcome": outcome(director.state, ward, candidate_answers(log, ward))}
            for ward in wards
        ],
        "rollback": _rollback(wards[1], times, observer),
        "requests_to_candidate_after_proof": (
            None if proven is None else candidate_answers(log, wards[1], after=proven)
        ),
        "frozen": director.state.freeze is not None,
        "ledger": installation.site.ledger,
        "events": checked.events,
        "chain_ok": checked.is_sound,
        "timeline_svg": str(_picture(everything, director, wards[1])),
        "prefect_ui": everything.prefect_ui,
        "gateway_log": str(log),
        "wall_s": round(wall_s, 1),
    }


def _picture(everything: Everything, director: Director, ward: WardId) -> Path:
    from orchestrator.reports.facts import timeline_facts
    from orchestrator.reports.timeline import timeline_svg

    path = everything.home / f"timeline-{ward}.svg"
    timeline_svg(timeline_facts(everything.installation.plan, ward, director.entries), path)
    return path


def _rollback(
    ward: WardId, times: ReturnTimes | None, observer: BreachObserver | None
) -> dict[str, Any] | None:
    if times is None:
        return None
    intended = times.intended.draft
    assert isinstance(intended.happening, RollbackIntended)
    cause = intended.happening.cause
    written = times.written.draft if times.written else None
    decided_at = intended.happening.seen_at
    visible_at = None if observer is None else observer.visible_by(decided_at)
    return {
        "ward": ward,
        "trigger": cause.trigger.value,
        "signal": cause.signal,
        "value": cause.value,
        "threshold": cause.limit,
        "actor": intended.actor.kind.value,
        "breach_visible_at": _stamp(visible_at),
        "decided_at": _stamp(decided_at),
        "restored_at": _stamp(written.at if written else None),
        "proven_at": _stamp(times.proven.draft.at if times.proven else None),
        "epoch": getattr(written.happening, "epoch", None) if written else None,
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds")


def _is_the_story(result: dict[str, Any]) -> bool:
    """Exactly what was promised happened, and can be shown."""
    rollback = result["rollback"]
    return (
        tuple(ward["outcome"] for ward in result["wards"]) == EXPECTED
        and rollback is not None
        and (rollback["actor"], rollback["trigger"]) == ("sentinel", "breach")
        and None not in (rollback[name] for name in TIMES)
        and result["requests_to_candidate_after_proof"] == 0
        and result["frozen"]
        and result["chain_ok"]
    )


def _conclude(result: dict[str, Any], *, ended: bool) -> None:
    if not (ended and _is_the_story(result)):
        say("\nThe story did NOT end as it should. What was seen:")
        say("\n".join(f"  {name}: {value}" for name, value in result.items()))
        return
    back = result["rollback"]
    seen, proven = (
        datetime.fromisoformat(back[name]) for name in ("breach_visible_at", "proven_at")
    )
    restored = datetime.fromisoformat(back["restored_at"])
    asked = result["requests_to_candidate_after_proof"]
    say(f"""
What happened:
  {result["wards"][0]["ward"]}: accepted after its gates, shadow, slices and soak.
  {result["wards"][1]["ward"]}: {back["signal"]} was {back["value"]:g}, limit {back["threshold"]:g}.
     visible -> restored {(restored - seen).total_seconds():.2f} s,
     visible -> proven {(proven - seen).total_seconds():.2f} s.
     Requests answered by the candidate after the proof: {asked}.
  {result["wards"][2]["ward"]}: never touched. The programme is frozen until two roles agree.
  The ledger: {result["events"]} events, each following the one before.
  A picture of the second ward's days: {result["timeline_svg"]}
  All of it took {result["wall_s"]} s.""")


def _keep(everything: Everything) -> None:
    from orchestrator.cli.machine import guide_to, until_told

    say(guide_to(everything))
    until_told()
