"""What fault drills showed: a ward's return while one thing after another is broken. Pure.

Times are real seconds from the moment in which the harm was set. They are taken from outside the
processes that return the ward, so each is late by at most one look. Source: design sections 8
and 2 rule 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from typing import Any

from orchestrator.core.event import (
    Draft,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
)
from orchestrator.reports.board_words import Lang
from orchestrator.reports.words import hand
from wards.model import WardId


class Fault(StrEnum):
    """What is broken. SIGNALS: the metrics page that the signals come from; in the practice
    hospital no Prometheus stands between."""

    CANDIDATE = "candidate"
    DATABASE = "database"
    PREFECT = "prefect"
    SIGNALS = "signals"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the record says of a return. Empty strings: it does not say."""

    actor: str = ""
    trigger: str = ""
    waited_for: str = ""
    is_proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One fault drill. `limit_s`: the plan's max_harm_window_s, to the proof.

    `is_before_harm`: the ward was home before it was harmed, so the times count from the break.
    `is_recorded`: once the fault was undone the ledger had the proof, once. `problem`: why there
    is no measurement, in words.
    """

    fault: Fault
    ward: str
    limit_s: float
    restored_s: float | None = None
    proven_s: float | None = None
    told: Told = Told()
    is_before_harm: bool = False
    is_recorded: bool = False
    problem: str = ""

    @property
    def is_home_in_time(self) -> bool:
        """Restored and proven within the limit, counted from the harm."""
        times = (self.restored_s, self.proven_s)
        return not self.problem and all(one is not None and one <= self.limit_s for one in times)

    @property
    def is_good(self) -> bool:
        """Home in time, and the ledger knows it."""
        return self.is_home_in_time and self.is_recorded


def told(drafts: Sequence[Draft], ward: WardId) -> Told:
    """What is recorded of a ward's first return, in the ledger or a journal."""
    mine = [draft for draft in drafts if draft.ward == ward]
    actor = trigger = ""
    waits: dict[str, None] = {}
    for draft in mine:
        match draft.happening:
            case RollbackIntended(cause=cause) if not actor:
                actor = hand(draft.actor)
                trigger = " ".join(filter(None, (cause.trigger, cause.signal)))
            case RollbackPending(waiting_for=waiting_for):
                waits[waiting_for] = None
            case _:
                pass
    return Told(
        actor=actor,
        trigger=trigger,
        waited_for="; ".join(waits),
        is_proven=any(isinstance(one.happening, RollbackProven) for one in mine),
    )


def document(rows: Sequence[FaultRow]) -> dict[str, Any]:
    """The report for machines."""
    return {
        "ok": bool(rows) and all(row.is_good for row in rows),
        "faults": [
            {**asdict(row), "is_home_in_time": row.is_home_in_time, "is_good": row.is_good}
            for row in rows
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWords:
    """One language. `broken` and `harm` are total over Fault."""

    title: str
    lead: str
    columns: tuple[str, ...]
    broken: Mapping[Fault, str]
    harm: Mapping[Fault, str]
    unharmed: str
    good: str
    late: str
    never: str
    unrecorded: str
    failed: str
    nothing: str
    unknown: str
    comma: str


def columns(lang: Lang) -> tuple[str, ...]:
    """The table's heads."""
    return WORDS[lang].columns


def cells(row: FaultRow, lang: Lang) -> tuple[str, ...]:
    """One line of the table, in the order of the columns."""
    words = WORDS[lang]
    return (
        words.broken[row.fault],
        words.unharmed if row.is_before_harm else words.harm[row.fault],
        row.ward or words.unknown,
        _seconds(row.restored_s, words),
        _seconds(row.proven_s, words),
        _seconds(row.limit_s, words),
        row.told.waited_for or words.nothing,
        " · ".join(filter(None, (row.told.actor, row.told.trigger))) or words.unknown,
        outcome(row, lang),
    )


def outcome(row: FaultRow, lang: Lang) -> str:
    """How it ended, in words."""
    words = WORDS[lang]
    if row.problem:
        return words.failed.format(problem=row.problem)
    if row.restored_s is None or row.proven_s is None:
        return words.never
    if not row.is_home_in_time:
        return words.late
    return words.good if row.is_recorded else words.unrecorded


def page(rows: Sequence[FaultRow], lang: Lang) -> str:
    """The report for people: one table, nothing fetched from anywhere."""
    words = WORDS[lang]
    heads = "".join(f'<th scope="col">{escape(one)}</th>' for one in words.columns)
    lines = "\n".join(_line(row, lang) for row in rows)
    return f"""<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(words.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(words.title)}</h1>
<p>{escape(words.lead)}</p>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{lines}
</tbody>
</table>
</body>
</html>
"""


def _line(row: FaultRow, lang: Lang) -> str:
    """The last cell says in words what the colour says."""
    tone = "good" if row.is_good else "bad"
    inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells(row, lang))
    return f'<tr class="{tone}">{inner}</tr>'


def _seconds(value: float | None, words: FaultWords) -> str:
    return words.unknown if value is None else f"{value:.2f} s".replace(".", words.comma)


STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid #999;padding:.4rem .6rem;text-align:left;vertical-align:top}
th{background:#eee}
tr.good td:last-child{background:#dff0df}
tr.bad td:last-child{background:#f8d7d7;font-weight:bold}
"""
SV = FaultWords(
    title="Felövningar på övningssjukhuset",
    lead="I varje övning är en avdelning i det nya journalsystemet när en enda sak går sönder; "
    "sedan skadas avdelningen. Tiderna räknas från skadan, mäts utifrån i verkliga sekunder och "
    "kan därför vara en avläsning för långa. Allt är påhittat; inga patienter finns.",
    columns=(
        "Trasigt", "Skada", "Avdelning", "Åter i gamla systemet", "Bevisat", "Gräns",
        "Väntade på", "Återförd av", "Utfall",
    ),
    broken={
        Fault.CANDIDATE: "Nya journalsystemet dött",
        Fault.DATABASE: "Liggaren borta (dess filer)",
        Fault.PREFECT: "Prefect dött",
        Fault.SIGNALS: "Signalernas källa borta (mätsidan; här finns ingen Prometheus)",
        Fault.API: "Vägvalets API svarar en sekund sent",
    },
    harm={
        Fault.CANDIDATE: "avbrottet självt",
        Fault.DATABASE: "text försvinner ur anteckningar",
        Fault.PREFECT: "text försvinner ur anteckningar",
        Fault.SIGNALS: "avbrottet självt: ingen sikt",
        Fault.API: "text försvinner ur anteckningar",
    },
    unharmed="ingen: hemma redan efter felet, tiderna räknas därifrån",
    good="Hemma i tid",
    late="FÖR SENT",
    never="INTE HEMMA OCH BEVISAD inom väntetiden",
    unrecorded="Hemma i tid, men loggboken fick inte beviset exakt en gång",
    failed="INTE GENOMFÖRD: {problem}",
    nothing="inget",
    unknown="-",
    comma=",",
)  # fmt: skip
EN = FaultWords(
    title="Fault drills on the practice hospital",
    lead="In each drill a ward works in the candidate when one thing breaks; then the ward is "
    "harmed. Times count from the harm, in real seconds, and are taken from outside, so each may "
    "be one look too long. Everything is invented; there are no patients.",
    columns=(
        "Broken", "Harm", "Ward", "Restored to legacy", "Proven", "Limit", "Waited for",
        "Returned by", "Outcome",
    ),
    broken={
        Fault.CANDIDATE: "Candidate dead",
        Fault.DATABASE: "Ledger's database gone",
        Fault.PREFECT: "Prefect dead",
        Fault.SIGNALS: "Source of the signals gone (metrics page; no Prometheus runs here)",
        Fault.API: "Routes' API answers a second late",
    },
    harm={
        Fault.CANDIDATE: "the outage itself",
        Fault.DATABASE: "text disappears from notes",
        Fault.PREFECT: "text disappears from notes",
        Fault.SIGNALS: "the outage itself: no sight",
        Fault.API: "text disappears from notes",
    },
    unharmed="none: home before it was harmed; times count from the break",
    good="Home in time",
    late="TOO LATE",
    never="NOT HOME AND PROVEN while it was waited for",
    unrecorded="Home in time, but the ledger did not get the proof exactly once",
    failed="NOT MADE: {problem}",
    nothing="nothing",
    unknown="-",
    comma=".",
)  # fmt: skip
WORDS: Mapping[Lang, FaultWords] = {Lang.SV: SV, Lang.EN: EN}
