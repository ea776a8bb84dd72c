"""The guard with its own token on a real API server, and old controllers behind the fence."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.clock import set_practice_clock, wait_until
from orchestrator.core.event import PromotionAbandoned, RollbackIntended, Trigger
from orchestrator.core.plan import GuardAction
from orchestrator.core.state import Phase
from orchestrator.service.leases import SENTINEL, ward_lease
from tests.kube.doomed import LEASE_S, WARD
from tests.kube.stage import LIMIT_S, NOON, SLACK_S, Accounts, Stage, was_killed
from tests.real.kube_site import KubeSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
WATCHED_S = 3 * LEASE_S


@pytest.fixture
def stage(kube: KubeSite, accounts: Accounts, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kube, accounts, tmp_path / "home")
    yield made
    made.end()


def watched(stage: Stage, *, guards: int = 1, stops_at: str = "") -> int:
    """An exposed ward with guards and a sentinel (that is stopped at an effect); its pid."""
    sentinel = stage.start("sentinel", effect=stops_at, how=signal.SIGSTOP)
    stage.await_leases(SENTINEL)
    stage.expose()
    stage.await_leases(SENTINEL, ward_lease(WARD))
    for _ in range(guards):
        stage.start("guard")
    stage.await_leases("guard")
    assert sentinel.pid is not None
    return sentinel.pid


def stays_exposed(stage: Stage, seconds: float) -> bool:
    return not wait_until(lambda: not stage.is_exposed(), timeout_s=seconds)


def returned_once(stage: Stage) -> None:
    """The ward comes home, in time, by one effective return."""
    assert wait_until(lambda: not stage.is_exposed(), timeout_s=LIMIT_S), stage.story()
    assert stage.witness.longest_without_lease_s() <= LEASE_S + SLACK_S
    assert not stays_exposed(stage, 0.5)
    stage.start("sentinel")
    stage.await_rest(stage.is_home)
    assert len({seen.epoch for seen in stage.witness.routes if seen.is_return}) == 1
    assert not stage.wrongs(), stage.story()
    cause = stage.happenings(RollbackIntended)[0].cause
    assert cause.trigger is Trigger.LEASE


@pytest.mark.parametrize("guards", [1, 2])
def test_a_dead_sentinel_means_legacy_and_two_guards_do_it_once(stage: Stage, guards: int) -> None:
    pid = watched(stage, guards=guards)
    assert stays_exposed(stage, WATCHED_S)
    os.kill(pid, signal.SIGKILL)
    returned_once(stage)


def test_of_two_guards_one_may_die_just_before_it_acts(stage: Stage) -> None:
    """The other one has timed the lease itself, and is not late."""
    stage.start("guard", effect=f"lease {ward_lease(WARD)}: seize")
    stage.start("guard")
    stage.await_leases("guard")
    stage.expose()
    stage.lease()
    returned_once(stage)


def test_where_the_policy_says_so_people_are_paged_and_nothing_is_switched(stage: Stage) -> None:
    stage.expose()
    stage.lease(GuardAction.PAGE)
    stage.start("guard")
    assert wait_until(lambda: bool(stage.pages("lease_lapsed")), timeout_s=LIMIT_S)
    assert stays_exposed(stage, LEASE_S)
    assert len(stage.pages("lease_lapsed")) == 1


def test_a_restart_of_the_api_server_moves_no_ward_whose_sentinel_lives(stage: Stage) -> None:
    watched(stage)
    stage.kube.server.kill()
    wait_until(lambda: False, timeout_s=2 * LEASE_S)
    stage.kube.server.start()
    stage.await_life(SENTINEL, "guard", ward_lease(WARD))
    assert stays_exposed(stage, WATCHED_S)
    assert not stage.happenings(RollbackIntended)


def test_a_sentinel_that_dies_while_the_api_server_is_away_means_legacy(stage: Stage) -> None:
    pid = watched(stage)
    stage.kube.server.kill()
    os.kill(pid, signal.SIGKILL)
    stage.kube.server.start()
    assert wait_until(lambda: not stage.is_exposed(), timeout_s=LIMIT_S), stage.story()
    stage.start("sentinel")
    stage.await_rest(stage.is_home)
    assert stage.unsound() is None


def test_the_wall_clock_may_jump(stage: Stage) -> None:
    pid = watched(stage)
    clock_file = stage.home / "clock.json"
    for jump in (timedelta(days=30), timedelta(days=-60)):
        set_practice_clock(clock_file, now=NOON + jump, rate=1.0)
        assert stays_exposed(stage, WATCHED_S)
    os.kill(pid, signal.SIGKILL)
    returned_once(stage)


def test_a_worker_that_wakes_up_after_a_return_does_not_promote(stage: Stage) -> None:
    """It was stopped between grant and write; people returned the ward; then it went on."""
    stage.approve()
    for role in ("sentinel", "guard"):
        stage.start(role)
    stale = stage.start("worker", effect="route: enter notes", how=signal.SIGSTOP)
    assert stale.pid is not None
    stage.await_rest(lambda: is_stopped(stale.pid))
    person = stage.start("command-line")
    person.join(LIMIT_S)
    assert person.exitcode == 0
    os.kill(stale.pid, signal.SIGCONT)
    stage.await_rest(stage.is_home)
    stage.await_rest(lambda: bool(stage.said("worker", "promotion.abandoned")))
    wait_until(lambda: False, timeout_s=1.0)
    assert stage.is_home()
    assert stage.witness.exposures() == 0
    assert not stage.wrongs(), stage.story()


def test_of_two_workers_the_one_that_was_stopped_never_wins(stage: Stage) -> None:
    stage.approve()
    for role in ("sentinel", "guard"):
        stage.start(role)
    stale = stage.start("worker", effect="route: enter notes", how=signal.SIGSTOP)
    assert stale.pid is not None
    stage.await_rest(lambda: is_stopped(stale.pid))
    stage.start("worker")
    stage.await_rest(stage.is_there)
    epoch = stage.route().epoch
    assert stage.happenings(PromotionAbandoned)
    os.kill(stale.pid, signal.SIGCONT)
    wait_until(lambda: False, timeout_s=2.0)
    assert stage.route().epoch == epoch
    assert stage.is_there()
    assert not stage.wrongs(), stage.story()


def test_of_two_sentinels_the_one_that_was_stopped_stands_by_and_grants_nothing(
    stage: Stage,
) -> None:
    """It was stopped just before it granted; another leads by the time it goes on."""
    stage.approve()
    stale = stage.start("sentinel", effect="route: grant", how=signal.SIGSTOP)
    stage.start("guard")
    stage.start("worker")
    assert stale.pid is not None
    stage.await_rest(lambda: is_stopped(stale.pid))
    led = stage.holder(SENTINEL)
    stage.start("sentinel")
    stage.await_rest(lambda: stage.holder(SENTINEL) != led)
    os.kill(stale.pid, signal.SIGCONT)
    stage.await_rest(lambda: bool(stage.said("sentinel", "sentinel.stood_by")))
    stage.await_rest(stage.is_there)
    assert stage.holder(SENTINEL) != led
    assert stage.holder(ward_lease(WARD)) != led
    assert not stage.wrongs(), stage.story()


def test_a_return_that_a_stopped_sentinel_finishes_later_undoes_nothing(stage: Stage) -> None:
    """It was stopped before it wrote the route; the guard returned the ward meanwhile."""
    pid = watched(stage, stops_at="route: rollback")
    stage.breach()
    stage.await_rest(lambda: is_stopped(pid))
    assert wait_until(lambda: not stage.is_exposed(), timeout_s=LIMIT_S), stage.story()
    os.kill(pid, signal.SIGCONT)
    stage.await_rest(stage.is_home)
    assert stage.ward().phase is Phase.ROLLED_BACK
    assert not stage.wrongs(), stage.story()


def is_stopped(pid: int | None) -> bool:
    """By a signal, as the kernel says."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


def test_a_process_that_was_killed_says_so(stage: Stage) -> None:
    """What the matrix relies on: a fuse that burns is seen as SIGKILL, one that does not is not."""
    stage.approve()
    assert was_killed(stage.start("guard", effect="lease guard: create"))
    living = stage.start("guard")
    stage.await_leases("guard")
    living.terminate()
    assert not was_killed(living)
