"""The ward board in one language: every string that is printed, and nothing that is not. Pure.

A template only prints what stands here. Texts that people or plans wrote (names, reasons,
procedures) pass through as they are: whoever prints them escapes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.core.concern import Drill
from orchestrator.core.freeze import Freeze
from orchestrator.core.gates.rules import not_frozen
from orchestrator.core.ids import Role, Side
from orchestrator.core.verdict import Level
from orchestrator.reports.board import Board, ReturnRow, SignalRow, SliceRow, WardRow, WatcherRow
from orchestrator.reports.board_causes import (
    alarm_said,
    cause_said,
    freeze_said,
    quoted,
    role_named,
    waiting_said,
)
from orchestrator.reports.board_codes import Head, Sign, Watcher
from orchestrator.reports.board_en import EN
from orchestrator.reports.board_sv import SV
from orchestrator.reports.board_words import Lang, Words

LANGUAGES = {Lang.SV: SV, Lang.EN: EN}
MOST_GATES = 3
CALM_HEADS = (Head.EXPOSED, Head.SHADOW, Head.READY, Head.WAITING)


class Tone(StrEnum):
    """How loud a card is; each has a colour, a shape and words of its own."""

    ALARM = "alarm"
    UNKNOWN = "unknown"
    WATCH = "watch"
    MOVING = "moving"
    BACK = "back"
    GOOD = "good"
    QUIET = "quiet"


TONES = {
    Head.BLOCKED: Tone.ALARM,
    Head.UNWRITTEN: Tone.ALARM,
    Head.RETURNING: Tone.ALARM,
    Head.UNWATCHED: Tone.ALARM,
    Head.BREACH: Tone.ALARM,
    Head.STRAY: Tone.ALARM,
    Head.NO_WAY_BACK: Tone.ALARM,
    Head.SIDE_UNKNOWN: Tone.UNKNOWN,
    Head.NO_ROUTE: Tone.UNKNOWN,
    Head.BLIND: Tone.UNKNOWN,
    Head.ALARMED: Tone.WATCH,
    Head.LEGACY_SICK: Tone.ALARM,
    Head.MOVING: Tone.MOVING,
    Head.WARN: Tone.WATCH,
    Head.EXPOSED: Tone.GOOD,
    Head.ACCEPTED: Tone.GOOD,
    Head.RETURNED: Tone.BACK,
    Head.NOT_CLEAR: Tone.WATCH,
    Head.SHADOW: Tone.QUIET,
    Head.READY: Tone.QUIET,
    Head.WAITING: Tone.QUIET,
}


class Mood(StrEnum):
    """What the board as a whole says, the gravest first."""

    ASKS = "asks"  # a ward needs somebody now
    UNSAFE = "unsafe"  # something that the board leans on is not there
    WATCH = "watch"  # a ward is to be looked at more closely
    STANDSTILL = "standstill"
    CALM = "calm"


ASKS_FOR_ACTION = (Tone.ALARM, Tone.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A slice and which side serves it. `side`: legacy, candidate or unknown."""

    title: str
    side: str
    text: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A label and what stands beside it."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One ward as it is printed. `level`: a verdict's name in lower case, or none."""

    id: str
    name: str
    beds: str
    tone: Tone
    title: str
    held: str
    chips: tuple[Chip, ...]
    staff: str
    on_call: str
    level: str
    level_text: str
    signals: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """One of the things that the board leans on, as it is printed."""

    label: str
    sign: Sign
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The board as it is printed. `banners`: said over everything else."""

    words: Words
    programme: str
    old: str
    new: str
    date: str
    time: str
    seen_by: str
    summary: str
    mood: Mood
    banners: tuple[Line, ...]
    lights: tuple[Light, ...]
    cards: tuple[Card, ...]

    @property
    def groups(self) -> tuple[tuple[str, tuple[Card, ...]], ...]:
        """The cards that somebody may have to look at, and the quiet ones, which are small."""
        loud = tuple(card for card in self.cards if card.tone is not Tone.QUIET)
        quiet = tuple(card for card in self.cards if card.tone is Tone.QUIET)
        return tuple((name, cards) for name, cards in (("loud", loud), ("small", quiet)) if cards)


def page(board: Board, words: Words) -> Page:
    """Every string of the board in that language."""
    cards = tuple(_card(row, board, words) for row in board.wards)
    asking = sum(card.tone in ASKS_FOR_ACTION for card in cards)
    is_watching = any(card.tone is Tone.WATCH for card in cards)
    labels, plan, mood = words.labels, board.plan, _mood(board, asking, is_watching=is_watching)
    local = board.now.astimezone(plan.zone)
    events = labels.one_event if board.events == 1 else labels.events.format(n=board.events)
    seen = f"{labels.seen_by} {board.seen_by} · {events}"
    return Page(
        words=words,
        programme=plan.name,
        old=f"{plan.legacy.product} {plan.legacy.version}",
        new=f"{plan.candidate.product} {plan.candidate.version}",
        date=f"{local:%Y-%m-%d}",
        time=f"{local:%H:%M:%S}",
        seen_by=seen,
        summary=_summary(board, mood, asking, words),
        mood=mood,
        banners=tuple(_banners(board, words)),
        lights=tuple(_light(row, board, words) for row in board.watchers),
        cards=cards,
    )


def _mood(board: Board, asking: int, *, is_watching: bool) -> Mood:
    if asking:
        return Mood.ASKS
    if any(row.sign is not Sign.GOOD for row in board.watchers):
        return Mood.UNSAFE
    if _alarmed(board):
        return Mood.WATCH
    if board.freeze is not None:
        return Mood.STANDSTILL
    return Mood.WATCH if is_watching else Mood.CALM


def _alarmed(board: Board) -> tuple[WardRow, ...]:
    return tuple(row for row in board.wards if row.head is Head.ALARMED)


def _summary(board: Board, mood: Mood, asking: int, words: Words) -> str:
    """The most urgent thing; a ward that somebody speaks against before what follows from it."""
    labels, alarmed = words.labels, _alarmed(board)
    if mood is Mood.ASKS:
        return labels.alarm if asking == 1 else labels.alarms.format(n=asking)
    said: list[str] = []
    if alarmed:
        one = labels.alarmed.format(ward=alarmed[0].name)
        said.append(one if len(alarmed) == 1 else labels.alarmed_many.format(n=len(alarmed)))
    if mood is Mood.UNSAFE:
        said.append(labels.unsafe)
    if mood is Mood.STANDSTILL and board.freeze is not None:
        said.append(words.freezes[board.freeze.kind].summary)
    calmest = labels.watch if mood is Mood.WATCH else labels.calm
    return ". ".join(said) or calmest


def number(value: float | None, words: Words) -> str:
    """Three significant digits without an exponent; a question mark when there is none."""
    if value is None:
        return "?"
    short = f"{value:.3g}"
    return (f"{value:.0f}" if "e+" in short else short).replace(".", words.decimal)


def _card(row: WardRow, board: Board, words: Words) -> Card:
    said, parts = words.heads[row.head], _parts(row, board, words)
    return Card(
        id=row.id,
        name=row.name,
        beds=f"{row.beds} {words.labels.beds}",
        tone=TONES[row.head],
        title=said.title,
        held="" if row.held is None else f"{words.labels.held}: {quoted(row.held, words)}",
        chips=_chips(row, words),
        staff=said.staff.format(**parts),
        on_call=_on_call(row, said.on_call.format(**parts), board, words),
        level="none" if row.level is None else row.level.name.lower(),
        level_text=words.labels.not_judged if row.level is None else words.levels[row.level],
        signals=tuple(_signals(row, words)),
        lines=tuple(_lines(row, board, words)),
    )


def _parts(row: WardRow, board: Board, words: Words) -> dict[str, str]:
    waiting = "" if row.returned is None else row.returned.back.waiting_for
    return {
        "ward": row.id,
        "new_slices": _served(row, Side.CANDIDATE, words),
        "old_slices": _served(row, Side.LEGACY, words),
        "downtime": _sentence(row.downtime),
        "stage": row.next_stage or row.stage or "",
        "signal": _signal(row.signals[0], words) if row.signals else words.labels.not_judged,
        "alarms": _first_upper(_against(row, board, words)),
        "waiting": _sentence(waiting) if waiting else "",
        "roles": _roles(row.resume_roles, board, words),
        "expected": _expected(row, words),
        "routes_api": words.routes_apis[board.routes_api],
    }


def _against(row: WardRow, board: Board, words: Words) -> str:
    """The alarms that stand against the ward's exposure, the gravest first; without any, the
    worst signal."""
    ordered = sorted(row.alarms, key=lambda one: -one.level)
    said = [alarm_said(one, row.concerns, board.stopped, words) for one in ordered]
    said += waiting_said(row.concerns, row.alarms, words)
    if not said:
        return _signal(row.signals[0], words) if row.signals else words.labels.not_judged
    return "; ".join(said)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _served(row: WardRow, side: Side, words: Words) -> str:
    titles = [item.title for item in row.slices if item.side is side]
    if not titles:
        return words.labels.no_slice
    return words.labels.every_slice if len(titles) == len(row.slices) else ", ".join(titles)


def _expected(row: WardRow, words: Words) -> str:
    if not row.expected:
        return words.labels.nothing_recorded
    return words.labels.in_new.format(slices=", ".join(row.expected))


def _sentence(text: str) -> str:
    """With a full stop, so that the next sentence can follow."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _on_call(row: WardRow, said: str, board: Board, words: Words) -> str:
    """What is waited for stands with the calm heads; the others have something to do first."""
    if row.head not in CALM_HEADS:
        return said
    if not row.closed:
        return words.labels.gates_open if row.next_stage else said
    names = [_gate(item.gate, board, words) for item in row.closed]
    more = f" (+{len(names) - MOST_GATES})" if len(names) > MOST_GATES else ""
    return f"{words.labels.gates}: {', '.join(names[:MOST_GATES])}{more}"


def _gate(name: str, board: Board, words: Words) -> str:
    if name == not_frozen.__name__ and board.freeze is not None:
        return words.freezes[board.freeze.kind].gate
    return words.gates.get(name, name)


def _chips(row: WardRow, words: Words) -> tuple[Chip, ...]:
    """One for each slice; a single one when all are alike."""
    if len({(item.side, item.is_mirrored) for item in row.slices}) == 1:
        whole = replace(row.slices[0], title=words.labels.every_slice.capitalize())
        return (_chip(whole, words),)
    return tuple(_chip(item, words) for item in row.slices)


def _chip(item: SliceRow, words: Words) -> Chip:
    return Chip(
        title=item.title,
        side="unknown" if item.side is None else item.side.value,
        text=words.sides[item.side],
        note=words.labels.mirrored if item.is_mirrored else "",
    )


def _signals(row: WardRow, words: Words) -> Iterable[str]:
    if row.level is Level.PASS and row.signals:
        labels = words.labels
        yield labels.one_within if row.judged == 1 else labels.all_within.format(n=row.judged)
    for item in row.signals:
        yield _signal(item, words)
    if row.not_clear > len(row.signals):
        yield words.labels.more_signals.format(n=row.not_clear - len(row.signals))


def _signal(item: SignalRow, words: Words) -> str:
    verdict, labels = item.verdict, words.labels
    why = words.codes[verdict.code]
    if verdict.value is None:
        blind = labels.blind_for.format(
            n=number(verdict.blind_for_s, words), patience=number(item.patience_s, words)
        )
        return f"{item.title}: {why}" + (f", {blind}" if verdict.blind_for_s else "")
    return f"{item.title}: {_compared(item, words)}, {why}"


def _compared(item: SignalRow, words: Words) -> str:
    verdict = item.verdict
    measured = f"{number(verdict.value, words)} {item.unit}".rstrip()
    if verdict.limit is None:
        return measured
    limit = f"{number(verdict.limit, words)} {item.unit}".rstrip()
    return f"{measured} ({words.labels.limit} {words.directions[item.direction]} {limit})"


def _lines(row: WardRow, board: Board, words: Words) -> Iterable[Line]:
    labels = words.labels
    if row.stage is not None:
        yield Line(label=labels.stage, text=row.stage)
    if row.soak is not None:
        counted = f"{row.soak.done.shifts} / {row.soak.needed.shifts}"
        yield Line(label=labels.soak, text=counted)
    if row.is_exposed:
        yield Line(label=labels.lease, text=_age(row.lease_age_s, words) or labels.no_lease)
    if row.alarms or any(waiting_said(row.concerns, (), words)):
        yield Line(label=labels.alarm_lines, text=_first_upper(_against(row, board, words)))
    if row.drill is not None:
        yield Line(label=labels.drill, text=_drill(row.drill, board, words))
    if row.returned is not None:
        yield Line(label=labels.returned, text=_return(row.returned, row, board, words))
    yield Line(label=labels.downtime, text=row.downtime)
    if row.contacts:
        said = (f"{role_named(who, words)}: {channel}" for who, channel in row.contacts)
        yield Line(label=labels.contacts, text="; ".join(said))


def _drill(item: Drill, board: Board, words: Words) -> str:
    said = words.labels.drill_passed if item.passed else words.labels.drill_failed
    return said.format(
        at=_time(item.done_at, board),
        restore=number(item.restore_s, words),
        prove=number(item.prove_s, words),
        problem=item.problem,
    )


def _return(item: ReturnRow, row: WardRow, board: Board, words: Words) -> str:
    back, labels = item.back, words.labels
    parts = [f"{labels.returned_at} {_time(back.seen_at, board)}"]
    if back.written_at is not None:
        parts.append(f"{labels.written_at} {_time(back.written_at, board)}")
    if back.proven_at is None:
        parts.append(labels.not_proven)
    else:
        parts.append(f"{labels.proven_at} {_time(back.proven_at, board)}")
        parts.append(_still_open(back.still_open, words))
    return f"{', '.join(parts)}. {_sentence(_first_upper(_cause(item, row, words)))}"


def _still_open(count: int | None, words: Words) -> str:
    if count is None:
        return words.labels.open_unknown
    return words.labels.still_open.format(n=count) if count else words.labels.cleared


def _cause(item: ReturnRow, row: WardRow, words: Words) -> str:
    cause = item.back.cause
    if not item.title:
        return cause_said(cause, row.concerns, words)
    why = words.triggers.get(cause.trigger, cause.trigger.value)
    if cause.value is None:
        coded = "" if cause.code is None else f" ({words.codes[cause.code]})"
        return f"{why}: {item.title}{coded}"
    measured = f"{number(cause.value, words)} {item.unit}".rstrip()
    return f"{why}: {item.title}, {measured}, {words.labels.limit} {number(cause.limit, words)}"


def _banners(board: Board, words: Words) -> Iterable[Line]:
    labels = words.labels
    if board.is_unstarted:
        yield Line(label=labels.not_started, text="wardshift run")
    if not board.is_active:
        yield Line(label=labels.standby, text="")
    if board.freeze is not None:
        yield Line(label=labels.frozen, text=_frozen(board, words))


def _frozen(board: Board, words: Words) -> str:
    freeze = board.freeze
    assert freeze is not None
    thaw = words.labels.thaw.format(roles=_roles(freeze.agreed, board, words))
    return f"{_time(freeze.since, board)}: {_frozen_by(board, freeze, words)}. {thaw}."


def _frozen_by(board: Board, freeze: Freeze, words: Words) -> str:
    row = next((one for one in board.wards if one.id == freeze.ward), None)
    if row is None:
        return freeze_said(freeze, freeze.ward or "", None, quoted(freeze.reason, words), words)
    back = row.returned
    reason = quoted(freeze.reason, words) if back is None else _cause(back, row, words)
    return freeze_said(freeze, row.name, row.head, reason, words)


def _light(row: WatcherRow, board: Board, words: Words) -> Light:
    age = _age(row.age_s, words)
    said = [words.signs[row.watcher, row.sign], *([age] if age else [])]
    if row.watcher is Watcher.ROUTES:
        said[0] = f"{words.routes_apis[board.routes_api]} {said[0]}"
    if row.watcher is Watcher.LEDGER and row.detail:
        said.append(row.detail)
    return Light(label=words.watchers[row.watcher], sign=row.sign, text=", ".join(said))


def _age(seconds: float | None, words: Words) -> str:
    return "" if seconds is None else f"{seconds:.0f} {words.labels.seconds}"


def _time(at: datetime, board: Board) -> str:
    local, today = at.astimezone(board.plan.zone), board.now.astimezone(board.plan.zone)
    return f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def _roles(agreed: frozenset[Role], board: Board, words: Words) -> str:
    left = [name for name in board.plan.policy.resume_roles if name not in agreed]
    said = ", ".join(role_named(name, words) for name in left)
    return (words.labels.one_of if agreed else words.labels.two_of).format(roles=said)
