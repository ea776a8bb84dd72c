"""What a search or history address asks for. Pure.

Invariant: a parameter that this EHR does not know is a problem, never ignored: an
inventory whose filter was dropped would look complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wards.practice.ehr.store import Condition, Search, TimeBound
from wards.practice.wire import instant

DEFAULT_COUNT = 50
MAX_COUNT = 500
COMPARISONS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "="}
TOKENS = ("identifier", "_tag", "code", "status", "_id")
REFERENCES = {
    "patient": ("patient", "Patient"),
    "subject": ("patient", "Patient"),
    "based-on": ("based-on", "ServiceRequest"),
    "target": ("target", ""),
}
SEARCH_PARAMS = (*TOKENS, *REFERENCES, "_lastUpdated", "_count", "_total")

Pairs = Sequence[tuple[str, str]]


class BadQuery(Exception):
    """The address asks for something that this EHR does not offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Versions since a moment (empty: all), a page's size, and the cursor (0: newest)."""

    since: str
    count: int
    before: int


def search_of(type_: str, pairs: Pairs) -> Search:
    """The search that an address's parameters mean. Raises: BadQuery."""
    conditions: list[Condition] = []
    bounds: list[TimeBound] = []
    count, after = DEFAULT_COUNT, 0
    for name, value in pairs:
        if name == "_lastUpdated":
            bounds.append(_bound(value))
        elif name == "_count":
            count = _count(value)
        elif name == "_cursor":
            after = _number(name, value)
        elif name != "_total":
            conditions.append(_condition(name, value))
    return Search(
        type=type_, conditions=tuple(conditions), bounds=tuple(bounds), count=count, after=after
    )


def history_of(pairs: Pairs) -> HistoryQuery:
    """The part of a history that an address's parameters mean. Raises: BadQuery."""
    since, count, before = "", DEFAULT_COUNT, 0
    for name, value in pairs:
        match name:
            case "_since":
                since = instant(_moment(value))
            case "_count":
                count = _count(value)
            case "_cursor":
                before = _number(name, value)
            case _:
                raise BadQuery(f"a history has no parameter {name}; it has _since and _count")
    return HistoryQuery(since=since, count=count, before=before)


def _condition(name: str, value: str) -> Condition:
    values = tuple(part for part in value.split(",") if part)
    if not values:
        raise BadQuery(f"parameter {name} has no value")
    if name in TOKENS:
        return Condition(param=name, values=values)
    if name in REFERENCES:
        param, type_ = REFERENCES[name]
        return Condition(param=param, values=tuple(_reference(type_, part) for part in values))
    raise BadQuery(f"unknown parameter {name}; known are {', '.join(SEARCH_PARAMS)}")


def _reference(type_: str, value: str) -> str:
    return value if "/" in value or not type_ else f"{type_}/{value}"


def _bound(value: str) -> TimeBound:
    prefix = value[:2] if value[:2] in COMPARISONS else ""
    moment = _moment(value.removeprefix(prefix))
    return TimeBound(comparison=COMPARISONS[prefix or "eq"], moment=instant(moment))


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))  # an unescaped "+" of an offset
    except ValueError as error:
        raise BadQuery("a time must be ISO 8601, such as ge2024-11-12T04:30:00Z") from error
    if moment.tzinfo is None:
        if "T" in value:
            raise BadQuery("a time of day needs its offset, such as Z or +01:00")
        return moment.replace(tzinfo=UTC)
    return moment


def _count(value: str) -> int:
    return min(_number("_count", value), MAX_COUNT)


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise BadQuery(f"{name} must be a whole number that is not negative")
    return int(value)
