"""Between what happened and what is stored: one strict, reversible mapping.

Every happening has a kind, a stable word that the database keeps for years. The canonical
bytes of an entry are what its hash covers. Invariant: reading back what was written gives
an equal entry, and anything else is Corrupt. Source: design section 11.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from orchestrator.core.event import Actor, Draft, Entry, Happening
from orchestrator.core.ids import ActorKind
from orchestrator.errors import Corrupt
from wards.model import WardId

FIRST_HASH = "0" * 64
Row = Mapping[str, Any]


def _kind_of(happening: type) -> str:
    """RollbackIntended -> rollback_intended."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", happening.__name__).lower()


KINDS: Mapping[str, type] = MappingProxyType({_kind_of(one): one for one in get_args(Happening)})


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    """Made when first needed: making all of them is what a command would wait for."""
    return TypeAdapter(KINDS[kind])


def body_of(happening: Happening) -> str:
    """The happening's fields as canonical JSON. Raises: ValueError for what is not finite."""
    adapter = _adapter(_kind_of(type(happening)))
    return _canonical(adapter.dump_python(happening, mode="json"))


def happening_from(kind: str, body: str) -> Happening:
    """The happening that was stored. Raises: ValueError saying what is wrong with it."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    parsed = _parse(body)
    _check_fields(KINDS[kind], parsed)
    try:
        happening: Happening = _adapter(kind).validate_python(parsed)
    except ValidationError as error:
        raise ValueError(f"{kind} does not read: {error.error_count()} wrong fields") from error
    if body_of(happening) != body:
        raise ValueError(f"{kind} does not read back as it was written")
    return happening


def draft_row(draft: Draft) -> dict[str, Any]:
    """A draft as columns; `at` in UTC with microseconds."""
    return {
        "id": draft.id,
        "at": _stamp(draft.at),
        "ward": draft.ward,
        "actor_kind": str(draft.actor.kind),
        "actor_name": draft.actor.name,
        "plan_hash": draft.plan_hash,
        "code_version": draft.code_version,
        "kind": _kind_of(type(draft.happening)),
        "body": body_of(draft.happening),
    }


def draft_from(row: Row) -> Draft:
    """The draft of a row. Raises: ValueError, KeyError."""
    ward = row["ward"]
    at = datetime.fromisoformat(row["at"])
    if at.tzinfo is None or _stamp(at) != row["at"]:
        raise ValueError(f"time {row['at']!r} is not in the form it was written in")
    return Draft(
        id=row["id"],
        at=at,
        ward=None if ward is None else WardId(ward),
        actor=Actor(kind=ActorKind(row["actor_kind"]), name=row["actor_name"]),
        plan_hash=row["plan_hash"],
        code_version=row["code_version"],
        happening=happening_from(row["kind"], row["body"]),
    )


def entry_hash(seq: int, row: Row, prev_hash: str) -> str:
    """SHA-256 over the previous hash and the canonical bytes of this entry's columns."""
    columns = {name: row[name] for name in DRAFT_COLUMNS}
    text = _canonical({"seq": seq, **columns})
    return hashlib.sha256(prev_hash.encode() + text.encode()).hexdigest()


def entry_from(row: Row, *, prev_hash: str) -> Entry:
    """A stored row as the entry that follows `prev_hash`.

    Raises: Corrupt naming the sequence when row, hash and link do not belong together.
    """
    where = f"event {row['seq']}"
    if row["prev_hash"] != prev_hash:
        raise Corrupt("it does not follow the event before it", where)
    if entry_hash(row["seq"], row, prev_hash) != row["hash"]:
        raise Corrupt("it was changed after it was written", where)
    try:
        draft = draft_from(row)
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(str(error), where) from error
    return Entry(seq=row["seq"], draft=draft, prev_hash=prev_hash, hash=row["hash"])


def entry_row(entry: Entry) -> dict[str, Any]:
    """An entry as columns."""
    return {
        "seq": entry.seq,
        **draft_row(entry.draft),
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


DRAFT_COLUMNS = (
    "id", "at", "ward", "actor_kind", "actor_name", "plan_hash", "code_version", "kind", "body",
)  # fmt: skip


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _parse(body: str) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except json.JSONDecodeError as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(parsed, dict):
        raise TypeError("the body is not an object")
    return parsed


def _check_fields(happening: type, parsed: Mapping[str, Any]) -> None:
    expected = {item.name for item in fields(happening)}
    if set(parsed) != expected:
        raise ValueError(f"fields {sorted(set(parsed) ^ expected)} do not belong")
