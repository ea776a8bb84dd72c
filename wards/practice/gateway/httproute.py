"""A ward's HTTPRoute as this gateway reads it, and the status that it writes back. Pure.

It knows what a ward's route needs and nothing else: path prefixes, an exact `x-ward`, beside it
at most the exact word of a drill, methods, a mirror, headers that are set, one backend a rule.
What it does not know it does not guess: a route that asks for more is not accepted, and the last
one that was understood is served on.
Like real gateways it accepts rules that serve nobody (no backend, weight 0 alone), says in the
status that all is well, and answers them with an error. Source: Gateway API v1, HTTPRoute.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wards.practice.gateway.route import WARD, Route, Rule, Spec, Trouble, segments
from wards.practice.wire import CANDIDATE, DRILL_HEADER, EPOCH_HEADER, LEGACY, WARD_HEADER

Document = Mapping[str, Any]
CONTROLLER = "wardshift.io/practice"
SERVICES: Mapping[tuple[str, int], str] = {
    ("ehr-legacy", 80): LEGACY,
    ("ehr-candidate", 80): CANDIDATE,
}
READS = ".reads"  # a slice's second rule, for its mirrored reads
KNOWN_FILTERS = ("RequestMirror", "RequestHeaderModifier", "ResponseHeaderModifier")


class NotUnderstood(Exception):
    """What in a route this gateway does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A route as it will be served. `has_all_backends`: every one that it names is known."""

    route: Route
    has_all_backends: bool


def read(document: Document, gateway: str) -> Read | None:
    """The route in a document; None when it is not attached to this gateway.

    Raises: NotUnderstood.
    """
    metadata, spec = document["metadata"], document["spec"]
    parents = spec.get("parentRefs") or ()
    if all(parent.get("name") != gateway for parent in parents):
        return None
    rules: Sequence[Document] = spec.get("rules") or ()
    served = tuple(rule for raw in rules for rule in _rules(raw))
    route = Route(
        spec=Spec(
            ward=_ward(rules),
            epoch=max((rule.epoch or 0 for rule in served), default=0),
            rules=served,
        ),
        annotations=dict(metadata.get("annotations") or {}),
        generation=int(metadata["generation"]),
        resource_version=str(metadata["resourceVersion"]),
    )
    return Read(route=route, has_all_backends=all(_is_known(ref) for ref in _all_refs(rules)))


def by_ward(reads: Iterable[Read]) -> dict[str, Route]:
    """One route a ward: where two claim one, that with more rules wins, as real gateways do."""
    ordered = sorted(reads, key=lambda one: len(one.route.spec.rules))
    return {one.route.spec.ward: one.route for one in ordered}


def status(
    *, gateway: str, observed: int, accepted: bool, has_all_backends: bool, at: str
) -> dict[str, Any]:
    """A route's status. `at`: since when, RFC 3339; `observed`: a generation."""

    def condition(kind: str, good: bool, otherwise: str) -> dict[str, Any]:
        return {
            "type": kind,
            "status": "True" if good else "False",
            "reason": kind if good else otherwise,
            "message": "",
            "observedGeneration": observed,
            "lastTransitionTime": at,
        }

    conditions = [
        condition("Accepted", accepted, "UnsupportedValue"),
        condition("ResolvedRefs", has_all_backends, "BackendNotFound"),
    ]
    parent = {"name": gateway, "group": "gateway.networking.k8s.io", "kind": "Gateway"}
    return {
        "parents": [{"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions}]
    }


def says(document: Document) -> tuple[tuple[str, str, int], ...]:
    """What a document's status says: (condition, status, observed generation) of each."""
    parents = (document.get("status") or {}).get("parents") or ()
    return tuple(
        (one["type"], one["status"], int(one.get("observedGeneration") or 0))
        for parent in parents
        for one in parent.get("conditions") or ()
    )


def _rules(raw: Document) -> Iterator[Rule]:
    filters: Sequence[Document] = raw.get("filters") or ()
    for one in filters:
        if one.get("type") not in KNOWN_FILTERS:
            raise NotUnderstood(f"the filter {one.get('type')}")
    if raw.get("timeouts") or raw.get("retry"):
        raise NotUnderstood("timeouts or retries of a rule")
    backend, trouble = _backend(raw.get("backendRefs") or ())
    for match in raw.get("matches") or ():
        prefix = _prefix(match)
        yield Rule(
            name=str(raw.get("name") or "").removesuffix(READS),
            path_prefix=prefix,
            segments=segments(prefix),
            backend=backend,
            mirror=_mirror(filters),
            epoch=_epoch(filters),
            method=str(match.get("method") or ""),
            trouble=trouble,
            drill=_headers(match).get(DRILL_HEADER),
        )


def _prefix(match: Document) -> str:
    path = match.get("path") or {}
    if path.get("type", "PathPrefix") != "PathPrefix" or match.get("queryParams"):
        raise NotUnderstood("a match by more than a path prefix, a method and x-ward")
    return str(path.get("value") or "/")


def _ward(rules: Sequence[Document]) -> str:
    """The one ward that every match names."""
    named = {_ward_of(match) for rule in rules for match in rule.get("matches") or ({},)}
    if len(named) != 1:
        raise NotUnderstood("matches that do not name exactly one ward")
    return named.pop()


def _ward_of(match: Document) -> str:
    ward = _headers(match).get(WARD_HEADER, "")
    if not WARD.fullmatch(ward):
        raise NotUnderstood("a match without exactly one x-ward")
    return ward


def _headers(match: Document) -> Mapping[str, str]:
    """The exact values that a match asks for, by name in small letters."""
    headers: list[Document] = list(match.get("headers") or ())
    exact = {
        str(header["name"]).lower(): str(header["value"])
        for header in headers
        if header.get("type", "Exact") == "Exact"
    }
    if len(exact) != len(headers) or not exact.keys() <= {WARD_HEADER, DRILL_HEADER}:
        raise NotUnderstood("a match by more than an exact x-ward, and a drill's word")
    return exact


def _backend(refs: Sequence[Document]) -> tuple[str, Trouble | None]:
    weighted = [ref for ref in refs if ref.get("weight", 1) > 0]
    if not refs:
        return "", Trouble.NO_BACKEND
    if not weighted:
        return "", Trouble.NO_WEIGHT
    if len(weighted) > 1:
        return "", Trouble.SEVERAL_BACKENDS
    if not _is_known(weighted[0]):
        return "", Trouble.UNKNOWN_BACKEND
    return _service(weighted[0]), None


def _all_refs(rules: Sequence[Document]) -> Iterator[Document]:
    for rule in rules:
        yield from rule.get("backendRefs") or ()
        yield from (
            one["requestMirror"]["backendRef"]
            for one in rule.get("filters") or ()
            if one.get("type") == "RequestMirror"
        )


def _is_known(ref: Document) -> bool:
    return (
        (ref.get("name"), ref.get("port")) in SERVICES
        and ref.get("kind", "Service") == "Service"
        and not ref.get("group")
    )


def _service(ref: Document) -> str:
    return SERVICES[ref["name"], ref["port"]]


def _mirror(filters: Sequence[Document]) -> str | None:
    refs = (
        one["requestMirror"]["backendRef"] for one in filters if one.get("type") == "RequestMirror"
    )
    return next((_service(ref) for ref in refs if _is_known(ref)), None)


def _epoch(filters: Sequence[Document]) -> int | None:
    """What the rule sets into answers; only a number is one."""
    texts = (
        str(header["value"])
        for one in filters
        for header in (one.get("responseHeaderModifier") or {}).get("set") or ()
        if str(header["name"]).lower() == EPOCH_HEADER
    )
    return next((int(text) for text in texts if text.isascii() and text.isdigit()), None)
