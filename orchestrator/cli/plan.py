"""`wardshift plan check|show|diff`."""

from pathlib import Path

from orchestrator.adapters.planfile import LoadedPlan, load_plan
from orchestrator.cli.output import Format, say, show_json, show_table
from orchestrator.core.budget import Budget, budgets, lease_need_s
from orchestrator.core.plan import Plan, Signal, Soak
from orchestrator.core.plandiff import Change, plan_diff
from orchestrator.core.threshold import BaselineRatio, Direction, Limit, Tripwire


def check(file: Path, /, *, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Say whether a plan is sound, and how long harm can last at worst, in parts.

    Example: wardshift plan check wards/data/practice.yaml

    Args:
        file: The programme file.
        format: table or json.
    """
    loaded = load_plan(file)
    found = budgets(loaded.plan)
    if format is Format.JSON:
        show_json(_as_json(loaded, found))
        return 0
    plan = loaded.plan
    names = [name for name, _ in found[0].parts()] if found else []
    show_table(
        f"{plan.name}: from harm to proven return at worst, seconds",
        ["signal", *names, "total"],
        ([b.signal, *(f"{v:.2f}" for _, v in b.parts()), f"{b.total_s:.2f}"] for b in found),
    )
    worst_s = max((b.total_s for b in found), default=0.0)
    say(
        f"{file}: sound. {len(plan.wards)} wards, {len(plan.stages)} stages, "
        f"{len(plan.signals)} signals, plan {loaded.hash[:12]}.\n"
        f"Worst case {worst_s:.1f} s of {plan.policy.max_harm_window_s:g} s allowed; a gateway "
        f"that is late is waited for up to {plan.policy.proof.deadline_s:g} s more.\n"
        f"Lease {plan.policy.lease_s:g} s, needed {lease_need_s(plan):g} s."
    )
    return 0


def show(file: Path, /, *, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Print a plan as a programme manager reads it.

    Args:
        file: The programme file.
        format: table or json.
    """
    loaded = load_plan(file)
    plan = loaded.plan
    if format is Format.JSON:
        show_json({"plan": plan.name, "hash": loaded.hash, **_parts(plan)})
        return 0
    for title, rows in _parts(plan).items():
        columns = list(rows[0]) if rows else []
        show_table(title, columns, ([row[c] for c in columns] for row in rows))
    return 0


def diff(before: Path, after: Path, /, *, format: Format = Format.TABLE) -> int:  # noqa: A002
    """Say what changed between two plans, and which changes make it less strict.

    Args:
        before: The plan as it was.
        after: The plan as it would be.
        format: table or json.
    """
    changes = plan_diff(load_plan(before).plan, load_plan(after).plan)
    if format is Format.JSON:
        show_json([_change(change) for change in changes])
        return 0
    show_table(
        f"{before} -> {after}",
        ["where", "before", "after", "safety"],
        ((c.where, c.before, c.after, "LOOSER" if c.is_looser else "") for c in changes),
    )
    looser = sum(change.is_looser for change in changes)
    say(f"{len(changes)} changes, {looser} of them make the plan less strict.")
    return 0


def _change(change: Change) -> dict[str, object]:
    return {
        "where": change.where,
        "before": change.before,
        "after": change.after,
        "looser": change.is_looser,
    }


def _as_json(loaded: LoadedPlan, found: tuple[Budget, ...]) -> dict[str, object]:
    return {
        "plan": loaded.plan.name,
        "hash": loaded.hash,
        "max_harm_window_s": loaded.plan.policy.max_harm_window_s,
        "lease_s": loaded.plan.policy.lease_s,
        "lease_needed_s": lease_need_s(loaded.plan),
        "budgets": [
            {"signal": b.signal, **{f"{n}_s": v for n, v in b.parts()}, "total_s": b.total_s}
            for b in found
        ],
    }


def _soak(soak: Soak) -> str:
    if not soak.shifts:
        return "-"
    of_which = f"nights {soak.nights}, weekend {soak.weekend_shifts}"
    return f"whole shifts {soak.shifts} (of which {of_which})"


def _parts(plan: Plan) -> dict[str, list[dict[str, object]]]:
    return {
        "wards, in order": [
            {"ward": w.id, "name": w.name, "beds": w.beds, "downtime": w.downtime_procedure}
            for w in plan.wards
        ],
        "stages": [
            {
                "stage": s.name,
                "title": s.title,
                "in the candidate": ", ".join(s.candidate) or "-",
                "mirrored": ", ".join(s.mirrored) or "-",
                "approved by": ", ".join(s.approvals) or "-",
                "soak": _soak(s.soak),
            }
            for s in plan.stages
        ],
        "signals": [
            {
                "signal": s.name,
                "title": s.title,
                "threshold": threshold_words(s),
                "patience": f"{s.blind_patience_s:g} s",
                "slice": s.slice_name or "any",
                "failure": s.failure,
            }
            for s in plan.signals
        ],
    }


def threshold_words(signal: Signal) -> str:
    """A threshold in a few words."""
    threshold = signal.threshold
    match threshold:
        case Tripwire():
            return "never: one is a breach"
        case Limit():
            words = "at most" if threshold.direction is Direction.AT_MOST else "at least"
            text = f"{words} {threshold.limit:g} {signal.unit}"
        case BaselineRatio():
            words = "at most" if threshold.direction is Direction.AT_MOST else "at least"
            text = f"{words} {threshold.times:g} times legacy in the same shift"
    repetition = threshold.repetition
    return text if repetition.n == 1 else f"{text}, {repetition.m} of {repetition.n} ticks"
