"""Readings from asking one EHR directly, as each ward: 1 for a good answer, 0 for a bad one.

The question goes to the EHR's own address, not through the gateway: legacy must be proven
ready whatever the gateway does. For a probe "down" is an answer about the system: refused,
silent or broken is 0. Only when this side could not ask (no descriptors, no name, no network of
its own, or its turn never came) is it SourceDown, for that says nothing about the EHR.
The round trip writes one synthetic patient a ward, once, by conditional create.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeAlias, assert_never
from urllib.parse import quote

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.http import Answer, Failure, Http, Trouble
from orchestrator.core.plan import ProbeKind, ProbeQuery, Signal
from orchestrator.core.reading import Reading, SourceDown, Value
from orchestrator.ports import Readings
from wards.model import WardId

AT_ONCE = 32
OWN_SHARE = 0.8  # of the time a read has: what one ward's probe may take, so that it can be told
IDENTIFIER_SYSTEM = "urn:wardshift:practice"
FHIR_VERSION = "4.0.1"
GOOD = Value(number=1.0, n=1, age_s=0.0)
BAD = Value(number=0.0, n=1, age_s=0.0)
_clock = SystemClock()


class _CouldNotAsk(Exception):
    """The fault is on this side."""


class _Asker:
    """Asks as one ward until its time is up."""

    def __init__(self, http: Http, base: str, ward: WardId, within_s: float) -> None:
        self._http = http
        self._base = base
        self._headers = {"x-ward": ward, "x-client": "probe"}
        self._until_s = _clock.monotonic() + within_s
        self.identifier = f"{IDENTIFIER_SYSTEM}|probe-{ward}"

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer | None:
        """A good answer, or None. Raises: _CouldNotAsk."""
        answer = self._http.ask(
            method,
            f"{self._base}{path}",
            headers={**self._headers, **(headers or {})},
            json=json,
            within_s=max(self._until_s - _clock.monotonic(), 0.0),
        )
        if isinstance(answer, Failure):
            if answer.trouble is Trouble.OURS:
                raise _CouldNotAsk(answer.reason)
            return None
        return answer if answer.is_good else None


_Question: TypeAlias = Callable[[_Asker], bool]


class ProbeSource:
    """The signal source over one EHR's base URL (without `/fhir`). Ends within `timeout_s`."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._base = url.rstrip("/")
        self._timeout_s = timeout_s
        self._http = Http("probe", timeout_s=timeout_s)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe")

    def read(self, signals: Sequence[Signal], wards: Sequence[WardId]) -> Readings:
        """One reading for every pair, wards side by side. Never raises."""
        asked = {
            (ward, signal.name): self._pool.submit(self._probe, signal, ward)
            for signal in signals
            for ward in wards
        }
        wait(asked.values(), timeout=self._timeout_s)
        return {pair: _in_time(future) for pair, future in asked.items()}

    def close(self) -> None:
        """End the threads and give the connections back."""
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    def _probe(self, signal: Signal, ward: WardId) -> Reading:
        if not isinstance(signal.query, ProbeQuery):
            return SourceDown(reason="not a probe")
        question = _question(signal.query)
        asker = _Asker(self._http, self._base, ward, self._timeout_s * OWN_SHARE)
        try:
            return GOOD if question(asker) else BAD
        except _CouldNotAsk as error:
            return SourceDown(reason=f"this side could not ask: {error}")


def _in_time(future: Future[Reading]) -> Reading:
    if future.done():
        return future.result()
    future.cancel()
    return SourceDown(reason="its turn to be asked did not come in time")


def _question(query: ProbeQuery) -> _Question:
    match query.kind:
        case ProbeKind.HTTP:
            return lambda asker: asker.ask("GET", query.path or "/") is not None
        case ProbeKind.FHIR_METADATA:
            return _is_capable
        case ProbeKind.FHIR_ROUND_TRIP:
            return _keeps_what_it_takes
    assert_never(query.kind)


def _is_capable(asker: _Asker) -> bool:
    """It says that it is an active FHIR R4 server."""
    said = _resource(asker.ask("GET", "/fhir/metadata"), "CapabilityStatement")
    return said.get("fhirVersion") == FHIR_VERSION and said.get("status") == "active"


def _keeps_what_it_takes(asker: _Asker) -> bool:
    """What was written can be read by id, and is found by its identifier."""
    system, _, value = asker.identifier.partition("|")
    written = _resource(
        asker.ask(
            "POST",
            "/fhir/Patient",
            headers={
                "content-type": "application/fhir+json",
                "if-none-exist": f"identifier={asker.identifier}",
                "prefer": "return=representation",
            },
            json={
                "resourceType": "Patient",
                "identifier": [{"system": system, "value": value}],
                "active": True,
            },
        ),
        "Patient",
    )
    if not _is_ours(written, system, value):
        return False
    name = quote(str(written["id"]), safe="")
    read = _resource(asker.ask("GET", f"/fhir/Patient/{name}"), "Patient")
    if read.get("id") != written["id"] or not _is_ours(read, system, value):
        return False
    search = f"/fhir/Patient?identifier={quote(asker.identifier, safe='')}"
    found = _resource(asker.ask("GET", search), "Bundle")
    return written["id"] in _ids(found)


def _resource(answer: Answer | None, kind: str) -> Mapping[str, Any]:
    """The resource of that type in the answer; empty when there is none."""
    if answer is None:
        return {}
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) and body.get("resourceType") == kind else {}


def _is_ours(patient: Mapping[str, Any], system: str, value: str) -> bool:
    identifiers = patient.get("identifier")
    named = isinstance(identifiers, list) and {"system": system, "value": value} in (
        {"system": one.get("system"), "value": one.get("value")}
        for one in identifiers
        if isinstance(one, dict)
    )
    return named and isinstance(patient.get("id"), str)


def _ids(bundle: Mapping[str, Any]) -> set[str]:
    entries = bundle.get("entry")
    resources = [
        entry.get("resource")
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    ]
    return {str(one.get("id")) for one in resources if isinstance(one, dict)}
