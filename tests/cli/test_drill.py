"""`wardshift drill` against a real gateway and real EHRs."""

from collections.abc import Callable

import pytest

from orchestrator.core.event import DrillDone
from orchestrator.core.route import is_drilled
from orchestrator.errors import ExitCode
from tests.cli.conftest import SHADOW, WARD, Home
from wards.practice.hospital import Hospital

pytestmark = pytest.mark.real


def drills(home: Home) -> list[DrillDone]:
    return [one for one in home.events() if isinstance(one, DrillDone)]


def test_a_drill_is_measured_recorded_and_leaves_nothing(make_ready: Callable[..., Home]) -> None:
    home = make_ready()
    home.enter(SHADOW, 2)
    before = home.installation.routes.get(WARD).route
    ran = home.run("drill", WARD, "--format", "json", typed=WARD)
    assert ran.code == ExitCode.DONE, ran.err
    assert (ran.json["passed"], ran.json["rounds"]) == (True, ran.json["limits"]["rounds"])
    assert 0 < ran.json["restore_s"] <= ran.json["prove_s"]
    assert "Clinicians stay on legacy" in ran.err
    (done,) = drills(home)
    assert (done.passed, done.restore_s) == (True, ran.json["restore_s"])
    after = home.installation.routes.get(WARD).route
    assert not is_drilled(after)
    assert {one.side for one in after.rules} == {one.side for one in before.rules} == {"legacy"}


def test_fewer_rounds_are_said_to_open_no_gate(make_ready: Callable[..., Home]) -> None:
    home = make_ready()
    ran = home.run("drill", WARD, "--rounds", "1", "--yes")
    assert ran.code == ExitCode.DONE, ran.err
    assert "fewer rounds" in ran.err
    assert "slowest proven" in ran.out


def test_a_late_gateway_fails_the_drill(
    make_ready: Callable[..., Home], hospital: Hospital
) -> None:
    home = make_ready()
    hospital.behave(lateness_s=120.0)
    ran = home.run("drill", WARD, "--rounds", "1", "--yes", "--format", "json")
    assert (ran.code, ran.json["passed"]) == (ExitCode.REFUSED, False)
    assert "was not seen" in ran.json["problem"]
    assert [one.passed for one in drills(home)] == [False]
    assert not is_drilled(home.installation.routes.get(WARD).route)


def test_an_exposed_ward_is_refused_and_stays_as_it_is(exposed: Home) -> None:
    before = exposed.installation.routes.get(WARD)
    ran = exposed.run("drill", WARD, "--yes")
    assert ran.code == ExitCode.REFUSED
    assert f"wardshift rollback {WARD}" in ran.err
    assert exposed.installation.routes.get(WARD) == before
    assert drills(exposed) == []


def test_without_a_gateway_nothing_is_claimed(home: Home) -> None:
    ran = home.run("drill", WARD, "--yes")
    assert ran.code == ExitCode.UNAVAILABLE
    assert drills(home) == []


def test_another_name_or_no_round_is_no_drill(home: Home) -> None:
    assert home.run("drill", WARD, typed="surgery-31").code == ExitCode.REFUSED
    assert home.run("drill", WARD, "--rounds", "0", "--yes").code == ExitCode.USAGE
    assert drills(home) == []
