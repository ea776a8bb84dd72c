"""What a real gateway does with a ward's route, played by the practice gateway on a real API
server. The table in docs/explanation/traps.md says where the others are tested.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest

from orchestrator.adapters.clock import PracticeClock, set_practice_clock
from orchestrator.core import event as ev
from orchestrator.core.ids import ActorKind, Side
from orchestrator.core.state import WardState
from orchestrator.errors import Indeterminate, Unavailable
from orchestrator.service.rollback import Outcome, roll_back
from orchestrator.service.switch import NotYet, Proof
from tests.fakes import put_exposed
from tests.plans import FIRST
from tests.practice.stage import STARTS_AT
from tests.practice.test_httproute import FakeCluster, document
from tests.property.world import World
from tests.traps.stage import NOTES, VITALS, Stage
from wards.practice.cluster.control_plane import NAMESPACE, ApiError
from wards.practice.cluster.fenced import OWN, ROUTES
from wards.practice.gateway.backend import Backend
from wards.practice.gateway.cluster import Followed
from wards.practice.gateway.dataplane import DataPlane
from wards.practice.gateway.requestlog import RequestLog

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
CAUSE = ev.Cause(trigger=ev.Trigger.PERSON, reason="asked")
BINDING = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/practice-gateway"


# How late the data plane is


def test_a_gateway_that_is_late_by_2_s_is_probed_until_it_serves_the_new_epoch(
    stage: Stage,
) -> None:
    ward = stage.new_ward()
    assert isinstance(stage.prove(stage.expose(ward, NOTES)), Proof)
    stage.hospital.behave(lateness_s=2.0)
    home = stage.send_home(ward)
    early = stage.prove(home, deadline_s=0.5)
    assert isinstance(early, NotYet)
    assert "still serves" in early.waiting_for
    proof = stage.prove(home)
    assert isinstance(proof, Proof)
    assert early.waited_s + proof.took_s > 1.0
    assert stage.sees(ward) == {("legacy", str(home.epoch))}


@pytest.mark.parametrize("late_s", [2.0, 40.0])
def test_a_return_waits_for_a_gateway_that_is_late_and_is_proven_then(late_s: float) -> None:
    """On a clock of its own: nobody waits 40 s for this."""
    world = World()
    exposing = replace(
        world.routes.get_quietly(FIRST).route,
        epoch=5,
        rules=tuple(
            replace(rule, side=Side.CANDIDATE)
            for rule in world.routes.get_quietly(FIRST).route.rules
        ),
    )
    world.prober.stuck = put_exposed(world.routes, exposing).route
    served_at_s = world.clock.monotonic() + late_s

    def serve() -> None:
        if world.clock.monotonic() >= served_at_s:
            world.prober.stuck = None

    world.clock.meanwhile = serve
    hands = world.hands(world.scribe(ActorKind.PERSON, "cso"), world.routes)
    patient = replace(hands, proof=replace(hands.proof, deadline_s=60.0))
    report = roll_back(patient, WardState(ward=FIRST), CAUSE)
    assert report.outcome is Outcome.PROVEN
    assert report.proven_after_s is not None
    assert late_s <= report.proven_after_s < late_s + 1.0


# Status is not proof


def test_the_status_is_written_before_the_data_plane_changes(stage: Stage) -> None:
    ward = stage.new_ward()
    stage.prove(stage.expose(ward, NOTES))
    stage.hospital.behave(lateness_s=3600.0, status="early")
    home = stage.send_home(ward)
    stage.eventually(lambda: stage.says_done(ward))
    assert stage.sees(ward) == {("candidate", str(home.epoch - 1))}
    assert isinstance(stage.prove(home, deadline_s=0.3), NotYet)


@pytest.mark.parametrize("mode", ["stale", "missing", "unresolved"])
def test_a_status_that_is_stale_or_missing_or_bad_keeps_no_return_from_being_proven(
    stage: Stage, mode: str
) -> None:
    """One bad reference makes the whole route's ResolvedRefs false while its other rules serve."""
    ward = stage.new_ward()
    stage.hospital.behave(status=mode)
    home = stage.send_home(stage.expose(ward, NOTES).ward)
    assert isinstance(stage.prove(home), Proof)
    stage.eventually(lambda: not stage.says_done(ward))


def test_an_epoch_that_is_an_annotation_alone_never_shows_in_the_generation(stage: Stage) -> None:
    """So the epoch stands in the spec too, and a grant, which is only an annotation, in neither."""
    ward = stage.new_ward()
    before = stage.stored(ward)["metadata"]["generation"]
    sentinel = stage.routes("sentinel")
    observed = sentinel.get(ward)
    sentinel.grant(ward, 2, resource_version=observed.resource_version)
    assert stage.stored(ward)["metadata"]["generation"] == before
    stage.send_home(ward)
    assert stage.stored(ward)["metadata"]["generation"] == before + 1


def test_the_stamp_in_an_answer_always_names_the_configuration_that_gave_it(stage: Stage) -> None:
    ward = stage.new_ward()
    truth = {"1": "legacy"}
    seen: list[tuple[str, str]] = []
    for _ in range(3):
        for write in (lambda: stage.expose(ward, NOTES), lambda: stage.send_home(ward)):
            route = write()
            side = next(rule.side for rule in route.rules if rule.slice_name == NOTES)
            truth[str(route.epoch)] = side.value
            while not seen or seen[-1][1] != str(route.epoch):
                answer = stage.ask(ward)
                seen.append((answer.headers["x-ehr-system"], answer.headers["x-wardshift-epoch"]))
    assert all(truth[epoch] == system for system, epoch in seen)


def test_a_mirror_that_the_gateway_does_not_know_is_500_under_a_good_status(stage: Stage) -> None:
    """The features of the gateway's class are asked before one is written; see the table."""
    ward = stage.new_ward()
    stage.hospital.behave(mirrors=False)
    route = stage.expose(ward, mirrored=True)
    stage.eventually(lambda: stage.sees(ward) == {(None, 500)})
    assert stage.ask(ward, method="POST").headers["x-ehr-system"] == "legacy"
    stage.eventually(lambda: stage.says_done(ward))
    not_yet = stage.prove(route, deadline_s=0.3)
    assert isinstance(not_yet, NotYet)
    assert "answered 500" in not_yet.waiting_for


@pytest.mark.parametrize(
    ("refs", "status", "code"),
    [
        ([{"name": "ehr-legacy", "port": 80, "weight": 0}], 503, "no-weight"),
        ([], 500, "no-backend"),
        ([{"name": "gone", "port": 80}], 500, "unknown-backend"),
    ],
    ids=["weight 0 alone", "no backend", "unknown backend"],
)
def test_a_rule_that_serves_nobody_fails_while_the_others_serve(
    tmp_path, refs: list, status: int, code: str
) -> None:
    """The fence refuses each of these, so they are given to the data plane itself."""
    raw = document()
    raw["spec"]["rules"][0]["backendRefs"] = refs
    answers = answers_of(tmp_path, raw, "/notes", "/vitals")
    assert (answers[0].status_code, answers[0].headers["x-gateway-error"]) == (status, code)
    # Nobody listens behind the other rule either, and that is another answer.
    assert (answers[1].status_code, answers[1].headers["x-gateway-error"]) == (
        502,
        "backend-refused",
    )


def answers_of(tmp_path, raw: dict, *paths: str) -> list[httpx2.Response]:
    """What one replica answers that serves this document, with no system behind it."""
    set_practice_clock(tmp_path / "clock.json", now=STARTS_AT, rate=1.0)
    clock = PracticeClock(tmp_path / "clock.json")
    followed = Followed(FakeCluster(), namespace="wardshift", clock=clock, replicas=1)
    followed.take((raw,))
    backends = {
        side: Backend("http://127.0.0.1:9", timeout_s=2.0) for side in ("legacy", "candidate")
    }
    log = RequestLog(tmp_path / "log.jsonl", clock)
    plane = DataPlane(
        followed.replicas[0],
        control=followed,
        backends=backends,
        mirrors=backends,
        log=log,
        clock=clock,
    )

    async def asked() -> list[httpx2.Response]:
        headers = {"x-ward": "medicine-52"}
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=plane), base_url="http://gateway"
        ) as client:
            return [await client.get(path, headers=headers) for path in paths]

    try:
        return asyncio.run(asked())
    finally:
        log.close()


@pytest.mark.parametrize(
    "refs",
    [
        [{"name": "ehr-legacy", "port": 80, "weight": 0}],
        [
            {"name": "ehr-legacy", "port": 80, "weight": 0},
            {"name": "ehr-candidate", "port": 80, "weight": 1},
        ],
        [],
        [{"name": "gone", "port": 80}],
    ],
    ids=["weight 0 alone", "weight 0 beside", "no backend", "unknown backend"],
)
def test_weight_0_and_other_rules_that_serve_nobody_are_refused_by_the_fence(
    stage: Stage, refs: list
) -> None:
    ward = stage.new_ward()
    bent = stage.stored(ward)
    bent["metadata"]["annotations"]["wardshift.io/epoch"] = "2"
    for rule in bent["spec"]["rules"]:
        for one in rule["filters"]:
            next(iter(value for key, value in one.items() if key != "type"))["set"][0]["value"] = (
                "2"
            )
    bent["spec"]["rules"][0]["backendRefs"] = refs
    with pytest.raises(ApiError) as refused:
        stage.plane.call("PUT", f"{ROUTES}/ward-{ward}", bent)
    assert "unknown_backend" in str(refused.value)


def test_a_fully_switched_slice_has_one_backend_and_no_weight(stage: Stage) -> None:
    """weight: 0 means different things to different gateways; the other side is left out."""
    stage.expose(ward := stage.new_ward(), NOTES)
    rules = {rule["name"]: rule["backendRefs"] for rule in stage.stored(ward)["spec"]["rules"]}
    assert [ref["name"] for ref in rules["notes"]] == ["ehr-candidate"]
    assert {ref.get("weight", 1) for refs in rules.values() for ref in refs} == {1}
    assert {len(refs) for refs in rules.values()} == {1}
    assert not any(rule.get("timeouts") for rule in stage.stored(ward)["spec"]["rules"])


def test_a_stopped_gateway_leaves_its_good_status_for_ever(stage: Stage) -> None:
    ward = stage.new_ward()
    stage.eventually(lambda: stage.says_done(ward))
    route = stage.routes("guard").get(ward).route
    stage.hospital.outage("gateway")
    try:
        assert stage.says_done(ward)
        assert isinstance(stage.prove(route, deadline_s=0.3), NotYet)
    finally:
        stage.hospital.restart("gateway")
    assert isinstance(stage.prove(route), Proof)


def test_two_replicas_out_of_step_are_both_probed(stage: Stage) -> None:
    ward = stage.new_ward()
    stage.prove(stage.expose(ward, NOTES))
    stage.hospital.behave(lateness_s=[0, 3600])
    home = stage.send_home(ward)
    stage.eventually(lambda: stage.says_done(ward))
    old = ("candidate", str(home.epoch - 1))
    stage.eventually(lambda: stage.sees(ward) == {("legacy", str(home.epoch)), old})
    not_yet = stage.prove(home, deadline_s=0.5)
    assert isinstance(not_yet, NotYet)
    assert stage.hospital.addresses["gateway_urls"][1] in not_yet.waiting_for
    stage.hospital.behave(lateness_s=0)
    assert isinstance(stage.prove(home), Proof)


# What stays on the old side


def test_a_request_in_flight_is_finished_by_the_old_side_after_the_switch(stage: Stage) -> None:
    ward = stage.new_ward()
    stage.prove(stage.expose(ward, NOTES))
    stage.hospital.fault("candidate", wards=[ward], latency_s=2.0)
    patient = {"resourceType": "Patient"}
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(stage.ask, ward, "/notes/fhir/Patient", method="POST", json=patient)
        stage.eventually(lambda: stage.open_on_candidate(ward) == 1)
        home = stage.send_home(ward)
        assert isinstance(stage.prove(home), Proof)
        late = sent.result()
    assert late.status_code == 201
    assert late.headers["x-ehr-system"] == "candidate"
    assert late.headers["x-wardshift-epoch"] == str(home.epoch - 1)
    kept = f"{stage.hospital.addresses['candidate_url']}/fhir/Patient?_tag={ward}"
    stage.hospital.clear_faults()
    assert httpx2.get(kept, trust_env=False).json()["total"] == 1


def test_a_stream_stays_on_the_old_side_after_the_proof_and_is_counted(stage: Stage) -> None:
    ward = stage.new_ward()
    stage.prove(stage.expose(ward, VITALS))
    url = stage.hospital.addresses["gateway_url"] + "/vitals/stream"
    with (
        httpx2.Client(trust_env=False, timeout=20) as client,
        client.stream("GET", url, headers={"x-ward": ward}) as stream,
    ):
        parts = stream.iter_text()
        assert next(parts)
        assert isinstance(stage.prove(stage.send_home(ward)), Proof)
        assert stage.open_on_candidate(ward) == 1
        assert next(parts)
    stage.eventually(lambda: stage.open_on_candidate(ward) == 0)


# Traps 4 to 7


def test_a_gateway_restarted_without_an_api_server_is_404_and_healthy(stage: Stage) -> None:
    """Trap 4. A 404 from a gateway is never "no such record", and readiness is a ward probe."""
    ward = stage.new_ward()
    route = stage.routes("guard").get(ward).route
    stage.plane.kill()
    try:
        stage.hospital.outage("gateway")
        stage.hospital.restart("gateway")
        assert stage.health() == 200
        assert stage.sees(ward) == {(None, 404)}
        answer = stage.ask(ward)
        assert answer.headers["x-gateway-error"] == "no-route"
        not_yet = stage.prove(route, deadline_s=0.3)
        assert isinstance(not_yet, NotYet)
        assert "answered 404" in not_yet.waiting_for
    finally:
        stage.plane.start()
    assert isinstance(stage.prove(route), Proof)


def test_while_the_api_server_is_away_the_last_configuration_is_served(stage: Stage) -> None:
    """Trap 5. Nothing can be switched meanwhile, and that is said."""
    ward = stage.new_ward()
    exposed = stage.expose(ward, NOTES)
    assert isinstance(stage.prove(exposed), Proof)
    guard = stage.routes("guard")
    observed = guard.get(ward)
    stage.plane.kill()
    try:
        answers = [stage.ask(ward, replica=number % 2) for number in range(40)]
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.headers["x-ehr-system"] for answer in answers} == {"candidate"}
        with pytest.raises((Unavailable, Indeterminate)):
            guard.replace(exposed, resource_version=observed.resource_version)
    finally:
        stage.plane.start()
    assert isinstance(stage.prove(stage.send_home(ward)), Proof)


def test_a_change_right_after_an_api_server_that_hung_works(stage: Stage) -> None:
    """Trap 5, its other half."""
    ward = stage.new_ward()
    stage.plane.pause()
    try:
        with pytest.raises(Unavailable):
            stage.routes("guard", timeout_s=0.5).get(ward)
        assert stage.sees(ward) == {("legacy", "1")}
    finally:
        stage.plane.go_on()
    home = stage.send_home(ward)
    assert isinstance(stage.prove(home), Proof)


def test_a_gateway_that_may_not_list_routes_serves_none(stage: Stage) -> None:
    """Trap 6. One missing permission, and every ward is 404."""
    ward = stage.new_ward()
    route = stage.routes("guard").get(ward).route
    stage.plane.call("DELETE", BINDING)
    try:
        stage.hospital.outage("gateway")
        stage.hospital.restart("gateway")
        assert (stage.health(), stage.sees(ward)) == (200, {(None, 404)})
        assert isinstance(stage.prove(route, deadline_s=1.5), NotYet)
    finally:
        stage.plane.apply_files([OWN])
    assert isinstance(stage.prove(route), Proof)


def test_loopback_addresses_are_refused_as_endpoints(stage: Stage) -> None:
    """Trap 7. What a test hospital serves on 127.0.0.1 cannot stand behind a Service."""
    body = {
        "metadata": {"name": "ehr-legacy"},
        "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 80}]}],
    }
    with pytest.raises(ApiError) as refused:
        stage.plane.call("POST", f"/api/v1/namespaces/{NAMESPACE}/endpoints", body)
    assert refused.value.status == 422
    assert "loopback" in str(refused.value)
