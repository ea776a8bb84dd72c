"""The ward board as plain values: what `list` and `show` print, and what a sentinel serves."""

from typing import Any

from orchestrator.cli.standing import (
    Standing,
    exposed,
    frozen,
    frozen_seq,
    gates,
    level_of,
    local,
    next_stage,
    open_gate,
    soak_of,
    what_next,
)
from orchestrator.core.event import Draft
from orchestrator.core.gates.facts import Life
from orchestrator.core.state import WardState
from orchestrator.reports.words import CODES, hand, sentence
from wards.model import WardId

Row = dict[str, Any]


def board(standing: Standing, *, seen_by: str) -> Row:
    """Every ward's line and what stands over them. `seen_by`: whose eyes these are."""
    installation = standing.installation
    wards = [standing.state.ward(ward.id) for ward in installation.plan.wards]
    rows = [
        {**ward_row(standing, ward), "last drill": _last_drill(standing, ward)} for ward in wards
    ]
    return {**_above(standing, seen_by), "wards": rows}


def ward_page(standing: Standing, name: WardId, life: Life, *, seen_by: str) -> Row:
    """Everything about one ward."""
    ward = standing.state.ward(name)
    stage = next_stage(standing, ward)
    route = None if standing.routes is None else standing.routes.get(name)
    return {
        **_above(standing, seen_by),
        "ward": {
            **ward_row(standing, ward),
            "last drill": _last_drill(standing, ward),
            "on hold": ward.held,
            "route epoch": None if route is None else route.epoch,
            "route by": None
            if route is None
            else f"{route.annotation.who}: {route.annotation.why}",
            "downtime": standing.installation.plan.ward(name).downtime_procedure,
        },
        "next_stage": None if stage is None else stage.title,
        "gates": _gates(standing, ward, life),
        "signals": _signals(standing, ward),
        "returned": _returned(standing, ward),
    }


def ward_row(standing: Standing, ward: WardState) -> Row:
    """One ward's line."""
    soak = soak_of(standing, ward)
    return {
        "ward": ward.ward,
        "beds": standing.installation.plan.ward(ward.ward).beds,
        "phase": ward.phase.value,
        "stage": ward.stage or "-",
        "in the candidate": exposed(standing, ward.ward),
        "verdict": level_of(ward),
        "soak": "-" if soak is None else f"{soak.done.shifts}/{soak.needed.shifts} shifts",
        "epoch": ward.epoch,
        "seq": ward.seq,
        "next": what_next(standing, ward),
    }


def happening_row(seq: int | None, draft: Draft) -> Row:
    """One happening; `seq` is None while it is only in a journal."""
    return {
        "seq": seq,
        "at": draft.at.isoformat(),
        "ward": draft.ward,
        "by": hand(draft.actor),
        "kind": type(draft.happening).__name__,
        "text": sentence(draft.happening),
    }


def _above(standing: Standing, seen_by: str) -> Row:
    installation = standing.installation
    return {
        "programme": installation.plan.name,
        "plan_hash": installation.plan_hash,
        "is_started": standing.state.plan_hash is not None,
        "at": local(standing, installation.clock.now()),
        "seen_by": seen_by,
        "head": standing.state.head,
        "frozen": frozen(standing),
        "frozen_seq": frozen_seq(standing),
        "ledger_problem": standing.record.problem,
        "ledger_damaged": standing.record.damage is not None,
        "events_remembered": len(standing.record.entries),
        "routes_read": standing.routes is not None,
        "routes_kept_by": installation.site.routes_kept_by,
    }


def _gates(standing: Standing, ward: WardState, life: Life) -> list[Row]:
    return [
        {
            "gate": answer.gate,
            "answer": type(answer).__name__.lower(),
            "evidence": answer.evidence,
            "todo": "" if open_gate(answer) else getattr(answer, "todo", ""),
        }
        for answer in gates(standing, ward, life)
    ]


def _signals(standing: Standing, ward: WardState) -> list[Row]:
    units = {signal.name: signal.unit for signal in standing.installation.plan.signals}
    return [
        {
            "signal": item.verdict.signal,
            "verdict": item.verdict.level.name,
            "why": CODES[item.verdict.code],
            "value": item.verdict.value,
            "limit": item.verdict.limit,
            "unit": units.get(item.verdict.signal, ""),
            "n": item.verdict.n,
            "since": local(standing, item.since),
        }
        for item in ward.verdicts
    ]


def _last_drill(standing: Standing, ward: WardState) -> Row | None:
    """What the last rehearsed return showed, in real seconds; None: there was none."""
    drill = ward.drill
    if drill is None:
        return None
    return {
        "at": local(standing, drill.done_at),
        "passed": drill.passed,
        "rounds": drill.rounds,
        "restore_s": drill.restore_s,
        "prove_s": drill.prove_s,
        "problem": drill.problem,
    }


def _after(at: str, real_s: float | None) -> str:
    """In the practice hospital times run faster than people wait."""
    return at if real_s is None else f"{at}, {real_s:.2f} s after it began"


def _returned(standing: Standing, ward: WardState) -> Row | None:
    back = ward.returned
    if back is None:
        return None
    return {
        "why": back.cause.reason,
        "trigger": back.cause.trigger.value,
        "by": back.actor,
        "seen": local(standing, back.seen_at),
        "written": _after(local(standing, back.written_at), back.written_after_s),
        "proven": _after(local(standing, back.proven_at), back.proven_after_s)
        or back.waiting_for
        or "not yet",
        "still open on the candidate": back.still_open,
    }
