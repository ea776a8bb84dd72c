"""The only file that asks the machine what time it is.

Wall time (shifts, windows, soak) and monotonic time (leases, timeouts,
latencies) are different questions. In the practice hospital wall time may run
faster than real time; monotonic time never does.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.errors import ConfigError


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on a clock that nobody can set."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for a real duration in seconds."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetting:
    """Where practice time stood at one monotonic moment, and how fast it runs.

    `rate` is practice seconds per real second. The monotonic clock is shared by
    all processes of one machine, so every process reads the same practice time.
    """

    anchor: datetime
    anchor_monotonic: float
    rate: float

    def at(self, monotonic: float) -> datetime:
        """Practice time at a monotonic moment."""
        return self.anchor + timedelta(seconds=(monotonic - self.anchor_monotonic) * self.rate)


class PracticeClock:
    """Wall time read from a clock file that the practice hospital keeps.

    The file may be replaced while processes run (a change of speed); it is read
    again when its modification stamp changes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = -1
        self._setting = self._load()

    def now(self) -> datetime:
        """Practice wall time, aware, UTC."""
        if self._path.stat().st_mtime_ns != self._stamp:
            self._setting = self._load()
        return self._setting.at(time.monotonic())

    def monotonic(self) -> float:
        """Real monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for real seconds."""
        time.sleep(seconds)

    @property
    def rate(self) -> float:
        """Practice seconds per real second, as last read."""
        return self._setting.rate

    def _load(self) -> ClockSetting:
        self._stamp = self._path.stat().st_mtime_ns
        raw = json.loads(self._path.read_text(encoding="utf-8"))
        return ClockSetting(
            anchor=datetime.fromisoformat(raw["anchor"]),
            anchor_monotonic=float(raw["anchor_monotonic"]),
            rate=float(raw["rate"]),
        )


def set_practice_clock(path: Path, *, now: datetime | None = None, rate: float) -> ClockSetting:
    """Write the clock file: go on from `now` (or from where it stands) at `rate`.

    Atomic: a reader sees the old setting or the new one.
    Raises: ValueError for a rate that is not positive, or a first setting without `now`.
    """
    if rate <= 0:
        raise ValueError(f"practice clock rate must be positive, not {rate}")
    if now is None:
        if not path.exists():
            raise ValueError(f"{path} does not exist yet: say what time it is")
        now = PracticeClock(path).now()
    setting = ClockSetting(anchor=now.astimezone(UTC), anchor_monotonic=time.monotonic(), rate=rate)
    text = json.dumps(
        {
            "anchor": setting.anchor.isoformat(),
            "anchor_monotonic": setting.anchor_monotonic,
            "rate": setting.rate,
        }
    )
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    return setting


def clock_from(path: Path | None) -> SystemClock | PracticeClock:
    """The practice clock if a clock file is named, else the machine's.

    Raises: ConfigError when the file that is named does not read.
    """
    if path is None:
        return SystemClock()
    try:
        return PracticeClock(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = (
            f"{path}: the practice clock does not read ({error}); start the practice hospital, "
            "or take WARDSHIFT_CLOCK_FILE out of site.env"
        )
        raise ConfigError((problem,)) from error


def wait_until(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Poll a condition in real time; True as soon as it holds, False at the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
    return True
