"""One calm sight of the small plan, to be changed in one thing at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.concern import Concerns, Drill, StandingAlert, StopReport
from orchestrator.core.decision import Hold, HoldCode, Stay, StayCode
from orchestrator.core.event import (
    AlertHeard,
    AlertStatus,
    Cause,
    RollbackBlocked,
    Trigger,
    Via,
    Weight,
)
from orchestrator.core.gates.facts import Life
from orchestrator.core.ids import StageName
from orchestrator.core.returned import Return
from orchestrator.core.route import Annotation, Route, desired_route
from orchestrator.core.state import Intent, Phase, ProgrammeState, WardState
from orchestrator.core.verdict import Code, Level, Verdict
from orchestrator.reports.board import Judged, Sight, WardRow, board
from tests.plans import FIRST, HEAD, LEGACY_UP, SECOND, SLOW, plan

NOW = datetime(2027, 3, 1, 6, tzinfo=UTC)
ALIVE = Life(sentinel=True, guard=True, fence=True)
CAUSE = Cause(trigger=Trigger.BREACH, reason="slow", signal=SLOW, value=3.2, limit=2.0)
DRILL = Drill(
    done_at=NOW, rounds=3, restore_s=0.31, prove_s=0.92, passed=True, problem="", plan_hash="h"
)
BLOCKED = RollbackBlocked(cause=CAUSE, legacy="not ready", downtime_procedure="paper")
RETURN = Return(cause=CAUSE, seen_at=NOW, actor="sentinel:test")
STAY = Stay(code=StayCode.GATES)
MUST_HOLD = Hold(code=HoldCode.LEGACY_NOT_READY, cause=CAUSE)


def route_at(stage: str | None, *, why: str = "stage", epoch: int = 3) -> Route:
    wanted = None if stage is None else plan().stage(StageName(stage))
    said = Annotation(who="flow:test", why=why)
    return desired_route(plan(), FIRST, wanted, epoch=epoch, annotation=said)


def ward_at(phase: Phase, stage: str | None = None, **more: Any) -> WardState:
    name = None if stage is None else StageName(stage)
    return WardState(ward=FIRST, phase=phase, stage=name, epoch=3, **more)


def entering(stage: str) -> Intent:
    return Intent(stage=StageName(stage), epoch=4, exposes=True)


def alerted(status: AlertStatus, *, before_h: float = -1.0) -> WardState:
    """A ward at notes of which an alert says something; it began so long before the exposure."""
    began = NOW - timedelta(hours=before_h + 2)
    heard = AlertHeard(
        name="SlowDisk",
        fingerprint="f1",
        weight=Weight.RETURN,
        status=status,
        via=Via.WEBHOOK,
        started_at=began,
    )
    standing = StandingAlert(heard=heard, heard_at=began)
    return ward_at(
        Phase.AT_STAGE,
        "notes",
        exposed_since=NOW - timedelta(hours=2),
        concerns=Concerns(alerts=(standing,)),
    )


def reported() -> WardState:
    """A ward at notes of which one person at the bedside says something."""
    made = StopReport(
        report="r7", role=HEAD, reporter="d", words="text is gone", slice_name=None, made_at=NOW
    )
    return ward_at(Phase.AT_STAGE, "notes", concerns=Concerns(reports=(made,)))


def verdict(level: Level, signal: str = SLOW, **more: Any) -> Verdict:
    codes = {
        Level.PASS: Code.WITHIN,
        Level.WARN: Code.NEAR_LIMIT,
        Level.BLIND: Code.SOURCE_DOWN,
        Level.BREACH: Code.BEYOND_LIMIT,
    }
    value = None if level is Level.BLIND else 1.25
    numbers = {"value": value, "limit": 2.0, "n": 9, **more}
    return Verdict(signal=signal, level=level, code=codes[level], **numbers)


def judged(level: Level = Level.PASS, legacy: Level = Level.PASS, decision: Any = STAY) -> Judged:
    return Judged(verdicts=(verdict(level), verdict(legacy, LEGACY_UP)), decision=decision)


def sight(
    ward: WardState | None = None,
    route: Route | None = None,
    tick: Judged | None = None,
    **more: Any,
) -> Sight:
    """The first ward as given, the second one waiting; everything lives and answers."""
    mine = ward or ward_at(Phase.AT_STAGE, "notes")
    there = {FIRST: route or route_at("notes"), SECOND: replace(route_at(None), ward=SECOND)}
    calm: dict[str, Any] = {
        "plan": plan(),
        "state": ProgrammeState(plan_hash="h", head=7, wards={FIRST: mine}),
        "routes": there,
        "judged": {FIRST: tick or judged()},
        "life": ALIVE,
        "lease_ages_s": {FIRST: 1.0},
        "gates": {},
        "tick_age_s": 0.4,
        "ledger_age_s": 0.6,
        "ledger_problem": None,
        "ledger_pending": 0,
        "now": NOW,
        "seen_by": "sentinel 1",
        "is_active": True,
    }
    return Sight(**{**calm, **more})


def first(what: Sight) -> WardRow:
    return next(row for row in board(what).wards if row.id == FIRST)
