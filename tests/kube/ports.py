"""Fakes at two ports, so that a ward's life on a real API server needs no hospital: a data plane
that serves whatever the stored route says, and signals that a file gives."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator import bootstrap
from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.plan import Signal
from orchestrator.core.reading import Reading, SourceDown, Value
from orchestrator.errors import WardshiftError
from orchestrator.ports import ProbeAnswer, Routes
from orchestrator.service.switch import expected_sides
from orchestrator.settings import Site
from wards.model import WardId

SIGNALS = "signals.json"
_clock = SystemClock()


class StoredProber:
    """Answers by the route as the API server has it, as a gateway would that is never late."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        began_s = _clock.monotonic()
        try:
            route = self._routes.get(ward).route
        except WardshiftError as error:
            return tuple(_answer(name, None, None, 0.0, str(error)) for name in slices)
        sides = expected_sides(route, drill)
        took_ms = (_clock.monotonic() - began_s) * 1000
        return tuple(_answer(name, sides.get(name), route.epoch, took_ms) for name in slices)

    def open_on(self, ward: WardId, side: Side) -> int | None:
        return 0


def _answer(
    name: SliceName, side: Side | None, epoch: int | None, took_ms: float, problem: str = ""
) -> ProbeAnswer:
    return ProbeAnswer(
        gateway="stored", slice_name=name, side=side, epoch=epoch, took_ms=took_ms, problem=problem
    )


class FileReaders:
    """Every signal's number stands in a file; one that is not there is a source that is down,
    and a source that hangs does so for the whole time it is given."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read_all(
        self, signals: Sequence[Signal], wards: Sequence[WardId], *, deadline_s: float
    ) -> dict[tuple[WardId, Any], Reading]:
        said = json.loads(self._file.read_text())
        if "hang" in said.values():
            wait_until(lambda: False, timeout_s=deadline_s)
        return {(ward, one.name): _reading(said.get(one.name)) for ward in wards for one in signals}


def _reading(said: object) -> Reading:
    if isinstance(said, int | float):
        return Value(number=float(said), n=9, age_s=0.0)
    return SourceDown(reason="no answer in time")


def say_signals(home: Path, **numbers: float | str | None) -> None:
    """What every signal reads from now on. A reader sees the old numbers or the new ones."""
    beside = home / f"{SIGNALS}.new"
    beside.write_text(json.dumps(numbers))
    beside.replace(home / SIGNALS)


def stored_prober(site: Site, _prefixes: object) -> StoredProber:
    return StoredProber(bootstrap.routes_of(site))


def file_readers(site: Site, *_: object) -> FileReaders:
    return FileReaders(site.home / SIGNALS)
