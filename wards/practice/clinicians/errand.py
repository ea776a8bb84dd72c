"""One task's conversation with the systems: charged, measured, and told to the telemetry.

Invariant: a clinician only ever speaks to the gateway; what an answer is counted for is
the system that says it gave it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx2

from orchestrator.adapters.clock import PracticeClock
from wards.practice.clinicians.forms import Patient
from wards.practice.clinicians.telemetry import Holds, Telemetry
from wards.practice.wire import (
    CLIENT_HEADER,
    NOBODY,
    SYSTEM_HEADER,
    SYSTEMS,
    WARD_HEADER,
)

CLINICIAN = "clinician"
LABORATORY = "other"
NO_ANSWER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Status 0: nothing. `system` is who says to have answered."""

    status: int
    system: str
    body: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether the request was met."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class Desk:
    """A ward's workplaces: its identity, its patients, its telemetry."""

    def __init__(
        self,
        *,
        ward: str,
        beds: int,
        client: httpx2.AsyncClient,
        clock: PracticeClock,
        telemetry: Telemetry,
        rng: Random,
        run: str,
    ) -> None:
        self.ward = ward
        self.clock = clock
        self.telemetry = telemetry
        self.rng = rng
        self._beds = beds
        self._client = client
        self._run = run
        self._admitted = 0
        self._written = 0
        self._seen: dict[str, str] = {}  # slice -> the system that last answered

    def admit(self) -> Patient:
        """The next patient; the one who came longest ago leaves the bed."""
        self._admitted += 1
        return Patient(ward=self.ward, number=self._admitted)

    def patient(self) -> Patient:
        """One of the patients in the beds."""
        newest = max(1, self._admitted)
        oldest = max(1, newest - self._beds + 1)
        return Patient(ward=self.ward, number=self.rng.randint(oldest, newest))

    def key(self, kind: str) -> str:
        """A new business identifier."""
        self._written += 1
        return f"{self.ward}-{kind}-{self._run}-{self._written}"

    async def read(self, slice_: str, path: str) -> Answer:
        """Ask for something, as a clinician."""
        begun = self.clock.monotonic()
        answer = await self._send("GET", slice_, path, None, CLINICIAN)
        took_s = self._note_screen(slice_, answer, begun)
        self._holds(answer.system).read(begun + took_s, took_s)
        return answer

    async def write(
        self, slice_: str, path: str, body: Mapping[str, Any], *, method: str = "POST"
    ) -> Answer:
        """Enter something, as a clinician."""
        begun = self.clock.monotonic()
        expected = self._holds(self._seen.get(slice_, NOBODY))
        write = expected.begin(begun)
        answer = Answer(status=NO_ANSWER, system=NOBODY, body={})
        try:
            answer = await self._send(method, slice_, path, body, CLINICIAN)
        finally:
            holds = expected if answer.system == NOBODY else self._holds(answer.system)
            holds.finish(expected.end(write), self.clock.monotonic())
        self._note_screen(slice_, answer, begun)
        return answer

    async def deliver(self, slice_: str, path: str, body: Mapping[str, Any]) -> Answer:
        """Enter something, as the laboratory: nobody at a screen waits for it."""
        return await self._send("POST", slice_, path, body, LABORATORY)

    def _note_screen(self, slice_: str, answer: Answer, begun: float) -> float:
        took_s = self.clock.monotonic() - begun
        self.telemetry.screens.labels(self.ward, slice_, answer.system).observe(took_s)
        if answer.system != NOBODY:
            self._seen[slice_] = answer.system
        return took_s

    def _holds(self, system: str) -> Holds:
        return self.telemetry.holds[self.ward, system]

    async def _send(
        self, method: str, slice_: str, path: str, body: Mapping[str, Any] | None, client: str
    ) -> Answer:
        headers = {WARD_HEADER: self.ward, CLIENT_HEADER: client}
        try:
            response = await self._client.request(
                method, f"/{slice_}{path}", headers=headers, json=body
            )
        except httpx2.HTTPError:
            return Answer(status=NO_ANSWER, system=NOBODY, body={})
        return _answer(response)


class Errand:
    """One task at a desk. Each request is charged to the ward's pace, which delays later tasks."""

    def __init__(self, desk: Desk, charge: Callable[[], None]) -> None:
        self.desk = desk
        self._charge = charge

    async def read(self, slice_: str, path: str) -> Answer:
        """Ask for something."""
        self._charge()
        return await self.desk.read(slice_, path)

    async def write(
        self, slice_: str, path: str, body: Mapping[str, Any], *, method: str = "POST"
    ) -> Answer:
        """Enter something."""
        self._charge()
        return await self.desk.write(slice_, path, body, method=method)

    async def deliver(self, slice_: str, path: str, body: Mapping[str, Any]) -> Answer:
        """Enter something as the laboratory."""
        self._charge()
        return await self.desk.deliver(slice_, path, body)

    def finish(self, slice_: str, answer: Answer, *, ok: bool) -> None:
        """The task is over; `answer` is what it ended on."""
        desk = self.desk
        outcome = "ok" if ok else "failed"
        desk.telemetry.tasks.labels(desk.ward, slice_, answer.system, outcome).inc()
        desk.telemetry.last_work.labels(desk.ward).set(desk.clock.now().timestamp())


def _answer(response: httpx2.Response) -> Answer:
    system = response.headers.get(SYSTEM_HEADER)
    return Answer(
        status=response.status_code,
        system=system if system in SYSTEMS else NOBODY,
        body=_object(response.content),
    )


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
