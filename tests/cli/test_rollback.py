"""A person's way back, against a real gateway and real EHRs, with one thing after another gone."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.event import (
    RollbackBlocked,
    RollbackIntended,
    RollbackPending,
    RollbackProven,
    RollbackWritten,
    VerdictChanged,
)
from orchestrator.core.ids import SignalName
from orchestrator.core.route import exposed_slices
from orchestrator.core.verdict import Code, Level
from orchestrator.errors import ExitCode, Refused
from orchestrator.ledger import pending_in
from orchestrator.ledger.lines import encode
from tests.cli.conftest import WARD, Home
from wards.practice.hospital import Hospital

BACK = ("rollback", WARD, "--reason", "wrong dose on screen", "--role", "ward_head")
TOLD = (RollbackIntended, RollbackWritten, RollbackProven)

pytestmark = pytest.mark.real


def is_home(home: Home) -> bool:
    """Whether the route itself has every slice on legacy."""
    return not exposed_slices(home.installation.routes.get(WARD).route)


def test_it_is_proven_recorded_and_said(exposed: Home) -> None:
    ran = exposed.run(*BACK, "--format", "json", typed=WARD)
    assert ran.code == ExitCode.DONE
    assert ran.json["outcome"] == "proven"
    assert ran.json["written_after_s"] <= ran.json["proven_after_s"]
    assert ran.json["still_open"] == 0
    assert is_home(exposed)
    assert tuple(type(one) for one in exposed.events()[-3:]) == TOLD
    assert "24 beds" in ran.err
    intended = exposed.events()[-3]
    assert isinstance(intended, RollbackIntended)
    assert intended.cause.reason == "ward_head: wrong dose on screen"


def test_words_that_no_file_can_hold_are_made_plain_and_hold_nothing_up(exposed: Home) -> None:
    words = os.fsdecode("fel dos på 19121212-1212\nnu".encode("latin-1"))
    ran = exposed.run("rollback", WARD, "--role", "ward_head", "--reason", words, "--yes")
    assert ran.code == ExitCode.DONE, ran.err
    assert is_home(exposed)
    (intended,) = (one for one in exposed.events() if isinstance(one, RollbackIntended))
    assert intended.cause.reason == "ward_head: fel dos p? [identity removed] nu"


def test_another_name_than_the_wards_changes_nothing(exposed: Home) -> None:
    ran = exposed.run(*BACK, typed="surgery-31")
    assert ran.code == ExitCode.REFUSED
    assert not is_home(exposed)


def test_a_ward_that_is_back_is_left_alone_and_the_word_is_kept(exposed: Home) -> None:
    exposed.run(*BACK, "--yes")
    epoch = exposed.installation.routes.get(WARD).route.epoch
    ran = exposed.run(*BACK, "--yes", "--format", "json")
    assert (ran.code, ran.json["outcome"]) == (ExitCode.DONE, "repeated")
    assert exposed.installation.routes.get(WARD).route.epoch == epoch


def _no_ledger(home: Home) -> None:
    (home.path / "ledger.sqlite").unlink()
    (home.path / "ledger.sqlite").mkdir()


def _damaged_ledger(home: Home) -> None:
    (home.path / "ledger.sqlite").write_bytes(b"this is no database" * 1000)


def _empty_ledger(home: Home) -> None:
    (home.path / "ledger.sqlite").write_bytes(b"")


def _broken_plan(home: Home) -> None:
    broken = home.path / "broken.yaml"
    broken.write_text("programme: [", encoding="utf-8")
    _point(home, "WARDSHIFT_PLAN", str(broken))


def _no_addresses(home: Home) -> None:
    _point(home, "WARDSHIFT_ADDRESSES", "{}")


def _no_prefect(home: Home) -> None:
    _point(home, "WARDSHIFT_PREFECT_API", "http://127.0.0.1:1/api")


def _point(home: Home, name: str, value: str) -> None:
    site = home.path / "site.env"
    lines = [one for one in site.read_text().splitlines() if not one.startswith(name)]
    site.write_text("\n".join([*lines, f"{name}={value}\n"]))


def _copy_that_hangs(home: Home) -> None:
    _no_ledger(home)
    (home.path / "replica").mkdir(exist_ok=True)
    os.mkfifo(home.path / "replica" / "aaa.jsonl")


def _journal_of_another_version(home: Home) -> None:
    (home.path / "journal").mkdir(exist_ok=True)
    line = {"kind": "rollback_paused", "id": "1", "at": "soon"}
    (home.path / "journal" / "aaa.jsonl").write_bytes(encode(line))


def _copy_without_numbers(home: Home) -> None:
    _no_ledger(home)
    (home.path / "replica").mkdir(exist_ok=True)
    (home.path / "replica" / "aaa.jsonl").write_bytes(encode({"kind": "ward_started"}))


GONE = {
    "ledger, and the copy hangs": _copy_that_hangs,
    "a journal it understands": _journal_of_another_version,
    "ledger, and the copy is of something else": _copy_without_numbers,
    "ledger": _no_ledger,
    "ledger damaged": _damaged_ledger,
    "ledger empty": _empty_ledger,
    "plan": _broken_plan,
    "addresses of legacy": _no_addresses,
    "prefect": _no_prefect,
}


@pytest.mark.parametrize("lose", GONE.values(), ids=GONE.keys())
def test_it_works_without(exposed: Home, lose: Callable[[Home], None]) -> None:
    lose(exposed)
    ran = exposed.run(*BACK, "--yes", "--format", "json")
    assert (ran.code, ran.json["outcome"]) == (ExitCode.DONE, "proven"), ran.err
    assert is_home(exposed)


def test_without_a_ledger_the_journal_keeps_it_for_later(exposed: Home) -> None:
    _no_ledger(exposed)
    ran = exposed.run(*BACK, "--yes")
    assert "the ledger gets it later" in ran.err
    kept = [type(draft.happening) for draft in pending_in(exposed.path / "journal")]
    assert tuple(kept) == TOLD


def test_sick_legacy_is_not_switched_to_unless_a_person_says_so(
    exposed: Home, hospital: Hospital
) -> None:
    hospital.outage("legacy")
    try:
        ran = exposed.run(*BACK, "--yes")
        assert (ran.code, ran.out) == (ExitCode.REFUSED, "")
        assert "Red binder" in ran.err
        assert not is_home(exposed)
        assert isinstance(exposed.events()[-1], RollbackBlocked)
        forced = exposed.run(
            *BACK, "--yes", "--legacy-is-sick", "--patience", "0", "--format", "json"
        )
        assert (forced.code, forced.json["outcome"]) == (ExitCode.UNKNOWN, "pending")
        assert is_home(exposed)
    finally:
        hospital.restart("legacy")


def test_legacy_that_cannot_be_asked_from_here_is_as_the_record_says(exposed: Home) -> None:
    sick = VerdictChanged(
        signal=SignalName("legacy_ready"), level=Level.BREACH, code=Code.BEYOND_LIMIT, value=0.0,
        limit=1.0, n=1,
    )  # fmt: skip
    with (exposed.path / "site.env").open("a", encoding="utf-8") as site:
        site.write("WARDSHIFT_ADDRESSES={}\n")
    exposed.happen(sick)
    ran = exposed.run(*BACK, "--yes")
    assert (ran.code, ran.out) == (ExitCode.REFUSED, "")
    assert "Legacy cannot be asked first" in ran.err
    assert not is_home(exposed)
    assert exposed.run(*BACK, "--yes", "--legacy-is-sick", "--patience", "5").code == ExitCode.DONE
    assert is_home(exposed)


def test_sick_legacy_does_not_keep_an_unexposed_ward_from_being_fenced(
    make_ready: Callable[..., Home], hospital: Hospital
) -> None:
    made = make_ready()
    made.run(*BACK, "--yes")
    epoch = made.installation.routes.get(WARD).route.epoch
    made.enter(made.plan.stages[1].name, epoch + 1)
    hospital.outage("legacy")
    try:
        ran = made.run(*BACK, "--yes", "--patience", "0")
    finally:
        hospital.restart("legacy")
    assert ran.code != ExitCode.REFUSED


def test_routes_that_do_not_answer_are_waited_for_so_long_and_said(
    exposed: Home, hospital: Hospital
) -> None:
    hospital.behave(refuse_routes=True)
    ran = exposed.run(*BACK, "--yes", "--patience", "1", "--format", "json")
    assert (ran.code, ran.json["outcome"]) == (ExitCode.UNAVAILABLE, "not_written")
    assert "not written yet" in ran.err
    hospital.behave(refuse_routes=False)
    assert not is_home(exposed)
    told = [type(one) for one in exposed.events()]
    assert told.count(RollbackIntended) == 1
    ran = exposed.run(*BACK, "--yes")
    assert ran.code == ExitCode.DONE
    assert [type(one) for one in exposed.events()].count(RollbackIntended) == 1


def test_a_late_gateway_is_probed_on_until_it_is_proven(exposed: Home, hospital: Hospital) -> None:
    hospital.behave(lateness_s=3.0)  # longer than one proof's deadline
    ran = exposed.run(*BACK, "--yes", "--format", "json")
    assert (ran.code, ran.json["outcome"]) == (ExitCode.DONE, "proven")
    told = [type(one) for one in exposed.events()]
    assert told.count(RollbackIntended) == told.count(RollbackWritten) == 1
    assert RollbackPending in told


def test_written_and_not_proven_in_time_is_an_unknown_outcome(
    exposed: Home, hospital: Hospital
) -> None:
    hospital.behave(lateness_s=20.0)
    ran = exposed.run(*BACK, "--yes", "--patience", "0", "--format", "json")
    assert (ran.code, ran.json["outcome"]) == (ExitCode.UNKNOWN, "pending")
    assert is_home(exposed)


def test_a_ward_without_a_route_is_said(make_ready: Callable[..., Home], tmp_path: Path) -> None:
    made = make_ready()
    _broken_plan(made)
    ran = made.run("rollback", "nowhere-1", "--reason", "x", "--yes")
    assert ran.code == ExitCode.REFUSED
    assert "has no route" in ran.err


def test_an_older_promotion_cannot_land_after_it(exposed: Home) -> None:
    one = exposed.installation
    older = one.routes.get(WARD).route
    exposed.run(*BACK, "--yes")
    now = one.routes.get(WARD)
    with pytest.raises(Refused) as refused:
        one.routes.replace(older, resource_version=now.resource_version)
    assert refused.value.code == "stale_epoch"
    assert is_home(exposed)


@pytest.mark.parametrize(
    "lines", [b"WARDSHIFT_ADDRESSES={broken\n", "WARDSHIFT_PLAN=\xe5\n".encode("latin-1")]
)
def test_a_site_file_that_does_not_read_is_one_sentence(exposed: Home, lines: bytes) -> None:
    (exposed.path / "site.env").write_bytes(lines)
    ran = exposed.run("show", WARD)
    assert ran.code == ExitCode.USAGE
    assert "site.env" in ran.err
    assert "Traceback" not in ran.err
