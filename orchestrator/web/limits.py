"""How much is taken from outside at once: a bucket that fills again. Thread-safe."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field

from orchestrator.ports import Clock


@dataclass(slots=True)
class Buckets:
    """For each key `burst` at once, and one more every `every_s` real seconds."""

    clock: Clock
    burst: int
    every_s: float
    _left: dict[Hashable, tuple[float, float]] = field(
        default_factory=dict[Hashable, tuple[float, float]]
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: Hashable) -> bool:
        """Whether one more is within the limit."""
        now_s = self.clock.monotonic()
        with self._lock:
            left, at_s = self._left.get(key, (float(self.burst), now_s))
            left = min(float(self.burst), left + (now_s - at_s) / self.every_s)
            is_within = left >= 1.0
            self._left[key] = (left - 1.0 if is_within else left, now_s)
            return is_within
