"""A ward is exposed, one of its signals comes from a real Prometheus, and that goes away."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orchestrator.cli.everything import Wishes
from orchestrator.core import event as ev
from orchestrator.core.state import Phase
from orchestrator.core.verdict import Level
from orchestrator.settings import write_site
from tests.e2e.stage import WARD, Stage, from_prometheus
from tests.real.prometheus_server import PrometheusServer, prometheus_running

pytestmark = pytest.mark.real
PATIENCE_S = 6.0
HARM_S = 20.0


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
    made = Stage(tmp_path, Wishes(practice=True, with_prefect=False), *from_prometheus(PATIENCE_S))
    try:
        staff = urlsplit(made.hospital.addresses["staff_metrics_url"])
        prometheus.scrape([staff.netloc])
        made.expose()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_without_prometheus_the_ward_goes_no_further_and_returns_after_the_patience(
    exposed: Stage, prometheus: PrometheusServer, how: str
) -> None:
    if how == "killed":
        prometheus.kill()
    else:
        prometheus.pause()
    # Its last answer counts until it is no longer fresh; from then on nothing is known.
    assert exposed.eventually(lambda: exposed.level("lockups") is Level.BLIND), exposed.why()
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
