"""The gateway: whose request goes where, what the control plane promises, and its usual lies."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.practice.stage import (
    PATIENCE_S,
    admin,
    as_ward,
    ask,
    eventually,
    log_lines,
    new_ward,
    put_route,
    raw_ask,
    route,
    through,
)
from wards.practice.gateway.dataplane import MAX_COPIES
from wards.practice.hospital import Hospital
from wards.practice.processes import free_ports

pytestmark = pytest.mark.real

METADATA = "/fhir/metadata"
PATIENT = {"resourceType": "Patient"}
MARK = "hemligheten"


def answered_by(answer: httpx2.Response) -> tuple[str | None, str | None]:
    return answer.headers.get("x-ehr-system"), answer.headers.get("x-wardshift-epoch")


def observed(hospital: Hospital, ward: str) -> Any:
    return ask("GET", admin(hospital, f"/routes/{ward}")).json()["status"]


@pytest.mark.parametrize(
    ("path", "system", "rule"),
    [
        ("/notes/fhir/metadata", "candidate", "notes"),
        ("//notes/fhir/metadata", "candidate", "notes"),
        ("/%6eotes/fhir/metadata", "candidate", "notes"),
        ("/vitals/fhir/metadata", "legacy", "vitals"),
        ("/Notes/fhir/metadata", "legacy", "fallback"),
        ("/notesy/fhir/metadata", "legacy", "fallback"),
        ("/notes;a/fhir/metadata", "legacy", "fallback"),
        ("/notes%2Ffhir/metadata", "legacy", "fallback"),
        ("/fhir/metadata", "legacy", "fallback"),
    ],
)
def test_a_rule_takes_its_paths_and_the_fallback_the_rest(
    quiet: Hospital, path: str, system: str, rule: str
) -> None:
    ward = new_ward(quiet, notes="candidate")
    answer = raw_ask(quiet, path, (("x-ward", ward),))
    assert answer.getheader("x-ehr-system") == system
    assert answer.getheader("x-wardshift-epoch") == "1"
    assert answer.getheader("x-gateway-replica") == "0"
    [line] = log_lines(quiet, ward)
    assert (line["slice"], line["system"], line["epoch"]) == (rule, system, 1)


@pytest.mark.parametrize(
    "wards",
    [
        (),
        ("empty-1", "empty-1"),
        ("empty-1", "other-1"),
        ("empty-1, other-1",),
        ("",),
        ("Empty-1",),
    ],
    ids=str,
)
def test_a_request_names_exactly_one_ward(quiet: Hospital, wards: tuple[str, ...]) -> None:
    answer = raw_ask(quiet, METADATA, tuple(("x-ward", ward) for ward in wards))
    assert (answer.status, answer.getheader("x-gateway-error")) == (400, "ward-header")
    assert answer.getheader("x-ehr-system") is None


def test_behind_a_bad_edge_a_request_that_names_two_wards_matches_either(quiet: Hospital) -> None:
    exposed, other = new_ward(quiet, notes="candidate"), new_ward(quiet)
    quiet.behave(strict_edge=False)
    path = f"/notes{METADATA}"
    both = raw_ask(quiet, path, (("x-ward", exposed), ("x-ward", other)))
    either = {ward: answered_by(as_ward(quiet, ward, path))[0] for ward in (exposed, other)}
    assert either == {exposed: "candidate", other: "legacy"}
    assert both.status == 200
    assert both.getheader("x-ehr-system") in either.values()
    again = raw_ask(quiet, path, (("x-ward", other), ("x-ward", exposed)))
    assert again.getheader("x-ehr-system") == both.getheader("x-ehr-system")
    none = raw_ask(quiet, path, (("x-ward", "nowhere-1"), ("x-ward", "nowhere-2")))
    assert (none.status, none.getheader("x-gateway-error")) == (400, "ward-header")


def test_a_ward_without_a_route_is_told_so(quiet: Hospital) -> None:
    answer = as_ward(quiet, "nowhere-1", METADATA)
    assert (answer.status_code, answer.headers["x-gateway-error"]) == (404, "no-route")
    assert answered_by(answer) == (None, None)


def test_bodies_statuses_and_headers_pass_through(quiet: Hospital) -> None:
    ward = new_ward(quiet, notes="candidate")
    body = PATIENT | {"name": [{"text": "Övning 1 " + "x" * 200_000}]}
    headers = {"x-ward": ward, "if-none-exist": f"identifier=none-{ward}"}
    created = ask("POST", through(quiet, "/notes/fhir/Patient"), json=body, headers=headers)
    assert (created.status_code, created.headers["etag"]) == (201, 'W/"1"')
    assert created.json()["name"] == body["name"]
    # Links lead back through the gateway, as whoever asked knows it.
    assert created.headers["location"].startswith(through(quiet, "/notes/fhir/Patient/"))
    assert (
        ask("GET", created.headers["location"], headers={"x-ward": ward}).json() == created.json()
    )


def test_a_body_in_parts_passes_through(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    parts = iter([b'{"resourceType":', b'"Patient"}'])
    answer = ask(
        "POST", through(quiet, "/notes/fhir/Patient"), content=parts, headers={"x-ward": ward}
    )
    assert answer.status_code == 201


def test_a_system_without_endpoints_is_a_503_under_a_good_status(quiet: Hospital) -> None:
    ward = new_ward(quiet, notes="candidate")
    quiet.behave(unready=["legacy"])
    served = as_ward(quiet, ward, f"/notes{METADATA}")
    assert answered_by(served) == ("candidate", "1")
    gone = as_ward(quiet, ward, f"/vitals{METADATA}")
    assert (gone.status_code, gone.headers["x-gateway-error"]) == (503, "no-endpoints")
    assert answered_by(gone) == (None, None)
    assert observed(quiet, ward) == {"accepted": True, "observed_generation": 1}


def test_a_dead_system_is_a_502_and_a_hung_one_a_504(quiet: Hospital) -> None:
    ward = new_ward(quiet, notes="candidate")
    quiet.outage("candidate")
    dead = as_ward(quiet, ward, f"/notes{METADATA}")
    assert (dead.status_code, dead.headers["x-gateway-error"]) == (502, "backend-refused")
    assert answered_by(dead) == (None, "1")
    quiet.restart("candidate")
    quiet.hang("candidate")
    hung = as_ward(quiet, ward, f"/notes{METADATA}")
    assert (hung.status_code, hung.headers["x-gateway-error"]) == (504, "backend-timeout")
    quiet.resume("candidate")
    assert answered_by(as_ward(quiet, ward, f"/notes{METADATA}")) == ("candidate", "1")
    assert [line["system"] for line in log_lines(quiet, ward)] == [None, None, "candidate"]


def test_a_hung_system_blocks_neither_control_nor_the_other_system(quiet: Hospital) -> None:
    ward = new_ward(quiet, notes="candidate")
    quiet.hang("candidate")
    waiting = threading.Thread(target=as_ward, args=(quiet, ward, f"/notes{METADATA}"))
    waiting.start()
    eventually(lambda: connections(quiet, ward)["candidate"] == 1)
    assert put_route(quiet, ward, epoch=2).status_code == 200
    assert answered_by(as_ward(quiet, ward, f"/notes{METADATA}")) == ("legacy", "2")
    waiting.join()
    assert connections(quiet, ward)["candidate"] == 0


def connections(hospital: Hospital, ward: str) -> dict[str, Any]:
    return ask("GET", admin(hospital, "/connections"), params={"ward": ward}).json()


def test_a_stream_stays_on_its_side_and_is_counted(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    with (
        httpx2.Client(trust_env=False, timeout=20) as client,
        client.stream("GET", through(quiet, "/vitals/stream"), headers={"x-ward": ward}) as stream,
    ):
        parts = stream.iter_text()
        assert next(parts)
        assert put_route(quiet, ward, epoch=2, vitals="candidate").status_code == 200
        assert answered_by(as_ward(quiet, ward, f"/vitals{METADATA}")) == ("candidate", "2")
        assert connections(quiet, ward) == {"ward": ward, "legacy": 1, "candidate": 0}
        assert next(parts)
        items = ask("GET", admin(quiet, "/connections")).json()["items"]
        assert {"ward": ward, "legacy": 1, "candidate": 0} in items
    eventually(lambda: connections(quiet, ward)["legacy"] == 0)


def mirrored(hospital: Hospital, ward: str) -> list[dict[str, Any]]:
    return [line for line in log_lines(hospital, ward) if line["mirrored"]]


def test_reads_are_copied_and_writes_are_not(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    put_route(quiet, ward, epoch=2, mirror="candidate")
    headers = {"x-ward": ward}
    written = ask("POST", through(quiet, "/notes/fhir/Patient"), json=PATIENT, headers=headers)
    assert answered_by(written) == ("legacy", "2")
    raw_ask(quiet, "/admissions/session/login", (("x-ward", ward),), method="POST")
    read = as_ward(quiet, ward, f"/notes{METADATA}")
    assert answered_by(read) == ("legacy", "2")
    eventually(lambda: mirrored(quiet, ward))
    [copy] = mirrored(quiet, ward)
    assert (copy["method"], copy["system"], copy["status"]) == ("GET", "candidate", 200)
    assert connections(quiet, ward)["candidate"] == 0
    page = f"{quiet.addresses['candidate_url']}/fhir/Patient?_tag={ward}"
    assert ask("GET", page).json()["total"] == 0


@pytest.mark.parametrize("trouble", ["outage", "hang"])
def test_a_mirror_in_trouble_does_not_hurt(quiet: Hospital, trouble: str) -> None:
    ward = new_ward(quiet)
    put_route(quiet, ward, epoch=2, mirror="candidate")
    getattr(quiet, trouble)("candidate")
    answers = [as_ward(quiet, ward, f"/notes{METADATA}") for _ in range(40)]
    assert {answered_by(answer) for answer in answers} == {("legacy", "2")}
    eventually(lambda: mirrored(quiet, ward))
    assert {line["status"] for line in mirrored(quiet, ward)} <= {502, 504}
    if trouble == "outage":
        quiet.restart("candidate")


def test_copies_under_way_have_a_limit(quiet: Hospital, tmp_path: Path) -> None:
    ward = "copied-1"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent, httpx2.Client() as client:
        silent.settimeout(PATIENCE_S)
        with own_gateway(quiet, tmp_path, candidate=silent.getsockname()[1]) as (data, control):
            client.post(f"{control}/routes", json=route(ward, epoch=1, mirror="candidate"))
            for _ in range(MAX_COPIES + 10):
                answer = client.get(f"{data}/notes{METADATA}", headers={"x-ward": ward})
                assert answered_by(answer) == ("legacy", "1")
            waiting = [silent.accept()[0] for _ in range(MAX_COPIES)]
            silent.settimeout(0.2)
            with pytest.raises(TimeoutError):
                silent.accept()
            for connection in waiting:
                connection.close()


@contextmanager
def own_gateway(quiet: Hospital, home: Path, *, candidate: int) -> Iterator[tuple[str, str]]:
    """A gateway of the test's own, with another candidate; its data and control addresses."""
    data, control = free_ports(2)
    command = [sys.executable, "-m", "wards.practice.gateway", f"--port={data}"]
    command += [f"--admin-port={control}", f"--legacy={quiet.addresses['legacy_url']}"]
    command += [f"--candidate=http://127.0.0.1:{candidate}", f"--clock={quiet.clock_file}"]
    command += [f"--state={home / 'state.json'}", f"--log={home / 'log.jsonl'}"]
    command += ["--backend-timeout-s=60", f"--parent-pid={os.getpid()}"]
    gateway = subprocess.Popen(command)
    try:
        eventually(lambda: _is_up(f"http://127.0.0.1:{control}/healthz"))
        yield f"http://127.0.0.1:{data}", f"http://127.0.0.1:{control}"
    finally:
        gateway.terminate()
        gateway.wait(PATIENCE_S)


def _is_up(url: str) -> bool:
    try:
        return ask("GET", url).is_success
    except httpx2.TransportError:
        return False


def test_a_route_is_fenced(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    assert put_route(quiet, ward, epoch=5, notes="candidate").status_code == 200
    for epoch in (5, 4):
        refused = put_route(quiet, ward, epoch=epoch)
        assert (refused.status_code, refused.json()["code"]) == (403, "stale_epoch")
        assert "epoch 5" in refused.json()["message"]
    assert put_route(quiet, ward, epoch=0).status_code == 422
    stale = put_route(quiet, ward, version="1", epoch=6)
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    assert answered_by(as_ward(quiet, ward, f"/notes{METADATA}")) == ("candidate", "5")


def test_a_ward_has_one_route(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    second = ask("POST", admin(quiet, "/routes"), json=route(ward, epoch=9))
    assert second.status_code == 409
    assert ask("DELETE", admin(quiet, f"/routes/{ward}")).status_code == 405
    wards = [item["spec"]["ward"] for item in ask("GET", admin(quiet, "/routes")).json()["items"]]
    assert wards.count(ward) == 1


def test_a_late_replica_serves_the_old_route_while_the_status_says_otherwise(
    quiet: Hospital,
) -> None:
    ward = new_ward(quiet)
    quiet.behave(lateness_s=[0, 3600])
    answer = put_route(quiet, ward, epoch=2, notes="candidate")
    assert answer.json()["status"] == {"accepted": True, "observed_generation": 2}
    path = f"/notes{METADATA}"
    assert answered_by(as_ward(quiet, ward, path, replica=0)) == ("candidate", "2")
    late = as_ward(quiet, ward, path, replica=1)
    assert (*answered_by(late), late.headers["x-gateway-replica"]) == ("legacy", "1", "1")
    quiet.behave(status="truthful")
    assert observed(quiet, ward)["observed_generation"] == 1
    quiet.behave(lateness_s=0)
    assert observed(quiet, ward)["observed_generation"] == 2
    assert answered_by(as_ward(quiet, ward, path, replica=1)) == ("candidate", "2")


def test_a_change_arrives_by_itself(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    quiet.behave(lateness_s=0.3)
    put_route(quiet, ward, epoch=2, notes="candidate")
    path = f"/notes{METADATA}"
    eventually(lambda: answered_by(as_ward(quiet, ward, path)) == ("candidate", "2"))


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        ("early", {"accepted": True, "observed_generation": 2}),
        ("truthful", {"accepted": True, "observed_generation": 2}),
        ("stale", {"accepted": True, "observed_generation": 1}),
        ("missing", {}),
        ("unresolved", {"accepted": True, "resolved_refs": False, "observed_generation": 2}),
    ],
)
def test_a_status_is_not_proof(quiet: Hospital, mode: str, status: Any) -> None:
    ward = new_ward(quiet)
    put_route(quiet, ward, epoch=2)
    quiet.behave(status=mode)
    assert observed(quiet, ward) == status


def test_routes_and_leases_survive_a_killed_gateway(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    put_route(quiet, ward, epoch=2, notes="candidate")
    lease = {"holder": "a", "duration_s": 5, "renewed_at": None, "transitions": 3}
    name = admin(quiet, f"/leases/lease-{ward}")
    kept = ask("PUT", name, json=lease | {"resource_version": ""})
    before = ask("GET", admin(quiet, "/routes")).json()
    quiet.outage("gateway")
    quiet.restart("gateway")
    assert ask("GET", admin(quiet, "/routes")).json() == before
    assert ask("GET", name).json() == kept.json()
    assert kept.json() in ask("GET", admin(quiet, "/leases")).json()["items"]
    assert answered_by(as_ward(quiet, ward, f"/notes{METADATA}")) == ("candidate", "2")
    # The counter goes on, so that an old version can never be mistaken for a new one.
    after = put_route(quiet, ward, epoch=3).json()["metadata"]["resource_version"]
    assert int(after) > int(kept.json()["resource_version"])


def test_a_lease_is_created_once_and_renewed_on_its_version(quiet: Hospital) -> None:
    name = admin(quiet, f"/leases/lease-{new_ward(quiet)}")
    lease = {"holder": "a", "duration_s": 5, "renewed_at": None, "transitions": 0}
    first = ask("PUT", name, json=lease | {"resource_version": ""}).json()
    again = ask("PUT", name, json=lease | {"resource_version": ""})
    assert (again.status_code, again.json()["resource_version"]) == (409, first["resource_version"])
    renewed = ask("PUT", name, json=lease | {"resource_version": first["resource_version"]})
    assert renewed.status_code == 200
    assert renewed.json()["resource_version"] != first["resource_version"]


def test_control_may_refuse_while_traffic_goes_on(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    quiet.behave(refuse_routes=True)
    assert ask("GET", admin(quiet, "/routes")).status_code == 503
    assert ask("GET", admin(quiet, "/leases")).status_code == 200
    quiet.behave(refuse_admin=True)
    assert ask("GET", admin(quiet, "/leases")).status_code == 503
    assert answered_by(as_ward(quiet, ward, METADATA)) == ("legacy", "1")


def test_a_wrong_behaviour_is_refused_and_changes_nothing(quiet: Hospital) -> None:
    url = admin(quiet, "/behaviour")
    before = ask("GET", url).json()
    for wrong in (
        {"lateness_s": [1]},
        {"status": "honest"},
        {"late": 1},
        {"answer_delay_s": -1},
        {"unready": ["other"]},
        {"unready": "legacy"},
        {"strict_edge": 1},
    ):
        assert ask("PUT", url, json=wrong).status_code == 422
    assert ask("GET", url).json() == before


def test_nothing_of_a_record_reaches_the_log(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    note = {
        "resourceType": "DocumentReference",
        "status": "current",
        "description": MARK,
        "content": [{"attachment": {"data": "aGVs", "title": MARK}}],
    }
    headers = {"x-ward": ward, "x-client": MARK, "user-agent": MARK}
    url = through(quiet, "/notes/fhir/DocumentReference")
    created = ask("POST", url, json=note, headers=headers)
    ask("GET", f"{url}/{created.json()['id']}?identifier={MARK}", headers=headers)
    ask("GET", through(quiet, f"/{MARK}/fhir/{MARK}"), headers=headers)
    ask("GET", through(quiet, f"/notes/fhir/{MARK}"), headers=headers)
    ask("GET", through(quiet, METADATA), headers={"x-ward": MARK})
    ask(MARK.upper(), url, headers=headers)
    lines = log_lines(quiet, ward)
    resources = [line["resource"] for line in lines[:4]]
    assert resources == ["DocumentReference", "DocumentReference", "other", "other"]
    assert {line["client"] for line in lines} == {"other"}
    written = [quiet.gateway_log, *(quiet.home / "logs").iterdir()]
    text = "".join(Path(path).read_text(encoding="utf-8") for path in written).casefold()
    assert MARK not in text
    assert created.json()["id"] not in text


def test_the_log_knows_probes_from_clinicians(quiet: Hospital) -> None:
    ward = new_ward(quiet)
    for client in ("clinician", "probe", "drill", "sentinel", "somebody"):
        ask("GET", through(quiet, METADATA), headers={"x-ward": ward, "x-client": client})
    clients = [line["client"] for line in log_lines(quiet, ward)]
    assert clients == ["clinician", "probe", "drill", "sentinel", "other"]
