"""Asking one EHR directly, as each ward: the real practice EHR, and stubs that get it wrong."""

import json
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.adapters.probe import AT_ONCE, ProbeSource
from orchestrator.core.ids import Side, SignalName
from orchestrator.core.plan import ProbeKind, ProbeQuery, Signal
from orchestrator.core.reading import Reading, SourceDown, Value
from tests import plans
from tests.real.practice_parts import PracticeSite, call
from tests.real.servers import Asked, Reply, raw_server, refused_url, web_server
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
GOOD = Value(number=1.0, n=1, age_s=0.0)
BAD = Value(number=0.0, n=1, age_s=0.0)
AMPLE_S = 20.0
WARD = WardId("ward-1")
_numbers = count(1)


def signal(kind: ProbeKind, path: str = "") -> Signal:
    query = ProbeQuery(kind=kind, of=Side.LEGACY, path=path)
    return replace(plans.legacy_signal(), name=SignalName(f"{kind}{path}"), query=query)


HEALTH = signal(ProbeKind.HTTP, "/healthz")
METADATA = signal(ProbeKind.FHIR_METADATA)
ROUND_TRIP = signal(ProbeKind.FHIR_ROUND_TRIP)
EVERY = (HEALTH, METADATA, ROUND_TRIP)


def ask(
    url: str, signals: Sequence[Signal], ward: WardId = WARD, *, timeout_s: float = AMPLE_S
) -> list[Reading]:
    with closing(ProbeSource(url, timeout_s=timeout_s)) as source:
        readings = source.read(signals, (ward,))
    return [readings[ward, one.name] for one in signals]


# The real practice EHR


@pytest.mark.parametrize("system", ["legacy", "candidate"])
def test_a_sound_ehr_answers_every_question(site: PracticeSite, system: str) -> None:
    assert ask(site.ehrs[system], EVERY) == [GOOD, GOOD, GOOD]


def test_many_wards_are_asked_side_by_side_and_leave_one_patient_each(site: PracticeSite) -> None:
    wards = [WardId(f"probed-{next(_numbers)}") for _ in range(40)]
    with closing(ProbeSource(site.ehrs["legacy"], timeout_s=AMPLE_S)) as source:
        for _ in range(2):
            readings = source.read([ROUND_TRIP], wards)
            assert readings == {(ward, ROUND_TRIP.name): GOOD for ward in wards}
    for ward in wards:
        search = f"/fhir/Patient?identifier=urn:wardshift:practice|probe-{ward}"
        found = call("GET", f"{site.ehrs['legacy']}{search.replace('|', '%7C')}")
        assert found["total"] == 1


def test_only_the_ward_that_is_struck_is_bad(site: PracticeSite) -> None:
    struck, sound = WardId(f"probed-{next(_numbers)}"), WardId(f"probed-{next(_numbers)}")
    site.break_ehr("legacy", error_rate=1.0, wards=[struck])
    with closing(ProbeSource(site.ehrs["legacy"], timeout_s=AMPLE_S)) as source:
        readings = source.read([ROUND_TRIP], (struck, sound))
    assert (readings[struck, ROUND_TRIP.name], readings[sound, ROUND_TRIP.name]) == (BAD, GOOD)


def test_a_locked_record_is_seen_by_the_round_trip_and_not_by_the_page_of_health(
    site: PracticeSite,
) -> None:
    ward = WardId(f"probed-{next(_numbers)}")
    site.break_ehr("legacy", lockup_s=30.0, wards=[ward])
    assert ask(site.ehrs["legacy"], EVERY, ward, timeout_s=2.0) == [GOOD, GOOD, BAD]


# Down is an answer about the system


def test_nobody_listens_is_a_bad_answer() -> None:
    assert ask(refused_url(), EVERY) == [BAD, BAD, BAD]


def silence(connection: socket.socket, end: threading.Event) -> None:
    end.wait(60)


def hang_up(connection: socket.socket, end: threading.Event) -> None:
    connection.recv(65536)


@pytest.mark.parametrize("talk", [silence, hang_up])
def test_silence_and_a_broken_connection_are_bad_answers(
    talk: Callable[[socket.socket, threading.Event], None],
) -> None:
    with raw_server(talk) as url:
        assert ask(url, EVERY, timeout_s=1.0) == [BAD, BAD, BAD]


# Our own fault is not


@pytest.mark.parametrize("url", ["http://name.invalid:1", "http://["], ids=["no_name", "no_url"])
def test_who_cannot_ask_says_nothing_about_the_system(url: str) -> None:
    for reading in ask(url, EVERY):
        assert isinstance(reading, SourceDown)


def test_a_ward_whose_turn_does_not_come_is_not_called_bad() -> None:
    """More wards than threads, and a system that hangs: those that were asked are bad."""
    wards = [WardId(f"ward-{number}") for number in range(AT_ONCE + 10)]
    with raw_server(silence) as url, closing(ProbeSource(url, timeout_s=3.0)) as source:
        readings = list(source.read([METADATA], wards).values())
    assert readings[:AT_ONCE] == [BAD] * AT_ONCE
    assert all(isinstance(reading, SourceDown) for reading in readings[AT_ONCE:])


def test_another_kind_of_query_is_not_answered() -> None:
    (reading,) = ask(refused_url(), [plans.signal()])
    assert isinstance(reading, SourceDown)


# Answers that are wrong


def health(status: int) -> Callable[[Asked], Reply]:
    return lambda _: Reply(status=status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, GOOD), (204, GOOD), (302, BAD), (401, BAD), (404, BAD), (500, BAD), (503, BAD)],
)
def test_only_a_good_status_is_good(status: int, expected: Value) -> None:
    with web_server(health(status)) as server:
        assert ask(server.url, [HEALTH]) == [expected]


CAPABLE: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "fhirVersion": "4.0.1",
}
STATEMENTS: dict[str, tuple[object, Value]] = {
    "good": (CAPABLE, GOOD),
    "another_version": (CAPABLE | {"fhirVersion": "5.0.0"}, BAD),
    "retired": (CAPABLE | {"status": "retired"}, BAD),
    "another_resource": (CAPABLE | {"resourceType": "OperationOutcome"}, BAD),
    "nothing": ({}, BAD),
    "a_list": ([], BAD),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_only_an_active_r4_statement_is_good(name: str) -> None:
    statement, expected = STATEMENTS[name]
    with web_server(lambda _: Reply(body=json.dumps(statement))) as server:
        assert ask(server.url, [METADATA]) == [expected]


class Ehr:
    """The least that passes a round trip, with one thing to spoil.

    `spoil(step, answer)` may change the answer to the step "create", "read" or "search".
    """

    def __init__(self, spoil: Callable[[str, Any], Any] = lambda _, answer: answer) -> None:
        self._spoil = spoil
        self._patient: dict[str, Any] = {}

    def __call__(self, asked: Asked) -> Reply:
        step, answer = self._answer(asked)
        spoiled = self._spoil(step, answer)
        return spoiled if isinstance(spoiled, Reply) else Reply(body=json.dumps(spoiled))

    def _answer(self, asked: Asked) -> tuple[str, Any]:
        if asked.method == "POST":
            self._patient = json.loads(asked.body) | {"id": "p1"}
            return "create", dict(self._patient)
        if "identifier" in parse_qs(urlsplit(asked.path).query):
            return "search", {"resourceType": "Bundle", "entry": [{"resource": self._patient}]}
        return "read", dict(self._patient)


OTHERS = [{"system": "urn:wardshift:practice", "value": "probe-other"}]
SPOILT: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "not_created": ("create", lambda _: Reply(status=500)),
    "several_match": ("create", lambda _: Reply(status=412)),
    "created_without_an_answer": ("create", lambda _: Reply(status=201)),
    "created_for_another": ("create", lambda got: got | {"identifier": OTHERS}),
    "created_without_an_id": ("create", lambda got: {k: v for k, v in got.items() if k != "id"}),
    "not_to_be_read": ("read", lambda _: Reply(status=404)),
    "read_with_another_id": ("read", lambda got: got | {"id": "p2"}),
    "read_with_another_identity": ("read", lambda got: got | {"identifier": OTHERS}),
    "identity_lost": ("read", lambda got: {k: v for k, v in got.items() if k != "identifier"}),
    "read_as_another_type": ("read", lambda got: got | {"resourceType": "Group"}),
    "not_to_be_found": ("search", lambda _: {"resourceType": "Bundle", "entry": []}),
    "bundle_without_entries": ("search", lambda _: {"resourceType": "Bundle"}),
    "another_is_found": (
        "search",
        lambda _: {"resourceType": "Bundle", "entry": [{"resource": {"id": "p2"}}]},
    ),
    "search_fails": ("search", lambda _: Reply(status=503)),
}


def test_the_least_that_passes() -> None:
    with web_server(Ehr()) as server:
        assert ask(server.url, [ROUND_TRIP]) == [GOOD]


@pytest.mark.parametrize("name", SPOILT)
def test_a_round_trip_with_one_wrong_step_is_bad(name: str) -> None:
    wrong_step, spoil = SPOILT[name]
    ehr = Ehr(lambda step, answer: spoil(answer) if step == wrong_step else answer)
    with web_server(ehr) as server:
        assert ask(server.url, [ROUND_TRIP]) == [BAD]


def test_a_probe_asks_as_the_ward_with_a_synthetic_identity_and_by_conditional_create() -> None:
    with web_server(Ehr()) as server:
        ask(server.url, [ROUND_TRIP])
        create, *_ = server.asked
    assert {asked.headers["x-ward"] for asked in server.asked} == {WARD}
    assert {asked.headers["x-client"] for asked in server.asked} == {"probe"}
    condition = "identifier=urn:wardshift:practice|probe-ward-1"
    assert create.headers["if-none-exist"] == condition
    assert json.loads(create.body)["identifier"] == [
        {"system": "urn:wardshift:practice", "value": "probe-ward-1"}
    ]
