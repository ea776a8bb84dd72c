"""The arithmetic of time: every part counts once, and all of them are said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.budget import DECIDE_S, budgets, lease_need_s
from tests.plans import FAILED_LOGINS, LEGACY_UP, SLOW, TEXT_LOST, plan

seconds = st.floats(0.01, 60, allow_nan=False)


def test_the_parts_of_a_repeated_signal_by_hand():
    budget = next(one for one in budgets(plan()) if one.signal == SLOW)
    assert dict(budget.parts()) == {
        "sample": 1.0,
        "query": 0.5,  # the provider's timeout, which is below the query budget of 0.8 s
        "tick": 1.0,
        "confirm": 1.0,  # two of three: one more tick after the first
        "decide": DECIDE_S,
        "write": 0.5,
        "prove": 2 * 0.1 + 0.5,
    }
    assert budget.total_s == pytest.approx(4.75)


def test_a_never_event_waits_for_no_second_tick():
    budget = next(one for one in budgets(plan()) if one.signal == TEXT_LOST)
    assert budget.confirm_s == 0.0


def test_only_what_protects_patients_has_a_budget_and_the_slowest_is_first():
    found = budgets(plan())
    assert {one.signal for one in found} == {TEXT_LOST, SLOW, FAILED_LOGINS}
    assert LEGACY_UP not in {one.signal for one in found}
    assert [one.total_s for one in found] == sorted((one.total_s for one in found), reverse=True)


@given(tick=seconds, query=seconds, write=seconds, more=st.floats(0.01, 10))
def test_nothing_slower_is_ever_counted_as_faster(tick, query, write, more):
    policy = replace(plan().policy, tick_s=tick, query_budget_s=query, write_budget_s=write)
    before = budgets(replace(plan(), policy=policy))
    for field in ("tick_s", "query_budget_s", "write_budget_s"):
        slower = replace(policy, **{field: getattr(policy, field) + more})
        after = {one.signal: one for one in budgets(replace(plan(), policy=slower))}
        assert all(after[one.signal].total_s >= one.total_s for one in before)


@given(tick=seconds, retry=seconds, margin=seconds)
def test_a_lease_outlives_a_tick_and_two_retries(tick, retry, margin):
    policy = replace(plan().policy, tick_s=tick, retry_budget_s=retry, margin_s=margin)
    need_s = lease_need_s(replace(plan(), policy=policy))
    assert need_s == pytest.approx(tick + 2 * retry + margin)
