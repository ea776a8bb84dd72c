"""Only Unavailable is tried again, and never past the budget."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters.retrying import retrying
from orchestrator.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Indeterminate,
    Refused,
    Unavailable,
    WardshiftError,
)
from tests.fakes import FakeClock

FINAL: dict[str, WardshiftError] = {
    "conflict": Conflict("route", expected="1", found="2"),
    "indeterminate": Indeterminate("routes", "PUT"),
    "refused": Refused("stale_epoch", "no"),
    "corrupt": Corrupt("chain", "ledger"),
    "config": ConfigError(("plan",)),
}


class Operation:
    """Takes `takes_s` each time and raises what it is given until it has nothing left."""

    def __init__(self, clock: FakeClock, *errors: WardshiftError, takes_s: float = 0.0) -> None:
        self._clock = clock
        self._errors = list(errors)
        self._takes_s = takes_s
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self._clock.advance(self._takes_s)
        if self._errors:
            raise self._errors.pop(0)
        return "answer"


def unavailable(times: int) -> list[WardshiftError]:
    return [Unavailable("routes", f"attempt {number}") for number in range(times)]


def test_an_answer_is_given_at_once() -> None:
    clock = FakeClock()
    before = clock.monotonic()
    operation = Operation(clock)
    assert retrying(clock, budget_s=5.0, first_s=0.1, ceiling_s=1.0)(operation) == "answer"
    assert (operation.calls, clock.monotonic()) == (1, before)


def test_unavailable_is_tried_again_until_it_answers() -> None:
    clock = FakeClock()
    operation = Operation(clock, *unavailable(3))
    assert retrying(clock, budget_s=60.0, first_s=0.1, ceiling_s=1.0)(operation) == "answer"
    assert operation.calls == 4


@pytest.mark.parametrize("name", FINAL)
def test_everything_else_is_raised_at_once(name: str) -> None:
    clock = FakeClock()
    operation = Operation(clock, FINAL[name])
    with pytest.raises(type(FINAL[name])):
        retrying(clock, budget_s=60.0, first_s=0.1, ceiling_s=1.0)(operation)
    assert operation.calls == 1


def test_a_fault_of_the_program_is_not_tried_again() -> None:
    def broken() -> str:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        retrying(FakeClock(), budget_s=60.0, first_s=0.1, ceiling_s=1.0)(broken)


@settings(deadline=None)
@given(
    budget_s=st.floats(0.0, 20.0),
    first_s=st.floats(0.001, 10.0),
    ceiling_s=st.floats(0.001, 10.0),
    takes_s=st.floats(0.5, 3.0),
)
def test_no_attempt_begins_after_the_budget_and_no_wait_is_longer_than_the_ceiling(
    budget_s: float, first_s: float, ceiling_s: float, takes_s: float
) -> None:
    clock = FakeClock()
    began_s = clock.monotonic()
    starts: list[float] = []
    waits: list[float] = []
    plain_sleep = clock.sleep

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        plain_sleep(seconds)

    clock.sleep = sleep

    def never() -> str:
        starts.append(clock.monotonic() - began_s)
        clock.advance(takes_s)
        raise Unavailable("routes", "down")

    with pytest.raises(Unavailable):
        retrying(clock, budget_s=budget_s, first_s=first_s, ceiling_s=ceiling_s)(never)
    assert all(start < max(budget_s, 1e-9) or start == 0.0 for start in starts)
    assert all(wait <= ceiling_s for wait in waits)
    assert clock.monotonic() - began_s <= budget_s + takes_s + 1e-9


def test_the_last_error_is_the_one_that_is_raised() -> None:
    clock = FakeClock()
    operation = Operation(clock, *unavailable(1000), takes_s=1.0)
    with pytest.raises(Unavailable) as raised:
        retrying(clock, budget_s=5.0, first_s=0.01, ceiling_s=0.01)(operation)
    assert str(raised.value) == f"routes: attempt {operation.calls - 1}"
    assert operation.calls > 1
