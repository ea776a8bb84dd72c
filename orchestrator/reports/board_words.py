"""What a language must have words for before the board can be read in it.

Every table is total over its codes; a gate or a trigger that is newer than the words is named
by its code. Sentences take these parts: {new_slices}, {old_slices}, {downtime}, {stage},
{signal}, {alarms}, {ward}, {waiting}, {roles}, {expected}, {routes_api}.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.alarm import AlarmCode
from orchestrator.core.event import Trigger
from orchestrator.core.freeze import FreezeKind
from orchestrator.core.ids import Side
from orchestrator.core.threshold import Direction
from orchestrator.core.verdict import Code, Level
from orchestrator.reports.board_codes import Head, RoutesApi, Sign, Watcher


class Lang(StrEnum):
    """The languages that the board can be read in."""

    SV = "sv"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadWords:
    """`title`: two or three words. `staff`: to be read aloud on the ward, what to do now.
    `on_call`: what operations does; may name a command."""

    title: str
    staff: str
    on_call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeWords:
    """A freeze by what began it. `summary`: of the whole board. `gate`: what a ward waits for."""

    summary: str
    gate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The words around the numbers."""

    board: str
    old: str
    new: str
    beds: str
    staff: str
    on_call: str
    stage: str
    next_stage: str
    judgement: str
    not_judged: str
    more_signals: str
    all_within: str
    one_within: str
    limit: str
    blind_for: str
    lease: str
    no_lease: str
    soak: str
    returned: str
    drill: str
    drill_passed: str
    drill_failed: str
    alarm_lines: str
    alarm_alert: str
    alarm_report: str
    unanswered: str
    alarm_programme: str
    quote: str
    returned_at: str
    written_at: str
    proven_at: str
    not_proven: str
    still_open: str
    open_unknown: str
    cleared: str
    held: str
    downtime: str
    contacts: str
    gates: str
    gates_open: str
    frozen: str
    frozen_who: str
    frozen_going: str
    frozen_unwritten: str
    frozen_report: str
    frozen_stop: str
    thaw: str
    not_started: str
    standby: str
    seen_by: str
    events: str
    one_event: str
    mirrored: str
    stale: str
    stale_why: str
    stale_do: str
    starting: str
    updated: str
    other_language: str
    every_slice: str
    in_new: str
    no_slice: str
    nothing_recorded: str
    two_of: str
    one_of: str
    alarm: str
    alarms: str
    calm: str
    watch: str
    alarmed: str
    alarmed_many: str
    unsafe: str
    seconds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language."""

    lang: Lang
    decimal: str
    labels: Labels
    heads: Mapping[Head, HeadWords]
    levels: Mapping[Level, str]
    codes: Mapping[Code, str]
    sides: Mapping[Side | None, str]
    directions: Mapping[Direction | None, str]
    watchers: Mapping[Watcher, str]
    routes_apis: Mapping[RoutesApi, str]
    signs: Mapping[tuple[Watcher, Sign], str]
    triggers: Mapping[Trigger, str]
    alarms: Mapping[AlarmCode, str]
    gates: Mapping[str, str]
    freezes: Mapping[FreezeKind, FreezeWords]
    roles: Mapping[str, str]
