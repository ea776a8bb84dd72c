"""The prober port, on the fake and through the real practice gateway's replicas."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import count

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.practice_gateway import PracticeRoutes
from orchestrator.adapters.prober import ROUNDS_AT_ONCE, GatewayProber
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import Annotation, Route, Rule
from orchestrator.ports import ProbeAnswer, Prober, Routes
from tests.fakes import FakeProber, FakeRoutes, put_exposed
from tests.real.practice_parts import SLICES, PracticeSite
from tests.real.servers import Asked, Reply, raw_server, refused_url, web_server
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
NOTES, RESULTS = (SliceName(name) for name in SLICES)
BOTH = (NOTES, RESULTS)
PREFIXES = {name: f"/{name}" for name in BOTH}
_numbers = count(1)


@dataclass(frozen=True)
class Case:
    """One implementation in front of one ward's route."""

    prober: Prober
    routes: Routes
    ward: WardId
    gateways: int
    cut_off: Callable[[], None]

    def expose(self, *sides: Side) -> Route:
        """Write these sides, in the order of the slices, under the next epoch."""
        before = self.routes.get(self.ward)
        rules = tuple(
            replace(rule, side=side) for rule, side in zip(before.route.rules, sides, strict=True)
        )
        wanted = replace(before.route, epoch=before.route.epoch + 1, rules=rules)
        return put_exposed(self.routes, wanted).route

    def sees(self, drill: str = "") -> set[tuple[SliceName, Side | None, int | None]]:
        answers = self.prober.probe(self.ward, BOTH, drill=drill)
        assert len(answers) == self.gateways * len(BOTH)
        return {(answer.slice_name, answer.side, answer.epoch) for answer in answers}


@pytest.fixture
def ward(site: PracticeSite) -> WardId:
    name = WardId(f"prober-{next(_numbers)}")
    site.create_route(name)
    return name


@pytest.fixture(params=["fake", "practice gateway"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "fake":
        yield fake_case(WardId("prober-0"))
        return
    site: PracticeSite = request.getfixturevalue("site")
    ward: WardId = request.getfixturevalue("ward")
    with closing(prober_of(site)) as prober, closing(routes_of(site)) as routes:
        yield Case(
            prober,
            routes,
            ward,
            len(site.gateways),
            cut_off=lambda: site.behave(answer_delay_s=30.0, refuse_admin=True),
        )


def fake_case(ward: WardId) -> Case:
    rules = tuple(
        Rule(slice_name=name, path_prefix=prefix, side=Side.LEGACY)
        for name, prefix in PREFIXES.items()
    )
    made = Annotation(who="test", why="made")
    routes = FakeRoutes([Route(ward=ward, epoch=1, rules=rules, annotation=made)])
    prober = FakeProber(routes)

    def cut_off() -> None:
        prober.silent = True

    return Case(prober, routes, ward, 1, cut_off)


def prober_of(site: PracticeSite, *, timeout_s: float = 3.0) -> GatewayProber:
    return GatewayProber(site.gateways, site.admin, PREFIXES, timeout_s=timeout_s)


def routes_of(site: PracticeSite) -> PracticeRoutes:
    return PracticeRoutes(site.admin, timeout_s=5.0)


def test_only_whoever_carries_the_word_is_served_by_the_candidate_in_a_drill(case: Case) -> None:
    before = case.routes.get(case.ward)
    word = "0123456789abcdef" * 2
    drilled = replace(before.route, epoch=2, drill=word)
    case.routes.replace(drilled, resource_version=before.resource_version)
    assert case.sees() == {(NOTES, Side.LEGACY, 2), (RESULTS, Side.LEGACY, 2)}
    assert case.sees(drill=word) == {(NOTES, Side.CANDIDATE, 2), (RESULTS, Side.CANDIDATE, 2)}
    assert case.sees(drill=word[::-1]) == case.sees()


def test_every_slice_is_asked_through_every_gateway_and_names_its_side_and_epoch(
    case: Case,
) -> None:
    assert case.sees() == {(NOTES, Side.LEGACY, 1), (RESULTS, Side.LEGACY, 1)}
    case.expose(Side.CANDIDATE, Side.LEGACY)
    assert case.sees() == {(NOTES, Side.CANDIDATE, 2), (RESULTS, Side.LEGACY, 2)}
    case.expose(Side.LEGACY, Side.LEGACY)
    assert case.sees() == {(NOTES, Side.LEGACY, 3), (RESULTS, Side.LEGACY, 3)}


def test_a_slice_that_nobody_knows_has_no_side(case: Case) -> None:
    for answer in case.prober.probe(case.ward, (SliceName("radiology"),)):
        assert (answer.side, answer.epoch) == (None, None)
        assert answer.problem


def test_who_cannot_be_asked_is_on_no_side_and_nothing_can_be_counted(case: Case) -> None:
    case.cut_off()
    assert case.sees() == {(NOTES, None, None), (RESULTS, None, None)}
    assert case.prober.open_on(case.ward, Side.CANDIDATE) is None


def test_nobody_is_connected(case: Case) -> None:
    assert case.prober.open_on(case.ward, Side.CANDIDATE) == 0


def test_a_stream_on_the_candidate_is_counted_until_it_ends(
    site: PracticeSite, ward: WardId
) -> None:
    with closing(prober_of(site)) as prober, closing(routes_of(site)) as routes:
        case = Case(prober, routes, ward, len(site.gateways), site.behave)
        case.expose(Side.CANDIDATE, Side.LEGACY)
        host, _, port = site.gateways[0].removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as stream:
            stream.sendall(
                f"GET /notes/stream HTTP/1.1\r\nHost: gateway\r\nx-ward: {ward}\r\n\r\n".encode()
            )
            stream.recv(65536)
            case.expose(Side.LEGACY, Side.LEGACY)
            assert case.sees() == {(NOTES, Side.LEGACY, 3), (RESULTS, Side.LEGACY, 3)}
            assert prober.open_on(ward, Side.CANDIDATE) == 1
            assert prober.open_on(ward, Side.LEGACY) == 0
        assert wait_until(lambda: prober.open_on(ward, Side.CANDIDATE) == 0, timeout_s=30)


def test_a_ward_without_a_route_gets_404_and_404_is_never_a_side(site: PracticeSite) -> None:
    with closing(prober_of(site)) as prober:
        answers = prober.probe(WardId("prober-nowhere"), BOTH)
    assert {(answer.side, answer.problem) for answer in answers} == {(None, "answered 404")}


def test_each_replica_is_judged_by_its_own_answer(site: PracticeSite, ward: WardId) -> None:
    """One replica is late: it still shows the old side and the old epoch."""
    with closing(prober_of(site)) as prober, closing(routes_of(site)) as routes:
        case = Case(prober, routes, ward, len(site.gateways), site.behave)
        site.behave(lateness_s=[0.0, 600.0], status="early")
        case.expose(Side.CANDIDATE, Side.CANDIDATE)
        seen = {(a.gateway, a.side, a.epoch) for a in prober.probe(ward, BOTH)}
    assert seen == {
        (site.gateways[0], Side.CANDIDATE, 2),
        (site.gateways[1], Side.LEGACY, 1),
    }


def test_a_replica_that_hangs_costs_the_others_nothing(site: PracticeSite, ward: WardId) -> None:
    def silence(connection: socket.socket, end: object) -> None:
        connection.recv(65536)
        connection.recv(65536)  # until the prober gives up

    with (
        raw_server(silence) as hung,
        closing(
            GatewayProber((hung, *site.gateways), site.admin, PREFIXES, timeout_s=1.5)
        ) as prober,
    ):
        rounds = [prober.probe(ward, BOTH) for _ in range(2)]
    for answers in rounds:
        assert {a.side for a in answers if a.gateway == hung} == {None}
        assert {a.side for a in answers if a.gateway != hung} == {Side.LEGACY}


def test_a_dead_ehr_is_the_gateways_word_and_no_side(site: PracticeSite, ward: WardId) -> None:
    site.break_ehr("legacy", error_rate=1.0)
    with closing(prober_of(site)) as prober:
        answers = prober.probe(ward, BOTH)
    assert {(answer.side, answer.problem) for answer in answers} == {(None, "answered 500")}


def good(asked: Asked) -> Reply:
    return Reply(headers={"X-EHR-System": "candidate", "X-Wardshift-Epoch": "7"})


ODD_ANSWERS: dict[str, Callable[[Asked], Reply]] = {
    "404_with_good_headers": lambda asked: replace(good(asked), status=404),
    "503_with_good_headers": lambda asked: replace(good(asked), status=503),
    "redirect_with_good_headers": lambda asked: replace(good(asked), status=302),
    "no_headers": lambda _: Reply(),
    "no_epoch": lambda _: Reply(headers={"X-EHR-System": "legacy"}),
    "no_system": lambda _: Reply(headers={"X-Wardshift-Epoch": "7"}),
    "unknown_system": lambda _: Reply(headers={"X-EHR-System": "both", "X-Wardshift-Epoch": "7"}),
    "epoch_is_a_word": lambda _: Reply(
        headers={"X-EHR-System": "legacy", "X-Wardshift-Epoch": "seven"}
    ),
    "epoch_in_other_digits": lambda _: Reply(
        headers={
            "X-EHR-System": "legacy",
            "X-Wardshift-Epoch": "7\u00b2".encode().decode("latin-1"),
        }
    ),
}


def one_answer(answer: Callable[[Asked], Reply]) -> tuple[ProbeAnswer, list[Asked]]:
    with web_server(answer) as gateway:
        with closing(GatewayProber((gateway.url,), gateway.url, PREFIXES, timeout_s=5.0)) as prober:
            (found,) = prober.probe(WardId("ward-1"), (NOTES,))
        return found, gateway.asked


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_answer_that_is_not_good_or_not_signed_is_no_side(name: str) -> None:
    found, _ = one_answer(ODD_ANSWERS[name])
    assert (found.side, found.epoch) == (None, None)
    assert found.problem


def test_a_probe_asks_as_the_ward_and_says_that_it_is_one() -> None:
    found, (asked,) = one_answer(good)
    assert (found.side, found.epoch, found.problem) == (Side.CANDIDATE, 7, "")
    assert asked.path == "/notes/fhir/metadata"
    assert (asked.headers["x-ward"], asked.headers["x-client"]) == ("ward-1", "probe")


def test_nobody_listens() -> None:
    with closing(GatewayProber((refused_url(),), refused_url(), PREFIXES, timeout_s=5.0)) as prober:
        (answer,) = prober.probe(WardId("ward-1"), (NOTES,))
        assert answer.side is None
        assert prober.open_on(WardId("ward-1"), Side.LEGACY) is None


COUNTS = {
    "negative": '{"candidate": -1}',
    "a_word": '{"candidate": "none"}',
    "true": '{"candidate": true}',
    "not_there": '{"legacy": 0}',
    "no_object": "[]",
    "no_json": "",
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_without_sense_is_not_zero(name: str) -> None:
    with (
        web_server(lambda _: Reply(body=COUNTS[name])) as admin,
        closing(GatewayProber((), admin.url, PREFIXES, timeout_s=5.0)) as prober,
    ):
        assert prober.open_on(WardId("ward-1"), Side.CANDIDATE) is None


def test_who_waits_for_a_turn_in_vain_is_told_so_and_has_an_answer_for_every_slice() -> None:
    """A hundred wards that return at once are probed few at a time; none waits without end."""
    answer = Reply(headers={"x-ehr-system": "legacy", "x-wardshift-epoch": "7"})
    with (
        web_server(lambda _: answer) as gateway,
        closing(GatewayProber((gateway.url,), gateway.url, PREFIXES, timeout_s=2.0)) as prober,
        ExitStack() as others,
    ):
        for _ in range(ROUNDS_AT_ONCE):
            prober._turns.acquire()
            others.callback(prober._turns.release)
        waited = prober.probe(WardId("last"), BOTH)
        assert [one.slice_name for one in waited] == list(BOTH)
        assert {(one.side, one.problem) for one in waited} == {(None, "too many probes wait")}
        others.close()
        assert {one.side for one in prober.probe(WardId("last"), BOTH)} == {Side.LEGACY}
