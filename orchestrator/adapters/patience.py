"""Leases whose reading is tried again for as long as the plan's retry budget allows.

Only reading: a lost write is decided again by whoever wrote. Only for the forward path:
the sentinel's and the guard's own loops come back by themselves and wait for nothing.
"""

from collections.abc import Mapping

from orchestrator.adapters.retrying import Retrying
from orchestrator.ports import LeaseRecord, Leases


class PatientLeases:
    """The leases port with patient reading."""

    def __init__(self, leases: Leases, retrying: Retrying) -> None:
        self._leases = leases
        self._retrying = retrying

    def all(self) -> tuple[LeaseRecord, ...]:
        """See ports.Leases. Raises: Unavailable when the budget is spent."""
        return self._retrying(self._leases.all)

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
        """See ports.Leases."""
        return self._leases.put(
            name,
            holder=holder,
            duration_s=duration_s,
            transitions=transitions,
            notes=notes,
            resource_version=resource_version,
        )
