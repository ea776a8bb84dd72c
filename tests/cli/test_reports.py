"""A ward's way as facts and as a picture: the record's own story, the same bytes each time."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.event import RollbackBlocked, WardStarted
from orchestrator.core.ids import Side
from orchestrator.core.verdict import Code, Level
from orchestrator.reports.facts import Span, TimelineFacts, timeline_facts
from orchestrator.reports.timeline import summary, timeline_svg
from tests.cli import tale
from tests.drafts import START, entries
from tests.plans import FIRST, NOTES, RESULTS, SECOND, SLOW, plan


def told() -> TimelineFacts:
    return timeline_facts(plan(), FIRST, tale.told())


def held(spans: tuple[Span, ...]) -> list:
    return [span.what for span in spans]


def test_each_slice_goes_over_and_comes_back() -> None:
    ways = {way.name: held(way.spans) for way in told().slices}
    assert ways == {
        NOTES: [Side.LEGACY, Side.CANDIDATE, Side.LEGACY],
        RESULTS: [Side.LEGACY],
    }


def test_a_slice_is_back_from_the_moment_the_route_was_written() -> None:
    back = told().slices[0].spans[-1]
    assert back.start == START + timedelta(hours=tale.BREACH_AT_H)


def test_the_return_has_its_cause_and_its_real_seconds() -> None:
    (back,) = told().returns
    assert (back.cause, back.written_after_s, back.proven_after_s) == (tale.cause(), 0.12, 0.87)
    assert (back.probes, back.still_open) == (6, 2)


def test_stages_and_verdicts_follow_the_record() -> None:
    facts = told()
    assert held(facts.stages) == ["Readiness", "Shadow", "Notes", "Returned to legacy"]
    assert held(facts.levels) == [Level.PASS, Level.WARN, Level.PASS, Level.BREACH]


def test_back_on_legacy_nothing_is_judged_any_more() -> None:
    after = tale.draft(SECOND, WardStarted(stage=tale.READINESS), after_h=40)
    facts = timeline_facts(plan(), FIRST, entries(*tale.drafts(), after))
    assert facts.levels[-1].what is Level.BREACH
    assert facts.levels[-1].end - facts.returns[0].began < timedelta(minutes=1)
    assert facts.end == after.at


def test_a_return_that_is_not_proven_is_shown_as_such() -> None:
    some = entries(*tale.climb(), *tale.breach(), *tale.back()[:1])
    facts = timeline_facts(plan(), FIRST, some)
    assert (facts.returns[0].written_after_s, facts.returns[0].proven_after_s) == (None, None)
    assert facts.slices[0].spans[-1].what is Side.CANDIDATE  # nobody wrote the route yet
    assert "not proven yet" in summary(facts)


def test_a_return_that_sick_legacy_blocked_is_a_mark() -> None:
    blocked = RollbackBlocked(cause=tale.cause(), legacy="not ready", downtime_procedure="paper")
    some = entries(*tale.climb(), tale.draft(FIRST, blocked, after_h=30))
    assert [one.cause for one in timeline_facts(plan(), FIRST, some).blocked] == [tale.cause()]


def test_a_ward_that_was_never_touched_is_all_legacy() -> None:
    facts = timeline_facts(plan(), SECOND, tale.told())
    assert (facts.stages, facts.returns) == ((), ())
    assert all(held(way.spans) == [Side.LEGACY] for way in facts.slices)


def test_of_an_empty_record_there_is_no_picture() -> None:
    with pytest.raises(ValueError, match="nothing has happened"):
        timeline_facts(plan(), FIRST, ())


@given(st.integers(min_value=1, max_value=len(tale.drafts())))
def test_after_any_prefix_spans_fill_the_whole_time_without_gaps(length: int) -> None:
    facts = timeline_facts(plan(), FIRST, entries(*tale.drafts()[:length]))
    for spans in (way.spans for way in facts.slices):
        assert (spans[0].start, spans[-1].end) == (facts.start, facts.end)
        assert all(one.end == two.start and one.what != two.what for one, two in pairwise(spans))
    assert all(one.end == two.start for one, two in pairwise(facts.shifts))


def test_what_was_drained_late_never_turns_time_back() -> None:
    seen = ((Level.WARN, Code.NEAR_LIMIT, 26.0), (Level.BLIND, Code.STALE, 25.5))
    drained = [
        tale.draft(FIRST, tale.verdict(SLOW, level, code, 1.4, 2.0), after_h=after_h)
        for level, code, after_h in seen
    ]
    facts = timeline_facts(plan(), FIRST, entries(*tale.climb(), *drained, *tale.breach()))
    assert all(one.end == two.start for one, two in pairwise(facts.levels))
    assert Level.BLIND in held(facts.levels)


def drawn(facts: TimelineFacts, path: Path) -> str:
    timeline_svg(facts, path)
    return path.read_text(encoding="utf-8")


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    assert drawn(told(), tmp_path / "a.svg") == drawn(told(), tmp_path / "b.svg")


def test_the_picture_says_in_words_what_it_shows(tmp_path: Path) -> None:
    facts = replace(told(), ward_name="Kvinnokliniken på Östra")
    text = drawn(facts, tmp_path / "picture.svg")
    ET.fromstring(text)
    words = ("Kvinnokliniken på Östra", "legacy", "candidate", "night", "text lost: 3, limit 0")
    assert all(word in text for word in (*words, "Notes", "Shadow", "0.87 s", "Europe/Stockholm"))


def test_another_story_gives_another_picture(tmp_path: Path) -> None:
    other = timeline_facts(plan(), FIRST, entries(*tale.climb()))
    assert drawn(told(), tmp_path / "a.svg") != drawn(other, tmp_path / "b.svg")
