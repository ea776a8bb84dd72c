"""Every process killed with SIGKILL before and after every effect of promotion and rollback.

The effects are not hand-picked: each scenario runs once undisturbed and writes down the effects
that its process had on the world; then it runs again for each of them, and the process dies there.
Routes, leases and fence are on a real API server, the ledger and the journals on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from orchestrator.adapters.clock import wait_until
from orchestrator.core.route import exposed_slices
from orchestrator.core.state import Phase
from orchestrator.service.leases import GUARD, SENTINEL, ward_lease
from tests.kube.doomed import STOP, STOP_ALL, WARD, When
from tests.kube.stage import DEAD, LIMIT_S, Accounts, Stage, drop, was_killed
from tests.real.kube_site import KubeSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def nothing(_stage: Stage, _doomed: ForkServerProcess) -> None:
    """Nothing more happens."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`doomed` is killed; `cast` lives on beside it; `replaced` by whom once that may be, which is
    at once, or when nobody works in the candidate any more. `ends`: where it may come to rest.
    `must`: effects without which the list was not generated from what we think it was. `raced`:
    those that a living process may be faster to have. `spared`: those that it nearly always is
    faster to have; they are tried in another scenario, in which it is not there.
    """

    doomed: str
    prepare: Callable[[Stage], None]
    ends: Callable[[Stage], bool]
    must: frozenset[str]
    raced: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()
    cast: tuple[str, ...] = ()
    meanwhile: Callable[[Stage, ForkServerProcess], None] = nothing
    replaced: tuple[str, ...] = ()
    replaced_at_home: tuple[str, ...] = ()


def exposed_and_left(stage: Stage) -> None:
    stage.expose()
    stage.lease()


def exposed_and_watched(stage: Stage) -> None:
    stage.start("sentinel")
    stage.await_leases(SENTINEL)
    stage.expose()
    stage.await_leases(SENTINEL, ward_lease(WARD))


def exposed_and_unanswered(stage: Stage) -> None:
    stage.expose()
    stage.breach_on_record()


def left_once(stage: Stage, doomed: ForkServerProcess, lease: str) -> None:
    """The sentinel before lives until the doomed one holds that lease, or is dead: how long a
    process takes to start is nothing that a ward must wait for."""

    def is_there_or_dead() -> bool:
        stage.lease()
        return not doomed.is_alive() or stage.holder(lease) not in ("", DEAD)

    stage.await_rest(is_there_or_dead)


def left_to_the_guard(stage: Stage, guard: ForkServerProcess) -> None:
    """Nobody watches any more, once the guard does its work."""
    left_once(stage, guard, GUARD)


def left_to_the_person(stage: Stage, person: ForkServerProcess) -> None:
    """Watched until the person has written the route, or is dead and a guard is there."""

    def is_written_or_dead() -> bool:
        stage.lease()
        return not person.is_alive() or not stage.is_exposed()

    stage.await_rest(is_written_or_dead)
    if stage.is_exposed():
        left_once(stage, stage.start("guard"), GUARD)


def harm_once_watched(stage: Stage, sentinel: ForkServerProcess) -> None:
    """The ward is guarded from when the sentinel has its lease, or is dead, and then harmed."""
    left_once(stage, sentinel, ward_lease(WARD))
    stage.start("guard")
    stage.breach()


def at_the_stage_before(stage: Stage) -> bool:
    ward = stage.ward()
    is_before = ward.phase is Phase.AT_STAGE and ward.stage == stage.plan.stages[0].name
    return is_before and ward.intent is None and not exposed_slices(stage.route())


RETURNED = frozenset(
    {"journal: RollbackIntended", "route: rollback", "journal: RollbackWritten",
     "journal: RollbackProven"}
)  # fmt: skip
RECORDED = frozenset(
    f"{where}: {what}"
    for where in ("ledger", "settle")
    for what in ("RollbackIntended", "RollbackWritten", "RollbackProven")
)
CARRIED = RECORDED | {"ledger: StopReported", "settle: StopReported"}
REPORTED = frozenset({"staff key", "journal: StopReported", "page: stop_reported", "receipt"})
STOPPED = frozenset(
    {"journal: ProgrammeStopped", "ledger: ProgrammeStopped", "settle: ProgrammeStopped",
     "page: programme_stopped", "receipt"}
)  # fmt: skip
SCENARIOS = {
    "the worker promotes": Scenario(
        doomed="worker",
        prepare=Stage.approve,
        cast=("sentinel", "guard"),
        replaced=("worker",),
        ends=Stage.is_at_rest,
        must=frozenset(
            {
                "ledger: WardStarted readiness",
                "ledger: PromotionIntended shadow",
                "route: enter shadow",
                "ledger: StageEntered shadow",
                "ledger: PromotionIntended notes",
                "route: enter notes",
                "ledger: StageEntered notes",
            }
        ),
    ),
    "the worker gives a promotion up": Scenario(
        doomed="worker",
        prepare=Stage.intend,
        replaced=("worker",),
        ends=at_the_stage_before,
        must=frozenset({"route: promotion abandoned", "ledger: PromotionAbandoned"}),
    ),
    "the worker returns as second line": Scenario(
        doomed="worker",
        prepare=exposed_and_unanswered,
        replaced=("worker", "guard"),
        replaced_at_home=("sentinel",),  # which proves what was written and not yet proven
        ends=Stage.is_home,
        must=RETURNED | RECORDED,
    ),
    "the sentinel lets a promotion through": Scenario(
        doomed="sentinel",
        prepare=Stage.approve,
        cast=("guard", "worker"),
        replaced_at_home=("sentinel",),
        ends=Stage.is_at_rest,
        must=frozenset(
            {"lease sentinel: create", "lease ward-medicine-52: create", "route: grant"}
        ),
    ),
    "the sentinel returns": Scenario(
        doomed="sentinel",
        prepare=exposed_and_left,
        meanwhile=harm_once_watched,
        replaced_at_home=("sentinel",),
        ends=Stage.is_home,
        must=RETURNED | RECORDED,
    ),
    "the guard shows that it lives": Scenario(
        doomed="guard",
        prepare=Stage.approve,
        cast=("sentinel", "worker"),
        replaced=("guard",),
        ends=Stage.is_at_rest,
        must=frozenset({"lease guard: create", "lease guard: renew"}),
    ),
    "the guard returns": Scenario(
        doomed="guard",
        prepare=exposed_and_left,
        meanwhile=left_to_the_guard,
        replaced=("guard",),
        replaced_at_home=("sentinel",),
        ends=Stage.is_home,
        must=RETURNED | {"lease ward-medicine-52: seize", "guard memory"},
    ),
    "a person returns": Scenario(
        doomed="command-line",
        prepare=exposed_and_watched,
        cast=("guard",),
        ends=Stage.is_at_rest,
        must=RETURNED,
    ),
    "a person stops the line": Scenario(
        doomed=STOP,
        prepare=exposed_and_watched,
        cast=("guard",),
        ends=Stage.is_answered,
        must=REPORTED,
        raced=RETURNED,  # by the sentinel, which finds the report in the journal
        spared=CARRIED,  # it carries that journal first in nearly every run
    ),
    "a person stops the line unwatched": Scenario(
        doomed=STOP,
        prepare=exposed_and_left,
        meanwhile=left_to_the_person,
        replaced_at_home=("sentinel",),
        ends=Stage.is_home,
        must=REPORTED | RETURNED | CARRIED,
    ),
    "a person stops the programme": Scenario(
        doomed=STOP_ALL,
        prepare=exposed_and_left,
        meanwhile=left_to_the_person,
        replaced_at_home=("sentinel",),
        ends=Stage.is_home,
        must=RETURNED | RECORDED | STOPPED,
    ),
}

STILL_S = 2.0  # what a process does again and again, it has done by then


class Matrix:
    """One scenario, played again and again; each time in a folder of its own."""

    def __init__(
        self, scenario: Scenario, kube: KubeSite, accounts: Accounts, folder: Path
    ) -> None:
        self._scenario = scenario
        self._made = (kube, accounts)
        self._folders = (folder / str(number) for number in count())
        self.wrongs: list[str] = []
        self.unmet: list[str] = []

    def effects(self) -> list[str]:
        """What the process does to the world when nobody kills it."""
        stage = self._stage()
        try:
            self._scenario.meanwhile(stage, stage.start(self._scenario.doomed))
            stage.await_rest(lambda: self._is_done(stage))
            wait_until(lambda: False, timeout_s=STILL_S)
            effects = stage.effects(self._scenario.doomed)
            return [one for one in effects if one not in self._scenario.spared]
        finally:
            stage.end()

    def play(self, effect: str, when: When) -> None:
        """Kill the process there, let the others go on, and look at what came of it."""
        stage = self._stage()
        try:
            self._play(stage, effect, when)
        except AssertionError as error:
            self.wrongs.append(f"{when} {effect}: {error}")
        finally:
            stage.end()
        if not self.wrongs:
            drop(stage.home)

    def _play(self, stage: Stage, effect: str, when: When) -> None:
        one = stage.start(self._scenario.doomed, effect=effect, when=when)
        self._scenario.meanwhile(stage, one)
        wait_until(lambda: not one.is_alive() or self._is_done(stage), timeout_s=LIMIT_S)
        if one.is_alive():
            wait_until(lambda: not one.is_alive(), timeout_s=STILL_S)
        if one.is_alive() or not was_killed(one):
            self.unmet.append(effect)
            return
        for role in self._scenario.replaced:
            stage.start(role)
        if self._scenario.replaced_at_home:
            stage.await_rest(lambda: not exposed_slices(stage.route()))
            if not self._is_finished_by_others(stage):
                for role in self._scenario.replaced_at_home:
                    stage.start(role)
        stage.await_rest(lambda: self._scenario.ends(stage))
        wrongs = stage.wrongs()
        assert not wrongs, f"{wrongs}\n{stage.story()}"

    def _is_finished_by_others(self, stage: Stage) -> bool:
        """Whether a return needs nobody any more but somebody to carry what was said."""
        if self._scenario.ends is not Stage.is_home:
            return False

        def is_finished() -> bool:
            stage.carry()
            return stage.is_home()

        return wait_until(is_finished, timeout_s=STILL_S / 2)

    def _stage(self) -> Stage:
        stage = Stage(*self._made, next(self._folders))
        try:
            self._scenario.prepare(stage)
            for role in self._scenario.cast:
                stage.start(role)
        except BaseException:
            stage.end()
            raise
        return stage

    def _is_done(self, stage: Stage) -> bool:
        return self._scenario.must <= set(stage.effects(self._scenario.doomed))


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_effect_the_ward_ends_where_the_rules_allow(
    name: str, kube: KubeSite, accounts: Accounts, tmp_path: Path
) -> None:
    matrix = Matrix(SCENARIOS[name], kube, accounts, tmp_path)
    effects = matrix.effects()
    assert effects
    for effect in effects:
        for when in ("before", "after"):
            matrix.play(effect, when)
    assert not matrix.wrongs, "\n\n".join(matrix.wrongs)
    unmet = [one for one in matrix.unmet if not may_be_left_out(name, one, effects)]
    assert not unmet, matrix.unmet


def may_be_left_out(name: str, effect: str, effects: list[str]) -> bool:
    """What a process does only when it lives long enough, or what another process that carries
    the same journals was faster to do, may not come up again. What is written into the ledger and
    not settled in a journal came from no journal, and nobody else could write it."""
    if effect in SCENARIOS[name].raced:
        return True
    where, _, what = effect.partition(": ")
    is_carried = where in ("ledger", "settle") and f"settle: {what}" in effects
    return effect.endswith(": renew") or (bool(SCENARIOS[name].cast) and is_carried)
