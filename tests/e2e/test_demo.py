"""The demonstration as a user runs it, checked from what it leaves behind: with the practice
gateway's own control plane, and with routes, leases and fence on a real API server."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from orchestrator.cli.demo.evidence import candidate_answers, gateway_lines
from orchestrator.ledger import open_ledger, verify
from tests.real.kube_server import kube_parts

pytestmark = pytest.mark.real
TICK_S = 0.5
FIELDS = {
    "wards", "rollback", "requests_to_candidate_after_proof", "frozen", "ledger", "events",
    "chain_ok", "timeline_svg", "prefect_ui", "gateway_log", "wall_s",
}  # fmt: skip


@pytest.fixture(scope="module", params=[False, True], ids=["practice", "kubernetes"])
def told(request, tmp_path_factory):
    """One demonstration: its JSON, its story, its exit code."""
    home = tmp_path_factory.mktemp("demo") / "home"
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo"]
    if request.param:
        kube_parts()  # found, waited for or built
        command.append("--kubernetes")
    done = subprocess.run(
        [*command, "--format", "json", "--home", str(home)],
        capture_output=True, text=True, timeout=700, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout), done.stderr


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.timeout(900)
def test_the_story_happened_and_can_be_proven(told):
    result, story = told
    assert set(result) >= FIELDS
    assert [ward["outcome"] for ward in result["wards"]] == [
        "accepted", "rolled_back", "untouched",
    ]  # fmt: skip
    back = result["rollback"]
    assert (back["trigger"], back["actor"]) == ("breach", "sentinel")
    assert back["value"] > back["threshold"]
    times = [back[name] for name in ("breach_visible_at", "decided_at", "restored_at", "proven_at")]
    assert times == sorted(times)
    assert result["frozen"]
    assert "ROLLBACK" in story


def test_routes_are_where_they_were_asked_for(told, request):
    """Each promotion passed the fence: the sentinel granted it and the worker wrote it."""
    practice = Path(told[0]["gateway_log"]).parent
    of_its_own = (practice / "gateway.json").exists()
    of_a_cluster = (practice / "cluster" / "etcd").exists()
    is_on_kubernetes = "kubernetes" in request.node.callspec.id
    assert (of_its_own, of_a_cluster) == (not is_on_kubernetes, is_on_kubernetes)


def test_restored_within_two_ticks_of_being_visible(told):
    back = told[0]["rollback"]
    took_s = (at(back["restored_at"]) - at(back["breach_visible_at"])).total_seconds()
    assert took_s <= 2 * TICK_S


def test_the_gateways_own_log_agrees(told):
    result = told[0]
    log = Path(result["gateway_log"])
    second, third = result["wards"][1]["ward"], result["wards"][2]["ward"]
    proven = at(result["rollback"]["proven_at"])
    assert candidate_answers(log, second) > 0
    assert candidate_answers(log, second, after=proven) == 0
    assert candidate_answers(log, third) == 0
    later = [
        line
        for line in gateway_lines(log)
        if line["ward"] == second and at(line["at"]) > proven and line["client"] == "clinician"
    ]
    assert later, "clinicians must go on working after the proof"


def test_the_ledger_holds_and_the_picture_is_one(told):
    result = told[0]
    checked = verify(open_ledger(result["ledger"], timeout_s=5.0))
    assert checked.is_sound
    assert checked.events == result["events"]
    assert ET.parse(result["timeline_svg"]).getroot().tag.endswith("svg")
