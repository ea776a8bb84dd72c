"""Two fault drills on real processes: what stands in the report was measured there."""

import json

import pytest

from orchestrator.errors import ExitCode
from tests.cli.running import wardshift
from tests.e2e.stage import WARD

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]


def test_candidate_dead_and_database_gone_the_ward_comes_home_in_time(tmp_path):
    out = tmp_path / "drills"
    ran = wardshift(
        "practice", "drill", "--faults", "candidate,database", "--out", str(out),
        "--lang", "en", "--format", "json", home=tmp_path,
    )  # fmt: skip
    assert ran.code == ExitCode.DONE, ran.err + ran.out
    rows = {row["fault"]: row for row in ran.json["faults"]}
    assert list(rows) == ["candidate", "database"]
    for row in rows.values():
        assert row["ward"] == WARD
        assert 0 < row["restored_s"] <= row["proven_s"] <= row["limit_s"]
        assert row["told"]["actor"].partition(":")[0] in {"sentinel", "guard"}
        assert row["is_recorded"]
    assert "note_text_lost" in rows["database"]["told"]["trigger"]
    assert json.loads((out / "fault-drills.json").read_text()) == ran.json
    page = (out / "fault-drills.html").read_text()
    assert page.count("Home in time") == 2
    assert "Breaking: database" in ran.err
    for fault in rows:
        logs = (out / fault / "logs").glob("sentinel.log")
        assert list(logs), "each fault has an installation of its own"
