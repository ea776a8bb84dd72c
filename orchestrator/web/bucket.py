"""How many messages a moment: a token bucket that says no at once, and when to come again."""

import math
import threading

from orchestrator.ports import Clock


class Bucket:
    """Holds up to `most` and gains `a_second` of them each real second. Thread-safe."""

    def __init__(self, clock: Clock, *, most: int, a_second: float) -> None:
        self._clock = clock
        self._most = most
        self._a_second = a_second
        self._left = float(most)
        self._at_s = clock.monotonic()
        self._lock = threading.Lock()

    def take(self) -> int:
        """0 when one was taken; else whole seconds until there is one."""
        with self._lock:
            now_s = self._clock.monotonic()
            gained = (now_s - self._at_s) * self._a_second
            self._left, self._at_s = min(self._most, self._left + gained), now_s
            if self._left >= 1:
                self._left -= 1
                return 0
            return math.ceil((1 - self._left) / self._a_second)
