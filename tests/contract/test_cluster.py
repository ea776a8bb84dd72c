"""The client of the cluster's API: credentials, time limits, and what a failure means."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.kubernetes.client import AT_ONCE, Cluster, Kind
from orchestrator.adapters.kubernetes.picture import Picture
from orchestrator.adapters.kubernetes.routes import WRITES_AT_ONCE, KubeRoutes
from orchestrator.adapters.planfile import load_plan
from orchestrator.cli.machine import practice_plan
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import NO_GRANT, Annotation, Route, Rule, all_legacy
from orchestrator.errors import ConfigError, Conflict, Indeterminate, Refused, Unavailable
from tests.fakes import FakeClock
from tests.real.kube_proxy import KubeProxy, kube_proxy
from tests.real.kube_server import ApiError
from tests.real.kube_site import BACKENDS, FEATURES, NAMESPACE, ROUTES, KubeSite
from tests.real.servers import raw_server, refused_url
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
WHO = Annotation(who="test", why="made")
_numbers = count(1)


def a_route(ward: WardId, *, epoch: int = 1, side: Side = Side.LEGACY, mirrored: bool = False):
    rule = Rule(slice_name=SliceName("notes"), path_prefix="/notes", side=side, mirrored=mirrored)
    return Route(ward=ward, epoch=epoch, rules=(rule,), annotation=WHO)


@pytest.fixture
def ward(kube: KubeSite) -> WardId:
    name = WardId(f"cluster-{next(_numbers)}")
    kube.create_route(a_route(name))
    return name


@pytest.fixture
def door(kube: KubeSite) -> Iterator[KubeProxy]:
    with kube_proxy(kube.server) as proxy:
        yield proxy


def routes_through(kube: KubeSite, door: KubeProxy, token: str, *, timeout_s: float = 5.0):
    config = kube.server.kubeconfig(f"door-{next(_numbers)}", token, url=door.url)
    cluster = Cluster(config, timeout_s=timeout_s)
    return config, KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)


def test_the_token_is_really_sent_with_every_call(
    kube: KubeSite, door: KubeProxy, ward: WardId
) -> None:
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    observed = routes.get(ward)
    home = all_legacy(observed.route, epoch=2, annotation=WHO)
    routes.replace(home, resource_version=observed.resource_version)
    routes.all()
    # One question and one write: what was read is written as it was read.
    assert [one.method for one in door.asked] == ["GET", "PUT", "GET"]
    assert {one.token for one in door.asked} == {kube.tokens["guard"]}


def test_a_token_that_is_taken_no_more_is_read_again_and_the_call_made_once_more(
    kube: KubeSite, door: KubeProxy, ward: WardId
) -> None:
    """A mounted token changes its content; the one in memory expires."""
    config, routes = routes_through(kube, door, kube.tokens["guard"])
    routes.get(ward)
    content = json.loads(config.read_text())
    content["users"][0]["user"]["token"] = "expired"
    config.write_text(json.dumps(content))
    cluster = routes._cluster
    cluster._reconnect()  # now it holds what has expired
    content["users"][0]["user"]["token"] = kube.tokens["guard"]
    config.write_text(json.dumps(content))
    observed = routes.get(ward)
    cluster._api.api_client.configuration.api_key["BearerToken"] = "Bearer expired"
    home = all_legacy(observed.route, epoch=2, annotation=WHO)
    assert routes.replace(home, resource_version=observed.resource_version).route == home


def test_a_token_that_is_never_taken_is_no_answer(kube: KubeSite, door: KubeProxy) -> None:
    _, routes = routes_through(kube, door, "nobody")
    with pytest.raises(Unavailable):
        routes.all()
    assert len(door.asked) == 2


def test_inside_the_cluster_the_mounted_token_is_sent(
    kube: KubeSite, ward: WardId, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    token = tmp_path / "token"
    token.write_text(kube.tokens["guard"])
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(kube.server.ca_file))
    host, port = kube.server.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    with closing(Cluster(None, timeout_s=5.0)) as cluster:
        assert KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE).get(ward)


def test_without_credentials_it_says_so(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no credentials"):
        Cluster(tmp_path / "missing", timeout_s=1.0)


def test_nobody_listens_is_unavailable_also_for_a_write(kube: KubeSite) -> None:
    config = kube.server.kubeconfig("nobody", "x", url=refused_url())
    with closing(Cluster(config, timeout_s=1.0)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        with pytest.raises(Unavailable):
            routes.all()
        with pytest.raises(Unavailable):
            cluster.create("leases", routes._kind, {"metadata": {"name": "x"}})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, Indeterminate), (504, Indeterminate), (503, Unavailable), (429, Unavailable),
     (409, Conflict), (403, Refused), (422, Refused)],
)  # fmt: skip
def test_what_a_status_on_a_write_means(
    kube: KubeSite, door: KubeProxy, ward: WardId, status: int, kind: type[Exception]
) -> None:
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    observed = routes.get(ward)
    door.storm = [status]
    home = all_legacy(observed.route, epoch=2, annotation=WHO)
    with pytest.raises(kind):
        routes.replace(home, resource_version=observed.resource_version)
    writes = [one for one in door.asked if one.method == "PUT"]
    assert len(writes) == 1  # it is never sent twice by the library
    assert routes.replace(home, resource_version=observed.resource_version).route == home


def tell_status(kube: KubeSite, ward: WardId, word: str) -> None:
    """What a gateway writes into the route, as often as it likes."""
    found = kube.route(ward)
    found["status"] = {
        "parents": [
            {
                "parentRef": {"name": "wards"},
                "controllerName": "wardshift.io/practice",
                "conditions": [
                    {
                        "type": "Accepted",
                        "status": "True",
                        "reason": word,
                        "message": "",
                        "observedGeneration": found["metadata"]["generation"],
                        "lastTransitionTime": "2027-03-01T09:00:00Z",
                    }
                ],
            }
        ]
    }
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}/status", found)


def test_a_gateways_status_costs_no_race(kube: KubeSite, door: KubeProxy, ward: WardId) -> None:
    """Written between the decision and the write, and between the last look and the write."""
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    observed = routes.get(ward)
    tell_status(kube, ward, "One")
    assert routes.get(ward) == observed
    words = iter(["Two", "Three"])

    def told_again() -> None:
        word = next(words, "")
        if word:
            tell_status(kube, ward, word)

    door.on_write = told_again
    home = all_legacy(observed.route, epoch=2, annotation=WHO)
    assert routes.replace(home, resource_version=observed.resource_version).route == home
    assert len([one for one in door.asked if one.method == "PUT"]) == 3


def test_another_hands_word_takes_the_race_although_a_status_came_too(
    kube: KubeSite, door: KubeProxy, ward: WardId
) -> None:
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    observed = routes.get(ward)

    def another_hand() -> None:
        door.on_write = None
        kube.grant(ward, 7)  # an annotation: the generation stays
        tell_status(kube, ward, "Later")

    door.on_write = another_hand
    home = all_legacy(observed.route, epoch=2, annotation=WHO)
    with pytest.raises(Conflict):
        routes.replace(home, resource_version=observed.resource_version)
    assert kube.route(ward)["metadata"]["annotations"]["wardshift.io/granted"] == "7"


def test_a_server_that_hangs_costs_no_more_than_the_time_limit(
    kube: KubeSite, door: KubeProxy, ward: WardId
) -> None:
    _, routes = routes_through(kube, door, kube.tokens["guard"], timeout_s=0.3)
    observed = routes.get(ward)
    door.delay_s = 60.0
    with pytest.raises(Unavailable):
        routes.get(ward)
    kind = routes._kind
    body = kube.route(ward)
    with pytest.raises(Indeterminate):
        routes._cluster.replace("routes", kind, body)
    door.delay_s = 0.0
    assert routes.get(ward).route == observed.route


@contextmanager
def hung_writes(routes: KubeRoutes) -> Iterator[None]:
    """Every turn is taken, by writes that are not answered."""
    with ExitStack() as hung:
        for _ in range(WRITES_AT_ONCE):
            routes._turns.acquire()
            hung.callback(routes._turns.release)
        yield


def test_a_return_waits_for_writes_that_hang_no_longer_than_its_patience(
    kube: KubeSite, door: KubeProxy, ward: WardId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.adapters.kubernetes.routes.TURN_WITHIN_S", 0.1)
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    observed = routes.get(ward)
    home = all_legacy(observed.route, epoch=2, annotation=WHO)
    with ThreadPoolExecutor(1) as thread, hung_writes(routes):
        written = thread.submit(routes.replace, home, resource_version=observed.resource_version)
        assert written.result(timeout=60).route == home


def test_a_grant_is_taken_back_by_who_ticks_whatever_hangs(
    kube: KubeSite, door: KubeProxy, ward: WardId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that ticks renews the leases: it stands in no queue behind returns."""
    monkeypatch.setattr("orchestrator.adapters.kubernetes.routes.TURN_WITHIN_S", 600.0)
    kube.grant(ward, 9)
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    version = routes.get(ward).resource_version
    with ThreadPoolExecutor(1) as thread, hung_writes(routes):
        written = thread.submit(routes.grant, ward, NO_GRANT, resource_version=version)
        assert not written.result(timeout=60).granted


def test_a_server_that_hung_for_long_is_heard_again_once_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took connections and never closed them: no call may keep its thread for ever."""
    monkeypatch.setattr("orchestrator.adapters.kubernetes.client.GRACE_S", 0.02)
    is_well = threading.Event()

    def talk(connection: socket.socket, end: threading.Event) -> None:
        while connection.recv(65536):
            if not is_well.is_set():
                end.wait(60)
                return
            body = b'{"items": [], "metadata": {"resourceVersion": "1"}}'
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            connection.sendall(head + body)

    with raw_server(talk) as url, closing(cluster_at(tmp_path, url, timeout_s=0.05)) as cluster:
        kind = Kind(group="g", version="v1", plural="things", namespace="n")
        for _ in range(AT_ONCE + 4):
            with pytest.raises(Unavailable):
                cluster.list("routes", kind, "")
        is_well.set()

        def is_heard() -> bool:
            with suppress(Unavailable):
                return cluster.list("routes", kind, "")["items"] == []
            return False

        assert wait_until(is_heard, timeout_s=20)


def cluster_at(folder: Path, url: str, *, timeout_s: float) -> Cluster:
    """A client of whatever listens there."""
    config = folder / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return Cluster(config, timeout_s=timeout_s)


def test_a_label_that_another_tool_changed_hides_no_ward(kube: KubeSite, ward: WardId) -> None:
    """Only the ward's own label, which the fence insists on, decides what is listed."""
    found = kube.route(ward)
    found["metadata"]["labels"]["app.kubernetes.io/part-of"] = "another-tool"
    kube.server.call("PUT", f"{ROUTES}/ward-{ward}", found)
    with closing(Cluster(kube.kubeconfig("guard"), timeout_s=5.0)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        assert ward in {one.route.ward for one in routes.all()}
    found = kube.route(ward)
    del found["metadata"]["labels"]["wardshift.io/ward"]
    with pytest.raises(ApiError, match="not_a_ward"):
        kube.server.call("PUT", f"{ROUTES}/ward-{ward}", found)


def test_a_filter_that_the_gateway_does_not_name_is_not_written(
    kube: KubeSite, ward: WardId
) -> None:
    with closing(Cluster(kube.kubeconfig("worker"), timeout_s=5.0)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        observed = routes.get(ward)
        mirrored = a_route(ward, epoch=2, mirrored=True)
        kube.say_features([name for name in FEATURES if "Mirror" not in name])
        try:
            with pytest.raises(Refused) as refused:
                routes.replace(mirrored, resource_version=observed.resource_version)
        finally:
            kube.say_features(FEATURES)
        assert refused.value.code == "unsupported_filter"
        assert "HTTPRouteRequestMirror" in str(refused.value)
        again = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        written = again.replace(mirrored, resource_version=observed.resource_version)
        assert written.route == mirrored
    stored = kube.route(ward)["spec"]["rules"]
    mirrors = [rule for rule in stored if "RequestMirror" in json.dumps(rule)]
    assert [rule["matches"][0]["method"] for rule in mirrors] == ["GET"]


def test_a_return_asks_no_gateway_what_it_can_do(kube: KubeSite, ward: WardId) -> None:
    """The guard may not even read gateways."""
    with closing(Cluster(kube.kubeconfig("guard"), timeout_s=5.0)) as cluster:
        routes = KubeRoutes(cluster, BACKENDS, namespace=NAMESPACE)
        observed = routes.get(ward)
        home = all_legacy(observed.route, epoch=3, annotation=WHO)
        assert routes.replace(home, resource_version=observed.resource_version).route == home


def test_a_picture_follows_every_change_and_survives_cut_watches(
    kube: KubeSite, door: KubeProxy, ward: WardId
) -> None:
    _, routes = routes_through(kube, door, kube.tokens["guard"])
    routes.follow()
    try:
        assert wait_until(lambda: bool(routes._picture and routes._picture.now()), timeout_s=20)
        assert wait_until(lambda: any("watch" in one.path for one in door.asked), timeout_s=20)
        asked = len(door.asked)

        def epoch_in_the_picture() -> int:
            found = {one.route.ward: one.route.epoch for one in routes.all()}
            return found[ward]

        for epoch in (2, 3, 4):
            with closing(Cluster(kube.kubeconfig("guard"), timeout_s=5.0)) as other:
                hand = KubeRoutes(other, BACKENDS, namespace=NAMESPACE)
                observed = hand.get(ward)
                home = all_legacy(observed.route, epoch=epoch, annotation=WHO)
                hand.replace(home, resource_version=observed.resource_version)
            assert wait_until(lambda wanted=epoch: epoch_in_the_picture() == wanted, timeout_s=20)
            if epoch == 2:
                assert len(door.asked) == asked  # it came by the watch that was open
            door.cut_watches()
    finally:
        routes.close()


def test_without_a_living_watch_routes_are_read_directly_or_not_at_all(
    kube: KubeSite, door: KubeProxy, ward: WardId
) -> None:
    _, routes = routes_through(kube, door, kube.tokens["guard"], timeout_s=1.0)
    routes.follow()
    try:
        assert wait_until(lambda: bool(routes._picture and routes._picture.now()), timeout_s=20)
        door.down = True
        door.cut_watches()

        def says_so() -> bool:
            try:
                routes.all()
            except Unavailable:
                return True
            return False

        assert wait_until(says_so, timeout_s=20)
        door.down = False
        assert wait_until(lambda: not says_so(), timeout_s=20)
    finally:
        routes.close()


class Stalled:
    """A cluster that lists, and whose watch then neither tells nor ends."""

    def __init__(self) -> None:
        self.end = threading.Event()

    def list(self, *_: object) -> dict[str, Any]:
        return {"items": [{"metadata": {"name": "ward-a"}}], "metadata": {"resourceVersion": "1"}}

    def watch(self, *_: object) -> Iterator[tuple[str, dict[str, Any]]]:
        self.end.wait(60)
        yield from ()


def test_a_watch_that_stalls_is_not_believed_for_as_long_as_a_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it hides a guard would not return: within a lease routes are read directly again."""
    clock, stalled = FakeClock(), Stalled()
    monkeypatch.setattr("orchestrator.adapters.kubernetes.picture._clock", clock)
    picture = Picture(
        cast(Cluster, stalled), Kind(group="", version="", plural="", namespace=""), ""
    )
    picture.start()
    try:
        assert wait_until(lambda: bool(picture.now()), timeout_s=20)
        clock.advance(load_plan(practice_plan()).plan.policy.lease_s - 1.0)
        assert picture.now() is None
    finally:
        picture.stop()
        stalled.end.set()


def test_a_route_bent_by_another_hand_counts_as_exposure_and_a_return_mends_it(
    kube: KubeSite, ward: WardId
) -> None:
    """Whatever is not wholly legacy: the fence is off here, as it may be where somebody erred."""
    from orchestrator.adapters.kubernetes.documents import observed, written
    from orchestrator.core.route import exposed_slices

    for bend in (
        lambda rules: rules[0]["backendRefs"].append({"name": "ehr-candidate", "port": 80}),
        lambda rules: rules[0].update(backendRefs=[]),
        lambda rules: rules[0]["backendRefs"][0].update(name="somewhere"),
        lambda rules: rules[-1]["backendRefs"][0].update(name="ehr-candidate"),
    ):
        document = kube.route(ward)
        bend(document["spec"]["rules"])
        seen = observed(document, BACKENDS)
        assert exposed_slices(seen.route)
        home = all_legacy(seen.route, epoch=seen.route.epoch + 1, annotation=WHO)
        mended = observed(written(document, home, BACKENDS), BACKENDS)
        assert not exposed_slices(mended.route)


def test_exposure_on_a_real_server(kube: KubeSite, ward: WardId) -> None:
    with (
        closing(Cluster(kube.kubeconfig("worker"), timeout_s=5.0)) as worker,
        closing(Cluster(kube.kubeconfig("sentinel"), timeout_s=5.0)) as sentinel,
    ):
        forth = KubeRoutes(worker, BACKENDS, namespace=NAMESPACE)
        grants = KubeRoutes(sentinel, BACKENDS, namespace=NAMESPACE)
        wanted = a_route(ward, epoch=2, side=Side.CANDIDATE)
        before = grants.get(ward)
        granted = grants.grant(ward, 2, resource_version=before.resource_version)
        assert forth.replace(wanted, resource_version=granted.resource_version).route == wanted
    rule = kube.route(ward)["spec"]["rules"][0]
    assert [ref["name"] for ref in rule["backendRefs"]] == ["ehr-candidate"]
    assert rule["name"] == "notes"
