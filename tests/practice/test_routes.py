"""Routes and leases in the gateway's book, decided without a gateway."""

from typing import Any

import pytest

from tests.practice.stage import route
from wards.practice.gateway.book import (
    Book,
    Kept,
    Lease,
    Refusal,
    book_from,
    book_json,
    create_route,
    put_lease,
    replace_route,
)
from wards.practice.gateway.replica import Replica
from wards.practice.gateway.route import Route, Wanted, rule_for, wanted_from

WARD = "ward-1"


def kept(answer: Kept | Refusal) -> Kept:
    assert isinstance(answer, Kept), answer
    return answer


def refused(answer: Kept | Refusal) -> tuple[int, str]:
    assert isinstance(answer, Refusal), answer
    return answer.status, answer.code


def stored() -> Book:
    """A book with the ward's route at epoch 5."""
    return kept(create_route(Book(), route(WARD, epoch=5))).book


def wanted(version: str, **changes: Any) -> dict[str, Any]:
    document = route(WARD, **changes)
    document["metadata"]["resource_version"] = version
    return document


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        pytest.param("/vitals", "vitals", id="prefix-alone"),
        pytest.param("/vitals/fhir/Observation", "vitals", id="below"),
        pytest.param("//vitals/fhir", "vitals", id="doubled-slash"),
        pytest.param("/%76itals/fhir", "vitals", id="encoded-letter"),
        pytest.param("/vitals/../notes", "vitals", id="dots-are-segments"),
        pytest.param("/vitalsigns", "fallback", id="no-segment-boundary"),
        pytest.param("/vital", "fallback", id="shorter"),
        pytest.param("/Vitals/fhir", "fallback", id="case"),
        pytest.param("/vitals%2Ffhir", "fallback", id="encoded-slash"),
        pytest.param("/vitals;a/fhir", "fallback", id="parameter"),
        pytest.param("/", "fallback", id="root"),
        pytest.param("/fhir/Patient", "fallback", id="unknown"),
        pytest.param("/notes/scanned/x", "scanned", id="longest-prefix"),
        pytest.param("/notes/scannedx", "notes", id="longest-prefix-on-boundary"),
    ],
)
def test_a_path_takes_the_rule_with_the_longest_prefix(path: str, rule: str) -> None:
    document = route(WARD, epoch=1)
    document["spec"]["rules"].insert(
        0,
        {
            "name": "scanned",
            "path_prefix": "/notes/scanned",
            "backend": "candidate",
            "mirror": None,
        },
    )
    route_ = wanted_from(document)
    assert isinstance(route_, Wanted)
    found = rule_for(route_.spec.rules, path, "GET")
    assert found is not None
    assert found.name == rule


def _spec(**changes: Any) -> dict[str, Any]:
    document = route(WARD, epoch=1)
    document["spec"] |= changes
    return document


def _rules(*changes: dict[str, Any]) -> dict[str, Any]:
    document = route(WARD, epoch=1)
    for index, change in enumerate(changes):
        document["spec"]["rules"][index] |= change
    return document


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        pytest.param([], 1, id="not-an-object"),
        pytest.param({"metadata": {}}, 1, id="no-spec"),
        pytest.param(_spec(ward="other"), 1, id="name-not-of-the-ward"),
        pytest.param(_spec(epoch=None), 1, id="epoch-removed"),
        pytest.param(_spec(epoch="7"), 1, id="epoch-text"),
        pytest.param(_spec(epoch=True), 1, id="epoch-bool"),
        pytest.param(_spec(epoch=0), 1, id="epoch-zero"),
        pytest.param(_spec(rules=None), 1, id="no-rules"),
        pytest.param(_spec(rules=[]), 1, id="no-fallback"),
        pytest.param(_rules({"backend": "elsewhere"}), 1, id="unknown-backend"),
        pytest.param(_rules({"mirror": "elsewhere"}), 1, id="unknown-mirror"),
        pytest.param(_rules({"name": "notes"}), 1, id="name-twice"),
        pytest.param(_rules({"path_prefix": "/notes"}), 1, id="prefix-twice"),
        pytest.param(_rules({"path_prefix": "vitals"}), 1, id="prefix-without-slash"),
        pytest.param(_rules({"path_prefix": "/"}), 2, id="a-second-catch-all"),
        pytest.param(_rules({"backend": 1}, {"mirror": 1}, {"name": ""}), 3, id="all-at-once"),
    ],
)
def test_a_wrong_route_is_refused_with_every_problem(document: Any, problems: int) -> None:
    answer = create_route(Book(), document)
    assert refused(answer) == (422, "invalid")
    assert isinstance(answer, Refusal)
    assert len(answer.problems) == problems


def test_the_fallback_is_legacy() -> None:
    document = route(WARD, epoch=1, fallback="candidate")
    assert refused(create_route(Book(), document)) == (422, "invalid")


def test_a_ward_has_one_route() -> None:
    assert refused(create_route(stored(), route(WARD, epoch=9))) == (409, "already_exists")


NEW = "candidate"
FENCE = [
    pytest.param("1", 6, NEW, None, id="greater-epoch"),
    pytest.param("1", 5, "legacy", None, id="same-epoch-same-spec"),
    pytest.param("1", 5, NEW, (403, "stale_epoch"), id="same-epoch-other-spec"),
    pytest.param("1", 4, NEW, (403, "stale_epoch"), id="lower-epoch"),
    pytest.param("1", 4, "legacy", (403, "stale_epoch"), id="lower-epoch-same-rules"),
    pytest.param("0", 4, NEW, (403, "stale_epoch"), id="lower-epoch-old-version"),
    pytest.param("0", 6, NEW, (409, "conflict"), id="old-version"),
    pytest.param("", 6, NEW, (409, "conflict"), id="no-version"),
]


@pytest.mark.parametrize(("version", "epoch", "notes", "refusal"), FENCE)
def test_a_route_changes_only_forward(
    version: str, epoch: int, notes: str, refusal: tuple[int, str] | None
) -> None:
    granting = wanted("1", epoch=5)
    granting["metadata"]["annotations"] = {"granted": str(epoch)}
    book = kept(replace_route(stored(), WARD, granting)).book
    version = {"1": "2", "0": "1"}.get(version, version)
    answer = replace_route(book, WARD, wanted(version, epoch=epoch, notes=notes))
    if refusal is not None:
        assert refused(answer) == refusal
        return
    entry = kept(answer).entry
    assert isinstance(entry, Route)
    assert entry.spec.epoch == epoch


@pytest.mark.parametrize("granted", ["", "5", "7", "six"])
def test_a_rule_comes_to_lead_to_the_candidate_only_under_the_granted_epoch(granted: str) -> None:
    granting = wanted("1", epoch=5)
    granting["metadata"]["annotations"] = {"granted": granted}
    book = kept(replace_route(stored(), WARD, granting)).book
    answer = replace_route(book, WARD, wanted("2", epoch=6, notes=NEW))
    assert refused(answer) == (403, "no_grant")


def test_annotations_alone_keep_epoch_and_generation() -> None:
    document = wanted("1", epoch=5)
    document["metadata"]["annotations"] = {"who": "cso"}
    entry = kept(replace_route(stored(), WARD, document)).entry
    assert isinstance(entry, Route)
    assert (entry.generation, entry.resource_version, entry.annotations) == (1, "2", {"who": "cso"})


def test_a_spec_change_raises_the_generation() -> None:
    entry = kept(replace_route(stored(), WARD, wanted("1", epoch=6))).entry
    assert isinstance(entry, Route)
    assert entry.generation == 2


def test_a_change_of_nothing_changes_no_version() -> None:
    before = stored()
    document = wanted("1", epoch=5)
    assert kept(replace_route(before, WARD, document)).book is before


def test_the_address_and_the_ward_agree() -> None:
    assert refused(replace_route(stored(), WARD, route("ward-2", epoch=9))) == (422, "invalid")
    assert refused(replace_route(Book(), WARD, wanted("", epoch=9))) == (404, "no_route")


LEASE = {"holder": "a", "duration_s": 5, "renewed_at": None, "transitions": 0}


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        pytest.param("2", None, id="renew"),
        pytest.param("", (409, "conflict"), id="create-again"),
        pytest.param("1", (409, "conflict"), id="stale"),
    ],
)
def test_a_lease_is_renewed_on_its_version(version: str, outcome: tuple[int, str] | None) -> None:
    book = kept(put_lease(stored(), "sentinel", LEASE | {"resource_version": ""})).book
    answer = put_lease(book, "sentinel", LEASE | {"resource_version": version})
    if outcome is not None:
        assert refused(answer) == outcome
        return
    entry = kept(answer).entry
    assert isinstance(entry, Lease)
    assert entry.resource_version == "3"


@pytest.mark.parametrize(
    "change",
    [
        {"holder": None},
        {"duration_s": 0},
        {"duration_s": float("nan")},
        {"renewed_at": 5},
        {"transitions": -1},
        {"annotations": {"a": 1}},
    ],
    ids=str,
)
def test_a_wrong_lease_is_refused(change: dict[str, Any]) -> None:
    raw = LEASE | change | {"resource_version": ""}
    assert refused(put_lease(Book(), "guard", raw)) == (422, "invalid")


def test_a_stale_version_of_a_lease_that_is_not_there_is_a_conflict() -> None:
    assert refused(put_lease(Book(), "guard", LEASE | {"resource_version": "7"})) == (
        409,
        "conflict",
    )


def test_a_book_is_read_back_as_written() -> None:
    book = kept(put_lease(stored(), "guard", LEASE | {"resource_version": ""})).book
    assert book_from(book_json(book)) == book


def _at_epoch(epoch: int) -> Route:
    book = kept(create_route(Book(), route(WARD, epoch=epoch))).book
    return book.routes[WARD]


def _epoch(replica: Replica, now: float, lateness_s: float) -> int | None:
    route_ = replica.serving(WARD, now=now, lateness_s=lateness_s)
    return route_.spec.epoch if route_ else None


def test_a_replica_serves_changes_late_and_in_order() -> None:
    replica = Replica(0, [_at_epoch(1)])
    replica.accept(_at_epoch(2), at=100.0)
    replica.accept(_at_epoch(3), at=101.0)
    assert [_epoch(replica, now, 5.0) for now in (104.9, 105.0, 105.9, 106.0)] == [1, 2, 2, 3]


def test_less_lateness_also_hurries_what_is_on_its_way() -> None:
    replica = Replica(0, [])
    replica.accept(_at_epoch(1), at=100.0)
    assert _epoch(replica, 100.0, 3600.0) is None
    assert _epoch(replica, 100.0, 0.0) == 1
