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
from orchestrator.core.event import RollbackIntended, RollbackWritten
from orchestrator.core.ids import SignalName
from orchestrator.core.verdict import Level
from orchestrator.service.leases import LeaseBook, ward_lease
from tests.e2e.ticks import ticks_between
from wards.model import WardId

WARD = WardId("medicine-52")
THIRD = WardId("children-12")
CLOCK = SystemClock()
LOST_TEXT = "staff_note_text_lost_total"


def from_prometheus(patience_s: float) -> tuple[tuple[str, str], ...]:
    """Changes of the plan: the longest lockup of a record is known by a Prometheus alone, whose
    address is named `prometheus`; without it for that long the ward returns."""
    provider = (
        "providers:\n",
        "providers:\n  - {name: prometheus, kind: prometheus, address: prometheus, "
        "sample_every_s: 0.25, timeout_s: 0.8}\n",
    )
    threshold = "    threshold: {at_most: 5, warn: 2, of_the_last_ticks: [2, 3]}\n"
    signal = (
        "    provider: staff\n"
        "    scrape: {metric: staff_lockup_seconds, reduce: latest, labels: {system: candidate}}\n"
        f"{threshold}"
        "    fresh_within_s: 5\n"
        "    blind_patience_s: 20\n",
        "    provider: prometheus\n"
        "    prometheus:\n"
        "      promql: sum by (ward) (staff_lockup_seconds{system='candidate'})\n"
        f"{threshold}"
        "    fresh_within_s: 2\n"
        f"    blind_patience_s: {patience_s:g}\n",
    )
    return provider, signal


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

    def level(self, signal: str) -> Level | None:
        """What the ledger last said of one of the ward's signals."""
        last = {one.verdict.signal: one.verdict.level for one in self.state().ward(WARD).verdicts}
        return last.get(SignalName(signal))

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

    def ticks_to_decide(self, timeout_s: float) -> int:
        """Break the notes; how many ticks began from when the hospital's own page shows lost text,
        seen from outside, until the return was decided. Raises AssertionError when the route is
        not on legacy in time, by that decision's own write."""
        url = self.hospital.addresses["staff_metrics_url"]
        observer = BreachObserver(url, LOST_TEXT, WARD, self.installation.clock)
        observer.start()
        self.break_notes()
        assert self.home_within(timeout_s), self.why()
        assert self.eventually(lambda: observer.visible_at is not None), self.why()
        observer.stop()
        assert self.eventually(lambda: bool(self.happenings(RollbackWritten))), self.why()
        (intended,) = self.happenings(RollbackIntended)
        home = self.installation.site.home
        assert "rollback.delayed" not in (home / "logs" / "sentinel.log").read_text("utf-8")
        visible_at = observer.visible_by(intended.seen_at)
        assert visible_at is not None
        return ticks_between(home, visible_at, intended.seen_at)

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
