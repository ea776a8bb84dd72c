"""One line for each answered request: who answered, for which ward, under which epoch.

Invariant: nothing of a path but the kind of resource, never an id, a query or a body;
unknown words become "other".
"""

import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.clock import PracticeClock
from wards.practice.wire import RESOURCE_TYPES, SLICES, instant

CLIENTS = ("clinician", "probe", "drill", "sentinel")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PLACES = ("session", "stream")
OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is kept of one request. None: the gateway answered by itself."""

    ward: str | None
    slice: str | None
    method: str
    resource: str
    system: str | None
    status: int
    epoch: int | None
    mirrored: bool
    client: str
    replica: int
    took_s: float


class RequestLog:
    """An append-only file of JSON lines; a line is in the file when the answer goes out."""

    def __init__(self, path: Path, clock: PracticeClock) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._clock = clock

    def write(self, line: Line) -> None:
        """Keep one line, stamped with the moment of the answer."""
        document = {
            "at": instant(self._clock.now()),
            "monotonic": round(self._clock.monotonic(), 6),
            "ward": line.ward,
            "slice": line.slice,
            "method": line.method,
            "resource": line.resource,
            "system": line.system,
            "status": line.status,
            "epoch": line.epoch,
            "mirrored": line.mirrored,
            "client": line.client,
            "replica": line.replica,
            "took_ms": round(line.took_s * 1000, 3),
        }
        self._file.write(json.dumps(document, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def resource_of(path: str) -> str:
    """The kind of thing that a path asks for."""
    parts = [part for part in path.split("/") if part]
    rest = parts[1:] if parts[:1] and parts[0] in SLICES else parts
    match rest:
        case ["fhir", type_, *_] if type_ in (*RESOURCE_TYPES, "metadata"):
            return type_
        case [place, *_] if place in PLACES:
            return place
        case _:
            return OTHER


def method_of(method: str) -> str:
    """The method, if it is one of HTTP's usual ones."""
    return method if method in METHODS else OTHER


def client_of(client: str | None) -> str:
    """The kind of client that a request says it comes from."""
    return client if client in CLIENTS else OTHER
