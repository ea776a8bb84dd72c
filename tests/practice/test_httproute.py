"""What the practice gateway makes of an HTTPRoute, and what it says about it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.adapters.clock import PracticeClock, set_practice_clock
from orchestrator.adapters.kubernetes.documents import first_route, written
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.route import Annotation, Route, Rule
from tests.practice.stage import STARTS_AT
from wards.model import WardId
from wards.practice.cluster.fenced import BACKENDS
from wards.practice.gateway.behaviour import Behaviour, StatusMode
from wards.practice.gateway.cluster import Followed
from wards.practice.gateway.httproute import NotUnderstood, read, says
from wards.practice.gateway.route import Trouble, rule_for

WARD = WardId("medicine-52")
WORD = "0123456789abcdef" * 2


def document(*, epoch: int = 3, generation: int = 7, version: str = "1", **sides: Any) -> Any:
    """As documents.py writes it: `notes=Side.CANDIDATE`, `mirrored=True`, `drill=WORD`."""
    mirrored = bool(sides.pop("mirrored", False))
    drill = str(sides.pop("drill", ""))
    rules = tuple(
        Rule(
            slice_name=SliceName(name),
            path_prefix=f"/{name}",
            side=sides.get(name, Side.LEGACY),
            mirrored=mirrored,
        )
        for name in ("notes", "vitals")
    )
    told = Annotation(who="t", why="t")
    route = Route(ward=WARD, epoch=epoch, rules=rules, annotation=told, drill=drill)
    made = written(first_route(WARD, "wards", "wardshift"), route, BACKENDS)
    made["metadata"] |= {"generation": generation, "resourceVersion": version}
    return made


def understood(raw: Any) -> Any:
    found = read(raw, "wards")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "method", "rule", "backend"),
    [
        ("/notes/fhir/metadata", "GET", "notes", "candidate"),
        ("/notes", "POST", "notes", "candidate"),
        ("/vitals/x", "GET", "vitals", "legacy"),
        ("/Notes/x", "GET", "fallback", "legacy"),
        ("/", "PUT", "fallback", "legacy"),
    ],
)
def test_it_serves_what_the_adapter_writes(path: str, method: str, rule: str, backend: str) -> None:
    spec = understood(document(notes=Side.CANDIDATE)).route.spec
    taken = rule_for(spec.rules, path, method)
    assert taken is not None
    assert (taken.name, taken.backend, taken.epoch, taken.mirror) == (rule, backend, 3, None)
    assert (spec.ward, spec.epoch) == (WARD, 3)


@pytest.mark.parametrize(("method", "mirror"), [("GET", "candidate"), ("POST", None)])
def test_only_reads_take_the_rule_that_mirrors(method: str, mirror: str | None) -> None:
    spec = understood(document(mirrored=True)).route.spec
    taken = rule_for(spec.rules, "/notes/fhir/Patient", method)
    assert taken is not None
    assert (taken.name, taken.backend, taken.mirror) == ("notes", "legacy", mirror)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("carried", [WORD, "", WORD.upper(), "0" * 32])
def test_a_drill_is_for_the_bearer_of_its_word_also_where_reads_are_mirrored(
    method: str, carried: str
) -> None:
    spec = understood(document(mirrored=True, drill=WORD)).route.spec
    taken = rule_for(spec.rules, "/notes/fhir/metadata", method, carried)
    assert taken is not None
    assert (taken.backend == "candidate") is (carried == WORD)
    assert taken.epoch == 3


@pytest.mark.parametrize("odd", [{"type": "RegularExpression"}, {"name": "x-other"}])
def test_a_drill_by_anything_but_its_exact_word_is_not_accepted(odd: dict[str, str]) -> None:
    raw = document(drill=WORD)
    raw["spec"]["rules"][-2]["matches"][0]["headers"][-1] |= odd
    with pytest.raises(NotUnderstood):
        read(raw, "wards")


@pytest.mark.parametrize(
    ("refs", "trouble", "all_known"),
    [
        ([], Trouble.NO_BACKEND, True),
        ([{"name": "ehr-legacy", "port": 80, "weight": 0}], Trouble.NO_WEIGHT, True),
        ([{"name": "nowhere", "port": 80}], Trouble.UNKNOWN_BACKEND, False),
        (
            [{"name": "ehr-legacy", "port": 80}, {"name": "ehr-candidate", "port": 80}],
            Trouble.SEVERAL_BACKENDS,
            True,
        ),
    ],
)
def test_a_rule_that_serves_nobody_spoils_no_other(
    refs: list[Any], trouble: Trouble, all_known: bool
) -> None:
    raw = document()
    raw["spec"]["rules"][0]["backendRefs"] = refs
    found = understood(raw)
    notes, vitals = (
        rule_for(found.route.spec.rules, path, "GET") for path in ("/notes", "/vitals")
    )
    assert (notes.trouble, notes.backend) == (trouble, "")
    assert (vitals.trouble, vitals.backend) == (None, "legacy")
    assert found.has_all_backends is all_known


def test_a_backend_of_weight_0_beside_another_is_left_out() -> None:
    raw = document()
    raw["spec"]["rules"][0]["backendRefs"] = [
        {"name": "ehr-legacy", "port": 80, "weight": 0},
        {"name": "ehr-candidate", "port": 80, "weight": 1},
    ]
    taken = rule_for(understood(raw).route.spec.rules, "/notes", "GET")
    assert taken is not None
    assert taken.backend == "candidate"


def test_a_route_of_another_gateway_is_not_served() -> None:
    raw = document()
    raw["spec"]["parentRefs"] = [{"name": "elsewhere"}]
    assert read(raw, "wards") is None


@pytest.mark.parametrize(
    "bend",
    [
        lambda rule: rule["matches"][0].update(path={"type": "RegularExpression", "value": ".*"}),
        lambda rule: rule["matches"][0].update(headers=[]),
        lambda rule: rule["matches"][0]["headers"][0].update(type="RegularExpression"),
        lambda rule: rule["matches"][0]["headers"][0].update(value="surgery-31"),
        lambda rule: rule["matches"][0].update(queryParams=[{"name": "a", "value": "b"}]),
        lambda rule: rule["filters"].append({"type": "URLRewrite"}),
        lambda rule: rule.update(timeouts={"request": "1s"}),
        lambda rule: rule.pop("matches"),
    ],
)
def test_what_it_does_not_know_is_not_guessed(bend: Any) -> None:
    raw = document()
    bend(raw["spec"]["rules"][0])
    with pytest.raises(NotUnderstood):
        read(raw, "wards")


class FakeCluster:
    """A cluster that takes every status and keeps it."""

    def __init__(self) -> None:
        self.statuses: list[Any] = []

    def replace_status(self, _port: str, _kind: Any, body: Any) -> Any:
        self.statuses.append(body["status"])
        return body


@pytest.fixture
def followed(tmp_path: Any) -> Followed:
    set_practice_clock(tmp_path / "clock.json", now=STARTS_AT, rate=1.0)
    clock = PracticeClock(tmp_path / "clock.json")
    return Followed(FakeCluster(), namespace="wardshift", clock=clock, replicas=2)


def epochs(followed: Followed) -> list[int | None]:
    routes = [followed.serving(replica, WARD) for replica in followed.replicas]
    return [None if route is None else route.spec.epoch for route in routes]


def test_a_change_reaches_each_replica_as_late_as_it_is(followed: Followed) -> None:
    followed.take((document(epoch=1, version="1"),))
    assert epochs(followed) == [1, 1]
    followed.behaviour = Behaviour(lateness_s=(0.0, 3600.0))
    followed.take((document(epoch=2, generation=8, version="2"),))
    assert epochs(followed) == [2, 1]
    assert followed.served_generation(WARD) == 7
    followed.behaviour = Behaviour(lateness_s=0.0)
    assert epochs(followed) == [2, 2]


def test_a_grant_and_a_status_are_no_change_for_the_data_plane(followed: Followed) -> None:
    followed.take((document(version="1"),))
    assert epochs(followed) == [3, 3]
    followed.behaviour = Behaviour(lateness_s=3600.0)
    granted = document(version="2")
    granted["metadata"]["annotations"]["wardshift.io/granted"] = "4"
    followed.take((granted,))
    assert not followed.replicas[0]._waiting


def test_a_removed_route_is_forgotten(followed: Followed) -> None:
    followed.take((document(),))
    followed.take(())
    assert epochs(followed) == [None, None]


def test_what_is_not_understood_leaves_what_was_before_and_is_not_accepted(
    followed: Followed,
) -> None:
    followed.take((document(epoch=1, version="1"),))
    bent = document(epoch=2, generation=8, version="2")
    bent["spec"]["rules"][0]["filters"].append({"type": "URLRewrite"})
    followed.take((bent,))
    assert epochs(followed) == [1, 1]
    told = says({"status": followed._status_of(bent)})
    assert told == (("Accepted", "False", 8), ("ResolvedRefs", "True", 8))


def test_of_two_routes_for_one_ward_that_with_more_rules_wins(followed: Followed) -> None:
    short = document(epoch=9, version="2")
    short["metadata"]["name"] = "ward-again"
    short["spec"]["rules"] = short["spec"]["rules"][-1:]
    for order in ((document(), short), (short, document())):
        followed.take(order)
        assert epochs(followed) == [3, 3]


@pytest.mark.parametrize(
    ("mode", "observed"),
    [("early", 8), ("truthful", 7), ("stale", 7), ("missing", None), ("unresolved", 8)],
)
def test_the_status_is_as_true_as_the_behaviour_lets_it_be(
    followed: Followed, mode: str, observed: int | None
) -> None:
    followed.take((document(version="1"),))
    assert epochs(followed) == [3, 3]
    followed.behaviour = Behaviour(status=StatusMode(mode), lateness_s=(0.0, 3600.0))
    newer = document(epoch=4, generation=8, version="2")
    followed.take((newer,))
    told = says({"status": followed._status_of(newer)})
    assert {generation for _, _, generation in told} == ({observed} if observed else set())
    bad = {kind for kind, status, _ in told if status != "True"}
    assert bad == ({"ResolvedRefs"} if mode == "unresolved" else set())


def test_a_status_is_written_only_when_it_says_something_else(followed: Followed) -> None:
    raw = document()
    followed.take((raw,))
    status = followed._status_of(raw)
    raw["status"] = status
    followed._picture = SimpleNamespace(now=lambda: (raw,))

    async def for_a_while() -> None:
        await asyncio.wait_for(followed._telling(), timeout=0.35)

    with pytest.raises(TimeoutError):
        asyncio.run(for_a_while())
    assert followed._cluster.statuses == []
    raw["status"] = {"parents": []}
    with pytest.raises(TimeoutError):
        asyncio.run(for_a_while())
    assert followed._cluster.statuses
