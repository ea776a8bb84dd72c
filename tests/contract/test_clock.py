"""The clock port, on the fake, on the machine's clocks and on the practice hospital's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.clock import PracticeClock, SystemClock, clock_from, set_practice_clock
from orchestrator.errors import ConfigError
from orchestrator.ports import Clock
from tests.fakes import FakeClock

STARTS = datetime(2027, 3, 1, 5, tzinfo=UTC)
RATE = 600.0
NAP_S = 1 / 64  # a sum of floats that is exact


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A clock, and how fast its wall time runs."""

    clock: Clock
    rate: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Settable(Kind):
    """A clock whose wall time somebody can set, by that many seconds."""

    jump: Callable[[float], None]


def fake() -> Settable:
    clock = FakeClock()
    return Settable(clock=clock, jump=clock.jump)


def practice(folder: Path) -> Settable:
    path = folder / "clock.json"
    set_practice_clock(path, now=STARTS, rate=RATE)
    clock = PracticeClock(path)

    def jump(seconds: float) -> None:
        set_practice_clock(path, now=clock.now() + timedelta(seconds=seconds), rate=RATE)

    return Settable(clock=clock, rate=RATE, jump=jump)


@pytest.fixture(params=["fake", "machine", "practice"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "machine":
        return Kind(clock=SystemClock())
    return fake() if request.param == "fake" else practice(tmp_path)


@pytest.fixture(params=["fake", "practice"])  # nobody sets this machine's clock in a test
def settable(request: pytest.FixtureRequest, tmp_path: Path) -> Settable:
    return fake() if request.param == "fake" else practice(tmp_path)


def test_wall_time_is_aware_and_in_utc(kind: Kind) -> None:
    assert kind.clock.now().utcoffset() == timedelta(0)


def test_neither_clock_goes_back_by_itself(kind: Kind) -> None:
    seen = [(kind.clock.now(), kind.clock.monotonic()) for _ in range(200)]
    assert [now for now, _ in seen] == sorted(now for now, _ in seen)
    assert [s for _, s in seen] == sorted(s for _, s in seen)


def test_who_sleeps_wakes_no_earlier_by_either_clock(kind: Kind) -> None:
    began, began_s = kind.clock.now(), kind.clock.monotonic()
    kind.clock.sleep(NAP_S)
    assert kind.clock.monotonic() - began_s >= NAP_S
    # A machine's wall clock may be slewed while it sleeps; it is not asked to the last part.
    assert (kind.clock.now() - began).total_seconds() >= 0.9 * NAP_S * kind.rate


def test_who_sleeps_not_at_all_comes_back(kind: Kind) -> None:
    kind.clock.sleep(0)


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_wall_clock_that_is_set_moves_no_duration(settable: Settable, seconds: float) -> None:
    clock = settable.clock
    before, before_s = clock.now(), clock.monotonic()
    settable.jump(seconds)
    moved_s = (clock.now() - before).total_seconds()
    passed_s = clock.monotonic() - before_s
    assert 0 <= passed_s < abs(seconds)
    assert seconds - 0.01 <= moved_s <= seconds + passed_s * settable.rate + 0.01


def test_practice_time_runs_as_fast_as_it_is_told_and_goes_on_from_where_it_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "clock.json"
    set_practice_clock(path, now=STARTS, rate=1.0)
    clock = clock_from(path)
    assert isinstance(clock, PracticeClock)
    set_practice_clock(path, rate=RATE)
    assert timedelta(0) <= clock.now() - STARTS < timedelta(hours=1)
    began, began_s = clock.now(), clock.monotonic()
    clock.sleep(NAP_S)
    asked_s = clock.monotonic() - began_s
    assert (clock.now() - began).total_seconds() >= 0.9 * RATE * NAP_S
    assert clock.rate == RATE
    assert asked_s >= NAP_S


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_practice_time_does_not_stand_still(tmp_path: Path, rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        set_practice_clock(tmp_path / "clock.json", now=STARTS, rate=rate)


@pytest.mark.parametrize("text", ["", "{}", '{"anchor": 3}', "not json"])
def test_a_clock_file_that_does_not_read_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="practice clock does not read"):
        clock_from(path)


def test_without_a_clock_file_it_is_the_machines() -> None:
    assert isinstance(clock_from(None), SystemClock)
