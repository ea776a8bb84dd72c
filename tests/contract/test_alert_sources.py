"""Who knows which alerts fire: one promise, on the fake and on the real systems.

And a rule in a real Prometheus, told to a real Alertmanager, that returns a ward.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.alertmanager import AlertmanagerAlerts, PrometheusAlerts
from orchestrator.adapters.clock import wait_until
from orchestrator.core.event import AlertStatus, Via
from orchestrator.core.placing import Notice, Placed, place
from orchestrator.errors import Unavailable
from orchestrator.ports import AlertSource
from tests.fakes import FakeAlertSource
from tests.plans import FIRST, plan
from tests.real.alertmanager_server import AlertmanagerServer, alertmanager_running
from tests.real.prometheus_server import PrometheusServer, prometheus_running
from tests.real.servers import Reply, refused_url, web_server
from tests.web.door import CLOCK, LABELS, Door, door_open

pytestmark = pytest.mark.real
LIMIT_S = 60.0
LANE = {"lane": "return"}
RULES = json.dumps(
    {
        "groups": [
            {
                "name": "wards",
                "rules": [
                    {
                        "alert": name,
                        "expr": expr,
                        "labels": {"ward": FIRST, "severity": "critical", **LANE},
                    }
                    for name, expr in (("NotesSlow", "vector(1)"), ("Quiet", "vector(1) > 1"))
                ],
            }
        ]
    }
)


@dataclass
class Lanes:
    """A door, and the real systems that tell it."""

    door: Door
    alertmanager: AlertmanagerServer
    prometheus: PrometheusServer


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    folders = [tmp_path_factory.mktemp(name) for name in ("door", "alertmanager", "prometheus")]
    with door_open(folders[0]) as door:
        config = _config(door, folders[1])
        with alertmanager_running(folders[1], config) as alertmanager:
            where = alertmanager.url.removeprefix("http://")
            rules = folders[2] / "rules.yaml"
            rules.write_text(RULES)
            with prometheus_running(folders[2], [], rules=[rules], alertmanager=where) as server:
                yield Lanes(door=door, alertmanager=alertmanager, prometheus=server)


def _config(door: Door, folder: Path) -> str:
    """As docs/how-to/alerts.md says."""
    token = folder / "token"
    token.write_text(door.token)
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "alerts.md").read_text()
    block = text.split("## 3.")[1].split("```yaml\n")[1].split("```")[0]
    here = block.replace("http://SENTINEL", door.url)
    return here.replace("/etc/alertmanager/wardshift-token", str(token))


def named(source: AlertSource, name: str) -> list[Notice]:
    try:
        return [one for one in source.read().notices if one.labels["alertname"] == name]
    except Unavailable:
        return []


@pytest.fixture(params=["fake", "alertmanager", "prometheus"])
def source(request: pytest.FixtureRequest) -> AlertSource:
    """A source that has NotesSlow firing, and knows of Quiet."""
    if request.param == "fake":
        fake = FakeAlertSource()
        fake.notices = [
            Notice(labels={**LABELS, **LANE}, status=AlertStatus.FIRING, started_at=CLOCK.now())
        ]
        return fake
    lanes: Lanes = request.getfixturevalue("lanes")
    if request.param == "alertmanager":
        return AlertmanagerAlerts(lanes.alertmanager.url, timeout_s=5.0, receiver="sentinel")
    return PrometheusAlerts(lanes.prometheus.url, timeout_s=5.0)


def test_what_fires_is_listed_with_its_labels_and_what_does_not_is_not(
    source: AlertSource,
) -> None:
    assert wait_until(lambda: len(named(source, "NotesSlow")) == 1, timeout_s=LIMIT_S)
    answer = source.read()
    (one,) = [one for one in answer.notices if one.labels["alertname"] == "NotesSlow"]
    assert dict(one.labels) == {**LABELS, **LANE}
    assert one.status is AlertStatus.FIRING
    assert abs(CLOCK.now() - one.started_at) < timedelta(minutes=10)
    assert not named(source, "Quiet")
    assert answer.gaps == ""


def test_a_rule_in_prometheus_reaches_alertmanager_and_the_ward_returns(lanes: Lanes) -> None:
    assert wait_until(lambda: not lanes.door.is_exposed(), timeout_s=LIMIT_S)
    (heard,) = {one.fingerprint: one for one in lanes.door.heard()}.values()
    assert heard.via is Via.WEBHOOK
    (listed,) = lanes.alertmanager.alerts()[:1]
    theirs = {one["fingerprint"] for one in lanes.alertmanager.alerts()}
    assert heard.fingerprint in theirs, listed
    found = place(plan(), named_now(lanes), Via.PROMETHEUS)
    assert isinstance(found, Placed)
    assert found.heard.fingerprint == heard.fingerprint  # by whatever way it is heard


def named_now(lanes: Lanes) -> Notice:
    source = PrometheusAlerts(lanes.prometheus.url, timeout_s=5.0)
    assert wait_until(lambda: bool(named(source, "NotesSlow")), timeout_s=LIMIT_S)
    return named(source, "NotesSlow")[0]


def test_a_silence_made_in_alertmanager_is_a_silence_here(lanes: Lanes) -> None:
    source = AlertmanagerAlerts(lanes.alertmanager.url, timeout_s=5.0)
    now = CLOCK.now()
    labels = {**LABELS, "alertname": "Hushed", "severity": "warning"}
    lanes.alertmanager.silence("Hushed", start=now, end=now + timedelta(hours=1))
    lanes.alertmanager.fire(labels, since=now, until=now + timedelta(hours=1))

    def statuses() -> list[AlertStatus]:
        return [one.status for one in named(source, "Hushed")]

    assert wait_until(lambda: statuses() == [AlertStatus.SILENCED], timeout_s=LIMIT_S)
    lanes.alertmanager.fire(labels, since=now, until=CLOCK.now())
    assert wait_until(lambda: statuses() == [], timeout_s=LIMIT_S)


def test_alerts_of_another_receiver_are_left_out(lanes: Lanes) -> None:
    now = CLOCK.now()
    lanes.alertmanager.fire({"alertname": "Disk"}, since=now, until=now + timedelta(hours=1))
    everybody = AlertmanagerAlerts(lanes.alertmanager.url, timeout_s=5.0)
    assert wait_until(lambda: bool(named(everybody, "Disk")), timeout_s=LIMIT_S)
    ours = AlertmanagerAlerts(lanes.alertmanager.url, timeout_s=5.0, receiver="sentinel")
    assert not named(ours, "Disk")
    assert named(ours, "NotesSlow") or wait_until(
        lambda: bool(named(ours, "NotesSlow")), timeout_s=LIMIT_S
    )


def test_one_that_hangs_is_unavailable_in_bounded_time(lanes: Lanes) -> None:
    source = AlertmanagerAlerts(lanes.alertmanager.url, timeout_s=0.3)
    lanes.alertmanager.pause()
    try:
        with pytest.raises(Unavailable):
            source.read()
    finally:
        lanes.alertmanager.go_on()


Kind = Callable[..., AlertSource]
KINDS = pytest.mark.parametrize("kind", [AlertmanagerAlerts, PrometheusAlerts])


@KINDS
def test_one_that_is_not_there_is_unavailable(kind: Kind) -> None:
    with pytest.raises(Unavailable):
        kind(refused_url(), timeout_s=1.0).read()


def test_the_fake_is_unavailable_as_well() -> None:
    fake = FakeAlertSource()
    fake.down = True
    with pytest.raises(Unavailable):
        fake.read()


@KINDS
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "[]"),
        (302, "[]"),
        (200, ""),
        (200, "null"),
        (200, '"text"'),
        (200, "{}"),
        (200, "[" * 100_000),
        (200, '[{"labels":{"a":1},"status":{"state":"active"},"startsAt":"2027-03-01T06:00:00Z"}]'),
        (200, '[{"labels":{},"status":{"state":"odd"},"startsAt":"2027-03-01T06:00:00Z"}]'),
        (200, '[{"labels":{},"status":{"state":"active"},"startsAt":"2027-03-01T06:00:00"}]'),
        (200, '[{"labels":{},"status":{"state":"active"},"startsAt":0}]'),
        (200, '{"status":"error","data":{"groups":[]}}'),
        (200, '{"status":"success","data":{"groups":{}}}'),
        (200, '{"status":"success","data":{"groups":[{"rules":[{"alerts":[]}]}]}}'),
    ],
)
def test_an_answer_without_sense_is_none(kind: Kind, status: int, body: str) -> None:
    with web_server(lambda _: Reply(status, body)) as server, pytest.raises(Unavailable):
        kind(server.url, timeout_s=5.0).read()


def _rules(*health: str) -> str:
    alert: dict[str, Any] = {
        "labels": LABELS, "state": "firing", "activeAt": "2027-03-01T06:00:00.123456789Z",
    }  # fmt: skip
    pending = {**alert, "state": "pending"}
    rules = [{"health": one, "alerts": [alert, pending]} for one in health]
    return json.dumps({"status": "success", "data": {"groups": [{"rules": rules}]}})


@pytest.mark.parametrize(
    ("health", "firing", "has_gaps"),
    [
        (("ok",), 1, False),
        (("ok", "unknown"), 2, True),  # it has just been started
        (("err", "ok"), 2, True),
        ((), 0, True),
    ],
)
def test_rules_that_were_not_evaluated_are_gaps(
    health: tuple[str, ...], firing: int, has_gaps: bool
) -> None:
    with web_server(lambda _: Reply(200, _rules(*health))) as server:
        answer = PrometheusAlerts(server.url, timeout_s=5.0).read()
    assert len(answer.notices) == firing
    assert bool(answer.gaps) == has_gaps
