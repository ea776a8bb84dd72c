"""What tests of the practice hospital share: asking it, and reading what it tells."""

import http.client
import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.adapters.clock import wait_until
from wards.practice.hospital import Hospital, first_route

STARTS_AT = datetime.fromisoformat("2026-11-24T06:40:00+01:00")
PATIENCE_S = 20.0
_numbers = itertools.count(1)


@cache
def client() -> httpx2.Client:
    """One for all tests: making one costs more than most requests."""
    return httpx2.Client(trust_env=False, timeout=PATIENCE_S)


def ask(method: str, url: str, **kwargs: Any) -> httpx2.Response:
    return client().request(method, url, **kwargs)


def new_ward(hospital: Hospital, **backends: str) -> str:
    """A ward of the test's own, with its slices where the test wants them."""
    ward = f"test-{next(_numbers)}"
    answer = ask("POST", admin(hospital, "/routes"), json=route(ward, epoch=1, **backends))
    assert answer.status_code == 201, answer.text
    return ward


def route(ward: str, *, epoch: int, mirror: str | None = None, **backends: str) -> dict[str, Any]:
    document: Any = json.loads(json.dumps(first_route(ward)))
    document["spec"]["epoch"] = epoch
    for rule in document["spec"]["rules"]:
        rule["backend"] = backends.get(rule["name"], rule["backend"])
        rule["mirror"] = mirror if rule["name"] != "fallback" else None
    return document


def put_route(
    hospital: Hospital, ward: str, *, version: str | None = None, **wanted: Any
) -> httpx2.Response:
    """Replace a ward's route; without a version, on what is stored now."""
    document = route(ward, **wanted)
    url = admin(hospital, f"/routes/{ward}")
    stored = _grant(url, document["spec"]["epoch"])
    document["metadata"]["resource_version"] = stored if version is None else version
    return ask("PUT", url, json=document)


def _grant(url: str, epoch: int) -> str:
    """Let the next write go forward; the version of the route with that grant."""
    document = ask("GET", url).json()
    document["metadata"]["annotations"]["granted"] = str(epoch)
    return ask("PUT", url, json=document).json()["metadata"]["resource_version"]


def admin(hospital: Hospital, path: str) -> str:
    return hospital.addresses["gateway_admin_url"] + path


def through(hospital: Hospital, path: str, *, replica: int = 0) -> str:
    return hospital.addresses["gateway_urls"][replica] + path


def as_ward(hospital: Hospital, ward: str, path: str, *, replica: int = 0) -> httpx2.Response:
    return ask("GET", through(hospital, path, replica=replica), headers={"x-ward": ward})


def raw_ask(
    hospital: Hospital, path: str, headers: tuple[tuple[str, str], ...], *, method: str = "GET"
) -> Any:
    """A request whose path and headers nobody tidies up."""
    address = urlsplit(hospital.addresses["gateway_url"])
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def log_lines(hospital: Hospital, ward: str) -> list[dict[str, Any]]:
    lines = Path(hospital.gateway_log).read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["ward"] == ward]


def metric(url: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(
        sample.value
        for sample in _samples(url)
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def labels_of(url: str, name: str) -> set[tuple[tuple[str, str], ...]]:
    return {tuple(sorted(sample.labels.items())) for sample in _samples(url) if sample.name == name}


def _samples(url: str) -> Iterator[Any]:
    for family in text_string_to_metric_families(ask("GET", url).text):
        yield from family.samples


def eventually(condition: Any, *, within_s: float = PATIENCE_S) -> None:
    assert wait_until(condition, timeout_s=within_s, every_s=0.1)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
