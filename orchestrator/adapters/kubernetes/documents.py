"""A ward's route as an HTTPRoute, a sign of life as a Lease, and back. Pure.

A slice is one named rule with one backend; one whose reads are mirrored has a second rule for
GET alone, because a mirror filter copies every method. A drill is one more rule, with a match for
each of those, that also asks for the drill's word. The last rule has no path: whatever no slice
names is served by legacy. Every rule stamps the epoch into requests and answers, because
only the data plane's own answer tells which configuration it serves.
Invariant: whatever is not wholly legacy counts as exposure, so that a return mends it.
Source: design section 7; Gateway API v1, HTTPRoute.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from math import ceil
from typing import Any

from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import (
    DRILL,
    DRILL_HEADER,
    DRILL_WORD,
    Annotation,
    ObservedRoute,
    Route,
    Rule,
    is_drill_name,
)
from orchestrator.ports import LeaseRecord
from wards.model import WardId

Document = dict[str, Any]
MARK = "wardshift.io/"
WARD_LABEL = f"{MARK}ward"
PART_OF = {"app.kubernetes.io/part-of": "wardshift"}
WARD_HEADER = "x-ward"
EPOCH_HEADER = "x-wardshift-epoch"
FALLBACK = "fallback"
READS = ".reads"
MOST_RULES = 16  # of one HTTPRoute, by its definition
NAME_PREFIX = "ward-"
GRANTED = f"{MARK}granted"
STAMPS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
}
GRANTED_AT = f"{MARK}granted-at"  # the epoch on which it was given: another write ends it
MOST_DIGITS = 18  # of an epoch that the fence takes
# Of a lease. One that says anything else, or nothing, is as one that says this: not to lapse would
# be to guard nobody.
MOST_LEASE_S, LEASE_S = 3600.0, 5.0
MOST_TRANSITIONS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A Service in the routes' own namespace that a system answers behind."""

    name: str
    port: int

    def ref(self) -> Document:
        """As an HTTPRoute names it."""
        return {"name": self.name, "port": self.port}

    def is_named_by(self, ref: Mapping[str, Any]) -> bool:
        """Whether a backendRef is this one and nothing more."""
        return (
            ref.get("name") == self.name
            and ref.get("port") == self.port
            and ref.get("kind", "Service") == "Service"
            and not ref.get("group")
            and not ref.get("namespace")
            and not ref.get("filters")
        )


Backends = Mapping[Side, Backend]


def route_name(ward: WardId) -> str:
    """The name that binds a ward to its one route."""
    return f"{NAME_PREFIX}{ward}"


def first_route(ward: WardId, parent: str, namespace: str) -> Document:
    """An HTTPRoute without rules yet, attached to a Gateway of the same namespace."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": route_name(ward), "namespace": namespace},
        "spec": {"parentRefs": [{"name": parent}]},
    }


def written(base: Document, route: Route, backends: Backends) -> Document:
    """The document with this route in it; what is not ours (parents, hosts, labels) stays."""
    metadata = dict(base["metadata"])
    metadata["labels"] = {**metadata.get("labels", {}), **PART_OF, WARD_LABEL: route.ward}
    others = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if not key.startswith(MARK)
    }
    metadata["annotations"] = {**others, **_annotations(route)}
    metadata.pop("managedFields", None)
    rules = [document for rule in route.rules for document in _rules(rule, route, backends)]
    drill = [_drill(route, rules, backends)] if route.drill and rules else []
    spec = {**base["spec"], "rules": [*rules, *drill, _fallback(route, backends)]}
    return {**base, "metadata": metadata, "spec": spec}


def observed(document: Document, backends: Backends) -> ObservedRoute:
    """The route that a document means. Raises: ValueError, KeyError, TypeError, AttributeError
    for what is no HTTPRoute at all."""
    metadata = document["metadata"]
    name: str = metadata["name"]
    notes: Mapping[str, str] = metadata.get("annotations") or {}
    rules: Sequence[Document] = document["spec"].get("rules") or ()
    ward = WardId(name.removeprefix(NAME_PREFIX))
    words = {number: _word(rule, ward) for number, rule in enumerate(rules)}
    drills = [number for number, word in words.items() if word]
    # Two drill rules are nothing that we write: then both are taken for exposure.
    drill = drills[0] if len(drills) == 1 else None
    return ObservedRoute(
        route=Route(
            ward=ward,
            epoch=_epoch(notes, rules),
            rules=tuple(
                _observed_rules(
                    [rule for number, rule in enumerate(rules) if number != drill], backends
                )
            ),
            drill="" if drill is None else words[drill],
            annotation=Annotation(
                who=notes.get(f"{MARK}who", ""),
                why=notes.get(f"{MARK}why", ""),
                run=notes.get(f"{MARK}run", ""),
            ),
        ),
        resource_version=version_of(document),
        granted=_number(notes.get(GRANTED, "")),
    )


def version_of(document: Document) -> str:
    """What a decision about a route was made on: its spec and our words, and nothing else.

    The object's own resourceVersion also changes when a gateway writes the status, which it does
    after every change, and which nothing is decided on. Raises: KeyError, TypeError,
    AttributeError for what is no object.
    """
    metadata = document["metadata"]
    notes: Mapping[str, str] = metadata.get("annotations") or {}
    ours = sorted((key, value) for key, value in notes.items() if key.startswith(MARK))
    digest = sha256(repr(ours).encode()).hexdigest()[:12]
    return f"{metadata.get('uid', '')}/{metadata.get('generation', 0)}/{digest}"


def granting(base: Document, epoch: int) -> Document:
    """The document with one forward write allowed under that epoch, and nothing else changed."""
    metadata = dict(base["metadata"])
    notes = metadata.get("annotations") or {}
    metadata["annotations"] = {
        **notes, GRANTED: str(epoch), GRANTED_AT: notes.get(f"{MARK}epoch", "")
    }  # fmt: skip
    metadata.pop("managedFields", None)
    return {**base, "metadata": metadata}


def lease_document(
    name: str,
    *,
    namespace: str,
    holder: str,
    duration_s: float,
    transitions: int,
    notes: Mapping[str, str],
    resource_version: str,
    renewed_at: datetime,
) -> Document:
    """A Lease. Its whole seconds and times are for people: ours are measured, and exact in an
    annotation."""
    metadata: Document = {
        "name": name,
        "namespace": namespace,
        "labels": dict(PART_OF),
        "annotations": {
            f"{MARK}duration-s": repr(duration_s),
            **{f"{MARK}note-{key}": value for key, value in notes.items()},
        },
    }
    if resource_version:
        metadata["resourceVersion"] = resource_version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, ceil(duration_s)),
            "leaseTransitions": min(transitions, MOST_TRANSITIONS),
            "renewTime": renewed_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }


def lease_record(document: Document) -> LeaseRecord:
    """A Lease as observers time it, whatever it says: one that could not be read could be neither
    renewed nor taken. Raises: KeyError, TypeError, AttributeError for what is no object."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    marks: Mapping[str, str] = metadata.get("annotations") or {}
    note = f"{MARK}note-"
    return LeaseRecord(
        name=metadata["name"],
        holder=str(spec.get("holderIdentity") or ""),
        duration_s=_duration_s(marks.get(f"{MARK}duration-s"), spec.get("leaseDurationSeconds")),
        transitions=int(spec.get("leaseTransitions") or 0),
        notes={
            key.removeprefix(note): value for key, value in marks.items() if key.startswith(note)
        },
        resource_version=str(metadata["resourceVersion"]),
    )


def _duration_s(*said: Any) -> float:
    """The first that is a time for which a lease may last."""
    for one in said:
        try:
            seconds = float(one)
        except (TypeError, ValueError):
            continue
        if 0 < seconds <= MOST_LEASE_S:
            return seconds
    return LEASE_S


def _annotations(route: Route) -> dict[str, str]:
    told = route.annotation
    return {
        f"{MARK}epoch": str(route.epoch),
        f"{MARK}who": told.who,
        f"{MARK}why": told.why,
        f"{MARK}run": told.run,
    }


def _rules(rule: Rule, route: Route, backends: Backends) -> Iterable[Document]:
    if rule.slice_name == FALLBACK or is_drill_name(rule.slice_name):
        return  # somebody else's: the fallback is always written, and a drill only by its word
    if rule.mirrored:
        mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": _candidate(backends)}}
        yield _rule(f"{rule.slice_name}{READS}", rule, route, backends, method="GET", more=[mirror])
    yield _rule(str(rule.slice_name), rule, route, backends)


def _candidate(backends: Backends) -> Document:
    return backends[Side.CANDIDATE].ref()


def _rule(
    name: str,
    rule: Rule,
    route: Route,
    backends: Backends,
    *,
    method: str = "",
    more: Sequence[Document] = (),
) -> Document:
    match = {"path": {"type": "PathPrefix", "value": rule.path_prefix}, **_as_ward(route.ward)}
    if method:
        match["method"] = method
    return {
        "name": name,
        "matches": [match],
        "filters": [*_stamp(route.epoch), *more],
        "backendRefs": [backends[rule.side].ref()],
    }


def _fallback(route: Route, backends: Backends) -> Document:
    return {
        "name": FALLBACK,
        "matches": [_as_ward(route.ward)],
        "filters": _stamp(route.epoch),
        "backendRefs": [backends[Side.LEGACY].ref()],
    }


def _drill(route: Route, rules: Sequence[Document], backends: Backends) -> Document:
    """The rule for whoever carries the drill's word. A match's path and method count before its
    headers (Gateway API), so the drill has a match for each of the slices' own."""
    word = {"type": "Exact", "name": DRILL_HEADER, "value": route.drill}
    return {
        "name": str(DRILL),
        "matches": [
            {**match, "headers": [*match["headers"], word]}
            for rule in rules
            for match in rule["matches"]
        ],
        "filters": _stamp(route.epoch),
        "backendRefs": [backends[Side.CANDIDATE].ref()],
    }


def _word(document: Document, ward: WardId) -> str:
    """The drill's word, if the rule is a drill's: each of its matches asks for exactly that word
    of exactly that ward. Empty when there is any doubt, and then the rule counts as exposure."""
    matches: Sequence[Document] = document.get("matches") or ()
    words = {_word_of(match, ward) for match in matches}
    return words.pop() if document.get("name") == DRILL and len(words) == 1 else ""


def _word_of(match: Document, ward: WardId) -> str:
    """Header names are compared without case, so one that is there twice proves nothing."""
    headers: Sequence[Document] = match.get("headers") or ()
    exact = {
        str(one.get("name", "")).lower(): str(one.get("value", ""))
        for one in headers
        if one.get("type", "Exact") == "Exact"
    }
    is_plain = len(headers) == len(exact) and exact.get(WARD_HEADER) == ward
    word = exact.get(DRILL_HEADER, "")
    return word if is_plain and DRILL_WORD.fullmatch(word) else ""


def _as_ward(ward: WardId) -> Document:
    return {"headers": [{"type": "Exact", "name": WARD_HEADER, "value": ward}]}


def _stamp(epoch: int) -> list[Document]:
    header = {"set": [{"name": EPOCH_HEADER, "value": str(epoch)}]}
    return [{"type": kind, key: header} for kind, key in STAMPS.items()]


def _epoch(notes: Mapping[str, str], rules: Sequence[Document]) -> int:
    """The greatest that is claimed anywhere: a write must go past all of them. 0 without any."""
    stamped = (
        item.get("value", "")
        for rule in rules
        for each in rule.get("filters") or ()
        for item in (each.get("responseHeaderModifier") or {}).get("set") or ()
        if item.get("name", "").lower() == EPOCH_HEADER
    )
    claims = (notes.get(f"{MARK}epoch", ""), *stamped)
    return max((_number(one) or 0 for one in claims), default=0)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def _observed_rules(rules: Sequence[Document], backends: Backends) -> Iterable[Rule]:
    mirrored = {
        str(rule.get("name", "")).removesuffix(READS): rule
        for rule in rules
        if str(rule.get("name", "")).endswith(READS)
    }
    for number, document in enumerate(rules):
        name = str(document.get("name") or f"rule-{number}")
        if name.endswith(READS) and any(
            one.get("name") == name.removesuffix(READS) for one in rules
        ):
            continue  # told with the slice it belongs to
        reads = mirrored.get(name)
        rule = Rule(
            slice_name=SliceName(name),
            path_prefix=_path(document),
            side=_side((document, reads) if reads else (document,), backends),
            mirrored=reads is not None and _has_mirror(reads),
        )
        if name != FALLBACK or rule.side is Side.CANDIDATE or rule.mirrored:
            yield rule


def _side(documents: Iterable[Document], backends: Backends) -> Side:
    is_legacy = all(
        _is_wholly(one, backends[Side.LEGACY]) and _has_only_our_filters(one, backends)
        for one in documents
    )
    return Side.LEGACY if is_legacy else Side.CANDIDATE


def _is_wholly(document: Document, backend: Backend) -> bool:
    refs = document.get("backendRefs") or ()
    return len(refs) == 1 and backend.is_named_by(refs[0])


def _has_only_our_filters(document: Document, backends: Backends) -> bool:
    """Another filter may lead elsewhere behind an unchanged backend."""
    reads_only = all(one.get("method") == "GET" for one in document.get("matches") or ({},))
    return all(
        _is_stamp(one) or (reads_only and _is_our_mirror(one, backends))
        for one in document.get("filters") or ()
    )


def _is_stamp(document: Document) -> bool:
    key = STAMPS.get(document.get("type", ""))
    if key is None:
        return False
    changes: Mapping[str, Any] = document.get(key) or {}
    names = {str(one.get("name")) for one in changes.get("set") or ()}
    return names <= {EPOCH_HEADER} and not changes.get("add") and not changes.get("remove")


def _is_our_mirror(document: Document, backends: Backends) -> bool:
    mirror: Mapping[str, Any] = document.get("requestMirror") or {}
    is_ours = backends[Side.CANDIDATE].is_named_by(mirror.get("backendRef") or {})
    return document.get("type") == "RequestMirror" and is_ours


def _has_mirror(document: Document) -> bool:
    return any(one.get("type") == "RequestMirror" for one in document.get("filters") or ())


def _path(document: Document) -> str:
    matches = document.get("matches") or ({},)
    return str((matches[0].get("path") or {}).get("value") or "/")
