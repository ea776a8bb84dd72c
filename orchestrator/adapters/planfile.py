"""Reads a programme file: YAML 1.2 without surprises, every problem with its line.

The only importer of ruamel.yaml. Duplicate keys and aliases are refused; `12:30` and `no`
are text. What has a wrong shape is set aside, so that what is wrong elsewhere is told in
the same breath. Source: design section 5.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, time
from enum import Enum
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

from orchestrator.adapters.planschema import ProgrammeFile
from orchestrator.core.plan import Plan
from orchestrator.core.problems import Place, nearest, problems
from orchestrator.errors import ConfigError

LARGEST_BYTES = 1_000_000
ANCHOR, ALIAS = "&", "*"
# What stands in for a wrong part of these sections while everything else is judged.
NEUTRAL: dict[str, Any] = {
    "programme": "programme", "region": "region", "time_zone": "Europe/Stockholm",
    "starts_on": "2027-01-01",
    "legacy": {"product": "legacy", "version": "1"},
    "candidate": {"product": "candidate", "version": "1"},
    "windows": {"opens": "00:00", "closes": "23:59", "weekdays": ["mon", "tue", "wed", "thu"]},
    "policy": {
        "tick_s": 1, "lease_s": 60, "retry_budget_s": 0, "margin_s": 0, "query_budget_s": 1,
        "write_budget_s": 1, "max_harm_window_s": 1_000_000, "guard": "restore",
        "max_exposed_wards": 1, "proof": {"probes": 1, "every_s": 0.1, "deadline_s": 1},
    },
}  # fmt: skip
# One that leaves no hour out and has no change of shift within the day.
NEUTRAL_PATTERN = [
    {"effective_from": "1900-01-01", "spans": [{"kind": "day", "start": "00:00", "end": "00:00"}]}
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPlan:
    """A sound plan, the hash of its meaning, and the file it came from."""

    plan: Plan
    hash: str
    path: Path


def load_plan(path: Path) -> LoadedPlan:
    """Read and check a programme file.

    Raises: ConfigError with every problem, each "file:line: where: what; what to do".
    """
    tree = _tree(path, _text(path))
    parsed, sound, told = _shape(path, tree)
    plan = None if parsed is None else parsed.meaning()
    if plan is not None:
        told = (*told, *_meaning(path, tree, plan, sound))
    if told or plan is None:
        raise ConfigError(tuple(text for _, text in sorted(set(told))))
    return LoadedPlan(plan=plan, hash=plan_hash(plan), path=path)


def plan_hash(plan: Plan) -> str:
    """SHA-256 of what the plan means: comments and the order of keys do not count."""
    text = json.dumps(asdict(plan), sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    match value:
        case ZoneInfo():
            return value.key
        case frozenset():
            return sorted(value)
        case Enum():
            return value.value
        case date() | time():
            return value.isoformat()
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a plan")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read ({error.strerror})",)) from error
    if len(data) > LARGEST_BYTES:
        raise ConfigError((f"{path}: larger than {LARGEST_BYTES} bytes; this is no plan",))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError((f"{path}: not UTF-8 text (byte {error.start})",)) from error


class _DatesAsText(RoundTripConstructor):
    """A date that no calendar has is one wrong value, not the end of the file."""


def _as_text(_constructor: RoundTripConstructor, node: ScalarNode) -> str:
    return str(node.value)


_DatesAsText.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def _tree(path: Path, text: str) -> CommentedMap:
    yaml = YAML(typ="rt")
    yaml.Constructor = _DatesAsText
    yaml.version = (1, 2)
    try:
        if ANCHOR in text or ALIAS in text:  # to look for them is to read it twice
            for event in YAML(typ="rt").parse(text):
                _refuse_alias(path, event)
        tree = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = (error.problem or "not YAML").split("\n", maxsplit=1)[0]
        raise ConfigError((f"{path}:{line}: {what}; mend this line first",)) from error
    except (YAMLError, ValueError, TypeError, RecursionError, KeyError, IndexError) as error:
        raise ConfigError(
            (f"{path}:1: cannot be read as YAML ({type(error).__name__})",)
        ) from error
    if not isinstance(tree, CommentedMap):
        raise ConfigError((f"{path}:1: a programme file is a mapping; see docs/reference/plan.md",))
    return tree


def _refuse_alias(path: Path, event: Any) -> None:
    if getattr(event, "anchor", None) is not None:
        raise ConfigError(
            (f"{path}:{event.start_mark.line + 1}: anchors and aliases are not used in plans; "
             "write the value out",)
        )  # fmt: skip


Told = tuple[tuple[int, str], ...]
Loc = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sound:
    """What is left of the file when wrong parts are set aside. `places`: for each section that is
    a list, where its items stand in the file; `lost`: names that were set aside."""

    tree: dict[str, Any]
    places: Mapping[str, tuple[int, ...]]
    lost: frozenset[str]


def _shape(path: Path, tree: CommentedMap) -> tuple[ProgrammeFile | None, _Sound, Told]:
    """The file's shape, if need be without the parts that do not fit."""
    whole = _without(tree, [])
    try:
        return ProgrammeFile.model_validate(whole.tree), whole, ()
    except ValidationError as error:
        found = error.errors(include_url=False)
    told = tuple(_sentence(path, tree, item) for item in found)
    rest = _without(tree, [(item["loc"], item["type"]) for item in found])
    try:
        return ProgrammeFile.model_validate(rest.tree), rest, told
    except ValidationError:
        return None, rest, told


def _without(tree: CommentedMap, wrong: Sequence[tuple[Loc, str]]) -> _Sound:
    """The plain tree without unknown keys, and without list items that have other faults."""
    plain = _plain_tree(tree)
    doomed: dict[str, set[int]] = {}
    unknown_keys_first = sorted(wrong, key=lambda one: one[1] != "extra_forbidden")
    for loc, kind in unknown_keys_first:
        if kind == "extra_forbidden":
            _drop_key(plain, loc)
        elif loc[0] in NEUTRAL:
            _fill(plain, loc)
        elif loc[0] == "shift_patterns" and len(loc) > 1:
            plain[loc[0]][loc[1]] = NEUTRAL_PATTERN
        elif len(loc) > 1 and isinstance(loc[1], int):
            doomed.setdefault(loc[0], set()).add(loc[1])
    lost = {
        str(plain[section][place].get("name", plain[section][place].get("id", "")))
        for section, items in doomed.items()
        for place in items
        if isinstance(plain[section][place], dict)
    }
    places: dict[str, tuple[int, ...]] = {}
    for section, value in plain.items():
        if isinstance(value, list):
            kept = [n for n in range(len(value)) if n not in doomed.get(section, ())]
            places[section] = tuple(kept)
            plain[section] = [value[n] for n in kept]
    return _Sound(tree=plain, places=places, lost=frozenset(lost))


def _fill(plain: Any, loc: Loc) -> None:
    """Put a harmless value where one is missing or wrong, so that the rest can be judged; what
    may be left out is left out."""
    value: Any = NEUTRAL
    node: Any = plain
    for place, part in enumerate(loc):
        value = value.get(part) if isinstance(value, dict) else None
        if place == len(loc) - 1 or not isinstance(node.get(part), dict):
            if value is None:
                node.pop(part, None)
            else:
                node[part] = value
            return
        node = node[part]


def _drop_key(plain: Any, loc: Loc) -> None:
    node = plain
    for part in loc[:-1]:
        if not isinstance(node, dict | list):
            return
        node = node[part]
    if isinstance(node, dict):
        node.pop(loc[-1], None)


def _plain_tree(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _plain_tree(item) for key, item in value.items()}
        case list():
            return [_plain_tree(item) for item in value]
        case _:
            return value


def _meaning(
    path: Path, tree: CommentedMap, plan: Plan, sound: _Sound
) -> Iterator[tuple[int, str]]:
    """What is wrong with the sound part; not what only follows from something set aside."""
    for problem in problems(plan):
        if any(name and name in problem.what for name in sound.lost):
            continue
        where = _original(problem.where, sound.places)
        line = line_of(tree, where)
        yield line, f"{path}:{line}: {_dotted(where)}: {problem.what}; {problem.todo}"


def _original(where: Place, places: Mapping[str, tuple[int, ...]]) -> Place:
    if len(where) > 1 and isinstance(where[1], int):
        return (where[0], places[str(where[0])][where[1]], *where[2:])
    return where


def _sentence(path: Path, tree: CommentedMap, error: Any) -> tuple[int, str]:
    loc: Loc = error["loc"]
    line = line_of(tree, loc)
    return line, f"{path}:{line}: {_dotted(loc)}: {_what(loc, error)}"


def _what(loc: Loc, error: Any) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key; {nearest(str(loc[-1]), _fields(loc))}"
        case "missing":
            return "missing; add it"
        case _:
            return f"{error['msg'].removeprefix('Value error, ')}; mend the value"


def _fields(loc: Loc) -> tuple[str, ...]:
    """The keys that may stand where an unknown one stands."""
    model: Any = ProgrammeFile
    for part in loc[:-1]:
        if isinstance(part, str) and part in getattr(model, "model_fields", {}):
            model = _model_in(model.model_fields[part].annotation)
    return tuple(getattr(model, "model_fields", {}))


def _model_in(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if hasattr(found, "model_fields"):
            return found
    return annotation


def line_of(tree: Any, where: Sequence[str | int]) -> int:
    """The line, from 1, of the deepest part of a path that the file has."""
    node, line = tree, 1
    for part in where:
        try:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        except (KeyError, IndexError, AttributeError):
            break
    return line


def _dotted(where: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.lstrip(".") or "the file"
