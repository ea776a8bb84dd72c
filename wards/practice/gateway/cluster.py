"""The gateway's routes from a Kubernetes API server, by watch, and their status back to it.

While nobody can say how routes are, the last ones are served on, without errors; after a start
without that server there are none, and every ward is answered 404 by a gateway that is healthy.
What the status says of a change is as true as the behaviour lets it be; the data plane is told
nothing by it.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC
from typing import Any, assert_never

import structlog

from orchestrator.adapters.clock import PracticeClock, SystemClock
from orchestrator.adapters.kubernetes.client import Cluster, Kind
from orchestrator.adapters.kubernetes.picture import Picture
from orchestrator.errors import WardshiftError
from wards.practice.gateway import httproute
from wards.practice.gateway.behaviour import StatusMode
from wards.practice.gateway.httproute import NotUnderstood, Read
from wards.practice.gateway.route import Route, Spec
from wards.practice.gateway.served import Served

log = structlog.get_logger()
EVERYTHING = ""  # a gateway takes any route that is attached to it, whatever its labels
LOOK_S = 0.2  # for how long a look at the picture waits for a change
STATUS_EVERY_S = 0.1
PORT = "status"
GATEWAY = "wards"


def routes_kind(namespace: str) -> Kind:
    """The HTTPRoutes of a namespace."""
    return Kind(
        group="gateway.networking.k8s.io", version="v1", plural="httproutes", namespace=namespace
    )


class Followed(Served):
    """Routes as the cluster has them. One event loop uses it."""

    def __init__(
        self, cluster: Cluster, *, namespace: str, clock: PracticeClock, replicas: int
    ) -> None:
        super().__init__((), clock=clock, replicas=replicas)
        self._cluster = cluster
        self._kind = routes_kind(namespace)
        self._picture = Picture(cluster, self._kind, EVERYTHING)
        self._wall = SystemClock()
        self._given: dict[str, tuple[Spec, int]] = {}
        self._reads: dict[str, Read | None] = {}
        self._read_at: dict[str, str] = {}

    async def follow(self) -> None:
        """Until cancelled: take every change, and tell of it."""
        self._picture.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._taking())
                tasks.create_task(self._telling())
        finally:
            self._picture.stop()

    async def _taking(self) -> None:
        while True:
            await asyncio.to_thread(self._picture.wait, LOOK_S)
            documents = self._picture.now()
            if documents is not None:
                self.take(documents)

    def take(self, documents: tuple[dict[str, Any], ...]) -> None:
        """Serve these routes and no others from now on, each replica as late as it is."""
        for document in documents:
            self._read(document)
        named = {document["metadata"]["name"] for document in documents}
        self._reads = {name: read for name, read in self._reads.items() if name in named}
        wanted = httproute.by_ward(read for read in self._reads.values() if read is not None)
        for ward, route in wanted.items():
            self._give(ward, route)
        for ward in self._given.keys() - wanted.keys():
            del self._given[ward]
            self.withdraw(ward)

    def _give(self, ward: str, route: Route) -> None:
        if self._given.get(ward) != (route.spec, route.generation):
            self._given[ward] = (route.spec, route.generation)
            self.hand_over(route)

    def _read(self, document: Mapping[str, Any]) -> None:
        """Understand a document once; one that is not understood leaves what was before."""
        name, version = document["metadata"]["name"], document["metadata"]["resourceVersion"]
        if self._read_at.get(name) == version:
            return
        self._read_at[name] = version
        try:
            self._reads[name] = httproute.read(document, GATEWAY)
        except (NotUnderstood, KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("route.not_understood", route=name, problem=str(error))
            self._reads.setdefault(name, None)

    async def _telling(self) -> None:
        while True:
            await asyncio.sleep(STATUS_EVERY_S)
            for document in self._picture.now() or ():
                wanted = self._status_of(document)
                if wanted is not None and _differs(document, wanted):
                    await asyncio.to_thread(self._write, document, wanted)

    def _status_of(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        """The status that the behaviour gives a route; None where there is none to give."""
        metadata = document["metadata"]
        read = self._reads.get(metadata["name"])
        if read is None:
            return None
        generation = int(metadata["generation"])
        served = self.served_generation(read.route.spec.ward)
        observed = _observed(self.behaviour.status, generation=generation, served=served)
        if observed is None:
            return {"parents": []}
        return httproute.status(
            gateway=GATEWAY,
            observed=observed,
            accepted=read.route.generation == generation,
            has_all_backends=read.has_all_backends
            and self.behaviour.status is not StatusMode.UNRESOLVED,
            at=self._wall.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _write(self, document: Mapping[str, Any], wanted: dict[str, Any]) -> None:
        """A status that was not written is written the next time, if it still differs."""
        body = {**document, "status": wanted}
        try:
            self._cluster.replace_status(PORT, self._kind, body)
        except WardshiftError as error:
            log.info("status.not_written", route=body["metadata"]["name"], problem=str(error))


def _differs(document: Mapping[str, Any], wanted: dict[str, Any]) -> bool:
    return httproute.says(document) != httproute.says({"status": wanted})


def _observed(mode: StatusMode, *, generation: int, served: int) -> int | None:
    match mode:
        case StatusMode.EARLY | StatusMode.UNRESOLVED:
            return generation
        case StatusMode.TRUTHFUL:
            return served
        case StatusMode.STALE:
            return generation - 1
        case StatusMode.MISSING:
            return None
        case _:
            assert_never(mode)
