"""Prometheus and Alertmanager gone, one at a time, while a ward is exposed and then harmed.

Both are real. A signal of the ward comes from Prometheus, and the sentinel polls the two for alerts
that fire. What is gone holds up no return that does not need it, and somebody says that it is gone.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from orchestrator.adapters.processes import free_port
from orchestrator.cli.everything import Wishes
from orchestrator.core import event as ev
from orchestrator.core.event import Trigger, Via
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Code, Level
from orchestrator.settings import write_site
from tests.e2e.stage import CLOCK, WARD, Stage, from_prometheus
from tests.real.alertmanager_server import AlertmanagerServer, alertmanager_running
from tests.real.prometheus_server import PrometheusServer, prometheus_running

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]
LIMIT_S = 60.0
# Longer than all that a test waits for: no ward comes home for having been blind.
PATIENCE_S = 10 * LIMIT_S
CHANGES = (
    *from_prometheus(PATIENCE_S),
    ("max_harm_window_s: 30", f"max_harm_window_s: {2 * PATIENCE_S:g}"),
    # Alerts are dated by real clocks: the practice hospital's runs so far behind them that no
    # alert of these tests has fired before the ward was exposed.
    ("starts_on: 2027-03-01", "starts_on: 2021-03-01"),
)
SILENT_S = 2.0
NOWHERE = "127.0.0.1:1"
ALERT = {"alertname": "NotesSlow", "ward": WARD, "severity": "critical"}
RULES = {
    "groups": [
        {
            "name": "wards",
            "rules": [
                {
                    "alert": ALERT["alertname"],
                    "expr": f'count(up{{instance="{NOWHERE}"}} == 0)',
                    "labels": {"ward": ALERT["ward"], "severity": ALERT["severity"]},
                }
            ],
        }
    ]
}
# It pushes nothing: what the sentinel hears from it, it has asked for.
LISTED_ONLY = "{route: {receiver: sentinel, group_wait: 0s}, receivers: [{name: sentinel}]}"


@dataclass
class Scene:
    """An exposed ward, and what its sentinel asks. `began`: the ledger's head, `logged`: bytes of
    the sentinel's log, both when the test began."""

    stage: Stage
    prometheus: PrometheusServer
    alertmanager: AlertmanagerServer
    began: int
    logged: int

    def fire_in_prometheus(self) -> None:
        """From now on its rule has something to fire about."""
        self.prometheus.scrape([staff(self.stage), NOWHERE])

    def fire_in_alertmanager(self) -> None:
        """As a Prometheus elsewhere would tell it."""
        now = CLOCK.now()
        self.alertmanager.fire(ALERT, since=now, until=now + timedelta(hours=1))

    def await_silence(self, silent: Via, heard: Via) -> None:
        """Wait until the sentinel says of one source of alerts that it does not answer: in its
        log, and in its metrics for how long. The other one answers, and the ward stays."""
        assert self.stage.eventually(lambda: self._is_said(silent, heard), LIMIT_S), (
            silent_s(self.stage),
            self.stage.why(),
        )
        assert self.stage.exposed(), self.stage.why()

    def since(self, kind: type) -> list[Any]:
        """Happenings of that kind in this test."""
        return [
            one.draft.happening
            for one in self.stage.entries()
            if one.seq > self.began and isinstance(one.draft.happening, kind)
        ]

    def cause_of_the_return(self) -> ev.Cause:
        """Wait until the ward is home; why, by a sentinel's own record of its one return."""
        assert self.stage.home_within(LIMIT_S), self.stage.why()
        assert self.stage.eventually(lambda: self._phase() is Phase.ROLLED_BACK, LIMIT_S)
        (intended,) = self.since(ev.RollbackIntended)
        back = self.stage.state().ward(WARD).returned
        assert back is not None
        assert back.actor.startswith("sentinel:")
        assert back.cause == intended.cause
        return back.cause

    def _phase(self) -> Phase:
        return self.stage.state().ward(WARD).phase

    def _is_said(self, silent: Via, heard: Via) -> bool:
        silences_s = silent_s(self.stage)
        said = [line["source"] for line in self._logged() if line["event"] == "alerts.missed"]
        return silent in said and silences_s[silent] > SILENT_S > silences_s[heard]

    def _logged(self) -> list[dict[str, Any]]:
        with sentinel_log(self.stage).open("rb") as log:
            log.seek(self.logged)
            return [json.loads(line) for line in log if line.endswith(b"}\n")]


def staff(stage: Stage) -> str:
    return urlsplit(stage.hospital.addresses["staff_metrics_url"]).netloc


def sentinel_log(stage: Stage) -> Path:
    return stage.everything.home / "logs" / "sentinel.log"


def silent_s(stage: Stage) -> Mapping[str, float]:
    """For how long each source of alerts has been silent, as the sentinel's /metrics says."""
    url = f"http://127.0.0.1:{stage.everything.sentinel_port}/metrics"
    with urlopen(url, timeout=10) as answer:
        page = answer.read().decode()
    found = re.findall(
        r'^wardshift_alert_source_silent_seconds{source="(\w+)"} (\S+)$', page, re.MULTILINE
    )
    return {source: float(value) for source, value in found}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all tests; nobody answers yet where its site says that alerts are known."""
    folder = tmp_path_factory.mktemp("hospital")
    prometheus, alertmanager = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    site = {
        "addresses": json.dumps({"prometheus": prometheus}),
        "prometheus_alerts": prometheus,
        "alertmanager": alertmanager,
        "alertmanager_receiver": "sentinel",
    }
    write_site(folder / "home", site)
    made = Stage(folder, Wishes(practice=True, with_prefect=False), *CHANGES)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def scene(hospital: Stage, tmp_path: Path) -> Iterator[Scene]:
    site = hospital.installation.site
    alerts, rules = urlsplit(site.alertmanager), tmp_path / "rules.yaml"
    rules.write_text(json.dumps(RULES))
    prometheus_port = urlsplit(site.prometheus_alerts).port or 0
    with (
        alertmanager_running(tmp_path, LISTED_ONLY, port=alerts.port or 0) as alertmanager,
        prometheus_running(
            tmp_path,
            [staff(hospital)],
            rules=[rules],
            alertmanager=alerts.netloc,
            port=prometheus_port,
        ) as prometheus,
    ):
        expose_anew(hospital)
        yield Scene(
            stage=hospital,
            prometheus=prometheus,
            alertmanager=alertmanager,
            began=hospital.state().head,
            logged=sentinel_log(hospital).stat().st_size,
        )


def expose_anew(stage: Stage) -> None:
    """Everything is mended, people let the ward go on, and it climbs; all is seen and heard."""
    stage.hospital.clear_faults()
    if stage.level("note_text_lost") is Level.BREACH:
        # What was lost after the breach was seen, nobody has dealt with: it is counted anew.
        stage.hospital.restart("clinicians")
    if stage.state().ward(WARD).phase is Phase.ROLLED_BACK:
        for role in stage.installation.plan.policy.resume_roles:
            for ward in (WARD, None):
                stage.desk(role).agree_to_resume(ward, role, reason="synthetic: it was mended")
    stage.expose()
    assert stage.eventually(lambda: stage.level("lockups") is Level.PASS, LIMIT_S), stage.why()
    assert stage.eventually(lambda: max(silent_s(stage).values()) < SILENT_S, LIMIT_S), stage.why()


def assert_lost_text(cause: ev.Cause) -> None:
    found = (cause.trigger, cause.signal, cause.code)
    assert found == (Trigger.BREACH, "note_text_lost", Code.OCCURRED)


def assert_alert(scene: Scene, via: Via) -> None:
    cause = scene.cause_of_the_return()
    assert cause.trigger is Trigger.ALERT
    assert ALERT["alertname"] in cause.reason
    (heard,) = scene.since(ev.AlertHeard)
    found = (heard.name, heard.status, heard.via)
    assert found == (ALERT["alertname"], ev.AlertStatus.FIRING, via)


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_without_prometheus_a_breach_seen_elsewhere_returns_the_ward(
    scene: Scene, how: str
) -> None:
    if how == "killed":
        scene.prometheus.kill()
    else:
        scene.prometheus.pause()
    stage = scene.stage
    assert stage.eventually(lambda: stage.level("lockups") is Level.BLIND, LIMIT_S), stage.why()
    scene.await_silence(Via.PROMETHEUS, heard=Via.ALERTMANAGER)
    stage.break_notes()
    assert_lost_text(scene.cause_of_the_return())


def test_without_alertmanager_a_breach_returns_the_ward(scene: Scene) -> None:
    scene.alertmanager.kill()
    scene.await_silence(Via.ALERTMANAGER, heard=Via.PROMETHEUS)
    scene.stage.break_notes()
    assert_lost_text(scene.cause_of_the_return())


def test_without_alertmanager_an_alert_in_prometheus_returns_the_ward(scene: Scene) -> None:
    scene.alertmanager.kill()
    scene.await_silence(Via.ALERTMANAGER, heard=Via.PROMETHEUS)
    scene.fire_in_prometheus()
    assert_alert(scene, Via.PROMETHEUS)


def test_without_prometheus_an_alert_in_alertmanager_returns_the_ward(scene: Scene) -> None:
    scene.prometheus.kill()
    scene.await_silence(Via.PROMETHEUS, heard=Via.ALERTMANAGER)
    scene.fire_in_alertmanager()
    assert_alert(scene, Via.ALERTMANAGER)
