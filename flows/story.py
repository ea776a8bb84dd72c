"""Returns to legacy as the ledger tells them, one after another.

A return begins with a RollbackIntended. What other hands note while it goes on, or about
the time before it was proven, belongs to the same return: two rollbacks are shown only
when a ward went back twice. Pure; a telling can go on from where it stopped.
Source: design section 8, "many triggers, one idempotent transition".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.core.event import (
    Actor,
    Cause,
    Draft,
    Entry,
    ProgrammeStopped,
    ReturnCancelled,
    RollbackBlocked,
    RollbackDrained,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackRepeated,
    RollbackWritten,
    StopAcknowledged,
    StopReported,
    StopUnproven,
    Trigger,
)
from orchestrator.core.ids import Role, StageName
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply
from wards.model import WardId

MARK_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing in a timeline; `after_s` is real seconds since its process began to return."""

    at: datetime
    who: str
    text: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One return to legacy.

    `seq` is the entry that began it, `mark` the start of its hash: together they are never
    met again, in this ledger or in another. `stage`: where the ward stood, since
    `stage_since`. `written` and `proven` are the first of their kind. `unheard`: what a hand began
    that had not heard of this return; only a write of its own makes it another return.
    """

    seq: int
    mark: str
    ward: WardId
    cause: Cause
    by: Actor
    seen_at: datetime
    intended_at: datetime
    stage: StageName | None
    stage_since: datetime | None
    written: tuple[datetime, RollbackWritten] | None = None
    proven: tuple[datetime, RollbackProven] | None = None
    drained_at: datetime | None = None
    waiting_for: str = ""
    lines: tuple[Line, ...] = ()
    unheard: "Story | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sickness:
    """A ward that should have returned while legacy was not ready: people were paged."""

    seq: int
    mark: str
    ward: WardId
    at: datetime
    by: Actor
    blocked: RollbackBlocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A report from the bedside, or (without a ward) the whole programme stopped.

    `report`: its number, "" for the programme. `is_proven`: somebody proved a role. `answer`: who
    took it in hand or took it back, and when; None while nobody has.
    """

    seq: int
    mark: str
    ward: WardId | None
    report: str
    role: Role
    words: str
    at: datetime
    is_proven: bool = True
    is_taken_back: bool = False
    answer: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """All returns, pages and stops up to `state.head`, in the order in which they began."""

    state: ProgrammeState = field(default_factory=ProgrammeState)
    stories: tuple[Story, ...] = ()
    sicknesses: tuple[Sickness, ...] = ()
    stops: tuple[Stop, ...] = ()

    def latest(self, ward: WardId) -> Story | None:
        """The ward's latest return."""
        return next((one for one in reversed(self.stories) if one.ward == ward), None)


def tell(telling: Telling, entries: Iterable[Entry]) -> Telling:
    """The telling after more entries."""
    for entry in entries:
        telling = _tell_one(telling, entry)
    return telling


def _tell_one(telling: Telling, entry: Entry) -> Telling:
    draft = entry.draft
    told = replace(telling, state=apply(telling.state, draft, seq=entry.seq))
    told = _with_stops(told, entry)
    if draft.ward is None:
        return told
    match draft.happening:
        case RollbackIntended() as intended:
            return _intended(told, telling.state.ward(draft.ward), entry, draft.ward, intended)
        case RollbackBlocked() as blocked:
            sickness = Sickness(
                seq=entry.seq,
                mark=entry.hash[:MARK_LENGTH],
                ward=draft.ward,
                at=draft.at,
                by=draft.actor,
                blocked=blocked,
            )
            return replace(told, sicknesses=(*told.sicknesses, sickness))
        case (
            RollbackWritten()
            | RollbackPending()
            | RollbackProven()
            | RollbackDrained()
            | RollbackRepeated()
        ):
            return _go_on(told, draft)
        case _:
            return told


def _with_stops(told: Telling, entry: Entry) -> Telling:
    draft, happening = entry.draft, entry.draft.happening
    match happening:
        case StopReported(report=report, words=words) | StopUnproven(report=report, words=words):
            stop = _stop(entry, report, happening.role, words)
            is_proven = isinstance(happening, StopReported)
            return replace(told, stops=(*told.stops, replace(stop, is_proven=is_proven)))
        case ProgrammeStopped(role=role, reason=reason):
            return replace(told, stops=(*told.stops, _stop(entry, "", role, reason)))
        case StopAcknowledged(report=report, role=role):
            line = _line(draft, f"{role} took it in hand")
            return _answered(told, report, line, is_taken_back=False)
        case ReturnCancelled(trigger=Trigger.STOP, subject=report, role=role, reason=reason):
            line = _line(draft, f"{role} took it back: {reason}")
            return _answered(told, report, line, is_taken_back=True)
        case _:
            return told


def _stop(entry: Entry, report: str, role: Role, words: str) -> Stop:
    return Stop(
        seq=entry.seq,
        mark=entry.hash[:MARK_LENGTH],
        ward=entry.draft.ward,
        report=report,
        role=role,
        words=words,
        at=entry.draft.at,
    )


def _answered(told: Telling, report: str, line: Line, *, is_taken_back: bool) -> Telling:
    """The first answer is the one that ends a report's run."""
    stops = tuple(
        replace(one, answer=line, is_taken_back=is_taken_back)
        if one.report == report and one.answer is None
        else one
        for one in told.stops
    )
    return replace(told, stops=stops)


def _intended(
    told: Telling, before: WardState, entry: Entry, ward: WardId, intended: RollbackIntended
) -> Telling:
    running = told.latest(ward)
    if running is not None and _is_same_return(running, before, entry.draft):
        return _go_on(told, entry.draft)
    story = _begun(before, entry, ward, intended)
    is_home = before.phase is Phase.ROLLED_BACK and intended.cause.trigger is not Trigger.STRAY
    if running is None or not is_home:
        return replace(told, stories=(*told.stories, story))
    noted = _add(running, entry.draft, f"also asked for: {intended.cause.reason}")
    return _instead(told, running, replace(noted, unheard=running.unheard or story))


def _begun(before: WardState, entry: Entry, ward: WardId, intended: RollbackIntended) -> Story:
    draft = entry.draft
    return Story(
        seq=entry.seq,
        mark=entry.hash[:MARK_LENGTH],
        ward=ward,
        cause=intended.cause,
        by=draft.actor,
        seen_at=intended.seen_at,
        intended_at=draft.at,
        stage=before.stage,
        stage_since=before.entered_at,
        lines=(_line(draft, f"return begins: {intended.cause.reason}"),),
    )


def _is_same_return(running: Story, before: WardState, draft: Draft) -> bool:
    """Another hand's beginning while the ward returns, or, drained late, from before its proof."""
    if before.phase is Phase.RETURNING or running.proven is None:
        return before.phase is Phase.RETURNING
    return before.phase is Phase.ROLLED_BACK and draft.at <= running.proven[0]


def _go_on(told: Telling, draft: Draft) -> Telling:
    assert draft.ward is not None
    running = told.latest(draft.ward)
    if running is None:
        return told
    if running.unheard is not None and _is_newer(running, draft):
        begun = _with(running.unheard, draft)
        told = _instead(told, running, replace(running, unheard=None))
        return replace(told, stories=(*told.stories, begun))
    return _instead(told, running, _with(running, draft))


def _is_newer(running: Story, draft: Draft) -> bool:
    """Home under a greater epoch than the one that was proven: the ward had left again."""
    happening = draft.happening
    if running.proven is None or not isinstance(happening, RollbackWritten | RollbackProven):
        return False
    return happening.epoch > running.proven[1].epoch


def _instead(told: Telling, running: Story, after: Story) -> Telling:
    return replace(told, stories=tuple(after if one is running else one for one in told.stories))


def _with(story: Story, draft: Draft) -> Story:
    match draft.happening:
        case RollbackIntended(cause=cause):
            return _add(story, draft, f"also asked for: {cause.reason}")
        case RollbackWritten() as written:
            text = f"every slice on legacy in the route, epoch {written.epoch}"
            added = _add(story, draft, text, after_s=written.after_s)
            return added if story.written else replace(added, written=(draft.at, written))
        case RollbackPending() as pending:
            added = _add(
                story, draft, f"not proven yet: {pending.waiting_for}", after_s=pending.waited_s
            )
            return replace(added, waiting_for="" if story.proven else pending.waiting_for)
        case RollbackProven() as proven:
            added = _add(story, draft, _proof(proven), after_s=proven.after_s)
            done = replace(added, waiting_for="")
            return done if story.proven else replace(done, proven=(draft.at, proven))
        case RollbackDrained(epoch=epoch) if story.proven and epoch == story.proven[1].epoch:
            added = _add(story, draft, "nothing is open on the candidate any more")
            return replace(added, drained_at=draft.at)
        case RollbackRepeated(cause=cause):
            return _add(story, draft, f"asked for again: {cause.reason}")
        case _:
            return story


def _proof(proven: RollbackProven) -> str:
    open_ones = (
        "requests still open there could not be counted"
        if proven.still_open is None
        else f"{proven.still_open} requests still open on the candidate"
    )
    return f"legacy answered {proven.probes} probes as this ward; {open_ones}"


def _add(story: Story, draft: Draft, text: str, *, after_s: float | None = None) -> Story:
    return replace(story, lines=(*story.lines, _line(draft, text, after_s=after_s)))


def _line(draft: Draft, text: str, *, after_s: float | None = None) -> Line:
    who = f"{draft.actor.kind}:{draft.actor.name}"
    return Line(at=draft.at, who=who, text=text, after_s=after_s)
