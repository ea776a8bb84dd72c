"""Who has seen everything: each version of the ward's route and of its lease, in the order in
which the API server made them, by a connection that shares nothing with the code under test."""

import http.client
import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.kubernetes.documents import observed
from orchestrator.core.route import is_exposed, is_return
from tests.real.kube_server import KubeServer
from tests.real.kube_site import BACKENDS, NAMESPACE, ROUTES

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
_clock = SystemClock()


@dataclass(frozen=True)
class Sighting:
    """A version of the route, seen at a monotonic second."""

    at_s: float
    epoch: int
    exposed: bool
    is_return: bool


class Witness:
    """Watches from the moment it is made until `end`."""

    def __init__(self, server: KubeServer, ward: str) -> None:
        self.routes: list[Sighting] = []
        self.renewals: list[float] = []
        self.blinded: str = ""  # why it saw no more before it was told to end
        self._is_over = False
        self._server = server
        self._connections: list[http.client.HTTPSConnection] = []
        self._threads = [
            self._follow(ROUTES, f"ward-{ward}", self._see_route),
            self._follow(LEASES, f"ward-{ward}", self._see_lease),
        ]

    def end(self) -> None:
        self._is_over = True
        for connection in self._connections:
            with suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(2)
        for thread in self._threads:
            thread.join(10)

    def longest_without_lease_s(self) -> float:
        """How long the ward was exposed at a stretch without a sign of life of its lease."""
        now_s = _clock.monotonic()
        longest = 0.0
        for number, seen in enumerate(self.routes):
            if not seen.exposed:
                continue
            is_last = number + 1 == len(self.routes)
            until_s = now_s if is_last else self.routes[number + 1].at_s
            longest = max(longest, self._silence_s(seen.at_s, until_s))
        return longest

    def exposures(self) -> int:
        """How often the ward went from legacy to the candidate."""
        before = [False, *(seen.exposed for seen in self.routes)]
        return sum(not old and new.exposed for old, new in zip(before, self.routes, strict=False))

    def exposed_after_return(self) -> bool:
        """Whether anything was exposed after a return had been written."""
        returned = False
        for seen in self.routes:
            returned = returned or seen.is_return
            if returned and seen.exposed:
                return True
        return False

    def _silence_s(self, since_s: float, until_s: float) -> float:
        """The longest stretch without a renewal that ends within these seconds."""
        before = max((at_s for at_s in self.renewals if at_s <= since_s), default=since_s)
        within = [at_s for at_s in self.renewals if since_s < at_s < until_s]
        marks = [before, *within, until_s]
        return max(later - earlier for earlier, later in pairwise(marks))

    def _see_route(self, item: dict[str, Any]) -> None:
        route = observed(item, BACKENDS).route
        seen = Sighting(_clock.monotonic(), route.epoch, is_exposed(route), is_return(route))
        self.routes.append(seen)

    def _see_lease(self, _item: dict[str, Any]) -> None:
        self.renewals.append(_clock.monotonic())

    def _follow(
        self, path: str, name: str, see: Callable[[dict[str, Any]], None]
    ) -> threading.Thread:
        begun = threading.Event()
        thread = threading.Thread(
            target=self._watch, args=(path, name, see, begun), name="witness", daemon=True
        )
        thread.start()
        assert begun.wait(30), "the API server begins no watch"
        return thread

    def _watch(
        self, path: str, name: str, see: Callable[[dict[str, Any]], None], begun: threading.Event
    ) -> None:
        where = urlsplit(self._server.url)
        connection = http.client.HTTPSConnection(
            where.hostname or "",
            where.port,
            context=ssl.create_default_context(cafile=str(self._server.ca_file)),
        )
        self._connections.append(connection)
        # Without a version it begins with all there is.
        query = f"watch=1&fieldSelector=metadata.name%3D{name}"
        headers = {"Authorization": f"Bearer {self._server.token}"}
        connection.request("GET", f"{path}?{query}", headers=headers)
        answer = connection.getresponse()
        begun.set()
        try:
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    see(event["object"])
            why = "the watch ended"
        except Exception as error:
            why = repr(error)
        if not self._is_over:
            self.blinded = why
