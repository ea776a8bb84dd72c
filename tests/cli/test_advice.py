"""What is advised is true, can be typed as it stands, and names who was asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.processes import free_port
from orchestrator.core.event import (
    Cause,
    HoldPlaced,
    ProgrammeStopped,
    ResumeAgreed,
    RollbackIntended,
    RollbackWritten,
    StageEntered,
    StopReported,
    Trigger,
    WardAccepted,
)
from orchestrator.errors import ExitCode
from tests.cli.conftest import NOTES, PLAN, SECOND, SHADOW, WARD, Home, make_home
from tests.cli.test_changing import returned
from tests.plans import HEAD, LEAD
from wards.model import WardId

CAUSE = Cause(trigger=Trigger.PERSON, reason="operations: wrong dose")


def row_of(home: Home, ward: str = WARD) -> dict[str, str]:
    """The ward's line of the list."""
    return next(
        row for row in home.run("list", "--format", "json").json["wards"] if row["ward"] == ward
    )


def test_a_return_that_is_not_written_waits_for_the_routes(home: Home) -> None:
    home.enter(NOTES, 3)
    now = home.installation.clock.now()
    home.happen(RollbackIntended(cause=CAUSE, seen_at=now))
    assert "waits for the routes" in row_of(home)["next"]
    assert "proof" not in row_of(home)["next"]
    home.happen(RollbackWritten(epoch=5, after_s=0.1))
    assert row_of(home)["next"] == "proof of the return"


@pytest.fixture
def on_cluster(tmp_path: Path) -> Home:
    """A programme on a cluster whose API server is down, whatever its gateways do."""
    file = tmp_path / "kubeconfig"
    server = f"https://127.0.0.1:{free_port()}"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "one",
                "clusters": [{"name": "one", "cluster": {"server": server}}],
                "users": [{"name": "one", "user": {"token": "t"}}],
                "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
            }
        )
    )  # fmt: skip
    made = make_home(tmp_path / "home", kubeconfig=str(file))
    made.start()
    made.enter(SHADOW, 2)
    return made


def test_the_api_server_is_named_and_no_gateway_is_to_be_restarted(on_cluster: Home) -> None:
    for words in (("list",), ("show", WARD, "--quick"), ("rollback", WARD, "--patience", "0.1")):
        ran = on_cluster.run(*words, *(("--yes",) if words[0] == "rollback" else ()))
        assert "The Kubernetes API server does not answer" in ran.err, words
        assert "Do not restart a gateway" in ran.err, words
        assert "gateway does not answer" not in ran.err, words


def test_in_practice_the_gateways_administration_is_named(home: Home) -> None:
    ran = home.run("list")
    assert "The practice gateway's administration does not answer" in ran.err


def stopped(home: Home) -> None:
    home.happen(ProgrammeStopped(role=LEAD, reason="licence lapsed"), ward=None)


def test_a_stopped_programme_goes_on_by_what_the_list_prints(home: Home) -> None:
    stopped(home)
    found = home.run("list", "--format", "json").json
    assert found["frozen_seq"] == len(home.events())
    assert f"seq {found['frozen_seq']}" in home.run("list").out
    words = ("resume", "--programme", "--role", "programme_lead", "--reason", "renewed", "--yes")
    asked = home.run(*words)
    assert asked.code == ExitCode.USAGE
    assert "frozen_seq" not in asked.err
    assert "FROZEN" in asked.err
    stale = home.run(*words, "--expect-seq", "1")
    assert stale.code == ExitCode.UNAVAILABLE
    assert "the freeze by the programme changed meanwhile" in stale.err
    assert "ward the programme" not in stale.err
    done = home.run(*words, "--expect-seq", str(found["frozen_seq"]))
    assert done.code == ExitCode.DONE, done.err


def test_the_seq_of_a_freeze_by_a_ward_is_the_wards(home: Home) -> None:
    returned(home)
    found = home.run("list", "--format", "json").json
    assert found["frozen_seq"] == home.seq()
    home.happen(HoldPlaced(reason="later"))
    assert home.run("list", "--format", "json").json["frozen_seq"] == home.seq()


def test_a_hold_on_a_waiting_ward_stands_in_its_way(home: Home) -> None:
    gates = {row["gate"] for row in page_of(home, SECOND)["gates"]}
    assert gates == {"not_frozen", "ward_in_turn", "not_held"}
    alone = second_in_turn(home)
    assert row_of(home, alone)["next"] == "nothing stands in the way"
    home.happen(HoldPlaced(reason="short of staff"), ward=alone)
    assert f"wardshift resume {alone} --reason TEXT" in row_of(home, alone)["next"]


def second_in_turn(home: Home) -> WardId:
    """The second ward's turn has come: the first one is accepted."""
    home.happen(StageEntered(stage=NOTES, epoch=3, proven_after_s=0.1))
    home.happen(WardAccepted(stage=NOTES))
    return SECOND


def test_before_the_programme_is_started_no_gate_doubts_the_plan(tmp_path: Path) -> None:
    made = make_home(tmp_path / "new")
    gate = next(row for row in page_of(made)["gates"] if row["gate"] == "ward_in_turn")
    assert "not started" in gate["evidence"]
    assert gate["todo"] == "wardshift run"


def page_of(home: Home, ward: str = WARD) -> dict[str, Any]:
    return home.run("show", ward, "--quick", "--format", "json").json


def test_an_open_report_is_taken_in_hand_or_taken_back(home: Home) -> None:
    home.happen(StopReported(report="kcdfghjk", role=HEAD, reporter="d", words=""))
    gate = next(row for row in page_of(home)["gates"] if row["gate"] == "no_alarms")
    assert "wardshift acknowledge kcdfghjk --role ROLE" in gate["todo"]
    assert f"wardshift cancel {WARD} --report kcdfghjk --role ROLE --reason TEXT" in gate["todo"]
    assert "silence" not in gate["todo"]


def test_who_has_agreed_is_said_and_that_one_more_is_needed(home: Home) -> None:
    returned(home)
    agreed = ResumeAgreed(role=LEAD, reason="found")
    home.happen(agreed, ward=None)
    home.happen(agreed)
    gate = next(row for row in page_of(home, SECOND)["gates"] if row["gate"] == "not_frozen")
    for text in (gate["todo"], row_of(home)["next"], home.run("list").out):
        assert "programme_lead has agreed; one more of clinical_safety_officer" in text
        assert "two" not in text


def test_a_return_is_never_taken_back_and_that_is_said_at_once(home: Home) -> None:
    for report in ("kcdfghjk", "mnpqrstv"):
        home.happen(StopReported(report=report, role=HEAD, reporter=report, words=""))
    returned(home)
    ran = home.run("cancel", WARD, "--role", "ward_head", "--reason", "mistake")
    assert ran.code == ExitCode.REFUSED
    assert "never taken back" in ran.err
    assert "name one" not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("approve", WARD, "notes", "--role", "nurse"),
        ("resume", WARD, "--role", "nurse", "--reason", "x"),
        ("resume", "--programme", "--role", "nurse", "--reason", "x"),
        ("cancel", WARD, "--role", "nurse", "--reason", "x", "--report", "kcdfghjk"),
        ("hold", WARD, "--reason", "19121212-1212"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_refused_word_does_not_first_say_what_it_would_have_done(
    home: Home, words: tuple[str, ...]
) -> None:
    home.happen(StopReported(report="kcdfghjk", role=HEAD, reporter="d", words=""))
    if words[0] == "resume":
        returned(home)
    before = home.events()
    for more in (("--yes", "--expect-seq", str(home.seq())), ()):
        ran = home.run(*words, *more, typed=WARD)
        assert ran.code == ExitCode.REFUSED, ran.err
        assert len(ran.err.splitlines()) == 1, ran.err
    assert home.events() == before


def test_another_plan_is_refused_before_anything_is_announced(home: Home) -> None:
    changed = home.path / "changed.yaml"
    changed.write_text(PLAN.read_text().replace("beds: 24", "beds: 25"))
    site = home.path / "site.env"
    site.write_text(site.read_text().replace(str(PLAN), str(changed)))
    ran = home.run("run", "--yes")
    assert ran.code == ExitCode.REFUSED
    assert "Starts programme" not in ran.err


def test_a_machine_that_may_not_roll_back_is_not_told_that_it_happens(home: Home) -> None:
    home.enter(NOTES, 3)
    ran = home.run("rollback", WARD, "--yes")
    assert ran.code == ExitCode.REFUSED
    assert "nothing was switched" in ran.err
    assert "goes to legacy now" not in ran.err
