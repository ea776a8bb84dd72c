"""What one replica of the data plane serves, and how far it is behind what was accepted.

Invariants: changes take effect in the order in which they were accepted, each as a
whole; a replica that is asked what it serves first takes what has become due.
"""

from collections import deque
from collections.abc import Iterable

from wards.practice.gateway.route import Route


class Replica:
    """The applied configuration of one replica. Moments are monotonic seconds."""

    def __init__(self, number: int, routes: Iterable[Route]) -> None:
        self.number = number
        self._applied = {route.spec.ward: route for route in routes}
        self._waiting: deque[tuple[float, str, Route | None]] = deque()

    def accept(self, route: Route, *, at: float) -> None:
        """A change was accepted at this moment; it will be served later."""
        self._waiting.append((at, route.spec.ward, route))

    def forget(self, ward: str, *, at: float) -> None:
        """A ward's route was removed at this moment; it will be served a while longer."""
        self._waiting.append((at, ward, None))

    def serving(self, ward: str, *, now: float, lateness_s: float) -> Route | None:
        """The ward's route as this replica serves it now."""
        while self._waiting and self._waiting[0][0] + lateness_s <= now:
            _, changed, route = self._waiting.popleft()
            if route is None:
                self._applied.pop(changed, None)
            else:
                self._applied[changed] = route
        return self._applied.get(ward)
