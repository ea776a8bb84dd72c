"""A practice hospital with every process real, and one ward brought to the candidate quickly."""

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.cli.demo.evidence import BreachObserver, gateway_lines
from orchestrator.cli.everything import Wishes, start_everything
from orchestrator.cli.practice_stage import PracticeStage, quick_plan
from orchestrator.service.leases import LeaseBook, ward_lease
from wards.model import WardId

WARD = WardId("medicine-52")
THIRD = WardId("children-12")
CLOCK = SystemClock()
LOST_TEXT = "staff_note_text_lost_total"
# From visible to on legacy, the same with Prefect and without it: two ticks, and what a machine
# needs that does much else beside. The demonstration is held to the two ticks alone.
TICKS_TO_RETURN = 2
BESIDE_S = 1.0


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
        self.return_s = TICKS_TO_RETURN * self.installation.plan.policy.tick_s + BESIDE_S

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

    def longest_unwatched_s(self, is_enough: Callable[[], bool], timeout_s: float = 60.0) -> float:
        """The longest stretch, in real seconds, in which the ward was exposed and nobody renewed
        its lease, until enough was seen; endless when that did not come in time."""
        book, name, longest_s = LeaseBook(CLOCK), ward_lease(WARD), [0.0]

        def look() -> bool:
            is_exposed = self.exposed()
            age_s = book.age_s(name)
            book.see(self.installation.leases.all())
            if is_exposed and age_s is not None:
                longest_s.append(age_s)
            return is_enough()

        is_seen = wait_until(look, timeout_s=timeout_s, every_s=0.02)
        return max(longest_s) if is_seen else math.inf

    def eventually(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
        """Poll in real time."""
        return wait_until(condition, timeout_s=timeout_s, every_s=0.1)

    @contextmanager
    def ledger_away(self) -> Iterator[None]:
        """Nobody can open the ledger meanwhile: a folder stands in its place."""
        path = self.installation.site.home / "ledger.sqlite"
        moved = {
            one: one.with_name(f"away.{one.name}") for one in path.parent.glob(f"{path.name}*")
        }
        for one, other in moved.items():
            one.rename(other)
        path.mkdir()
        try:
            yield
        finally:
            path.rmdir()
            for one, other in moved.items():
                other.rename(one)

    def break_notes(self) -> None:
        """Text begins to disappear from the ward's notes."""
        self.hospital.fault("candidate", wards=[WARD], drop_text_rate=1.0)

    def log_lines(self) -> list[dict[str, Any]]:
        """The gateway's own log."""
        return list(gateway_lines(self.hospital.gateway_log))

    def seconds_to_return(self, timeout_s: float) -> float:
        """Break the notes; real seconds from when the hospital's own page shows lost text until the
        route is on legacy, seen from outside; endless when either did not come in time."""
        url = self.hospital.addresses["staff_metrics_url"]
        observer = BreachObserver(url, LOST_TEXT, WARD, self.installation.clock)
        observer.start()
        self.break_notes()
        is_home = self.home_within(timeout_s)
        home_s = CLOCK.monotonic()
        observer.stop()
        return home_s - observer.visible_s if is_home and observer.visible_s else math.inf

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


def family(pid: int | None) -> list[int]:
    """A process and all that descend from it."""
    if pid is None:
        return []
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(stat[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found
