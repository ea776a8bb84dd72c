"""Alertmanager's two lanes, taken by the real one and tried with alerts."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from ruamel.yaml import YAML

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.pager import pager
from orchestrator.ports import Page
from tests.deploy.rendering import DEPLOY
from tests.real.kube_server import free_ports
from tests.real.parts import ALERTMANAGER, binary
from tests.real.servers import Asked, Reply, web_server
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
CONFIG = DEPLOY / "alertmanager" / "alertmanager.yaml"
READY_LIMIT_S = 60.0


@contextmanager
def running(folder: Path, config: Path) -> Iterator[str]:
    """An Alertmanager with that configuration, ready, ended by its own pid."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    log = folder / "alertmanager.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            (
                str(binary(ALERTMANAGER)),
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ),
            stdout=output,
            stderr=output,
        )
    try:
        assert wait_until(lambda: is_ready(url), timeout_s=READY_LIMIT_S), log.read_text()[-2000:]
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def fire(url: str, *alerts: dict[str, str]) -> None:
    """These alerts begin now."""
    at = SystemClock().now().isoformat()
    body = [{"labels": labels, "annotations": {}, "startsAt": at} for labels in alerts]
    request = Request(
        f"{url}/api/v2/alerts",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_the_real_alertmanager_takes_the_configuration(tmp_path: Path) -> None:
    with running(tmp_path, CONFIG) as url, urlopen(f"{url}/api/v2/status", timeout=10) as answer:
        original = json.load(answer)["config"]["original"]
    loaded = YAML(typ="safe").load(original)
    assert [one["name"] for one in loaded["receivers"]] == ["sentinel", "people", "pages"]


def test_the_guide_for_alerts_has_the_same_lane_and_the_same_names() -> None:
    """Whoever follows both, one after the other, has alerts that return a ward."""
    guide = (DEPLOY.parent / "docs" / "how-to" / "alerts.md").read_text()
    told = YAML(typ="safe").load(guide.split("## 3.")[1].split("```yaml\n")[1].split("```")[0])
    ours = YAML(typ="safe").load(CONFIG.read_text())
    (lane,) = [one for one in ours["route"]["routes"] if one["receiver"] == "sentinel"]
    assert told["route"]["routes"] == [lane]
    assert {one["name"] for one in told["receivers"]} <= {one["name"] for one in ours["receivers"]}
    assert f"WARDSHIFT_ALERTMANAGER_RECEIVER={lane['receiver']}\n" in guide
    site = (DEPLOY / "kubernetes" / "overlays" / "region" / "site.env").read_text()
    assert f"WARDSHIFT_ALERTMANAGER_RECEIVER={lane['receiver']}\n" in site
    rule = YAML(typ="safe").load(guide.split("## 1.")[1].split("```yaml\n")[1].split("```")[0])
    labels = rule["groups"][0]["rules"][0]["labels"]
    assert lane["matchers"] == [f'lane = "{labels["lane"]}"']


def redirected(folder: Path, sentinel: str, people: str) -> Path:
    """The same configuration with this test's addresses and files."""
    config = YAML(typ="safe").load(CONFIG.read_text())
    (folder / "token").write_text("a-token-of-this-test")
    (folder / "pager-url").write_text(f"http://{people}/page")
    by_name = {one["name"]: one["webhook_configs"][0] for one in config["receivers"]}
    assert by_name["sentinel"]["url"] == "http://sentinel.wardshift:9701/alerts"
    by_name["sentinel"]["url"] = f"http://{sentinel}/alerts"
    by_name["sentinel"]["http_config"]["authorization"]["credentials_file"] = str(folder / "token")
    for name in ("people", "pages"):
        assert by_name[name]["url_file"] == "/etc/alertmanager/wardshift/pager-url"
        by_name[name]["url_file"] = str(folder / "pager-url")
    file = folder / "alertmanager.yaml"
    file.write_text(json.dumps(config))
    return file


def test_what_returns_a_ward_waits_for_nothing_and_people_hear_of_it_too(tmp_path: Path) -> None:
    told: dict[str, list[Asked]] = {"/alerts": [], "/page": []}

    def take(asked: Asked) -> Reply:
        told[asked.path].append(asked)
        return Reply()

    def alerts(path: str) -> list[dict[str, Any]]:
        return [alert for one in told[path] for alert in json.loads(one.body)["alerts"]]

    def wards(path: str) -> set[str]:
        return {alert["labels"].get("ward", "") for alert in alerts(path)}

    with web_server(take) as target:
        config = redirected(tmp_path, target.address, target.address)
        with running(tmp_path, config) as url:
            fire(
                url,
                {"alertname": "Slow", "ward": "ava-1", "lane": "return", "severity": "page"},
                {"alertname": "Slow", "ward": "med-2", "lane": "return", "severity": "page"},
                {"alertname": "WardshiftGuardMissing", "lane": "people", "severity": "page"},
            )
            assert wait_until(lambda: wards("/alerts") == {"ava-1", "med-2"}, timeout_s=60)
            assert wait_until(lambda: wards("/page") == {"ava-1", "med-2", ""}, timeout_s=60)
        assert all(len(json.loads(one.body)["alerts"]) == 1 for one in told["/alerts"])
        assert {one.headers["authorization"] for one in told["/alerts"]} == {
            "Bearer a-token-of-this-test"
        }
        assert not [one for one in told["/page"] if "authorization" in one.headers]


def test_each_page_of_ours_goes_to_people_at_once_and_to_nobody_else(tmp_path: Path) -> None:
    """Three in a row, two of them in the same words: none waits for a group, none is left out."""
    with web_server(lambda _: Reply()) as target:
        config = redirected(tmp_path, target.address, target.address)
        with running(tmp_path, config) as url:
            on_call = pager(url, timeout_s=5.0, token_file=None)
            page = Page(ward=WardId("ava-1"), code="stop_waits", message="", next_action="")
            for one in (page, page, replace(page, code="stop_reported")):
                on_call.page(one)
            # Sooner than any interval of the file.
            assert wait_until(lambda: len(target.asked) == 3, timeout_s=20)
        told = [json.loads(one.body) for one in target.asked]
        assert {one.path for one in target.asked} == {"/page"}
        assert sorted(alert["labels"]["code"] for one in told for alert in one["alerts"]) == [
            "stop_reported", "stop_waits", "stop_waits",
        ]  # fmt: skip


def test_that_a_pages_hour_is_over_closes_nothing_at_the_pager() -> None:
    config = YAML(typ="safe").load(CONFIG.read_text())
    (pages,) = (one for one in config["receivers"] if one["name"] == "pages")
    assert pages["webhook_configs"][0]["send_resolved"] is False
