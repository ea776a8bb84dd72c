"""The EHRs' FHIR contract, the same for both."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.practice.stage import ask, eventually, metric, new_ward
from wards.practice.hospital import Hospital
from wards.practice.wire import RESOURCE_TYPES, SLICES, SYSTEMS

pytestmark = pytest.mark.real

SYSTEM = "urn:wardshift:practice"


class Ehr:
    """One EHR asked directly, as one ward of the test's own."""

    def __init__(self, hospital: Hospital, system: str) -> None:
        self.hospital = hospital
        self.system = system
        self.url = hospital.addresses[f"{system}_url"]
        self.ward = new_ward(hospital)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        url = path if path.startswith("http") else f"{self.url}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = ask(method, url, json=body, headers={"x-ward": self.ward} | named)
        assert answer.headers.get("x-ehr-system", self.system) == self.system
        return answer

    def create(self, **elements: Any) -> dict[str, Any]:
        answer = self.ask("POST", "/fhir/Patient", patient(**elements))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def found(self, query: str) -> list[str]:
        return [item["id"] for item in self.resources(f"{self.url}/fhir/{query}")]

    def resources(self, url: str | None) -> Iterator[dict[str, Any]]:
        """Every resource of every page."""
        while url is not None:
            bundle = self.ask("GET", url).json()
            yield from (entry["resource"] for entry in bundle.get("entry", []))
            url = link(bundle, "next")


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((one["url"] for one in bundle["link"] if one["relation"] == relation), None)


def patient(value: str = "", **elements: Any) -> dict[str, Any]:
    identifiers = [{"system": SYSTEM, "value": value}] if value else []
    return {"resourceType": "Patient", "identifier": identifiers} | elements


def code(answer: httpx2.Response) -> tuple[int, str]:
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return answer.status_code, outcome["issue"][0]["code"]


@pytest.fixture(params=SYSTEMS)
def ehr(request: pytest.FixtureRequest, quiet: Hospital) -> Ehr:
    return Ehr(quiet, request.param)


@pytest.mark.parametrize("prefix", ["", *(f"/{name}" for name in SLICES)])
def test_it_says_what_it_offers(ehr: Ehr, prefix: str) -> None:
    statement = ehr.ask("GET", f"{prefix}/fhir/metadata").json()
    assert statement["resourceType"] == "CapabilityStatement"
    assert (statement["fhirVersion"], statement["status"]) == ("4.0.1", "active")
    offered = {one["type"]: one["interaction"] for one in statement["rest"][0]["resource"]}
    assert set(offered) == set(RESOURCE_TYPES)
    codes = {one["code"] for one in offered["Patient"]}
    assert codes >= {"read", "create", "update", "search-type", "history-type"}


def test_what_was_created_can_be_read_and_found(ehr: Ehr) -> None:
    answer = ehr.ask("POST", "/notes/fhir/Patient", patient(f"a-{ehr.ward}"))
    created = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"1"')
    location = answer.headers["location"]
    assert location == f"{ehr.url}/notes/fhir/Patient/{created['id']}/_history/1"
    assert ehr.ask("GET", location).json() == created
    assert ehr.ask("GET", f"/fhir/Patient/{created['id']}").json() == created
    assert created["meta"]["tag"] == [{"system": "urn:wardshift:ward", "code": ehr.ward}]
    assert ehr.found(f"Patient?identifier={SYSTEM}|a-{ehr.ward}") == [created["id"]]


def test_an_update_is_a_new_version(ehr: Ehr) -> None:
    created = ehr.create()
    path = f"/fhir/Patient/{created['id']}"
    answer = ehr.ask("PUT", path, created | {"active": False})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert ehr.ask("GET", path).json()["meta"]["versionId"] == "2"
    assert "active" not in ehr.ask("GET", f"{path}/_history/1").json()
    versions = [item["meta"]["versionId"] for item in ehr.resources(f"{ehr.url}{path}/_history")]
    assert versions == ["2", "1"]


def test_an_update_on_an_old_version_is_refused(ehr: Ehr) -> None:
    created = ehr.create()
    path = f"/fhir/Patient/{created['id']}"
    assert ehr.ask("PUT", path, created, if_match='W/"1"').status_code == 200
    assert code(ehr.ask("PUT", path, created, if_match='W/"1"')) == (412, "conflict")


def test_an_update_of_an_unknown_id_creates_it(ehr: Ehr) -> None:
    body = patient(id=f"own-{ehr.ward}")
    assert ehr.ask("PUT", f"/fhir/Patient/own-{ehr.ward}", body).status_code == 201


def test_a_conditional_create_does_not_double(ehr: Ehr) -> None:
    condition = f"identifier={SYSTEM}|once-{ehr.ward}"
    body = patient(f"once-{ehr.ward}")
    first, second = (
        ehr.ask("POST", "/fhir/Patient", body, if_none_exist=condition) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    ehr.create(value=f"once-{ehr.ward}")
    third = ehr.ask("POST", "/fhir/Patient", body, if_none_exist=condition)
    assert code(third) == (412, "multiple-matches")


def test_a_condition_sees_a_result_that_is_not_shown_yet(ehr: Ehr) -> None:
    ehr.hospital.fault(ehr.system, slow_results_s=3600, wards=[ehr.ward])
    body = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"coding": [{"code": "HB"}]},
        "identifier": [{"system": SYSTEM, "value": f"r-{ehr.ward}"}],
    }
    condition = f"identifier={SYSTEM}|r-{ehr.ward}"
    first, second = (
        ehr.ask("POST", "/results/fhir/DiagnosticReport", body, if_none_exist=condition)
        for _ in range(2)
    )
    assert second.json()["id"] == first.json()["id"]
    assert ehr.found(f"DiagnosticReport?{condition}") == []
    assert ehr.ask("GET", f"/fhir/DiagnosticReport/{first.json()['id']}").status_code == 404


SEARCHES = [
    pytest.param("identifier={system}|s-{ward}", id="identifier"),
    pytest.param("identifier=s-{ward}", id="identifier-without-system"),
    pytest.param("patient=Patient/p-{ward}", id="patient"),
    pytest.param("subject=p-{ward}", id="subject-by-id-alone"),
    pytest.param("code=urn:c|HB&_tag={ward}", id="code-and-ward"),
    pytest.param("code=XX,HB&_tag=urn:wardshift:ward|{ward}", id="any-of"),
    pytest.param("status=final&_tag={ward}", id="status"),
    pytest.param("_id={id}", id="id"),
    pytest.param("_lastUpdated=ge2026-11-24T05:40:00Z&_tag={ward}", id="time"),
    pytest.param("_lastUpdated={at}&_tag={ward}", id="exact-time"),
]


@pytest.mark.parametrize("query", SEARCHES)
def test_a_search_finds_its_record_and_no_other(ehr: Ehr, query: str) -> None:
    stored = ehr.ask("POST", "/results/fhir/Observation", observation(ehr.ward)).json()
    other = {"resourceType": "Observation", "status": "amended", "code": {"text": "other"}}
    ehr.ask("POST", "/results/fhir/Observation", other, x_ward="test-other")
    values = {"system": SYSTEM, "ward": ehr.ward, "id": stored["id"]}
    asked = query.format(at=stored["meta"]["lastUpdated"], **values)
    assert ehr.found(f"Observation?{asked}") == [stored["id"]]


def observation(ward: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": SYSTEM, "value": f"s-{ward}"}],
        "code": {"coding": [{"system": "urn:c", "code": "HB"}]},
        "subject": {"reference": f"Patient/p-{ward}"},
    }


def test_a_report_is_found_by_its_order_and_provenance_by_its_target(ehr: Ehr) -> None:
    order = f"ServiceRequest/o-{ehr.ward}"
    report = {"status": "final", "code": {"text": "x"}, "basedOn": [{"reference": order}]}
    trace = {"target": [{"reference": order}], "recorded": "2026-11-24", "agent": [{"who": {}}]}
    for type_, body in (("DiagnosticReport", report), ("Provenance", trace)):
        assert ehr.ask("POST", f"/fhir/{type_}", body | {"resourceType": type_}).status_code == 201
    assert len(ehr.found(f"DiagnosticReport?based-on={order}")) == 1
    assert len(ehr.found(f"Provenance?target={order}")) == 1


def test_pages_are_complete_and_in_order_while_others_write(ehr: Ehr) -> None:
    created = [ehr.create()["id"] for _ in range(7)]
    first = ehr.ask("GET", f"/admissions/fhir/Patient?_tag={ehr.ward}&_count=3").json()
    assert (first["total"], len(first["entry"])) == (7, 3)
    assert str(link(first, "next")).startswith(f"{ehr.url}/admissions/fhir/Patient?")
    later = ehr.create()["id"]
    ehr.ask("PUT", f"/fhir/Patient/{created[0]}", patient(id=created[0]))
    rest = [item["id"] for item in ehr.resources(link(first, "next"))]
    assert [entry["resource"]["id"] for entry in first["entry"]] + rest == [*created, later]


def test_a_count_of_zero_only_counts(ehr: Ehr) -> None:
    ehr.create()
    bundle = ehr.ask("GET", f"/fhir/Patient?_tag={ehr.ward}&_count=0").json()
    assert (bundle["total"], bundle.get("entry"), link(bundle, "next")) == (1, None, None)


def test_a_type_history_has_every_version_newest_first(ehr: Ehr) -> None:
    before = ehr.create()["meta"]["lastUpdated"]
    ids = [ehr.create()["id"] for _ in range(3)]
    ehr.ask("PUT", f"/fhir/Patient/{ids[0]}", patient(id=ids[0]))
    url = f"{ehr.url}/fhir/Patient/_history?_since={before}&_count=2"
    seen = [
        (item["id"], item["meta"]["versionId"])
        for item in ehr.resources(url)
        if item["meta"]["tag"][0]["code"] == ehr.ward
    ]
    assert seen[:4] == [(ids[0], "2"), (ids[2], "1"), (ids[1], "1"), (ids[0], "1")]
    entry = ehr.ask("GET", url).json()["entry"][0]
    assert (entry["request"]["method"], entry["response"]["etag"]) == ("PUT", 'W/"2"')


REFUSALS = [
    pytest.param("GET", "/fhir/Patient/nobody", None, (404, "not-found"), id="unknown-id"),
    pytest.param("GET", "/fhir/Patient/x/_history", None, (404, "not-found"), id="no-history"),
    pytest.param("GET", "/fhir/Device", None, (404, "not-supported"), id="unknown-type"),
    pytest.param("GET", "/elsewhere", None, (404, "not-supported"), id="unknown-place"),
    pytest.param("DELETE", "/fhir/Patient/x", None, (405, "not-supported"), id="no-delete"),
    pytest.param("POST", "/fhir/Patient", [], (400, "structure"), id="not-an-object"),
    pytest.param(
        "POST", "/fhir/Patient", {"resourceType": "Encounter"}, (422, "invalid"), id="type"
    ),
    pytest.param("POST", "/fhir/Patient", patient(meta=3), (422, "invalid"), id="meta"),
    pytest.param("PUT", "/fhir/Patient/a", patient(id="b"), (422, "invalid"), id="other-id"),
    pytest.param("PUT", "/fhir/Patient/a_b", patient(id="a_b"), (400, "invalid"), id="bad-id"),
    pytest.param(
        "POST", "/fhir/Encounter", {"resourceType": "Encounter"}, (422, "invalid"), id="required"
    ),
    pytest.param("GET", "/fhir/Patient?name=x", None, (400, "invalid"), id="unknown-filter"),
    pytest.param("GET", "/fhir/Patient?_lastUpdated=ge1", None, (400, "invalid"), id="bad-time"),
    pytest.param(
        "GET",
        "/fhir/Patient?_lastUpdated=ge2026-11-24T06:00:00",
        None,
        (400, "invalid"),
        id="naive",
    ),
    pytest.param("GET", "/fhir/Patient?_count=-1", None, (400, "invalid"), id="bad-count"),
    pytest.param("GET", "/fhir/Patient/_history?code=x", None, (400, "invalid"), id="history"),
]


@pytest.mark.parametrize(("method", "path", "body", "refusal"), REFUSALS)
def test_a_refusal_is_an_outcome(
    ehr: Ehr, method: str, path: str, body: Any, refusal: tuple[int, str]
) -> None:
    assert code(ehr.ask(method, path, body)) == refusal


def test_a_login_names_its_user(ehr: Ehr) -> None:
    for path in ("/session/login", "/admissions/session/login"):
        assert ehr.ask("POST", path, {"user": "staff-1"}).status_code == 200
        assert ehr.ask("POST", path, {}).status_code == 400
    ehr.hospital.fault(ehr.system, login_fail_rate=1, wards=[ehr.ward])
    assert ehr.ask("POST", "/session/login", {"user": "staff-1"}).status_code == 401


def test_records_survive_a_killed_process(ehr: Ehr) -> None:
    created = ehr.create(value=f"kept-{ehr.ward}")
    ehr.hospital.outage(ehr.system)
    ehr.hospital.restart(ehr.system)
    assert ehr.found(f"Patient?identifier=kept-{ehr.ward}") == [created["id"]]
    page = f"{ehr.url}/metrics"
    assert metric(page, "ehr_records_total", ward=ehr.ward, type="Patient") == 1


def test_it_counts_what_it_does(ehr: Ehr) -> None:
    page = f"{ehr.url}/metrics"
    ehr.ask("POST", "/notes/fhir/Patient", patient())
    ehr.ask("GET", "/notes/fhir/Patient/nobody")
    counted = {"ward": ehr.ward, "slice": "notes"}
    assert metric(page, "ehr_requests_total", **counted, method="POST", status_class="2xx") == 1
    assert metric(page, "ehr_requests_total", **counted, method="GET", status_class="4xx") == 1
    assert metric(page, "ehr_request_seconds_count", **counted) == 2
    assert metric(page, "ehr_records_total", ward=ehr.ward, type="Patient") == 1
    assert metric(page, "ehr_open_requests") == 0


def test_a_stream_counts_as_open_until_it_ends(ehr: Ehr) -> None:
    page = f"{ehr.url}/metrics"
    with (
        httpx2.Client(trust_env=False) as client,
        client.stream("GET", f"{ehr.url}/vitals/stream", headers={"x-ward": ehr.ward}) as stream,
    ):
        lines = stream.iter_text()  # kept, for the stream ends with it
        assert next(lines).startswith("data:")
        assert metric(page, "ehr_open_requests") == 1
    eventually(lambda: metric(page, "ehr_open_requests") == 0)


def test_faults_are_set_added_and_refused(ehr: Ehr) -> None:
    assert ehr.ask("PUT", "/faults", {"latency_s": 0.1}).json()["latency_s"] == 0.1
    both = ehr.ask("PATCH", "/faults", {"error_rate": 0.5}).json()
    assert (both["latency_s"], both["error_rate"]) == (0.1, 0.5)
    assert ehr.ask("PUT", "/faults", {"error_rate": 7}).status_code == 422
    assert ehr.ask("GET", "/faults").json() == both
    assert not any(ehr.ask("PUT", "/faults", {}).json().values())


def test_a_wrong_note_is_stored_as_a_wrong_note(ehr: Ehr) -> None:
    ehr.hospital.fault(ehr.system, lose_negation_rate=1, wards=[ehr.ward])
    data = base64.b64encode("Ingen blödning.".encode()).decode()
    note = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
    }
    stored = ehr.ask("POST", "/notes/fhir/DocumentReference", note).json()
    kept = ehr.ask("GET", f"/notes/fhir/DocumentReference/{stored['id']}").json()
    text = base64.b64decode(kept["content"][0]["attachment"]["data"]).decode()
    assert text == "blödning."
