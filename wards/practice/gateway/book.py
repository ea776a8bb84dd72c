"""The gateway's routes and leases, and which changes to them are allowed. Pure.

Invariants: one route a ward; a change names the version it was decided on; a ward's
epoch never falls, and its spec changes only with a greater one; a rule comes to lead to the
candidate only under the epoch that an annotation grants beforehand. `resource_version` is
one counter for everything, and a change that changes nothing does not raise it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, NamedTuple

from wards.practice.gateway.route import Route, Rule, Wanted, as_json, wanted_from
from wards.practice.wire import LEGACY

GRANTED = "granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A sign of life. `renewed_at` is the holder's own word and judged by nobody here."""

    name: str
    holder: str
    duration_s: float
    renewed_at: str | None
    transitions: int
    annotations: Mapping[str, str]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Everything the control plane keeps."""

    version: int = 0
    routes: Mapping[str, Route] = field(default_factory=dict)
    leases: Mapping[str, Lease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a change was not made: HTTP status, stable code, a sentence, all problems."""

    status: int
    code: str
    message: str
    problems: tuple[str, ...] = ()
    resource_version: str | None = None  # of a conflict: what is stored now


class Kept(NamedTuple):
    """The book after an allowed change, and what was changed."""

    book: Book
    entry: Route | Lease


def create_route(book: Book, raw: object) -> Kept | Refusal:
    """Add a ward's only route."""
    wanted = wanted_from(raw)
    if isinstance(wanted, tuple):
        return _invalid(wanted)
    if wanted.spec.ward in book.routes:
        return Refusal(
            status=409, code="already_exists", message=f"ward {wanted.spec.ward} has a route"
        )
    return _keep_route(book, wanted, generation=1)


def replace_route(book: Book, ward: str, raw: object) -> Kept | Refusal:
    """Replace a ward's whole route, if it is still what the sender decided on."""
    stored = book.routes.get(ward)
    if stored is None:
        return Refusal(status=404, code="no_route", message=f"ward {ward} has no route")
    wanted = wanted_from(raw)
    if isinstance(wanted, tuple):
        return _invalid(wanted)
    if wanted.spec.ward != ward:
        return _invalid((f"the address names ward {ward}, spec.ward another",))
    refused = _fenced(stored, wanted)
    if refused is not None:
        return refused
    if wanted.spec == stored.spec and wanted.annotations == stored.annotations:
        return Kept(book, stored)
    changed = wanted.spec != stored.spec
    return _keep_route(book, wanted, generation=stored.generation + changed)


def put_lease(book: Book, name: str, raw: object) -> Kept | Refusal:
    """Take or renew a lease; an empty `resource_version` only creates."""
    match raw:
        case {"resource_version": str(version), **fields}:
            problems = _lease_problems(fields)
        case _:
            return _invalid(("a lease is a JSON object with its resource_version as text",))
    if problems:
        return _invalid(problems)
    stored = book.leases.get(name)
    found = stored.resource_version if stored else ""
    if version != found:
        return _conflict(f"lease {name}", expected=version, found=found)
    return _keep_lease(book, name, fields)


def book_from(raw: Mapping[str, Any]) -> Book:
    """The book that was written as JSON. Raises: KeyError, TypeError, ValueError when damaged."""
    routes = [_stored_route(item) for item in raw["routes"]]
    leases = [Lease(**item) for item in raw["leases"]]
    return Book(
        version=raw["version"],
        routes={route.spec.ward: route for route in routes},
        leases={lease.name: lease for lease in leases},
    )


def book_json(book: Book) -> dict[str, Any]:
    """The book to be written."""
    return {
        "version": book.version,
        "routes": [as_json(route) for route in book.routes.values()],
        "leases": [lease_json(lease) for lease in book.leases.values()],
    }


def lease_json(lease: Lease) -> dict[str, Any]:
    """A lease as answered."""
    return {
        "name": lease.name,
        "holder": lease.holder,
        "duration_s": lease.duration_s,
        "renewed_at": lease.renewed_at,
        "transitions": lease.transitions,
        "annotations": dict(lease.annotations),
        "resource_version": lease.resource_version,
    }


def _fenced(stored: Route, wanted: Wanted) -> Refusal | None:
    had, has = stored.spec.epoch, wanted.spec.epoch
    if has < had:
        return _stale_epoch(stored, wanted)
    if wanted.resource_version != stored.resource_version:
        return _conflict(
            f"the route of ward {stored.spec.ward}",
            expected=wanted.resource_version,
            found=stored.resource_version,
        )
    if has == had and wanted.spec != stored.spec:
        return _stale_epoch(stored, wanted)
    if _is_forward(stored, wanted) and stored.annotations.get(GRANTED) != str(has):
        return Refusal(
            status=403,
            code="no_grant",
            message=(
                f"a slice of ward {stored.spec.ward} would go to the candidate under epoch {has};"
                f" granted is {stored.annotations.get(GRANTED) or 'nothing'}"
            ),
        )
    return None


def _is_forward(stored: Route, wanted: Wanted) -> bool:
    """Whether a rule would lead clinicians to the candidate that did not; a drill's leads none."""
    had = {(rule.name, rule.path_prefix) for rule in stored.spec.rules if _is_exposing(rule)}
    return any(
        _is_exposing(rule) and (rule.name, rule.path_prefix) not in had
        for rule in wanted.spec.rules
    )


def _is_exposing(rule: Rule) -> bool:
    return rule.backend != LEGACY and rule.drill is None


def _stale_epoch(stored: Route, wanted: Wanted) -> Refusal:
    return Refusal(
        status=403,
        code="stale_epoch",
        message=(
            f"ward {stored.spec.ward} is at epoch {stored.spec.epoch}; a change of its route needs"
            f" a greater one, not {wanted.spec.epoch}"
        ),
    )


def _conflict(what: str, *, expected: str, found: str) -> Refusal:
    return Refusal(
        status=409,
        code="conflict",
        message=(
            f"{what} is at version {found or '(none)'}, not {expected or '(none)'}:"
            " read it again and decide again"
        ),
        resource_version=found,
    )


def _invalid(problems: tuple[str, ...]) -> Refusal:
    return Refusal(status=422, code="invalid", message="; ".join(problems), problems=problems)


def _keep_route(book: Book, wanted: Wanted, *, generation: int) -> Kept:
    version = book.version + 1
    route = Route(
        spec=wanted.spec,
        annotations=wanted.annotations,
        generation=generation,
        resource_version=str(version),
    )
    routes = {**book.routes, route.spec.ward: route}
    return Kept(replace(book, version=version, routes=routes), route)


def _keep_lease(book: Book, name: str, fields: Mapping[str, Any]) -> Kept:
    version = book.version + 1
    lease = Lease(
        name=name,
        holder=fields["holder"],
        duration_s=fields["duration_s"],
        renewed_at=fields.get("renewed_at"),
        transitions=fields.get("transitions", 0),
        annotations=fields.get("annotations") or {},
        resource_version=str(version),
    )
    return Kept(replace(book, version=version, leases={**book.leases, name: lease}), lease)


def _lease_problems(fields: Mapping[str, Any]) -> tuple[str, ...]:
    rules = (
        (isinstance(fields.get("holder"), str), "holder must be a text"),
        (_is_positive(fields.get("duration_s")), "duration_s must be a positive number"),
        (isinstance(fields.get("renewed_at"), str | None), "renewed_at must be a text or null"),
        (_is_count(fields.get("transitions", 0)), "transitions must be a whole number from 0"),
        (_is_texts(fields.get("annotations")), "annotations must map texts to texts"),
    )
    return tuple(sentence for holds, sentence in rules if not holds)


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isfinite(value) and value > 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_texts(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and all(
        isinstance(text, str) for pair in value.items() for text in pair
    )


def _stored_route(raw: Mapping[str, Any]) -> Route:
    wanted = wanted_from(raw)
    if not isinstance(wanted, Wanted):
        raise ValueError("; ".join(wanted))  # noqa: TRY004 - the text is wrong, not its type
    return Route(
        spec=wanted.spec,
        annotations=wanted.annotations,
        generation=raw["metadata"]["generation"],
        resource_version=wanted.resource_version,
    )
