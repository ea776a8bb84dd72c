"""What changed between two plans, and which changes loosen safety. Pure.

A change is looser when a ward could be exposed sooner, watched less or returned later
under the new plan. When in doubt it is called looser: a person then looks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import cast

from orchestrator.core.plan import Plan, Purpose
from orchestrator.core.threshold import Direction

# A number that grew (+1) or shrank (-1) in these fields makes the plan less strict.
LOOSER_WHEN = {
    "blind_patience_s": 1, "fresh_within_s": 1, "tick_s": 1, "lease_s": 1, "max_harm_window_s": 1,
    "max_exposed_wards": 1, "query_budget_s": 1, "write_budget_s": 1, "deadline_s": 1,
    "m": 1, "n": -1, "min_samples": 1, "probes": -1, "shifts": -1, "nights": -1,
    "weekend_shifts": -1, "minutes_before_handover": -1, "minutes_after_handover": -1,
    "hours_before_busiest_login": -1, "patience_s": 1, "acknowledge_within_s": 1, "window_s": -1,
    "valid_days": 1, "rounds": -1, "restore_within_s": 1, "prove_within_s": 1,
}  # fmt: skip
KEEPERS = ("signals", "approvals", "resume_roles", "weekdays", "closed")
NEUTRAL = ("title", "name", "unit", "failure", "contacts", "beds", "region", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place, dotted, with what stood there before and after ("" for nothing)."""

    where: str
    before: str
    after: str
    is_looser: bool


def plan_diff(before: Plan, after: Plan) -> tuple[Change, ...]:
    """Every change, in the order of the plan."""
    return tuple(_walk("", before, after))


def _walk(where: str, before: object, after: object) -> Iterator[Change]:
    if before == after:
        return
    if is_dataclass(before) and is_dataclass(after) and type(before) is type(after):
        for item in fields(before):
            old, new = getattr(before, item.name), getattr(after, item.name)
            if item.name in ("limit", "times"):
                yield from _limit(f"{where}.{item.name}", old, new, before)
            else:
                yield from _walk(f"{where}.{item.name}", old, new)
        return
    old_items, new_items = _items(before), _items(after)
    if old_items is not None and new_items is not None and _named(old_items, new_items):
        yield from _members(where, _by_name(old_items), _by_name(new_items))
    else:
        yield _change(where, before, after)


def _items(value: object) -> tuple[object, ...] | None:
    return cast("tuple[object, ...]", value) if isinstance(value, tuple) else None


def _named(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    return all(hasattr(item, "name") or hasattr(item, "id") for item in (*before, *after))


def _by_name(items: tuple[object, ...]) -> Mapping[str, object]:
    return {str(getattr(item, "id", None) or getattr(item, "name", "")): item for item in items}


def _members(
    where: str, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[Change]:
    for name in (name for name in before if name not in after):
        yield Change(where=_dot(where, name), before="there", after="", is_looser=True)
    for name in (name for name in after if name not in before):
        exposes = where == ".wards"
        yield Change(where=_dot(where, name), before="", after="there", is_looser=exposes)
    for name in (name for name in before if name in after):
        yield from _walk(f"{where}.{name}", before[name], after[name])
    common_before = [name for name in before if name in after]
    common_after = [name for name in after if name in before]
    if common_before != common_after:
        yield _change(f"{where} (order)", ", ".join(before), ", ".join(after))


def _limit(where: str, old: float, new: float, threshold: object) -> Iterator[Change]:
    if old == new:
        return
    direction = getattr(threshold, "direction", Direction.AT_MOST)
    looser = new > old if direction is Direction.AT_MOST else new < old
    yield Change(where=where.lstrip("."), before=_said(old), after=_said(new), is_looser=looser)


def _change(where: str, before: object, after: object) -> Change:
    field = where.rsplit(".", 1)[-1]
    return Change(
        where=where.lstrip("."),
        before=_said(before),
        after=_said(after),
        is_looser=_is_looser(field, before, after),
    )


def _said(value: object) -> str:
    """A plan's value for a person who does not read Python."""
    match value:
        case None | () | frozenset() if not value:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(_said(part) for part in cast("tuple[object, ...]", value))
        case frozenset():
            return ", ".join(sorted(_said(part) for part in cast("frozenset[object]", value)))
        case _ if is_dataclass(value):
            named = ((item.name, getattr(value, item.name)) for item in fields(value))
            return ", ".join(f"{name} {_said(part)}" for name, part in named if part is not None)
        case _:
            return str(value)


def _is_looser(field: str, before: object, after: object) -> bool:
    if field in NEUTRAL:
        return False
    if isinstance(before, int | float) and isinstance(after, int | float):
        sign = LOOSER_WHEN.get(field)
        return sign is None or (after - before) * sign > 0
    old_items, new_items = _items(before), _items(after)
    if old_items is not None and new_items is not None and field in KEEPERS:
        return bool(set(map(str, old_items)) - set(map(str, new_items)))
    if field == "purpose":
        return after is not Purpose.SAFETY
    return True


def _dot(where: str, name: str) -> str:
    return f"{where}.{name}".lstrip(".")
