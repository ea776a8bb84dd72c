"""The routes port, on the fake and on the real practice gateway: compare-and-set and fence."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count

import pytest

from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.adapters.practice_gateway import PracticeRoutes
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import (
    Annotation,
    ObservedRoute,
    Route,
    Rule,
    all_legacy,
    is_drilled,
    is_exposed,
)
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Fence, Routes
from orchestrator.service.fence import breaches
from tests.fakes import FakeRoutes, put_exposed
from tests.real.kube_proxy import kube_proxy
from tests.real.kube_site import BACKENDS, NAMESPACE, KubeSite
from tests.real.practice_parts import SLICES, PracticeSite
from tests.real.servers import Reply, losing_answers, refused_url, web_server
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
WHO = Annotation(who="flow:test", why="stage notes", run="run-1")
NOTES, RESULTS = (SliceName(name) for name in SLICES)
FALLBACK = {"name": "fallback", "path_prefix": "/", "backend": "legacy", "mirror": None}
_numbers = count(1)


@dataclass(frozen=True)
class Case:
    """One implementation; `interfere` is another hand that writes through the same door."""

    routes: Routes
    fence: Fence
    ward: WardId
    break_down: Callable[[], None]
    lose_next_answer: Callable[[], None]
    repair: Callable[[], None]

    def interfere(self) -> Route:
        """Somebody else writes the ward's route under the next epoch."""
        found = self.routes.get(self.ward)
        other = replace(found.route, epoch=found.route.epoch + 1)
        self.routes.replace(other, resource_version=found.resource_version)
        return other


@pytest.fixture(params=["fake", "practice gateway", "kubernetes"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    ward = WardId(f"routes-{next(_numbers)}")
    if request.param == "fake":
        yield fake_case(ward)
        return
    if request.param == "kubernetes":
        with kube_case(request.getfixturevalue("kube"), ward) as made:
            yield made
        return
    site: PracticeSite = request.getfixturevalue("site")
    site.create_route(ward)
    with (
        losing_answers(site.admin) as lossy,
        closing(PracticeRoutes(site.admin, timeout_s=5.0)) as routes,
        closing(PracticeRoutes(lossy, timeout_s=5.0)) as unheard,
    ):
        doors = Doors(routes, unheard)
        yield Case(
            routes=doors,
            fence=routes,
            ward=ward,
            break_down=lambda: site.behave(refuse_admin=True),
            lose_next_answer=doors.lose_next_answer,
            repair=site.behave,
        )


@contextmanager
def kube_case(kube: KubeSite, ward: WardId) -> Iterator[Case]:
    """The worker's hands at a real API server, through a door that can misbehave."""
    kube.create_route(at_epoch_1(ward))
    with kube_proxy(kube.server) as door:
        config = kube.server.kubeconfig("door", kube.tokens["worker"], url=door.url)
        with (
            closing(Cluster(config, timeout_s=5.0)) as cluster,
            closing(Cluster(kube.kubeconfig("sentinel"), timeout_s=5.0)) as other,
        ):
            routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
            sentinel = KubeRoutes(other, BACKENDS, namespace=NAMESPACE)
            yield Case(
                routes=TwoHands(routes, sentinel),
                fence=routes,
                ward=ward,
                break_down=lambda: setattr(door, "down", True),
                lose_next_answer=lambda: setattr(door, "lose", 1),
                repair=lambda: setattr(door, "down", False),
            )


class TwoHands:
    """The worker's routes; grants are given by the sentinel, for the fence lets nobody else."""

    def __init__(self, worker: KubeRoutes, sentinel: KubeRoutes) -> None:
        self.all = worker.all
        self.get = worker.get
        self.replace = worker.replace
        self.grant = sentinel.grant


class Doors:
    """The same routes by a good way, or for one write by a way that loses the answer."""

    def __init__(self, good: PracticeRoutes, lossy: PracticeRoutes) -> None:
        self.all = good.all
        self.get = good.get
        self.grant = good.grant
        self._next: list[Routes] = []
        self._good = good
        self._lossy = lossy

    def lose_next_answer(self) -> None:
        self._next.append(self._lossy)

    def replace(self, route: Route, *, resource_version: str) -> ObservedRoute:
        door = self._next.pop() if self._next else self._good
        return door.replace(route, resource_version=resource_version)


def fake_case(ward: WardId) -> Case:
    routes = FakeRoutes([at_epoch_1(ward)])

    def set_down(*, down: bool) -> None:
        routes.down = down

    return Case(
        routes=routes,
        fence=routes,
        ward=ward,
        break_down=lambda: set_down(down=True),
        lose_next_answer=lambda: routes.apply_then_fail_next(Indeterminate("routes", "PUT")),
        repair=lambda: set_down(down=False),
    )


def at_epoch_1(ward: WardId) -> Route:
    made = Annotation(who="test", why="made")
    return Route(ward=ward, epoch=1, rules=rules(Side.LEGACY), annotation=made)


def rules(notes: Side, *, mirrored: bool = False) -> tuple[Rule, ...]:
    return (
        Rule(slice_name=NOTES, path_prefix="/notes", side=notes),
        Rule(slice_name=RESULTS, path_prefix="/results", side=Side.LEGACY, mirrored=mirrored),
    )


def exposing(ward: WardId, *, epoch: int) -> Route:
    exposed = rules(Side.CANDIDATE, mirrored=True)
    return Route(ward=ward, epoch=epoch, rules=exposed, annotation=WHO)


@pytest.fixture
def ward(site: PracticeSite) -> WardId:
    """A ward of its own at the real gateway."""
    name = WardId(f"routes-{next(_numbers)}")
    site.create_route(name)
    return name


def test_a_route_is_read_as_it_was_made(case: Case) -> None:
    assert case.routes.get(case.ward).route == at_epoch_1(case.ward)
    assert case.routes.get(case.ward) in case.routes.all()


def test_a_ward_without_a_route_is_refused(case: Case) -> None:
    for ask in (
        lambda: case.routes.get(WardId("nowhere")),
        lambda: case.routes.replace(at_epoch_1(WardId("nowhere")), resource_version="1"),
    ):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.code == "no_route"


def test_a_whole_route_is_replaced_at_once_and_read_back(case: Case) -> None:
    before = case.routes.get(case.ward)
    wanted = exposing(case.ward, epoch=2)
    written = put_exposed(case.routes, wanted)
    assert written.route == wanted
    assert written.resource_version != before.resource_version
    assert case.routes.get(case.ward) == written


def test_a_lost_race_is_a_conflict_and_changes_nothing(case: Case) -> None:
    before = case.routes.get(case.ward)
    other = case.interfere()
    with pytest.raises(Conflict):
        case.routes.replace(exposing(case.ward, epoch=3), resource_version=before.resource_version)
    assert case.routes.get(case.ward).route == other


def test_after_a_conflict_reading_again_and_deciding_again_succeeds(case: Case) -> None:
    before = case.routes.get(case.ward)
    case.interfere()
    with pytest.raises(Conflict):
        case.routes.replace(exposing(case.ward, epoch=3), resource_version=before.resource_version)
    again = case.routes.get(case.ward)
    home = all_legacy(again.route, epoch=again.route.epoch + 1, annotation=WHO)
    case.routes.replace(home, resource_version=again.resource_version)
    assert case.routes.get(case.ward).route == home


STALE = {
    "equal_epoch": (0, False),
    "lower_epoch": (-1, False),
    "lower_epoch_and_old_version": (-1, True),
}


@pytest.mark.parametrize("name", STALE)
def test_an_old_epoch_is_refused_by_the_fence(case: Case, name: str) -> None:
    step, is_old = STALE[name]
    first = case.routes.get(case.ward)
    case.interfere()
    now = case.routes.get(case.ward)
    version = first.resource_version if is_old else now.resource_version
    with pytest.raises((Refused, Conflict)) as refused:
        case.routes.replace(
            exposing(case.ward, epoch=now.route.epoch + step), resource_version=version
        )
    # A cluster compares the version first, which is as good.
    assert is_old or getattr(refused.value, "code", "") == "stale_epoch"
    assert case.routes.get(case.ward) == now


def test_nothing_goes_forward_without_the_grant_for_its_very_epoch(case: Case) -> None:
    before = case.routes.get(case.ward)
    with pytest.raises(Refused) as refused:
        case.routes.replace(exposing(case.ward, epoch=2), resource_version=before.resource_version)
    assert refused.value.code == "no_grant"
    granted = case.routes.grant(case.ward, 2, resource_version=before.resource_version)
    assert (granted.granted, granted.route) == (2, before.route)
    with pytest.raises(Refused) as refused:
        case.routes.replace(exposing(case.ward, epoch=3), resource_version=granted.resource_version)
    assert refused.value.code == "no_grant"
    written = case.routes.replace(
        exposing(case.ward, epoch=2), resource_version=granted.resource_version
    )
    assert is_exposed(written.route)
    assert written.granted is None


def test_a_grant_that_is_taken_back_lets_nothing_through(case: Case) -> None:
    before = case.routes.get(case.ward)
    granted = case.routes.grant(case.ward, 2, resource_version=before.resource_version)
    none = case.routes.grant(case.ward, 0, resource_version=granted.resource_version)
    assert not none.granted
    with pytest.raises(Conflict):
        case.routes.replace(exposing(case.ward, epoch=2), resource_version=granted.resource_version)
    with pytest.raises(Refused) as refused:
        case.routes.replace(exposing(case.ward, epoch=2), resource_version=none.resource_version)
    assert refused.value.code == "no_grant"


def test_the_fence_stands_and_trying_it_changes_nothing(case: Case) -> None:
    case.interfere()
    before = case.routes.get(case.ward)
    assert breaches(case.fence, before) == ()
    assert case.routes.get(case.ward) == before


def test_a_grant_is_for_the_route_that_was_read(case: Case) -> None:
    before = case.routes.get(case.ward)
    case.interfere()
    with pytest.raises(Conflict):
        case.routes.grant(case.ward, 3, resource_version=before.resource_version)
    assert case.routes.get(case.ward).granted is None


def test_any_write_takes_the_grant_away_and_less_exposure_needs_none(case: Case) -> None:
    exposed = put_exposed(case.routes, exposing(case.ward, epoch=2))
    granted = case.routes.grant(case.ward, 3, resource_version=exposed.resource_version)
    home = all_legacy(granted.route, epoch=4, annotation=WHO)
    written = case.routes.replace(home, resource_version=granted.resource_version)
    assert (written.route, written.granted) == (home, None)


def test_the_same_route_again_changes_nothing(case: Case) -> None:
    before = case.routes.get(case.ward)
    again = case.routes.replace(before.route, resource_version=before.resource_version)
    assert again == before


def test_words_for_people_may_change_under_the_same_epoch(case: Case) -> None:
    before = case.routes.get(case.ward)
    told = replace(before.route, annotation=WHO)
    written = case.routes.replace(told, resource_version=before.resource_version)
    assert written.route == told
    assert written.resource_version != before.resource_version


WORD = "0123456789abcdef" * 2


def drilled(ward: WardId, *, epoch: int, notes: Side = Side.LEGACY) -> Route:
    made = rules(notes, mirrored=True)
    return Route(ward=ward, epoch=epoch, rules=made, annotation=WHO, drill=WORD)


def test_a_drill_needs_no_grant_exposes_nobody_and_ends_with_a_return(case: Case) -> None:
    before = case.routes.get(case.ward)
    wanted = drilled(case.ward, epoch=2)
    written = case.routes.replace(wanted, resource_version=before.resource_version)
    assert (written.route, case.routes.get(case.ward).route) == (wanted, wanted)
    assert is_drilled(written.route)
    assert not is_exposed(written.route)
    home = all_legacy(written.route, epoch=3, annotation=WHO)
    back = case.routes.replace(home, resource_version=written.resource_version)
    assert (back.route, back.route.drill) == (home, "")


def test_a_drill_takes_no_slice_forward_with_it(case: Case) -> None:
    before = case.routes.get(case.ward)
    wanted = drilled(case.ward, epoch=2, notes=Side.CANDIDATE)
    with pytest.raises(Refused) as refused:
        case.routes.replace(wanted, resource_version=before.resource_version)
    assert refused.value.code == "no_grant"
    assert case.routes.get(case.ward) == before


def test_a_drill_is_a_change_of_the_route_and_needs_an_epoch_of_its_own(case: Case) -> None:
    before = case.routes.get(case.ward)
    same = replace(before.route, drill=WORD)
    with pytest.raises(Refused) as refused:
        case.routes.replace(same, resource_version=before.resource_version)
    assert refused.value.code == "stale_epoch"
    assert case.routes.get(case.ward) == before


def test_a_port_that_is_down_is_unavailable(case: Case) -> None:
    before = case.routes.get(case.ward)
    case.break_down()
    for ask in (
        case.routes.all,
        lambda: case.routes.get(case.ward),
        lambda: case.routes.replace(
            exposing(case.ward, epoch=2), resource_version=before.resource_version
        ),
    ):
        with pytest.raises(Unavailable):
            ask()
    case.repair()
    assert case.routes.get(case.ward) == before


def test_a_write_whose_answer_is_lost_is_indeterminate_and_has_landed_here(case: Case) -> None:
    before = case.routes.get(case.ward)
    wanted = replace(before.route, epoch=2, annotation=WHO)
    case.lose_next_answer()
    with pytest.raises(Indeterminate):
        case.routes.replace(wanted, resource_version=before.resource_version)
    assert case.routes.get(case.ward).route == wanted
    with pytest.raises(Conflict):
        case.routes.replace(exposing(case.ward, epoch=3), resource_version=before.resource_version)


def test_a_write_that_is_not_answered_in_time_is_indeterminate(
    site: PracticeSite, ward: WardId
) -> None:
    with closing(PracticeRoutes(site.admin, timeout_s=0.3)) as routes:
        before = routes.get(ward)
        site.behave(admin_delay_s=30.0)
        with pytest.raises(Indeterminate):
            routes.replace(before.route, resource_version=before.resource_version)
        with pytest.raises(Unavailable):
            routes.get(ward)


@pytest.mark.parametrize("status", ["missing", "stale", "early"])
def test_a_status_that_is_missing_or_stale_blocks_no_return(
    site: PracticeSite, ward: WardId, status: str
) -> None:
    site.behave(status=status)
    with closing(PracticeRoutes(site.admin, timeout_s=5.0)) as routes:
        exposed = put_exposed(routes, exposing(ward, epoch=2))
        assert is_exposed(exposed.route)
        home = all_legacy(exposed.route, epoch=3, annotation=WHO)
        assert routes.replace(home, resource_version=exposed.resource_version).route == home


def test_the_gateway_keeps_a_fallback_to_legacy_and_people_can_read_why(
    site: PracticeSite, ward: WardId
) -> None:
    with closing(PracticeRoutes(site.admin, timeout_s=5.0)) as routes:
        put_exposed(routes, exposing(ward, epoch=2))
    stored = site.route(ward)
    assert stored["metadata"]["annotations"] == {
        "who": WHO.who,
        "why": WHO.why,
        "run": WHO.run,
        "epoch": "2",
    }
    assert stored["spec"]["rules"][-1] == FALLBACK
    assert stored["spec"]["rules"][1]["mirror"] == "candidate"


def document(**changes: object) -> dict[str, object]:
    """A route as a gateway that checks nothing could hand it out."""
    spec = {
        "ward": "w",
        "epoch": 4,
        "rules": [FALLBACK | {"name": "notes", "path_prefix": "/notes"}, FALLBACK],
    }
    return {"metadata": {"name": "ward-w", "resource_version": "9"}, "spec": spec | changes}


def test_a_fallback_on_the_candidate_is_exposure_and_the_next_write_mends_it() -> None:
    odd = document(rules=[FALLBACK | {"backend": "candidate"}])
    with (
        web_server(lambda _: Reply(body=json.dumps(odd))) as server,
        closing(PracticeRoutes(server.url, timeout_s=5.0)) as routes,
    ):
        observed = routes.get(WardId("w"))
        assert is_exposed(observed.route)
        home = all_legacy(observed.route, epoch=5, annotation=WHO)
        routes.replace(home, resource_version=observed.resource_version)
        assert json.loads(server.asked[-1].body)["spec"]["rules"] == [FALLBACK]


def test_one_route_that_makes_no_sense_hides_no_other_ward() -> None:
    items = {"items": [document(rules=[{"name": "x", "backend": "elsewhere"}]), document()]}
    with (
        web_server(lambda _: Reply(body=json.dumps(items))) as server,
        closing(PracticeRoutes(server.url, timeout_s=5.0)) as routes,
    ):
        assert len(routes.all()) == 1


NONSENSE = {
    "no_json": "<html>",
    "no_object": "[]",
    "no_version": '{"metadata": {}, "spec": {"ward": "w", "epoch": 1, "rules": []}}',
    "no_epoch": '{"metadata": {"resource_version": "1"}, "spec": {"ward": "w", "rules": []}}',
    "unknown_side": '{"metadata": {"resource_version": "1"}, "spec": {"ward": "w", "epoch": 1, '
    '"rules": [{"name": "a", "path_prefix": "/a", "backend": "third", "mirror": null}]}}',
}


@pytest.mark.parametrize("name", NONSENSE)
def test_an_answer_without_sense_is_no_answer(name: str) -> None:
    with (
        web_server(lambda _: Reply(body=NONSENSE[name])) as server,
        closing(PracticeRoutes(server.url, timeout_s=5.0)) as routes,
    ):
        with pytest.raises(Unavailable):
            routes.get(WardId("w"))
        with pytest.raises(Unavailable):
            routes.all()
        with pytest.raises(Indeterminate):  # it was taken, or it was not
            routes.replace(at_epoch_1(WardId("w")), resource_version="1")


STATUSES = {500: Indeterminate, 502: Indeterminate, 504: Indeterminate, 503: Unavailable}


@pytest.mark.parametrize("status", STATUSES)
def test_a_server_error_on_a_write_may_have_had_its_effect(status: int) -> None:
    with (
        web_server(lambda _: Reply(status=status)) as server,
        closing(PracticeRoutes(server.url, timeout_s=5.0)) as routes,
    ):
        with pytest.raises(STATUSES[status]):
            routes.replace(at_epoch_1(WardId("w")), resource_version="1")
        with pytest.raises(Unavailable):
            routes.get(WardId("w"))


def test_nothing_listens() -> None:
    with (
        closing(PracticeRoutes(refused_url(), timeout_s=5.0)) as routes,
        pytest.raises(Unavailable),
    ):
        routes.replace(at_epoch_1(WardId("w")), resource_version="1")
