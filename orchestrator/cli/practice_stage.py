"""A practice hospital whose first ward is brought to the candidate quickly.

The plan is the demonstration's without its waiting: no soak, windows always open, and a
fixed limit where the demonstration compares with a measured baseline. For fault drills and
end-to-end tests; nothing else goes by such a plan.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.bootstrap import Installation
from orchestrator.cli.everything import WORKER, Everything
from orchestrator.cli.machine import practice_plan
from orchestrator.core.event import Actor, Entry
from orchestrator.core.ids import ActorKind, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.route import is_exposed
from orchestrator.core.state import ProgrammeState, fold
from orchestrator.errors import ConfigError, Unavailable, WardshiftError
from orchestrator.ledger import drain
from orchestrator.service.advance import Climber
from orchestrator.service.desk import Desk
from orchestrator.service.leases import GUARD, SENTINEL
from wards.model import WardId
from wards.practice.hospital import Hospital

PATIENCE_S = 240.0
STEP_S = 0.2
QUICK = (
    ("soak: {shifts: 3, nights: 1}", "soak: {}"),
    ("soak: {shifts: 2, nights: 1}", "soak: {shifts: 3}"),
    ("soak: {shifts: 1}", "soak: {}"),
    ('opens: "08:00"', 'opens: "00:00"'),
    ('closes: "16:30"', 'closes: "23:59"'),
    ("weekdays: [mon, tue, wed, thu, fri]", "weekdays: [mon, tue, wed, thu, fri, sat, sun]"),
    ("minutes_before_handover: 30", "minutes_before_handover: 0"),
    ("minutes_after_handover: 30", "minutes_after_handover: 0"),
    ("hours_before_busiest_login: 3", "on_holidays: true\n  before_day_off: true"),
    ("{at_most_times_baseline: 4, warn: 3, least_limit: 1.5, of_the_last_ticks: [2, 3]}",
     "{at_most: 3, warn: 2, of_the_last_ticks: [2, 3]}"),
)  # fmt: skip


def quick_plan(folder: Path, *changes: tuple[str, str]) -> Path:
    """The quick plan in a file; further changes are made to its text.

    Raises: ConfigError when the practice plan does not have what is to be changed.
    """
    text = practice_plan().read_text(encoding="utf-8")
    for before, after in (*QUICK, *changes):
        if before not in text:
            raise ConfigError((f"{practice_plan()}: does not say {before!r} any more",))
        text = text.replace(before, after)
    path = folder / "quick.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def first_exposed_stage(plan: Plan) -> StageName:
    """The first stage with slices in the candidate. Raises: ConfigError when there is none."""
    for stage in plan.stages:
        if stage.candidate:
            return stage.name
    raise ConfigError((f"{plan.name}: no stage exposes anything",))


class PracticeStage:
    """Everything running, with hands to bring the first ward up and eyes to look at it.

    `name`: who acts where no person does.
    """

    def __init__(self, everything: Everything, *, name: str) -> None:
        if everything.hospital is None:
            raise ConfigError(("a practice hospital is needed: it is broken on purpose",))
        self.everything = everything
        self.hospital: Hospital = everything.hospital
        self.installation: Installation = everything.installation
        self.ward: WardId = self.installation.plan.wards[0].id
        self.clock = SystemClock()
        self._actor = Actor(kind=ActorKind.FLOW, name=name)

    def climber(self) -> Climber:
        """A flow's hands without Prefect; on a cluster, with the worker's account."""
        return self.acting_as(WORKER).climber(self._actor)

    def acting_as(self, account: str) -> Installation:
        """The installation as a process of that account has it; the same without a cluster."""
        kubeconfig = self.hospital.kubeconfigs.get(account)
        if kubeconfig is None:
            return self.installation
        site = self.installation.site.model_copy(update={"kubeconfig": str(kubeconfig)})
        return replace(self.installation, site=site)

    def drill(self) -> None:
        """Rehearse the ward's return, and put the evidence into the ledger."""
        self.acting_as(WORKER).driller(self._actor).drill(self.ward)
        drain(self.installation.site.journal_dir, self.installation.ledger)

    def start_and_approve(self) -> None:
        """People start the programme and approve every stage of the ward."""
        plan = self.installation.plan
        self.desk("programme_lead").start()
        for stage in plan.stages:
            for role in stage.approvals:
                self.desk(role).approve(self.ward, stage.name, role, comment=self._actor.name)

    def desk(self, role: str) -> Desk:
        """A person in a role."""
        return self.installation.desk(Actor(kind=ActorKind.PERSON, name=role))

    def expose(self, *, until: str | None = None) -> None:
        """Bring the ward to a stage; without one to the first that exposes it. Where a worker
        runs, its flows do it.

        Raises: Unavailable with the last words of sentinel and guard when time is up.
        """
        wanted = until or first_exposed_stage(self.installation.plan)
        self.start_and_approve()
        climber = None if WORKER in self.everything.pids() else self.climber()

        def has_climbed() -> bool:
            if climber is not None:
                self._step(climber)
            return self.state().ward(self.ward).stage == wanted

        if not wait_until(has_climbed, timeout_s=PATIENCE_S, every_s=STEP_S):
            raise Unavailable(
                f"ward {self.ward}", f"not at {wanted} after {PATIENCE_S:g} s:\n{self.why()}"
            )

    def _step(self, climber: Climber) -> None:
        with suppress(WardshiftError):
            if climber.step(self.ward).wants_drill:
                self.drill()

    def why(self) -> str:
        """What to look at when something was waited for in vain."""
        logs = "\n".join(self.everything.supervisor.last_lines(one) for one in (SENTINEL, GUARD))
        kinds = [type(entry.draft.happening).__name__ for entry in self.entries()[-15:]]
        return f"{self.state().ward(self.ward)}\n{kinds}\n{logs}"

    def entries(self) -> tuple[Entry, ...]:
        """The ledger; empty while it does not answer."""
        try:
            return self.installation.ledger.entries()
        except WardshiftError:
            return ()

    def state(self) -> ProgrammeState:
        """The ledger's fold."""
        return fold(self.entries())

    def exposed(self, ward: WardId | None = None) -> bool:
        """Whether the route exposes the ward. Raises: Unavailable."""
        return is_exposed(self.installation.routes.get(ward or self.ward).route)
