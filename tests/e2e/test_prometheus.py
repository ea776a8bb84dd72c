"""A ward is exposed, one of its signals comes from a real Prometheus, and that goes away."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orchestrator.cli.everything import Wishes
from orchestrator.core import event as ev
from orchestrator.core.ids import SignalName
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Level
from orchestrator.settings import write_site
from tests.e2e.stage import WARD, Stage
from tests.real.prometheus_server import PrometheusServer, prometheus_running

pytestmark = pytest.mark.real
PATIENCE_S = 6.0
HARM_S = 20.0
FROM_PROMETHEUS = (
    (
        "providers:\n",
        "providers:\n  - {name: prometheus, kind: prometheus, address: prometheus, "
        "sample_every_s: 0.25, timeout_s: 0.8}\n",
    ),
    (
        "    provider: staff\n"
        "    scrape: {metric: staff_lockup_seconds, reduce: latest, labels: {system: candidate}}\n"
        "    threshold: {at_most: 5, warn: 2, of_the_last_ticks: [2, 3]}\n"
        "    fresh_within_s: 5\n"
        "    blind_patience_s: 20\n",
        "    provider: prometheus\n"
        "    prometheus:\n"
        "      promql: sum by (ward) (staff_lockup_seconds{system='candidate'})\n"
        "    threshold: {at_most: 5, warn: 2, of_the_last_ticks: [2, 3]}\n"
        "    fresh_within_s: 2\n"
        f"    blind_patience_s: {PATIENCE_S:g}\n",
    ),
)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusServer]:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with prometheus_running(folder, []) as server:
        yield server


@pytest.fixture
def exposed(tmp_path: Path, prometheus: PrometheusServer) -> Iterator[Stage]:
    home = tmp_path / "home"
    home.mkdir()
    write_site(home, {"addresses": f'{{"prometheus": "{prometheus.url}"}}'})
    made = Stage(tmp_path, Wishes(practice=True, with_prefect=False), *FROM_PROMETHEUS)
    try:
        staff = urlsplit(made.hospital.addresses["staff_metrics_url"])
        prometheus.scrape([staff.netloc])
        made.expose()
        yield made
    finally:
        made.stop()


def level(exposed: Stage) -> Level | None:
    last = {item.verdict.signal: item.verdict.level for item in exposed.state().ward(WARD).verdicts}
    return last.get(SignalName("lockups"))


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_without_prometheus_the_ward_goes_no_further_and_returns_after_the_patience(
    exposed: Stage, prometheus: PrometheusServer, how: str
) -> None:
    if how == "killed":
        prometheus.kill()
    else:
        prometheus.pause()
    # Its last answer counts until it is no longer fresh; from then on nothing is known.
    assert exposed.eventually(lambda: level(exposed) is Level.BLIND), exposed.why()
    began = exposed.state().head
    climber = exposed.climber()

    def went_home() -> bool:
        climber.step(WARD)
        return not exposed.exposed()

    assert exposed.eventually(went_home, PATIENCE_S + HARM_S), exposed.why()
    assert exposed.eventually(lambda: exposed.state().ward(WARD).phase is Phase.ROLLED_BACK)
    since = [one.draft.happening for one in exposed.entries() if one.seq > began]
    assert not [one for one in since if isinstance(one, ev.PromotionIntended)]
    back = exposed.state().ward(WARD).returned
    assert back is not None
    assert (back.cause.trigger, back.cause.signal) == (ev.Trigger.BLIND, "lockups")
