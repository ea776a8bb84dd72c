"""The rules and the dashboard, taken and tried by the real Prometheus and its promtool."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from orchestrator.adapters.clock import wait_until
from orchestrator.adapters.metrics import CONTENT_TYPE, SentinelMetrics
from orchestrator.core.event import Via
from orchestrator.service.sentinel import WayBack
from tests.deploy.rendering import DEPLOY
from tests.real.parts import PROMTOOL, binary
from tests.real.prometheus_server import prometheus_running
from tests.real.servers import Reply, web_server
from wards.model import WardId

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
RULES = DEPLOY / "prometheus" / "rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
HANDBOOK = DEPLOY.parent / "docs" / "how-to" / "deploy.md"
NAME = re.compile(r"wardshift_[a-z_]+")
STEPS = "x90"  # fifteen minutes, a sample every ten seconds
Series = Mapping[str, str]


def rules() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    groups = YAML(typ="safe").load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def metrics() -> SentinelMetrics:
    return SentinelMetrics(version="0.1.0", plan_hash="abc", lease_s=30.0)


def way(*, fence: bool | None = True) -> WayBack:
    return WayBack(
        fence=fence, guard=True, sentinel=True, behind_s=0.0, unwritten=0, routes_read=True
    )


def exposed() -> dict[str, set[str]]:
    """Every sample that a sentinel shows, with its labels; a ward is being watched."""
    shown = metrics()
    shown.active(is_active=True)
    shown.way_back(way())
    shown.lease(WardId("ava-1"), 1.0)
    shown.legacy(WardId("ava-1"), is_ready=True)
    shown.silences({Via.PROMETHEUS: 1.0})
    shown.answered(200)
    shown.reports([(WardId("ava-1"), 1.0)])
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(shown.page().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def asked() -> dict[str, str]:
    """Every expression of the rules and of the dashboard, by where it stands."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {name: rule["expr"] for name, rule in rules().items()} | {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel["targets"]
    }


@pytest.mark.parametrize("where", asked())
def test_what_is_asked_for_is_what_a_sentinel_shows(where: str) -> None:
    names = set(NAME.findall(asked()[where]))
    assert names
    assert names <= exposed().keys()


def test_labels_that_are_compared_are_labels_that_are_shown() -> None:
    shown = exposed()
    for where, expression in asked().items():
        for name, label in re.findall(r"(wardshift_[a-z_]+)\{([a-z_]+)=", expression):
            assert label in shown[name], where


def test_everything_that_a_sentinel_shows_of_the_way_back_is_looked_at() -> None:
    looked_at = {name for one in asked().values() for name in NAME.findall(one)}
    kept = {name for name in exposed() if not name.endswith(("_sum", "_count", "_created"))}
    assert kept - looked_at == set()


def test_every_alert_says_what_to_do_and_stands_in_the_handbook() -> None:
    handbook = HANDBOOK.read_text()
    for name, rule in rules().items():
        assert rule["annotations"].keys() == {"summary", "action"}, name
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["labels"]["lane"] == "people", name
        assert f"| `{name}` |" in handbook
    assert set(re.findall(r"^\| `(Wardshift\w+)` \|", handbook, re.MULTILINE)) == rules().keys()


WELL: Series = {
    'wardshift_active{instance="a"}': "1",
    'wardshift_active{instance="b"}': "0",
    'wardshift_ticks_total{instance="a"}': "0+10",
    'wardshift_ticks_total{instance="b"}': "0",
    'wardshift_alive{instance="a",process="guard"}': "1",
    'wardshift_alive{instance="b",process="guard"}': "0",
    'wardshift_fence{instance="a",state="stands"}': "1",
    'wardshift_fence{instance="a",state="open"}': "0",
    'wardshift_fence{instance="a",state="unknown"}': "0",
    'wardshift_fence{instance="b",state="stands"}': "0",
    'wardshift_routes_read{instance="a"}': "1",
    'wardshift_routes_read{instance="b"}': "0",
    'wardshift_legacy_ready{instance="a",ward="ava-1"}': "1",
    'wardshift_lease_age_seconds{instance="a",ward="ava-1"}': "7",
    'wardshift_lease_limit_seconds{instance="a"}': "30",
    'wardshift_lease_limit_seconds{instance="b"}': "30",
    'wardshift_blind_signals{instance="a"}': "0",
    'wardshift_probes_total{instance="a"}': "0+12",
    'wardshift_probe_failures_total{instance="a"}': "0",
    'wardshift_ledger_behind_seconds{instance="a"}': "1",
    'wardshift_ledger_pending{instance="a"}': "0",
    'wardshift_journal_unwritten{instance="a"}': "0",
    'wardshift_alert_source_silent_seconds{instance="a",source="prometheus"}': "2",
    'wardshift_alert_source_silent_seconds{instance="b",source="prometheus"}': "0+10",
    'wardshift_report_waiting_seconds{instance="b",ward="ava-1"}': "119",
    'wardshift_alerts_unplaced_total{instance="a"}': "0",
    'wardshift_rollbacks_total{instance="a",trigger="breach"}': "0",
    'wardshift_returns_pending_total{instance="a"}': "0",
    'wardshift_returns_blocked_total{instance="a"}': "0",
    'wardshift_return_seconds_bucket{instance="a",le="10.0"}': "0",
    'wardshift_return_seconds_bucket{instance="a",le="20.0"}': "0",
    'wardshift_return_seconds_bucket{instance="a",le="+Inf"}': "0",
}
A = '{instance="a"}'
GONE = ""  # the series is not there
JUST_NOW = "0x84 1x6"  # one more in the last minute
TOLD: Mapping[str, tuple[Series, set[str]]] = {
    "all is well": ({}, set()),
    "nothing runs": (dict.fromkeys(WELL, GONE), {"SentinelMissing", "StandbyMissing"}),
    "nobody leads": ({f"wardshift_active{A}": "0"}, {"SentinelMissing"}),
    "two lead": (
        {
            'wardshift_active{instance="b"}': "1",
            'wardshift_ticks_total{instance="b"}': "0+10",
            'wardshift_routes_read{instance="b"}': "1",
            'wardshift_alive{instance="b",process="guard"}': "1",
            'wardshift_fence{instance="b",state="stands"}': "1",
        },
        {"SentinelsTwo", "StandbyMissing"},
    ),
    "nobody stands by": ({'wardshift_active{instance="b"}': GONE}, {"StandbyMissing"}),
    "the leader hangs": ({f"wardshift_ticks_total{A}": "50"}, {"TicksStopped"}),
    "no guard": ({'wardshift_alive{instance="a",process="guard"}': "0"}, {"GuardMissing"}),
    "signals without sight": ({f"wardshift_blind_signals{A}": "3"}, {"Blind"}),
    "the fence is open": (
        {
            'wardshift_fence{instance="a",state="stands"}': "0",
            'wardshift_fence{instance="a",state="open"}': "1",
        },
        {"FenceOpen", "FenceUnproven"},
    ),
    "the fence was not tried": (
        {
            'wardshift_fence{instance="a",state="stands"}': "0",
            'wardshift_fence{instance="a",state="unknown"}': "1",
        },
        {"FenceUnproven"},
    ),
    "no routes": ({f"wardshift_routes_read{A}": "0"}, {"RoutesUnread"}),
    "legacy is sick": (
        {'wardshift_legacy_ready{instance="a",ward="ava-1"}': "0"},
        {"LegacyNotReady"},
    ),
    "legacy is sick and nothing is exposed": (
        {
            'wardshift_legacy_ready{instance="a",ward="ava-1"}': "0",
            'wardshift_lease_age_seconds{instance="a",ward="ava-1"}': GONE,
        },
        set(),
    ),
    "a gateway fails": ({f"wardshift_probe_failures_total{A}": "0+6"}, {"ProbesFailing"}),
    "one switch on its way": ({f"wardshift_probe_failures_total{A}": "0x84 1x6"}, set()),
    "nobody probes": ({f"wardshift_probes_total{A}": "0"}, set()),
    "an old lease": (
        {'wardshift_lease_age_seconds{instance="a",ward="ava-1"}': "16"},
        {"LeaseOld"},
    ),
    "the ledger is behind": (
        {f"wardshift_ledger_behind_seconds{A}": "45", f"wardshift_ledger_pending{A}": "3"},
        {"LedgerBehind", "JournalPending"},
    ),
    "something waits now and then": ({f"wardshift_ledger_pending{A}": "3x80 0 3x9"}, set()),
    "no disk": ({f"wardshift_journal_unwritten{A}": "2"}, {"JournalUnwritten"}),
    "no list of alerts answers": (
        {'wardshift_alert_source_silent_seconds{instance="a",source="prometheus"}': "61"},
        {"AlertsUnheard"},
    ),
    "a report that only the one that stands by has heard of": (
        {'wardshift_report_waiting_seconds{instance="b",ward="ava-1"}': "121"},
        {"ReportUnanswered"},
    ),
    "an alert names no ward": (
        {f"wardshift_alerts_unplaced_total{A}": JUST_NOW},
        {"AlertUnplaced"},
    ),
    "a ward goes back": (
        {'wardshift_rollbacks_total{instance="a",trigger="breach"}': JUST_NOW},
        {"Returned"},
    ),
    "a proof is late": (
        {f"wardshift_returns_pending_total{A}": JUST_NOW},
        {"ReturnUnproven"},
    ),
    "legacy is sick when it is needed": (
        {f"wardshift_returns_blocked_total{A}": JUST_NOW},
        {"ReturnBlocked"},
    ),
    "a slow return": (
        {
            'wardshift_return_seconds_bucket{instance="a",le="20.0"}': JUST_NOW,
            'wardshift_return_seconds_bucket{instance="a",le="+Inf"}': JUST_NOW,
        },
        {"ReturnSlow"},
    ),
}


def tried(name: str) -> dict[str, Any]:
    """One case as promtool reads it: what fires after a quarter of an hour, and nothing else."""
    changed, expected = TOLD[name]
    assert changed.keys() <= WELL.keys()
    series = {**WELL, **changed}
    return {
        "name": name,
        "interval": "10s",
        "input_series": [
            {"series": one, "values": values if " " in values else f"{values}{STEPS}"}
            for one, values in series.items()
            if values != GONE
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "15m",
                "exp_samples": [
                    {"labels": f'{{alertname="Wardshift{alert}"}}', "value": 1}
                    for alert in sorted(expected)
                ],
            }
        ],
    }


def test_each_alert_fires_when_it_must_and_no_other_with_it(tmp_path: Path) -> None:
    assert {f"Wardshift{one}" for _, alerts in TOLD.values() for one in alerts} == rules().keys()
    cases = {"rule_files": [str(RULES)], "evaluation_interval": "10s"}
    file = tmp_path / "cases.yaml"
    file.write_text(json.dumps({**cases, "tests": [tried(name) for name in TOLD]}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cases_would_notice_a_rule_that_never_fires(tmp_path: Path) -> None:
    broken = tmp_path / "rules.yaml"
    broken.write_text(RULES.read_text().replace("wardshift_journal_unwritten > 0", "vector(0) > 1"))
    case = tried("no disk")
    file = tmp_path / "cases.yaml"
    file.write_text(
        json.dumps({"rule_files": [str(broken)], "evaluation_interval": "10s", "tests": [case]})
    )
    assert promtool("test", "rules", str(file)).returncode != 0


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = (str(binary(PROMTOOL)), *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_real_prometheus_loads_every_rule_and_fires_on_what_a_sentinel_shows(
    tmp_path: Path,
) -> None:
    shown = metrics()
    shown.active(is_active=True)
    shown.way_back(way(fence=False))
    reply = Reply(body=shown.page().decode(), headers={"content-type": CONTENT_TYPE})
    with (
        web_server(lambda _: reply) as sentinel,
        prometheus_running(tmp_path, [sentinel.address], rules=[RULES]) as prometheus,
    ):
        with urlopen(f"{prometheus.url}/api/v1/rules", timeout=10) as answer:
            groups = json.load(answer)["data"]["groups"]
        loaded = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert loaded.keys() == rules().keys()
        fires = 'ALERTS{alertname="WardshiftFenceOpen", alertstate="firing", lane="people"}'
        assert wait_until(lambda: bool(prometheus.query(fires)), timeout_s=60, every_s=0.25)
        with urlopen(f"{prometheus.url}/api/v1/rules", timeout=10) as answer:
            groups = json.load(answer)["data"]["groups"]
        assert all(
            rule["health"] in ("ok", "unknown") for group in groups for rule in group["rules"]
        )


def test_every_expression_of_the_dashboard_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    groups = [
        {
            "name": "dashboard",
            "rules": [
                {"record": f"panel:{number}", "expr": expression}
                for number, expression in enumerate(asked().values())
            ],
        }
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": groups}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
