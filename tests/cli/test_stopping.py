"""Stopping the line at a terminal: recorded first, judged as the sentinel would, and proven."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from orchestrator.cli import stopping
from orchestrator.cli.back import begin
from orchestrator.cli.output import Format
from orchestrator.core.event import (
    Draft,
    ProgrammeStopped,
    ReturnCancelled,
    RollbackIntended,
    RollbackProven,
    StopAcknowledged,
    StopReported,
    Trigger,
)
from orchestrator.core.route import is_exposed
from orchestrator.errors import ExitCode, Unavailable
from orchestrator.ledger import FileJournal
from tests.cli.conftest import SECOND, WARD, Home, expose
from wards.practice.hospital import Hospital

pytestmark = pytest.mark.real
STOP = ("stop", WARD, "--role", "nurse")
BOTH = ("stop", "--programme", "--role", "clinical_safety_officer", "--reason", "wrong doses")


def is_on_candidate(home: Home, ward=WARD) -> bool:
    return is_exposed(home.installation.routes.get(ward).route)


def kinds(home: Home, kind: type) -> list:
    return [one for one in home.events() if isinstance(one, kind)]


def leave_no_disk(home: Home) -> None:
    """No journal can be written: a file stands where their folder should be."""
    (home.path / "journal").write_text("synthetic")


@contextmanager
def legacy_sick(hospital: Hospital) -> Iterator[None]:
    """Legacy answers nobody meanwhile."""
    hospital.outage("legacy")
    try:
        yield
    finally:
        hospital.restart("legacy")


def paged(home: Home) -> list[str]:
    lines = (home.path / "pages.jsonl").read_text().splitlines()
    return [json.loads(line)["code"] for line in lines]


def test_one_stop_freezes_and_a_second_person_returns_the_ward(exposed: Home) -> None:
    first = exposed.run(*STOP, "--staff-code", "a1", "--words", "text", "--format", "json")
    assert (first.code, first.json["became"], first.json["frozen"]) == (0, "frozen", True)
    assert is_on_candidate(exposed)
    again = exposed.run(*STOP, "--staff-code", "a1", "--format", "json")
    assert again.json["became"] == "frozen"
    second = exposed.run(*STOP, "--staff-code", "b2", "--format", "json")
    assert second.code == 0, second.err
    assert second.json["became"] == "returned"
    assert not is_on_candidate(exposed)
    assert len(kinds(exposed, RollbackIntended)) == 1
    assert paged(exposed) == ["stop_reported"] * 3
    last = (exposed.path / "pages.jsonl").read_text().splitlines()[-1]
    assert "returns to legacy" in json.loads(last)["message"]
    taken = exposed.run("acknowledge", WARD, "--role", "operations", "--format", "json")
    assert [one["acknowledged_by"] for one in taken.json] == ["operations"] * 3
    nothing_left = exposed.run("acknowledge", WARD, "--role", "operations")
    assert (nothing_left.code, "waits" in nothing_left.err) == (ExitCode.REFUSED, True)


def test_a_stop_needs_no_ledger_and_a_role_of_the_plan(exposed: Home) -> None:
    refused = exposed.run("stop", WARD, "--role", "janitor")
    assert refused.code == ExitCode.REFUSED
    assert "nurse" in refused.err
    ledger = exposed.path / "ledger.sqlite"
    away = ledger.rename(exposed.path / "away")
    ledger.mkdir()
    ran = exposed.run("stop", WARD, "--role", "ward_head", "--format", "json")
    assert (ran.code, ran.json["became"]) == (0, "returned"), ran.err
    assert not is_on_candidate(exposed)
    ledger.rmdir()
    away.rename(ledger)
    exposed.run("acknowledge", ran.json["report"], "--role", "operations")
    assert len(kinds(exposed, StopReported)) == 1
    assert len(kinds(exposed, RollbackProven)) == 1


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_stop_that_no_disk_takes_returns_the_ward_and_is_not_called_recorded(
    exposed: Home, form: str
) -> None:
    leave_no_disk(exposed)
    ran = exposed.run("stop", WARD, "--role", "ward_head", "--format", form)
    assert not is_on_candidate(exposed)
    assert ran.code == ExitCode.UNAVAILABLE, ran.err
    assert "is recorded" not in ran.out + ran.err
    said = ran.err if form == "table" else ran.json["problem"]
    assert "back on legacy" in said
    assert f"wardshift stop {WARD} --role ward_head" in said
    assert form == "table" or ran.json["received"] is False
    assert kinds(exposed, StopReported) == []


def test_sick_legacy_is_not_switched_to_and_the_report_stands(
    exposed: Home, hospital: Hospital
) -> None:
    with legacy_sick(hospital):
        ran = exposed.run("stop", WARD, "--role", "ward_head")
    assert ran.code == ExitCode.REFUSED
    assert "Downtime procedure" in ran.err
    assert is_on_candidate(exposed)
    assert len(kinds(exposed, StopReported)) == 1


def test_sick_legacy_and_a_full_disk_leave_nobody_to_believe_that_the_report_stands(
    exposed: Home, hospital: Hospital
) -> None:
    leave_no_disk(exposed)
    with legacy_sick(hospital):
        ran = exposed.run("stop", WARD, "--role", "ward_head")
    assert ran.code == ExitCode.REFUSED
    assert "Downtime procedure" in ran.err
    assert "No disk takes this report" in ran.err
    assert "is recorded" not in ran.err


def test_taking_in_hand_and_taking_back(exposed: Home) -> None:
    report = exposed.run(*STOP, "--format", "json").json["report"]
    taken = exposed.run(
        "acknowledge", f"{report[:4]}-{report[4:]}", "--role", "operations", "--format", "json"
    )
    assert (taken.code, taken.json["acknowledged_by"]) == (0, "operations")
    assert kinds(exposed, StopAcknowledged) == [StopAcknowledged(report=report, role="operations")]
    assert exposed.run("acknowledge", "zzzz", "--role", "operations").code == ExitCode.REFUSED
    words = ("cancel", WARD, "--reason", "an exercise")
    refused = exposed.run(*words, "--role", "nurse", typed=WARD)
    assert refused.code == ExitCode.REFUSED
    assert "ward_head" in refused.err
    stale = ("--yes", "--expect-seq", str(exposed.seq()))
    exposed.run(*STOP)
    several = exposed.run(*words, "--role", "ward_head", typed=WARD)
    assert several.code == ExitCode.USAGE
    assert report in several.err
    mine = (*words, "--role", "ward_head", "--report", report)
    assert exposed.run(*mine, *stale).code == ExitCode.UNAVAILABLE
    assert exposed.run(*mine, typed=WARD).code == 0
    assert [one.subject for one in kinds(exposed, ReturnCancelled)] == [report]
    assert "FROZEN" in exposed.run("list", "--format", "json").json["frozen"]


def test_a_stopped_programme_brings_every_ward_home_by_its_own_hands(exposed: Home) -> None:
    expose(exposed, SECOND)
    assert exposed.run(*BOTH).code == ExitCode.USAGE  # nobody can type here
    assert exposed.run(*BOTH, typed=WARD).code == ExitCode.REFUSED
    assert kinds(exposed, ProgrammeStopped) == []
    ran = exposed.run(*BOTH, "--format", "json", typed="practice")
    assert ran.code == 0, ran.err
    assert {row["ward"]: row["outcome"] for row in ran.json["wards"]} == {
        WARD: "proven",
        SECOND: "proven",
    }
    assert not is_on_candidate(exposed)
    assert not is_on_candidate(exposed, SECOND)
    assert {one.cause.trigger for one in kinds(exposed, RollbackIntended)} == {Trigger.PROGRAMME}
    assert len(kinds(exposed, RollbackProven)) == 2
    for role in ("programme_lead", "clinical_safety_officer"):
        assert "FROZEN" in exposed.run("list", "--format", "json").json["frozen"]
        words = ("resume", "--programme", "--role", role, "--reason", "cause found")
        assert exposed.run(*words, typed="practice").code == 0
    assert exposed.run("list", "--format", "json").json["frozen"] is None


def test_a_stopped_programme_needs_no_ledger_and_no_plan(exposed: Home) -> None:
    (exposed.path / "ledger.sqlite").unlink()
    (exposed.path / "ledger.sqlite").mkdir()
    site = exposed.path / "site.env"
    site.write_text(site.read_text().replace("plan.yaml", "gone.yaml"))
    ran = exposed.run(*BOTH, "--yes", "--format", "json")
    assert ran.code == 0, ran.err
    assert not is_on_candidate(exposed)


def test_a_stopped_programme_that_no_disk_takes_is_not_called_frozen(exposed: Home) -> None:
    leave_no_disk(exposed)
    ran = exposed.run(*BOTH, "--yes")
    assert not is_on_candidate(exposed)
    assert ran.code == ExitCode.UNAVAILABLE, ran.err
    assert "frozen" not in ran.out
    assert "wardshift stop --programme" in ran.err
    assert exposed.run(*BOTH, "--yes", "--format", "json").json["stopped"] is False


def test_a_stopped_programme_is_frozen_although_the_disk_took_nothing_after_the_word(
    exposed: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first ward's return is written by the same pen as the word; of no ward is it lost
    without a sentence."""
    expose(exposed, SECOND)
    write = FileJournal.write

    def then_full(journal: FileJournal, draft: Draft) -> None:
        if not isinstance(draft.happening, ProgrammeStopped):
            raise Unavailable("journal", "no space left")
        write(journal, draft)

    monkeypatch.setattr(FileJournal, "write", then_full)
    code = stopping.stop(
        role="clinical_safety_officer",
        reason="wrong doses",
        programme=True,
        home=exposed.path,
        yes=True,
        format=Format.JSON,
    )
    said = capsys.readouterr()
    assert not is_on_candidate(exposed)
    assert len(kinds(exposed, ProgrammeStopped)) == 1
    assert kinds(exposed, RollbackIntended) == []
    assert "6 happenings could not even be journalled" in said.err
    assert (code, json.loads(said.out)["stopped"]) == (ExitCode.DONE, True)


@pytest.mark.parametrize(
    "words",
    [("stop", "--role", "nurse"), (*STOP, "--programme"), BOTH[:4], ("stop", "nowhere", *STOP[2:])],
    ids=["neither", "both", "no reason", "no ward"],
)
def test_what_is_no_stop_is_said(home: Home, words) -> None:
    ran = home.run(*words)
    assert ran.code in (ExitCode.USAGE, ExitCode.REFUSED)
    assert kinds(home, StopReported) == []


def test_a_code_is_shown_once_and_kept_as_a_hash(make_ready: Callable[..., Home]) -> None:
    made = make_ready()
    ran = made.run("stop-code", "nurse")
    code = ran.out.strip()
    assert (ran.code, len(code)) == (0, 9)
    assert code.replace("-", "") not in (made.path / "stop-codes.json").read_text()
    assert made.run("stop-code", "janitor").code == ExitCode.REFUSED


def test_a_ward_that_is_missing_among_all_routes_is_asked_for_by_its_name(exposed: Home) -> None:
    one = begin(WARD, exposed.path, "nurse")
    assert stopping._is_exposed(one, {})
    assert not stopping._is_exposed(begin(SECOND, exposed.path, "nurse"), {})
