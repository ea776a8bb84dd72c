"""What can be done to a practice hospital while it runs, and when: as JSON or YAML, and as values.

Pure, apart from reading a schedule's file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from orchestrator.errors import ConfigError
from wards.practice.wire import SYSTEMS

PROCESSES = (*SYSTEMS, "gateway", "clinicians", "etcd", "kube-apiserver")
VERBS = ("outage", "hang", "resume", "restart")
AFTER = re.compile(r"\+(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
FORMS = (
    '{"system": ..., "faults": {...}}, {"gateway": {...}}, {"speed": ...}, {"action": "clear"}'
    f' or {{"action": {"|".join(VERBS)}, "process": {"|".join(PROCESSES)}}}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFaults:
    """Faults of an EHR, set beside those that it has."""

    system: str
    faults: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearFaults:
    """No faults any more, in these systems."""

    systems: tuple[str, ...] = SYSTEMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Behave:
    """Settings of the gateway, set beside those that it has."""

    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSpeed:
    """Practice seconds per real second."""

    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Something done to a process: outage, hang, resume or restart."""

    verb: str
    process: str


Action: TypeAlias = SetFaults | ClearFaults | Behave | SetSpeed | Handle
Timed: TypeAlias = tuple[datetime, Action]


def action_from(raw: object) -> Action:
    """The action that a JSON object means. Raises: ConfigError."""
    match raw:
        case {"system": str(system), "faults": dict(faults)} if system in SYSTEMS:
            return SetFaults(system=system, faults=faults)
        case {"action": "clear", **others}:
            system = others.get("system")
            return ClearFaults(systems=(system,)) if system in SYSTEMS else ClearFaults()
        case {"gateway": dict(settings)}:
            return Behave(settings=settings)
        case {"speed": int() | float() as rate} if rate > 0 and not isinstance(rate, bool):
            return SetSpeed(rate=float(rate))
        case {"action": str(verb), "process": str(process)} if (
            verb in VERBS and process in PROCESSES
        ):
            return Handle(verb=verb, process=process)
        case _:
            raise ConfigError((f"not an action: {raw}; it is one of {FORMS}",))


def schedule_from(path: Path, *, starts_at: datetime) -> tuple[Timed, ...]:
    """The actions of a schedule file with their practice times, earliest first.

    Args:
        path: YAML or JSON.
        starts_at: what "+2h30m" counts from.
    Raises: ConfigError with every entry that is wrong.
    """
    try:
        entries = YAML(typ="safe").load(path)
    except (OSError, YAMLError) as error:
        raise ConfigError((f"{path}: {error}",)) from error
    if not isinstance(entries, list):
        raise ConfigError((f"{path}: a schedule is a list of entries",))
    timed: list[Timed] = []
    problems: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            timed.append(_timed(entry, starts_at))
        except ConfigError as error:
            problems += [f"{path}, entry {number}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(sorted(timed, key=lambda entry: entry[0]))


def _timed(entry: object, starts_at: datetime) -> Timed:
    match entry:
        case {"at": at, **action}:
            return _moment(at, starts_at), action_from(action)
        case _:
            raise ConfigError(("an entry needs `at`",))


def _moment(at: object, starts_at: datetime) -> datetime:
    if isinstance(at, str) and (after := AFTER.fullmatch(at)) and at != "+":
        days, hours, minutes, seconds = (int(part or 0) for part in after.groups())
        return starts_at + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    moment = at if isinstance(at, datetime) else _iso(at)
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            (f"`at` is {at}; write +2h30m, or a time with its offset: 2026-11-24T06:45:00+01:00",)
        )
    return moment


def _iso(at: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(at))
    except ValueError:
        return None
