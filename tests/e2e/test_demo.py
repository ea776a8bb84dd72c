"""The demonstration as a user runs it, checked from what it leaves behind: with the practice
gateway's own control plane, and with routes, leases and fence on a real API server."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.cli.demo.evidence import candidate_answers, gateway_lines
from orchestrator.ledger import open_ledger, verify
from tests.cli.running import wardshift
from tests.e2e.stage import alive, family
from tests.e2e.ticks import EACH_TICK, TICKS_TO_DECIDE, ticks_between
from tests.real.kube_server import kube_parts

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
LIMIT_S = 700.0
LAST_WORDS = "Ctrl-C ends everything."
FIELDS = {
    "wards", "rollback", "requests_to_candidate_after_proof", "frozen", "ledger", "events",
    "chain_ok", "timeline_svg", "prefect_ui", "gateway_log", "wall_s",
}  # fmt: skip


@contextmanager
def kept(command: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    """A demonstration that runs on after it has told its story, until Ctrl-C."""
    out, err = folder / "out.json", folder / "err.txt"
    with out.open("wb") as result, err.open("wb") as story:
        process = subprocess.Popen(
            [*command, "--keep"], stdout=result, stderr=story, env={**os.environ, **EACH_TICK}
        )
    try:
        ended = wait_until(
            lambda: LAST_WORDS in err.read_text("utf-8") or process.poll() is not None,
            timeout_s=LIMIT_S,
        )
        assert ended
        assert process.poll() is None, err.read_text("utf-8")[-4000:]
        yield json.loads(out.read_text("utf-8"))  # one object, whole, while all goes on
        ours = family(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert not [pid for pid in ours if alive(pid)]
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=[False, True], ids=["practice", "kubernetes"])
def told(request, tmp_path_factory):
    """One demonstration, kept up: its JSON, its story."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--format", "json"]
    if request.param:
        kube_parts()  # found, waited for or built
        command.append("--kubernetes")
    with kept([*command, "--home", str(folder / "home")], folder) as result:
        yield result, (folder / "err.txt").read_text("utf-8")


def test_it_is_left_up_to_be_explored(told):
    """Clinicians go on, the board and Prefect answer, a person may look and verify."""
    result, story = told
    pages = [page for page in re.findall(r"http://127\.0\.0\.1:\d+\S*", story)
             if not page.endswith(("/alerts", "/stop"))]  # fmt: skip
    assert result["prefect_ui"] in pages
    for page in pages:
        answer = httpx2.get(page, timeout=20.0, trust_env=False, follow_redirects=True)
        assert answer.status_code == 200, page
    log = Path(result["gateway_log"])
    before = log.stat().st_size
    assert wait_until(lambda: log.stat().st_size > before, timeout_s=30)
    ran = wardshift("verify", "--format", "json", home=log.parent.parent)
    assert (ran.code, ran.json["ok"]) == (0, True)


def test_the_page_about_the_json_names_every_field_and_no_other(told):
    page = (Path(__file__).parents[2] / "docs" / "reference" / "demo.md").read_text("utf-8")
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    result = told[0]
    assert named == set(result) | set(result["rollback"])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
    result = told[0]
    visible, decided = (at(result["rollback"][it]) for it in ("breach_visible_at", "decided_at"))
    home = Path(result["gateway_log"]).parent.parent
    assert ticks_between(home, visible, decided) <= TICKS_TO_DECIDE
    assert "rollback.delayed" not in (home / "logs" / "sentinel.log").read_text("utf-8")


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
