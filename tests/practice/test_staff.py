"""The staff at work: what they do, and that every fault shows on their page and nowhere else."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.practice.stage import (
    STARTS_AT,
    ask,
    eventually,
    labels_of,
    log_lines,
    metric,
    put_route,
)
from wards.practice.hospital import Hospital
from wards.practice.staffing import PracticeWard
from wards.practice.wire import RESOURCE_TYPES, SLICES

pytestmark = pytest.mark.real

STRUCK = "struck-1"  # the only ward that faults are ever set for
SPARED = "spared-1"
NEVER_ENTERED = {"Appointment", "Provenance", "AuditEvent"}
HARM = (
    "staff_note_text_lost_total",
    "staff_negation_lost_total",
    "staff_results_orphan_total",
    "staff_wrong_dose_total",
    "staff_logins_failed_total",
)


@pytest.fixture(scope="module")
def busy_hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with Hospital.start(
        tmp_path_factory.mktemp("busy"),
        (PracticeWard(ward=STRUCK, beds=4), PracticeWard(ward=SPARED, beds=4)),
        starts_at=STARTS_AT,
        real_rate=20.0,
    ) as hospital:
        yield hospital


@pytest.fixture
def busy(busy_hospital: Hospital) -> Iterator[Hospital]:
    yield busy_hospital
    busy_hospital.clear_faults()
    route = ask("GET", f"{busy_hospital.addresses['gateway_admin_url']}/routes/{STRUCK}").json()
    put_route(busy_hospital, STRUCK, epoch=route["spec"]["epoch"] + 1)


def page(hospital: Hospital) -> str:
    return hospital.addresses["staff_metrics_url"]


def count(hospital: Hospital, name: str, ward: str = STRUCK, **labels: str) -> float:
    return metric(page(hospital), name, ward=ward, **labels)


def grows(hospital: Hospital, name: str, **labels: str) -> None:
    before = count(hospital, name, **labels)
    eventually(lambda: count(hospital, name, **labels) > before)


def test_every_series_is_there_from_the_start(busy: Hospital) -> None:
    systems = {"legacy", "candidate", "none"}
    for name in (*HARM, "staff_notes_total", "staff_orders_total", "staff_lockup_seconds"):
        assert labels_of(page(busy), name) == {
            (("system", system), ("ward", ward)) for system in systems for ward in (STRUCK, SPARED)
        }
    screens = labels_of(page(busy), "staff_screen_seconds_count")
    tasks = labels_of(page(busy), "staff_tasks_total")
    assert (len(screens), len(tasks)) == (2 * 3 * len(SLICES), 2 * 3 * len(SLICES) * 2)


def test_every_kind_of_work_is_done_again_and_again(busy: Hospital) -> None:
    for slice_ in SLICES:
        grows(busy, "staff_tasks_total", slice=slice_, outcome="ok")
    for name in ("staff_logins_total", "staff_notes_total", "staff_orders_total"):
        grows(busy, name, system="legacy")
    grows(busy, "staff_results_seconds_count", system="legacy")
    grows(busy, "staff_last_work_timestamp_seconds")


def test_a_sound_system_shows_no_harm(busy: Hospital) -> None:
    eventually(lambda: count(busy, "staff_notes_total", SPARED) >= 3)
    assert {name: count(busy, name, SPARED) for name in HARM} == dict.fromkeys(HARM, 0)
    assert count(busy, "staff_tasks_total", SPARED, outcome="failed") == 0


def test_what_they_enter_is_in_the_record(busy: Hospital) -> None:
    url = busy.addresses["legacy_url"]

    def entered() -> set[str]:
        return {
            type_
            for type_ in RESOURCE_TYPES
            if ask("GET", f"{url}/fhir/{type_}?_tag={SPARED}&_count=0").json()["total"]
        }

    eventually(lambda: entered() == set(RESOURCE_TYPES) - NEVER_ENTERED)
    patients = ask("GET", f"{url}/fhir/Patient?_tag={SPARED}").json()["entry"]
    for entry in patients:
        patient = entry["resource"]
        assert patient["identifier"][0]["system"] == "urn:wardshift:practice"
        assert patient["name"][0]["text"].startswith("Övning ")


def test_they_work_through_the_gateway_and_say_who_they_are(busy: Hospital) -> None:
    eventually(lambda: len(log_lines(busy, SPARED)) > 30)
    lines = log_lines(busy, SPARED)
    assert {line["client"] for line in lines} == {"clinician", "other"}
    assert {line["resource"] for line in lines if line["client"] == "other"} == {
        "Observation",
        "DiagnosticReport",
    }
    requests = Counter(line["system"] for line in lines)
    assert set(requests) == {"legacy"}


SHOWN = [
    pytest.param("drop_text_rate", "staff_note_text_lost_total", {}, id="text"),
    pytest.param("lose_negation_rate", "staff_negation_lost_total", {}, id="negation"),
    pytest.param("orphan_result_rate", "staff_results_orphan_total", {}, id="orphans"),
    pytest.param("wrong_dose_rate", "staff_wrong_dose_total", {}, id="dose"),
    pytest.param("login_fail_rate", "staff_logins_failed_total", {}, id="login"),
    pytest.param("error_rate", "staff_tasks_total", {"outcome": "failed"}, id="errors"),
]


@pytest.mark.parametrize(("fault", "name", "labels"), SHOWN)
def test_a_fault_shows_where_it_strikes_and_nowhere_else(
    busy: Hospital, fault: str, name: str, labels: dict[str, str]
) -> None:
    busy.fault("legacy", **{fault: 1.0}, wards=[STRUCK])
    grows(busy, name, system="legacy", **labels)
    assert count(busy, name, SPARED, **labels) == 0


def slower_than(hospital: Hospital, name: str, limit: str, ward: str = STRUCK) -> float:
    everything = count(hospital, f"{name}_count", ward)
    return everything - metric(page(hospital), f"{name}_bucket", ward=ward, le=limit)


SLOWNESS = [
    pytest.param({"latency_s": 1.2}, "staff_screen_seconds", "1.0", id="latency"),
    pytest.param({"slow_results_s": 3.2}, "staff_results_seconds", "3.0", id="slow-results"),
]


@pytest.mark.parametrize(("fault", "name", "limit"), SLOWNESS)
def test_slowness_shows_where_it_strikes(
    busy: Hospital, fault: dict[str, Any], name: str, limit: str
) -> None:
    before = slower_than(busy, name, limit)
    busy.fault("legacy", **fault, wards=[STRUCK])
    eventually(lambda: slower_than(busy, name, limit) > before)


def test_a_lockup_shows_as_a_hold(busy: Hospital) -> None:
    busy.fault("legacy", lockup_s=1.0, wards=[STRUCK])
    # Beyond what reads take: a latency of the test before may still be remembered.
    held = lambda: count(busy, "staff_lockup_seconds", system="legacy") > 1.5  # noqa: E731
    eventually(held)


def test_work_follows_the_route_and_is_counted_for_who_answers(busy: Hospital) -> None:
    route = ask("GET", f"{busy.addresses['gateway_admin_url']}/routes/{STRUCK}").json()
    put_route(busy, STRUCK, epoch=route["spec"]["epoch"] + 1, notes="candidate")
    grows(busy, "staff_notes_total", system="candidate")
    busy.fault("candidate", drop_text_rate=1.0, wards=[STRUCK])
    grows(busy, "staff_note_text_lost_total", system="candidate")
    assert count(busy, "staff_orders_total", system="candidate") == 0


def test_without_an_answer_the_work_is_nobodys(busy: Hospital) -> None:
    route = ask("GET", f"{busy.addresses['gateway_admin_url']}/routes/{STRUCK}").json()
    put_route(busy, STRUCK, epoch=route["spec"]["epoch"] + 1, vitals="candidate")
    busy.outage("candidate")
    grows(busy, "staff_tasks_total", slice="vitals", system="none", outcome="failed")
    busy.restart("candidate")
    grows(busy, "staff_tasks_total", slice="vitals", system="candidate", outcome="ok")


def test_practice_time_runs_as_fast_as_it_is_told(busy: Hospital) -> None:
    name = "staff_last_work_timestamp_seconds"
    before = count(busy, name)
    busy.set_speed(36_000.0)
    eventually(lambda: count(busy, name) > before + 3_600)
    busy.set_speed(60.0)
    assert busy.clock.rate == 60.0
