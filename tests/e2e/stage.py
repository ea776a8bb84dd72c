"""A practice hospital with every process real, and one ward brought to the candidate quickly.

The plan is the demonstration's without its waiting: no soak, windows always open, and a
fixed limit where the demonstration compares with a measured baseline.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.bootstrap import Installation
from orchestrator.cli.demo.evidence import gateway_lines
from orchestrator.cli.everything import Everything, Wishes, start_everything
from orchestrator.core.event import Actor, Entry
from orchestrator.core.ids import ActorKind
from orchestrator.core.route import is_exposed
from orchestrator.core.state import ProgrammeState, fold
from orchestrator.errors import WardshiftError
from orchestrator.ledger import drain
from orchestrator.service.advance import Climber
from wards.model import WardId

PRACTICE = Path(__file__).parents[2] / "wards" / "data" / "practice.yaml"
WARD = WardId("medicine-52")
THIRD = WardId("children-12")
CLOCK = SystemClock()
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
    """The quick plan in a file; further changes are made to its text."""
    text = PRACTICE.read_text(encoding="utf-8")
    for before, after in (*QUICK, *changes):
        assert before in text, before
        text = text.replace(before, after)
    path = folder / "quick.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class Stage:
    """Everything, with hands to break it and eyes to look at it."""

    def __init__(self, folder: Path, wishes: Wishes, *changes: tuple[str, str]) -> None:
        self.folder = folder
        self.everything: Everything = start_everything(
            quick_plan(folder, *changes), folder / "home", wishes, lambda _: None
        )
        assert self.everything.hospital is not None
        self.hospital = self.everything.hospital
        self.installation: Installation = self.everything.installation
        self.lease_s = self.installation.plan.policy.lease_s

    def stop(self) -> None:
        """End everything."""
        self.everything.stop()

    def climber(self) -> Climber:
        """A flow's hands without Prefect; on a cluster, with the worker's account."""
        return self.acting_as("worker").climber(Actor(kind=ActorKind.FLOW, name="test"))

    def acting_as(self, account: str) -> Installation:
        """The installation as a process of that account has it; the same without a cluster."""
        kubeconfig = self.hospital.kubeconfigs.get(account)
        if kubeconfig is None:
            return self.installation
        site = self.installation.site.model_copy(update={"kubeconfig": str(kubeconfig)})
        return replace(self.installation, site=site)

    def drill(self) -> None:
        """Rehearse the first ward's return, and put the evidence into the ledger."""
        self.installation.driller(Actor(kind=ActorKind.FLOW, name="test")).drill(WARD)
        drain(self.installation.site.journal_dir, self.installation.ledger)

    def start_and_approve(self) -> None:
        """People start the programme and approve every stage of the first ward."""
        plan = self.installation.plan
        self.desk("programme_lead").start()
        for stage in plan.stages:
            for role in stage.approvals:
                self.desk(role).approve(WARD, stage.name, role, comment="test")

    def desk(self, role: str) -> Any:
        """A person in a role."""
        return self.installation.desk(Actor(kind=ActorKind.PERSON, name=role))

    def expose(self, *, until: str = "notes") -> None:
        """Bring the first ward to a stage on the candidate."""
        self.start_and_approve()
        climber = self.climber()

        def climbed() -> bool:
            with suppress(WardshiftError):
                if climber.step(WARD).wants_drill:
                    self.drill()
            return self.state().ward(WARD).stage == until

        assert wait_until(climbed, timeout_s=150, every_s=0.2), self.why()

    def why(self) -> str:
        """What to look at when a test waited in vain."""
        names = ("sentinel", "guard")
        logs = "\n".join(self.everything.supervisor.last_lines(name) for name in names)
        kinds = [type(entry.draft.happening).__name__ for entry in self.entries()[-15:]]
        return f"{self.state().ward(WARD)}\n{kinds}\n{logs}"

    def entries(self) -> tuple[Entry, ...]:
        """The ledger; empty while it does not answer."""
        try:
            return self.installation.ledger.entries()
        except WardshiftError:
            return ()

    def state(self) -> ProgrammeState:
        """The ledger's fold."""
        return fold(self.entries())

    def happenings(self, kind: type) -> list[Any]:
        """All happenings of a kind, in order."""
        found = (entry.draft.happening for entry in self.entries())
        return [one for one in found if isinstance(one, kind)]

    def exposed(self, ward: WardId = WARD) -> bool:
        """Whether the route exposes the ward."""
        return is_exposed(self.installation.routes.get(ward).route)

    def epoch(self) -> int:
        """The route's epoch."""
        return self.installation.routes.get(WARD).route.epoch

    def home_within(self, timeout_s: float) -> bool:
        """Whether the route is on legacy before the deadline."""
        return wait_until(lambda: not self.exposed(), timeout_s=timeout_s, every_s=0.02)

    def eventually(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
        """Poll in real time."""
        return wait_until(condition, timeout_s=timeout_s, every_s=0.1)

    def break_notes(self) -> None:
        """Text begins to disappear from the ward's notes."""
        self.hospital.fault("candidate", wards=[WARD], drop_text_rate=1.0)

    def log_lines(self) -> list[dict[str, Any]]:
        """The gateway's own log."""
        return list(gateway_lines(self.hospital.gateway_log))

    def pages(self) -> list[dict[str, Any]]:
        """What people were told."""
        path = self.installation.site.pages_file
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
