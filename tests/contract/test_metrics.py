"""What a sentinel shows of itself, read back by the parser that its own scraper uses."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from orchestrator.adapters.metrics import SentinelMetrics
from orchestrator.core.event import (
    Cause,
    HoldPlaced,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackWritten,
    Trigger,
)
from tests.drafts import START, draft
from wards.model import WardId

AVA, MED = WardId("ava-1"), WardId("med-2")


@dataclass(frozen=True)
class Ticked:
    read_s: float
    judged_s: float
    took_s: float


@dataclass(frozen=True)
class Way:
    fence: bool | None
    guard: bool | None
    sentinel: bool | None
    behind_s: float = 12.5
    unwritten: int = 2
    routes_read: bool = False


def samples(metrics: SentinelMetrics) -> dict[tuple[str, str], float]:
    """(sample name, its one label's value or "") -> value; buckets left out."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def made() -> SentinelMetrics:
    return SentinelMetrics(version="0.1.0", plan_hash="abc", lease_s=30.0)


def test_before_anything_happened_every_trigger_stands_at_zero() -> None:
    seen = samples(made())
    assert {label for name, label in seen if name == "wardshift_rollbacks_total"} == {
        trigger.value for trigger in Trigger
    }
    assert seen["wardshift_rollbacks_total", "breach"] == 0
    assert seen["wardshift_ticks_total", ""] == 0


def test_a_tick_is_counted_and_its_parts_are_timed() -> None:
    metrics = made()
    metrics.ticked(Ticked(read_s=0.5, judged_s=0.75, took_s=1.0), exposed=2, blind=3)
    seen = samples(metrics)
    assert seen["wardshift_ticks_total", ""] == 1
    assert seen["wardshift_tick_seconds_sum", ""] == 1.0
    assert seen["wardshift_decide_seconds_sum", ""] == 0.25
    assert (seen["wardshift_exposed_wards", ""], seen["wardshift_blind_signals", ""]) == (2, 3)


def test_a_return_is_counted_by_its_trigger_and_timed_to_its_proof() -> None:
    metrics = made()
    cause = Cause(trigger=Trigger.BREACH, reason="slow")
    metrics.noted(draft(AVA, RollbackIntended(cause=cause, seen_at=START)))
    metrics.noted(draft(AVA, RollbackWritten(epoch=2, after_s=0.25)))
    metrics.noted(draft(AVA, RollbackProven(epoch=2, probes=6, after_s=1.5, still_open=0)))
    metrics.noted(draft(AVA, HoldPlaced(reason="look")))
    seen = samples(metrics)
    assert seen["wardshift_rollbacks_total", "breach"] == 1
    assert seen["wardshift_write_seconds_sum", ""] == 0.25
    assert seen["wardshift_prove_seconds_sum", ""] == 1.25
    assert seen["wardshift_return_seconds_sum", ""] == 1.5


def test_a_proof_that_ran_out_of_time_counts_all_its_seconds() -> None:
    metrics = made()
    metrics.noted(draft(AVA, RollbackWritten(epoch=2, after_s=0.25)))
    metrics.noted(draft(AVA, RollbackPending(epoch=2, waited_s=60.0, waiting_for="the gateway")))
    metrics.noted(draft(AVA, RollbackProven(epoch=2, probes=6, after_s=61.75, still_open=0)))
    seen = samples(metrics)
    assert seen["wardshift_prove_seconds_sum", ""] == 61.5
    assert seen["wardshift_return_seconds_sum", ""] == 61.75
    assert seen["wardshift_returns_pending_total", ""] == 1


def test_the_way_back_is_shown_and_what_nobody_can_say_is_not_good() -> None:
    metrics = made()
    metrics.way_back(Way(fence=None, guard=None, sentinel=True))
    seen = samples(metrics)
    fence = {word: seen["wardshift_fence", word] for word in ("stands", "open", "unknown")}
    assert fence == {"stands": 0, "open": 0, "unknown": 1}
    assert (seen["wardshift_alive", "guard"], seen["wardshift_alive", "sentinel"]) == (0, 1)
    assert seen["wardshift_ledger_behind_seconds", ""] == 12.5
    assert (seen["wardshift_journal_unwritten", ""], seen["wardshift_routes_read", ""]) == (2, 0)
    metrics.way_back(Way(fence=False, guard=True, sentinel=True))
    seen = samples(metrics)
    assert (seen["wardshift_fence", "open"], seen["wardshift_fence", "unknown"]) == (1, 0)


def test_a_sentinel_that_stands_by_says_nothing_of_wards() -> None:
    metrics = made()
    metrics.ticked(Ticked(read_s=0.0, judged_s=0.0, took_s=0.0), exposed=1, blind=2)
    metrics.lease(AVA, 1.0)
    metrics.legacy(AVA, is_ready=False)
    assert samples(metrics)["wardshift_legacy_ready", "ava-1"] == 0
    metrics.active(is_active=False)
    seen = samples(metrics)
    assert not {name for name, label in seen if label == "ava-1"}
    assert (seen["wardshift_exposed_wards", ""], seen["wardshift_blind_signals", ""]) == (0, 0)


def test_reports_that_nobody_has_in_hand_are_shown_with_the_age_of_each_wards_oldest() -> None:
    metrics = made()

    def shown() -> dict[str, float]:
        return {
            label or name: n for (name, label), n in samples(metrics).items() if "report" in name
        }

    assert shown() == {"wardshift_reports_unanswered": 0}
    metrics.reports(((AVA, 12.5), (AVA, 310.0), (MED, 3.0)))
    assert shown() == {"wardshift_reports_unanswered": 3, "ava-1": 310.0, "med-2": 3.0}
    metrics.reports(((MED, 4.0),))
    assert shown() == {"wardshift_reports_unanswered": 1, "med-2": 4.0}
    metrics.active(is_active=False)
    assert shown() == {"wardshift_reports_unanswered": 1, "med-2": 4.0}


def test_probes_and_those_that_went_wrong_are_counted() -> None:
    metrics = made()
    metrics.probed(12, 5)
    metrics.probed(12, 0)
    seen = samples(metrics)
    assert seen["wardshift_probes_total", ""] == 24
    assert seen["wardshift_probe_failures_total", ""] == 5


def test_a_ward_that_is_watched_no_more_leaves_no_lease_age_behind() -> None:
    metrics = made()
    metrics.lease(AVA, 1.0)
    metrics.lease(MED, 2.0)
    metrics.ticked(Ticked(read_s=0.0, judged_s=0.0, took_s=0.0), exposed=1, blind=0)
    metrics.lease(MED, 0.5)
    ages = {k: v for k, v in samples(metrics).items() if k[0] == "wardshift_lease_age_seconds"}
    assert ages == {("wardshift_lease_age_seconds", "med-2"): 0.5}


def test_standing_by_waiting_drafts_and_what_runs_are_shown() -> None:
    metrics = made()
    metrics.active(is_active=True)
    metrics.pending(7)
    seen = samples(metrics)
    assert (seen["wardshift_active", ""], seen["wardshift_ledger_pending", ""]) == (1, 7)
    assert seen["wardshift_info", "abc"] == 1
    metrics.active(is_active=False)
    assert samples(metrics)["wardshift_active", ""] == 0


def test_two_sentinels_of_one_process_share_nothing() -> None:
    one, other = made(), made()
    one.pending(3)
    assert samples(other)["wardshift_ledger_pending", ""] == 0
