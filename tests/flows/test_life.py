"""Signs of life: one process carries a run, and a dead one is known to be dead."""

from flows.life import RUN_NOTE, SignOfLife, Standing
from orchestrator.service.leases import LeaseBook
from tests.fakes import FakeClock, FakeLeases

LEASE_S = 8.0


def sign(leases: FakeLeases, clock: FakeClock, who: str) -> SignOfLife:
    return SignOfLife(leases, clock, name="run-x", run=f"id-{who}", holder=who, lease_s=LEASE_S)


def test_the_first_carries_it_and_names_its_run() -> None:
    leases, clock = FakeLeases(), FakeClock()
    assert sign(leases, clock, "a").renew() is Standing.MINE
    assert leases.all()[0].notes[RUN_NOTE] == "id-a"


def test_a_second_one_steps_back_while_the_first_lives() -> None:
    leases, clock = FakeLeases(), FakeClock()
    first, second = sign(leases, clock, "a"), sign(leases, clock, "b")
    first.renew()
    assert second.renew() is Standing.WAITING
    clock.advance(1)
    first.renew()
    assert second.renew() is Standing.ELSEWHERE


def test_a_second_one_takes_over_when_the_first_stands_still() -> None:
    leases, clock = FakeLeases(), FakeClock()
    first, second = sign(leases, clock, "a"), sign(leases, clock, "b")
    first.renew()
    second.renew()
    clock.advance(LEASE_S + 0.1)
    assert second.renew() is Standing.MINE
    assert first.renew() is not Standing.MINE


def test_a_released_sign_is_free_at_once() -> None:
    leases, clock = FakeLeases(), FakeClock()
    first, second = sign(leases, clock, "a"), sign(leases, clock, "b")
    first.renew()
    first.release()
    second.renew()
    clock.advance(0.01)
    assert second.renew() is Standing.MINE


def test_nobody_steps_back_because_the_leases_are_silent() -> None:
    leases, clock = FakeLeases(), FakeClock()
    leases.down = True
    assert sign(leases, clock, "a").renew() is Standing.UNKNOWN


def test_a_sign_never_looks_like_a_wards_watch() -> None:
    from flows.wanted import PROGRAMME_LEASE, ward_run_lease
    from orchestrator.service.leases import GUARD, SENTINEL, WARD_PREFIX
    from tests.plans import FIRST

    for name in (PROGRAMME_LEASE, ward_run_lease(FIRST)):
        assert not name.startswith(WARD_PREFIX)
        assert name not in (SENTINEL, GUARD)
    assert LeaseBook(FakeClock()).is_alive(PROGRAMME_LEASE) is False
