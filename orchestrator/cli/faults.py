"""One thing broken at a time while a practice ward is exposed, and its return measured.

The times are taken here, from outside, on the monotonic clock: from just before the harm is set
to the answer of the routes that names legacy, and to the proof in the ledger or in a journal.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.adapters.clock import wait_until
from orchestrator.cli.everything import PREFECT, Wishes, clear, start_everything
from orchestrator.cli.practice_stage import PracticeStage
from orchestrator.core.event import Draft, RollbackProven
from orchestrator.errors import WardshiftError
from orchestrator.ledger import pending_in
from orchestrator.reports.fault_drills import Fault, FaultRow, Told, told

LOOK_EVERY_S = 0.02
GRACE_S = 30.0  # a late return is measured too, so waiting goes on after the limit
RECORDED_WITHIN_S = 60.0
SLOW_S = 1.0
LEDGER_FILE = "ledger.sqlite"

Tell = Callable[[str], None]
Act = Callable[[PracticeStage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """How a thing is broken and made whole. `is_harm`: it harms the ward by itself."""

    do: Act
    undo: Act
    is_harm: bool = False
    needs_prefect: bool = False


def harm(stage: PracticeStage) -> None:
    """Text begins to disappear from the ward's notes. Raises: Unavailable."""
    stage.hospital.fault("candidate", wards=[stage.ward], drop_text_rate=1.0)


def ledger_away(stage: PracticeStage) -> None:
    """The ledger's files are gone, and nobody can open a folder as a database."""
    home = stage.installation.site.home
    away = home / "ledger-away"
    away.mkdir()
    for path in home.glob(f"{LEDGER_FILE}*"):
        path.rename(away / path.name)
    (home / LEDGER_FILE).mkdir()


def ledger_back(stage: PracticeStage) -> None:
    """The same files, where they were."""
    home = stage.installation.site.home
    (home / LEDGER_FILE).rmdir()
    for path in (home / "ledger-away").iterdir():
        path.rename(home / path.name)


def prefect_away(stage: PracticeStage) -> None:
    """Ended, so that the supervisor does not start it again."""
    stage.everything.supervisor.end(PREFECT)


def prefect_back(stage: PracticeStage) -> None:
    """Started again."""
    stage.everything.restart(PREFECT)


BREAKINGS: Mapping[Fault, Breaking] = {
    Fault.CANDIDATE: Breaking(
        do=lambda stage: stage.hospital.outage("candidate"),
        undo=lambda stage: stage.hospital.restart("candidate"),
        is_harm=True,
    ),
    Fault.DATABASE: Breaking(do=ledger_away, undo=ledger_back),
    Fault.PREFECT: Breaking(do=prefect_away, undo=prefect_back, needs_prefect=True),
    Fault.SIGNALS: Breaking(
        do=lambda stage: stage.hospital.outage("clinicians"),
        undo=lambda stage: stage.hospital.restart("clinicians"),
        is_harm=True,
    ),
    Fault.API: Breaking(
        do=lambda stage: stage.hospital.behave(admin_delay_s=SLOW_S),
        undo=lambda stage: stage.hospital.behave(admin_delay_s=0.0),
    ),
}


def fault_drill(fault: Fault, *, plan: Path, home: Path, tell: Tell) -> FaultRow:
    """One fault on an installation of its own, of which nothing is left running.

    Args:
        home: emptied first.
    Raises: nothing of ours: what went wrong stands in the row.
    """
    try:
        clear(home)
        wishes = Wishes(practice=True, with_prefect=BREAKINGS[fault].needs_prefect)
        everything = start_everything(plan, home, wishes, tell)
    except WardshiftError as error:
        return FaultRow(fault=fault, ward="", limit_s=0.0, problem=str(error))
    try:
        return _FaultDrill(PracticeStage(everything, name="fault-drill"), fault, tell).run()
    finally:
        tell("Ending what was started")
        everything.stop()


@dataclass(slots=True)
class _FaultDrill:
    """One under way."""

    stage: PracticeStage
    fault: Fault
    tell: Tell
    row: FaultRow = field(init=False)

    def __post_init__(self) -> None:
        limit_s = self.stage.installation.plan.policy.max_harm_window_s
        self.row = FaultRow(fault=self.fault, ward=self.stage.ward, limit_s=limit_s)

    def run(self) -> FaultRow:
        """Expose, break, harm, measure, undo. Raises: nothing of ours."""
        breaking = BREAKINGS[self.fault]
        try:
            self.tell(f"Bringing {self.stage.ward} into the candidate")
            self.stage.expose()
            began_s = self._begin(breaking)
            self._measure(began_s)
            breaking.undo(self.stage)
            self._look_at_the_record()
        except WardshiftError as error:
            self.row = replace(self.row, problem=str(error))
        return self.row

    def _begin(self, breaking: Breaking) -> float:
        """Break, and harm; the moment just before the harm, monotonic."""
        began_s = self._now_s()
        self.tell(f"Breaking: {self.fault}")
        breaking.do(self.stage)
        if breaking.is_harm:
            return began_s
        if self._is_home():
            self.tell("The ward was home before it was harmed")
            self.row = replace(self.row, is_before_harm=True)
            return began_s
        self.tell("Harming the ward: text disappears from its notes")
        began_s = self._now_s()
        harm(self.stage)
        return began_s

    def _measure(self, began_s: float) -> None:
        restored_s = self._when(self._is_home, began_s)
        self.tell(_said("restored", restored_s))
        proven_s = None if restored_s is None else self._when(self._is_proven, began_s)
        self.tell(_said("proven", proven_s))
        found = told(self._drafts(), self.stage.ward)
        self.row = replace(self.row, restored_s=restored_s, proven_s=proven_s, told=found)

    def _when(self, condition: Callable[[], bool], began_s: float) -> float | None:
        """Seconds from the harm until it was so; None if that was waited for in vain."""
        left_s = began_s + self.row.limit_s + GRACE_S - self._now_s()
        if not wait_until(condition, timeout_s=max(left_s, 0.0), every_s=LOOK_EVERY_S):
            return None
        return round(self._now_s() - began_s, 3)

    def _is_home(self) -> bool:
        with suppress(WardshiftError):
            return not self.stage.exposed()
        return False

    def _is_proven(self) -> bool:
        return told(self._drafts(), self.stage.ward).is_proven

    def _drafts(self) -> tuple[Draft, ...]:
        """What the ledger has, if it answers, and what this machine's journals still have."""
        kept = tuple(entry.draft for entry in self.stage.entries())
        known = {draft.id for draft in kept}
        waiting = pending_in(self.stage.installation.site.journal_dir)
        return (*kept, *(draft for draft in waiting if draft.id not in known))

    def _look_at_the_record(self) -> None:
        """With everything whole again the ledger gets the proof, once."""
        wait_until(lambda: self._proofs() > 0, timeout_s=RECORDED_WITHIN_S, every_s=0.1)
        found: Told = told(self._drafts(), self.stage.ward)
        self.row = replace(self.row, told=found, is_recorded=self._proofs() == 1)

    def _proofs(self) -> int:
        drafts = (entry.draft for entry in self.stage.entries())
        return sum(
            isinstance(draft.happening, RollbackProven) and draft.ward == self.stage.ward
            for draft in drafts
        )

    def _now_s(self) -> float:
        return self.stage.clock.monotonic()


def _said(what: str, at_s: float | None) -> str:
    return (
        f"  not {what} while it was waited for" if at_s is None else f"  {what} after {at_s:.2f} s"
    )
