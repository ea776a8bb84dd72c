"""Puts tables, texts and progress beside a run, and never in its way.

Each call to Prefect happens in a side task with a time limit: while the server is down a
call would block for a minute. Only what is newest is sent; what was missed is sent with
the next look. Source: prefect facts, sections 3 and 4.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import structlog
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run

from flows.tables import Soaked, Table

log = structlog.get_logger()
SEND_LIMIT_S = 5.0
LAST_WORDS_S = 120.0
PAUSE_S = 0.5
TITLE = "title"  # the run's own name, shown like an artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One artifact as it should be now. `data` is what Prefect stores for its type."""

    key: str
    type: str
    data: str | float
    description: str = ""


Send: TypeAlias = Callable[[Exhibit, UUID | None], Awaitable[UUID]]


def table(key: str, rows: Table, description: str = "") -> Exhibit:
    """A table; every row has the same columns."""
    data = json.dumps([dict(row) for row in rows], ensure_ascii=False)
    return Exhibit(key=key, type="table", data=data, description=description)


def progress(key: str, soak: Soaked) -> Exhibit:
    """A bar, 0-100, with its meaning in words."""
    return Exhibit(key=key, type="progress", data=soak.percent, description=soak.words)


async def send(exhibit: Exhibit, known: UUID | None) -> UUID:
    """Create an artifact of this run, or bring it up to date; its id."""
    async with get_client() as client:
        if exhibit.type == TITLE:
            run = UUID(str(flow_run.id))
            await client.set_flow_run_name(run, str(exhibit.data))
            return run
        if known is not None:
            update = ArtifactUpdate(data=exhibit.data, description=exhibit.description)
            await client.update_artifact(known, update)
            return known
        created = await client.create_artifact(
            ArtifactCreate(
                key=exhibit.key,
                type=exhibit.type,
                data=exhibit.data,
                description=exhibit.description,
                flow_run_id=UUID(flow_run.id) if flow_run.id else None,
            )
        )
        return created.id


class Display:
    """Everything that one run shows. For one event loop."""

    def __init__(
        self, send: Send = send, *, limit_s: float = SEND_LIMIT_S, last_s: float = LAST_WORDS_S
    ) -> None:
        self._send = send
        self._limit_s = limit_s
        self._last_s = last_s
        self._ids: dict[str, UUID] = {}
        self._shown: dict[str, Exhibit] = {}
        self._waiting: dict[str, Exhibit] = {}
        self._sending: asyncio.Task[None] | None = None

    def show(self, *exhibits: Exhibit) -> None:
        """Show these soon; returns at once and never raises."""
        for exhibit in exhibits:
            if self._shown.get(exhibit.key) != exhibit:
                self._waiting[exhibit.key] = exhibit
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send_all())

    async def finish(self, title: str = "") -> None:
        """Show what is still waiting and the run's last name, before the run ends.

        A table left as it was would call a ward healthy that went back; and the run's end needs
        the server just as much. So this tries on, but not for ever.
        """
        if title:
            self.show(Exhibit(key=TITLE, type=TITLE, data=title))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._last_s):
                while self._waiting:
                    self.show()
                    assert self._sending is not None
                    await asyncio.wait((self._sending,))

    @property
    def shown(self) -> Mapping[str, Exhibit]:
        """What Prefect has taken, by key."""
        return self._shown

    async def _send_all(self) -> None:
        while self._waiting:
            key, exhibit = next(iter(self._waiting.items()))
            try:
                async with asyncio.timeout(self._limit_s):
                    self._ids[key] = await self._send(exhibit, self._ids.get(key))
            except Exception as error:  # noqa: BLE001
                # The outermost frame of a side task: showing late is safe, stopping the run is not.
                log.warning("artifact.missed", key=key, problem=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
                return
            self._shown[key] = exhibit
            if self._waiting[key] is exhibit:
                del self._waiting[key]
