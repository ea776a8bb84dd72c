"""The leases port on the cluster: one Lease object a name. Read each time, not watched: a
guard that acted on a stale picture of signs of life would act on the living. All of the namespace
are read, whatever their labels: one that is not seen can be neither renewed nor taken, for
it is there."""

from collections.abc import Mapping

import structlog

from orchestrator.adapters.kubernetes.client import Cluster, Kind
from orchestrator.adapters.kubernetes.documents import (
    Document,
    lease_document,
    lease_record,
)
from orchestrator.errors import Conflict, Indeterminate, Refused
from orchestrator.ports import Clock, LeaseRecord

log = structlog.get_logger()
PORT = "leases"
EVERY = ""  # label: any tool may change them


class KubeLeases:
    """The leases port. `clock`: for the time that people read on a Lease. Thread-safe."""

    def __init__(self, cluster: Cluster, clock: Clock, *, namespace: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._uids: dict[str, str] = {}
        self._kind = Kind(
            group="coordination.k8s.io", version="v1", plural="leases", namespace=namespace
        )

    def all(self) -> tuple[LeaseRecord, ...]:
        """Every lease that can be understood; one that cannot is said. Raises: Unavailable."""
        items = self._cluster.list(PORT, self._kind, EVERY).get("items") or ()
        read = tuple(record for record in map(self._read, items) if record is not None)
        for gone in self._uids.keys() - {record.name for record in read}:
            self._uids.pop(gone, None)
        return read

    def put(
        self,
        name: str,
        *,
        holder: str,
        duration_s: float,
        transitions: int,
        notes: Mapping[str, str],
        resource_version: str,
    ) -> LeaseRecord:
        """Take or renew; version "" creates. Raises: Conflict, Unavailable, Indeterminate,
        Refused by the cluster's rules."""
        body = lease_document(
            name,
            namespace=self._namespace,
            holder=holder,
            duration_s=duration_s,
            transitions=transitions,
            notes=notes,
            resource_version=resource_version,
            renewed_at=self._clock.now(),
        )
        record = self._read(self._put(body, resource_version))
        if record is None:
            raise Indeterminate(PORT, f"write of {name} (the answer makes no sense)")
        return record

    def _put(self, body: Document, resource_version: str) -> Document:
        if not resource_version:
            return self._cluster.create(PORT, self._kind, body)
        name = body["metadata"]["name"]
        try:
            body["metadata"]["uid"] = self._uids.get(name) or self._uid(name)
            return self._cluster.replace(PORT, self._kind, body)
        except Refused as error:
            if error.code != "not_found":
                raise
            raise Conflict(f"lease {name}", expected=resource_version, found="none") from error

    def _uid(self, name: str) -> str:
        """Which object is meant: a PUT of a Lease that is not there would make a new one."""
        return str(self._cluster.read(PORT, self._kind, name)["metadata"]["uid"])

    def _read(self, item: Document) -> LeaseRecord | None:
        try:
            record = lease_record(item)
            self._uids[record.name] = str(item["metadata"]["uid"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.error("lease.not_understood", problem=type(error).__name__)
            return None
        return record
