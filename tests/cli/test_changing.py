"""Verbs that change something: asked for, written on what was seen, read back."""

import pytest

from orchestrator.core.event import (
    ApprovalGiven,
    ApprovalWithdrawn,
    Cause,
    HoldLifted,
    HoldPlaced,
    ProgrammeStarted,
    ResumeAgreed,
    RollbackIntended,
    RollbackProven,
    RollbackWritten,
    Trigger,
)
from orchestrator.errors import ExitCode
from tests.cli.conftest import PLAN, STARTS_AT, WARD, Home, make_home

APPROVE = ("approve", WARD, "notes", "--role", "ward_head")
HOLD = ("hold", WARD, "--reason", "staff are ill")


def yes(home: Home) -> tuple[str, ...]:
    """A machine's yes on what stands there now."""
    return ("--yes", "--expect-seq", str(home.seq()))


def returned(home: Home) -> None:
    """The first ward went back to legacy."""
    cause = Cause(trigger=Trigger.PERSON, reason="tried")
    home.happen(
        RollbackIntended(cause=cause, seen_at=STARTS_AT),
        RollbackWritten(epoch=9, after_s=0.1),
        RollbackProven(epoch=9, probes=4, after_s=0.3, still_open=0),
    )


def test_a_person_types_the_wards_name(home: Home) -> None:
    ran = home.run(*APPROVE, "--format", "json", typed=WARD)
    assert ran.code == ExitCode.DONE
    assert isinstance(home.events()[-1], ApprovalGiven)
    assert (ran.json["written"], ran.json["seq"]) == (1, len(home.events()))
    assert "24 beds" in ran.err
    assert "notes" in ran.err


@pytest.mark.parametrize("typed", ["surgery-31", "", "y"], ids=["another", "nothing", "y"])
def test_another_name_changes_nothing(home: Home, typed: str) -> None:
    before = home.events()
    ran = home.run(*APPROVE, typed=typed)
    assert (ran.code, ran.out) == (ExitCode.REFUSED, "")
    assert home.events() == before


@pytest.mark.parametrize("words", [APPROVE, HOLD], ids=["approve", "hold"])
def test_a_stale_screen_is_refused(home: Home, words) -> None:
    stale = yes(home)
    home.happen(HoldPlaced(reason="somebody was faster"))
    before = home.events()
    ran = home.run(*words, *stale)
    assert (ran.code, ran.out) == (ExitCode.UNAVAILABLE, "")
    assert "changed meanwhile" in ran.err
    assert home.events() == before


def test_saying_it_twice_writes_it_once(home: Home) -> None:
    for written in (1, 0):
        ran = home.run(*APPROVE, *yes(home), "--format", "json")
        assert (ran.code, ran.json["written"]) == (ExitCode.DONE, written)


def test_a_yes_can_be_taken_back(home: Home) -> None:
    home.run(*APPROVE, *yes(home))
    ran = home.run(*APPROVE, "--withdraw", *yes(home))
    assert ran.code == ExitCode.DONE
    assert isinstance(home.events()[-1], ApprovalWithdrawn)


def test_a_hold_is_placed_and_lifted(home: Home) -> None:
    home.run(*HOLD, *yes(home))
    assert home.events()[-1] == HoldPlaced(reason="staff are ill")
    ran = home.run("resume", WARD, "--reason", "they are back", *yes(home))
    assert ran.code == ExitCode.DONE
    assert home.events()[-1] == HoldLifted(reason="they are back")


def test_nothing_to_resume_is_refused(home: Home) -> None:
    for words in ((WARD, "--role", "programme_lead"), ("--programme", "--role", "programme_lead")):
        ran = home.run("resume", *words, "--reason", "x", *yes(home))
        assert ran.code == ExitCode.REFUSED


def test_after_a_return_two_roles_let_ward_and_programme_go_on(home: Home) -> None:
    returned(home)
    for role in ("programme_lead", "clinical_safety_officer"):
        words = ("--role", role, "--reason", "cause found")
        assert home.run("resume", WARD, *words, *yes(home)).code == ExitCode.DONE
    assert home.run("list", "--format", "json").json["wards"][0]["phase"] == "waiting"
    assert "FROZEN" in home.run("list", "--format", "json").json["frozen"]
    for role in ("programme_lead", "clinical_safety_officer"):
        words = ("--programme", "--role", role, "--reason", "cause found")
        ran = home.run("resume", *words, "--format", "json", typed="practice")
        assert ran.code == ExitCode.DONE
    assert ran.json["frozen"] is None
    assert sum(isinstance(one, ResumeAgreed) for one in home.events()) == 4


def test_one_role_twice_is_one_role(home: Home) -> None:
    returned(home)
    for _ in range(2):
        words = (WARD, "--role", "programme_lead", "--reason", "cause found")
        home.run("resume", *words, *yes(home))
    assert home.run("list", "--format", "json").json["wards"][0]["phase"] == "rolled_back"


def test_a_role_that_is_not_asked_is_refused(home: Home) -> None:
    returned(home)
    ran = home.run("resume", WARD, "--role", "ward_head", "--reason", "x", *yes(home))
    assert ran.code == ExitCode.REFUSED
    assert "programme_lead" in ran.err


def test_a_programme_is_started_by_its_name_and_only_once(tmp_path) -> None:
    made = make_home(tmp_path / "new")
    (made.path / "ledger.sqlite").unlink()  # run makes it
    ran = made.run("run", str(PLAN), typed="practice")
    assert ran.code == ExitCode.DONE
    assert "2 wards with 52 beds" in ran.err
    assert made.run("run", "--yes").code == ExitCode.DONE
    assert [type(one) for one in made.events()] == [ProgrammeStarted]


def test_another_plan_than_the_sites_is_not_started(tmp_path) -> None:
    made = make_home(tmp_path / "new")
    other = tmp_path / "other.yaml"
    text = PLAN.read_text(encoding="utf-8").replace("beds: 24", "beds: 25")
    other.write_text(text, encoding="utf-8")
    ran = made.run("run", str(other), "--yes")
    assert ran.code == ExitCode.USAGE
    assert made.events() == ()


def test_another_plan_than_the_one_started_is_refused(home: Home) -> None:
    ran = home.run("run", "--yes")
    assert ran.code == ExitCode.DONE
    changed = home.path / "changed.yaml"
    text = PLAN.read_text(encoding="utf-8").replace("beds: 24", "beds: 25")
    changed.write_text(text, encoding="utf-8")
    site = home.path / "site.env"
    site.write_text(site.read_text().replace(str(PLAN), str(changed)))
    ran = home.run("run", "--yes")
    assert ran.code == ExitCode.REFUSED
    assert "started under plan" in ran.err
