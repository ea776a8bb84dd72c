"""A practice hospital with every process real, and one ward brought to the candidate quickly."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.cli.demo.evidence import gateway_lines
from orchestrator.cli.everything import Wishes, start_everything
from orchestrator.cli.practice_stage import PracticeStage, quick_plan
from wards.model import WardId

WARD = WardId("medicine-52")
THIRD = WardId("children-12")
CLOCK = SystemClock()


class Stage(PracticeStage):
    """Everything, with hands to break it and eyes to look at it."""

    def __init__(self, folder: Path, wishes: Wishes, *changes: tuple[str, str]) -> None:
        plan = quick_plan(folder, *changes)
        super().__init__(
            start_everything(plan, folder / "home", wishes, lambda _: None), name="test"
        )
        assert self.ward == WARD
        self.folder = folder
        self.lease_s = self.installation.plan.policy.lease_s

    def stop(self) -> None:
        """End everything."""
        self.everything.stop()

    def happenings(self, kind: type) -> list[Any]:
        """All happenings of a kind, in order."""
        found = (entry.draft.happening for entry in self.entries())
        return [one for one in found if isinstance(one, kind)]

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
