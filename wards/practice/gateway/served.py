"""What every replica serves, how it behaves, and who is connected, wherever routes come from.

One event loop uses it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.adapters.clock import PracticeClock
from wards.practice.gateway.behaviour import USUAL, Behaviour
from wards.practice.gateway.replica import Replica
from wards.practice.gateway.route import Route
from wards.practice.wire import SYSTEMS


class Connections:
    """Requests and streams open now, by ward and side."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()

    def enter(self, ward: str, side: str) -> None:
        """One more is open."""
        self._open[ward, side] += 1

    def leave(self, ward: str, side: str) -> None:
        """One of them has ended."""
        self._open[ward, side] -= 1

    def of(self, ward: str) -> dict[str, Any]:
        """The counts of one ward."""
        return {"ward": ward, **{side: self._open[ward, side] for side in SYSTEMS}}

    def wards(self) -> tuple[str, ...]:
        """Every ward that ever had one."""
        return tuple(sorted({ward for ward, _ in self._open}))


class Served:
    """The replicas of the data plane and what they have been given."""

    def __init__(self, routes: Iterable[Route], *, clock: PracticeClock, replicas: int) -> None:
        self._clock = clock
        self.behaviour = USUAL
        self.connections = Connections()
        known = tuple(routes)
        self.replicas: Sequence[Replica] = tuple(
            Replica(number, known) for number in range(replicas)
        )

    def behave(self, behaviour: Behaviour) -> None:
        """Behave like this from now on, also with changes that are still on their way."""
        self.behaviour = behaviour

    def serving(self, replica: Replica, ward: str) -> Route | None:
        """The ward's route as one replica serves it now."""
        lateness_s = self.behaviour.lateness_of(replica.number)
        return replica.serving(ward, now=self._clock.monotonic(), lateness_s=lateness_s)

    def served_generation(self, ward: str) -> int:
        """The oldest generation of a ward's route that a replica still serves; 0 for none."""
        return min(self._generation(replica, ward) for replica in self.replicas)

    def hand_over(self, route: Route) -> None:
        """Let every replica have a change, each as late as it is."""
        now = self._clock.monotonic()
        for replica in self.replicas:
            replica.accept(route, at=now)

    def withdraw(self, ward: str) -> None:
        """Let every replica forget a route that was removed, each as late as it is."""
        now = self._clock.monotonic()
        for replica in self.replicas:
            replica.forget(ward, at=now)

    def _generation(self, replica: Replica, ward: str) -> int:
        served = self.serving(replica, ward)
        return served.generation if served else 0
