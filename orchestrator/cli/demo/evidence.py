"""What the demonstration can prove, gathered from outside the processes it proves it of.

The moment a breach becomes visible is observed on the hospital's own metrics page, and
who answered whom is read from the gateway's own log.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.core.event import Entry, RollbackIntended, RollbackProven, RollbackWritten
from orchestrator.core.state import Phase, ProgrammeState
from orchestrator.ports import Clock
from wards.model import WardId

LOOK_EVERY_S = 0.02


class BreachObserver:
    """Looks at one counter of the staff's metrics page until it is above zero."""

    def __init__(self, url: str, metric: str, ward: WardId, clock: Clock) -> None:
        self._url = url
        self._metric = metric
        self._ward = ward
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="observer", daemon=True)
        self.visible_at: datetime | None = None
        self.unseen_at: datetime | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End looking."""
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _look(self) -> None:
        with httpx2.Client(timeout=2.0, trust_env=False) as client:
            while not self._stop.is_set() and self.visible_at is None:
                self._look_once(client)
                self._stop.wait(LOOK_EVERY_S)

    def _look_once(self, client: httpx2.Client) -> None:
        asked_at = self._clock.now()
        try:
            page = client.get(self._url).text
        except httpx2.HTTPError:
            return
        if counted(page, self._metric, self._ward) > 0:
            self.visible_at = asked_at
        else:
            self.unseen_at = asked_at

    def visible_by(self, decided_at: datetime) -> datetime | None:
        """When it was visible at the earliest, for all we saw: where a decision was faster than our
        looks, from the last of them that did not show it. None when none ever did."""
        if self.visible_at is None or self.visible_at <= decided_at:
            return self.visible_at
        return self.unseen_at


def counted(page: str, metric: str, ward: WardId) -> float:
    """The sum of a counter's samples for one ward on the candidate."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == metric
        and sample.labels.get("ward") == ward
        and sample.labels.get("system") == "candidate"
    )


def gateway_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line of the gateway's log."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def candidate_answers(path: Path, ward: WardId, *, after: datetime | None = None) -> int:
    """How many of a ward's requests the candidate answered (copies to it are not answers)."""
    return sum(
        1
        for line in gateway_lines(path)
        if line["ward"] == ward
        and line["system"] == "candidate"
        and not line["mirrored"]
        and (after is None or datetime.fromisoformat(line["at"]) > after)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnTimes:
    """One ward's return as the ledger tells it."""

    intended: Entry
    written: Entry | None
    proven: Entry | None


def return_times(entries: tuple[Entry, ...], ward: WardId) -> ReturnTimes | None:
    """The last return of a ward, None when there was none."""
    mine = [entry for entry in entries if entry.draft.ward == ward]
    intended = _last(mine, RollbackIntended)
    if intended is None:
        return None
    later = [entry for entry in mine if entry.seq > intended.seq]
    return ReturnTimes(
        intended=intended,
        written=_first(later, RollbackWritten),
        proven=_first(later, RollbackProven),
    )


def outcome(state: ProgrammeState, ward: WardId, answered_by_candidate: int) -> str:
    """accepted, rolled_back, untouched; anything else is no part of the story."""
    match state.ward(ward).phase:
        case Phase.ACCEPTED:
            return "accepted"
        case Phase.ROLLED_BACK:
            return "rolled_back"
        case Phase.WAITING if answered_by_candidate == 0:
            return "untouched"
        case phase:
            return phase.value


def _first(entries: list[Entry], kind: type) -> Entry | None:
    return next((entry for entry in entries if isinstance(entry.draft.happening, kind)), None)


def _last(entries: list[Entry], kind: type) -> Entry | None:
    return _first(entries[::-1], kind)
