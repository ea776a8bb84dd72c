"""A ward's route in the gateway: what it may look like and which rule a path takes. Pure.

Invariants: every slice is wholly on one side; what no rule names is served by legacy;
a route's name is bound to its ward; a drill's rule takes only what carries the drill's word.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from wards.practice.wire import CANDIDATE, DRILL, FALLBACK, LEGACY, SYSTEMS

WARD = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
DRILL_WORD = re.compile(r"[0-9a-f]{32}")
NAME_PREFIX = "ward-"


class Trouble(StrEnum):
    """Why a rule leads to no system. Only a cluster lets such a rule be written."""

    NO_BACKEND = "no-backend"
    NO_WEIGHT = "no-weight"  # every backend has weight 0
    SEVERAL_BACKENDS = "several-backends"  # this gateway cannot split a ward's requests
    UNKNOWN_BACKEND = "unknown-backend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One named rule. `segments` are the path prefix's parts; reads are copied to `mirror`.

    `epoch`: what it stamps into requests and answers. `method`: "" for every one.
    `trouble`: it serves nobody, and `backend` is then empty.
    `drill`: the exact value of the header x-wardshift-drill that the rule asks for besides its
    path; None: it asks for none.
    """

    name: str
    path_prefix: str
    segments: tuple[str, ...]
    backend: str
    mirror: str | None
    epoch: int | None
    method: str = ""
    trouble: Trouble | None = None
    drill: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a route asks for; its epoch stands in it, so that answers can be stamped with it."""

    ward: str
    epoch: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A stored route. `generation` counts changes of the spec, never of annotations."""

    spec: Spec
    annotations: Mapping[str, str]
    generation: int
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A route as sent: nothing in it is wrong by itself."""

    spec: Spec
    annotations: Mapping[str, str]
    resource_version: str


def wanted_from(raw: object) -> Wanted | tuple[str, ...]:
    """The route that a body asks for, or every problem with it."""
    match raw:
        case {"metadata": dict(metadata), "spec": dict(spec)}:
            problems = (*_metadata_problems(metadata, spec), *_spec_problems(spec))
            return problems or _wanted(metadata, spec)
        case _:
            return ("a route is a JSON object with metadata and spec",)


def rule_for(rules: tuple[Rule, ...], raw_path: str, method: str, drill: str = "") -> Rule | None:
    """The rule whose prefix matches the most whole segments of a path, one for its method first,
    and of those the one that asks for the drill's word which the request carries.

    None where nothing matches, which a fallback without a path prevents.

    Case counts. A path is compared segment by segment after percent-decoding, and empty
    segments are skipped: `//vitals` and `/%76itals` are vitals; `/vitals%2Fx`,
    `/vitals;a` and `/Vitals` are not.
    """
    path = segments(raw_path)
    matching = (
        rule
        for rule in rules
        if path[: len(rule.segments)] == rule.segments
        and rule.method in ("", method)
        and rule.drill in (None, drill)
    )
    return max(matching, key=_closeness, default=None)


def _closeness(rule: Rule) -> tuple[int, bool, bool]:
    """In this order a match's parts count (Gateway API v1)."""
    return len(rule.segments), bool(rule.method), rule.drill is not None


def as_json(route: Route) -> dict[str, Any]:
    """The route without its status, which is the data plane's to tell."""
    return {
        "metadata": {
            "name": f"{NAME_PREFIX}{route.spec.ward}",
            "resource_version": route.resource_version,
            "generation": route.generation,
            "annotations": dict(route.annotations),
        },
        "spec": {
            "ward": route.spec.ward,
            "epoch": route.spec.epoch,
            "rules": [_rule_json(rule) for rule in route.spec.rules],
        },
    }


def segments(raw_path: str) -> tuple[str, ...]:
    """The parts of a path or of a prefix, as they are compared."""
    return tuple(unquote(part) for part in raw_path.split("/") if part)


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "path_prefix": rule.path_prefix,
        "backend": rule.backend,
        "mirror": rule.mirror,
        **({} if rule.drill is None else {"drill": rule.drill}),
    }


def _wanted(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Wanted:
    return Wanted(
        spec=Spec(
            ward=spec["ward"],
            epoch=spec["epoch"],
            rules=tuple(_rule(raw, spec["epoch"]) for raw in spec["rules"]),
        ),
        annotations=metadata.get("annotations") or {},
        resource_version=str(metadata.get("resource_version") or ""),
    )


def _rule(raw: Mapping[str, Any], epoch: int) -> Rule:
    return Rule(
        name=raw["name"],
        path_prefix=raw["path_prefix"],
        segments=segments(raw["path_prefix"]),
        backend=raw["backend"],
        mirror=raw.get("mirror"),
        epoch=epoch,
        drill=raw.get("drill"),
    )


def _metadata_problems(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    if metadata.get("name") != f"{NAME_PREFIX}{spec.get('ward')}":
        yield f"metadata.name must be {NAME_PREFIX} followed by spec.ward"
    annotations = metadata.get("annotations") or {}
    if not (
        isinstance(annotations, dict)
        and all(isinstance(text, str) for pair in annotations.items() for text in pair)
    ):
        yield "metadata.annotations must map texts to texts"


def _spec_problems(spec: Mapping[str, Any]) -> Iterator[str]:
    ward, epoch, rules = spec.get("ward"), spec.get("epoch"), spec.get("rules")
    if not (isinstance(ward, str) and WARD.fullmatch(ward)):
        yield "spec.ward must be lowercase letters, digits and dashes"
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1:
        yield "spec.epoch must be a whole number from 1"
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        yield "spec.rules must be a list of objects"
        return
    for rule in rules:
        yield from _rule_problems(rule)
    yield from _repeated(rules, "name")
    yield from _repeated([rule for rule in rules if rule.get("drill") is None], "path_prefix")
    yield from _repeated([rule for rule in rules if rule.get("drill") is not None], "path_prefix")
    yield from _fallback_problems(rules)


def _rule_problems(rule: Mapping[str, Any]) -> Iterator[str]:
    name, prefix = rule.get("name"), rule.get("path_prefix")
    is_drill = isinstance(name, str) and name.startswith(f"{DRILL}.")
    if not (isinstance(name, str) and WARD.fullmatch(name.removeprefix(f"{DRILL}."))):
        yield "a rule's name must be lowercase letters, digits and dashes"
    if not (isinstance(prefix, str) and prefix.startswith("/") and "//" not in prefix):
        yield f"rule {name}: path_prefix must begin with one /"
    elif (prefix == "/") != (name == FALLBACK):
        yield f"rule {name}: the path_prefix / is the fallback's and nobody else's"
    if rule.get("backend") not in SYSTEMS:
        yield f"rule {name}: backend must be {LEGACY} or {CANDIDATE}"
    if rule.get("mirror") not in (None, CANDIDATE):
        yield f"rule {name}: mirror must be null or {CANDIDATE}"
    if is_drill or "drill" in rule:
        yield from _drill_problems(rule, is_drill=is_drill)


def _drill_problems(rule: Mapping[str, Any], *, is_drill: bool) -> Iterator[str]:
    word = rule.get("drill")
    if not (is_drill and isinstance(word, str) and DRILL_WORD.fullmatch(word)):
        yield (
            f"rule {rule.get('name')}: a drill's rule is named {DRILL}. and its slice, and asks for"
            " a word of 32 hexadecimal digits"
        )
    if rule.get("backend") != CANDIDATE or rule.get("mirror") is not None:
        yield f"rule {rule.get('name')}: a drill's rule leads to {CANDIDATE} and copies nothing"


def _repeated(rules: list[Mapping[str, Any]], key: str) -> Iterator[str]:
    values = [rule[key] for rule in rules if isinstance(rule.get(key), str)]
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"two rules have the {key} {value}"


def _fallback_problems(rules: list[Mapping[str, Any]]) -> Iterator[str]:
    backends = [rule.get("backend") for rule in rules if rule.get("name") == FALLBACK]
    if not backends:
        yield f"there is no rule named {FALLBACK}"
    if any(backend != LEGACY for backend in backends):
        yield f"the {FALLBACK} rule's backend must be {LEGACY}"
