"""The report of fault drills: what counts as home, and what people read."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.core.event import (
    Actor,
    Cause,
    Draft,
    Happening,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    Trigger,
)
from orchestrator.core.ids import ActorKind
from orchestrator.reports.board_words import Lang
from orchestrator.reports.fault_drills import (
    WORDS,
    Fault,
    FaultRow,
    Told,
    cells,
    columns,
    document,
    outcome,
    page,
    told,
)
from tests.plans import FIRST, SECOND, SLOW
from wards.model import WardId

AT = datetime(2027, 3, 1, 5, tzinfo=UTC)
HOME = FaultRow(
    fault=Fault.DATABASE,
    ward=FIRST,
    limit_s=30.0,
    restored_s=1.5,
    proven_s=2.0,
    told=Told(actor="sentinel:one", trigger="breach slow", is_proven=True),
    is_recorded=True,
)
NOT_GOOD = {
    "late": replace(HOME, proven_s=30.1),
    "restored late": replace(HOME, restored_s=30.1, proven_s=30.2),
    "never restored": replace(HOME, restored_s=None, proven_s=None),
    "never proven": replace(HOME, proven_s=None),
    "not recorded": replace(HOME, is_recorded=False),
    "not made": replace(HOME, problem="no gateway"),
}


def draft(happening: Happening, *, ward: WardId = FIRST, name: str = "one") -> Draft:
    return Draft(
        id=f"{ward}-{name}-{type(happening).__name__}",
        at=AT,
        ward=ward,
        actor=Actor(kind=ActorKind.SENTINEL, name=name),
        plan_hash="p",
        code_version="0",
        happening=happening,
    )


INTENDED = RollbackIntended(
    cause=Cause(trigger=Trigger.BREACH, reason="slow", signal=SLOW), seen_at=AT
)
PROVEN = RollbackProven(epoch=3, probes=3, after_s=0.5, still_open=0)


def test_a_ward_home_in_time_and_in_the_ledger_is_good() -> None:
    assert HOME.is_good
    assert replace(HOME, restored_s=30.0, proven_s=30.0).is_good  # the limit itself is allowed
    assert document([HOME])["ok"]


@pytest.mark.parametrize("row", NOT_GOOD.values(), ids=NOT_GOOD)
def test_anything_else_is_not_and_the_rows_say_which(row: FaultRow) -> None:
    found = document([HOME, row])
    assert not found["ok"]
    assert [one["is_good"] for one in found["faults"]] == [True, False]
    for lang in Lang:
        assert outcome(row, lang) != WORDS[lang].good
        assert page([HOME, row], lang).count('<tr class="bad">') == 1


def test_no_drill_at_all_proves_nothing() -> None:
    assert not document([])["ok"]


def test_the_record_of_this_ward_says_who_why_and_what_was_waited_for() -> None:
    waits = [
        RollbackPending(epoch=3, waited_s=1.0, waiting_for=text) for text in ("one", "one", "two")
    ]
    drafts = [
        draft(INTENDED, ward=SECOND, name="other"),
        draft(INTENDED),
        *(draft(one) for one in waits),
        draft(INTENDED, name="later"),
    ]
    found = told(drafts, FIRST)
    assert found == Told(
        actor="sentinel:one", trigger=f"breach {SLOW}", waited_for="one; two", is_proven=False
    )
    assert not told([*drafts, draft(PROVEN, ward=SECOND)], FIRST).is_proven
    assert told([*drafts, draft(PROVEN)], FIRST).is_proven
    assert told([], FIRST) == Told()


@pytest.mark.parametrize("lang", Lang)
def test_every_fault_has_words_and_a_cell_for_every_column(lang: Lang) -> None:
    for fault in Fault:
        line = cells(replace(HOME, fault=fault), lang)
        assert len(line) == len(columns(lang))
        assert all(line)


@pytest.mark.parametrize(("lang", "number"), [(Lang.SV, "2,00 s"), (Lang.EN, "2.00 s")])
def test_the_page_is_in_its_language(lang: Lang, number: str) -> None:
    text = page([HOME], lang)
    assert f'<html lang="{lang}">' in text
    assert f"<td>{number}</td>" in text
    assert WORDS[lang].title in text


@pytest.mark.parametrize("lang", Lang)
def test_the_page_fetches_nothing_and_takes_no_text_as_markup(lang: Lang) -> None:
    hostile = replace(HOME, problem="<script>alert(1)</script>", told=Told(actor="<b>"))
    text = page([hostile], lang)
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script|<b>", text)
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("lang", Lang)
def test_a_ward_home_before_its_harm_does_not_claim_one(lang: Lang) -> None:
    row = replace(HOME, is_before_harm=True)
    assert cells(row, lang)[1] == WORDS[lang].unharmed
    assert document([row])["faults"][0]["is_before_harm"]


def test_where_there_is_no_prometheus_the_report_says_so() -> None:
    row = replace(HOME, fault=Fault.SIGNALS)
    for lang in Lang:
        assert "Prometheus" in cells(row, lang)[0]
    assert document([row])["faults"][0]["fault"] == "signals"
