"""The documents that an EHR answers with, as JSON text. Pure.

Stored resources are pasted in as the text they were stored as, so that a page costs no parsing.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from wards.practice.ehr.query import SEARCH_PARAMS
from wards.practice.ehr.store import Version
from wards.practice.wire import RESOURCE_TYPES

INTERACTIONS = (
    "read",
    "vread",
    "update",
    "create",
    "search-type",
    "history-instance",
    "history-type",
)
WRITTEN_ON = "2026-11-24"
STATUS_OF = {"POST": "201 Created", "PUT": "200 OK"}


def text(document: Mapping[str, Any]) -> str:
    """One document as JSON text."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def outcome(code: str, *diagnostics: str) -> str:
    """An OperationOutcome with one error for each sentence. Sentences hold no record's content."""
    issues = [
        {"severity": "error", "code": code, "diagnostics": sentence} for sentence in diagnostics
    ]
    return text({"resourceType": "OperationOutcome", "issue": issues})


def searchset(
    versions: Iterable[Version],
    *,
    base: str,
    self_url: str,
    next_url: str | None,
    total: int | None,
) -> str:
    """A Bundle of search results."""
    entries = (
        f'{{"fullUrl":{_full_url(base, version)},"resource":{version.body},'
        '"search":{"mode":"match"}}'
        for version in versions
    )
    return _bundle("searchset", entries, self_url=self_url, next_url=next_url, total=total)


def history(versions: Iterable[Version], *, base: str, self_url: str, next_url: str | None) -> str:
    """A Bundle of versions, newest first."""
    entries = (_history_entry(base, version) for version in versions)
    return _bundle("history", entries, self_url=self_url, next_url=next_url, total=None)


def capability(system: str, *, now: str) -> str:
    """What this EHR offers."""
    return text(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": WRITTEN_ON,
            "kind": "instance",
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json"],
            "software": {"name": f"Practice EHR ({system})", "version": "1"},
            "implementation": {"description": f"Invented, for practice. Its clock says {now}."},
            "rest": [{"mode": "server", "resource": [_offered(name) for name in RESOURCE_TYPES]}],
        }
    )


def etag(version: Version) -> str:
    """The version as a weak entity tag."""
    return f'W/"{version.version}"'


def _offered(type_: str) -> Mapping[str, Any]:
    names = (name for name in SEARCH_PARAMS if name not in ("_count", "_total"))
    return {
        "type": type_,
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "interaction": [{"code": code} for code in INTERACTIONS],
        "searchParam": [{"name": name, "type": _kind(name)} for name in names],
    }


def _kind(name: str) -> str:
    if name == "_lastUpdated":
        return "date"
    return "reference" if name in ("patient", "subject", "based-on", "target") else "token"


def _history_entry(base: str, version: Version) -> str:
    path = f"{version.type}/{version.id}" if version.method == "PUT" else version.type
    request = text({"method": version.method, "url": path})
    response = text(
        {
            "status": STATUS_OF[version.method],
            "etag": etag(version),
            "lastModified": version.updated,
        }
    )
    return (
        f'{{"fullUrl":{_full_url(base, version)},"resource":{version.body},'
        f'"request":{request},"response":{response}}}'
    )


def _full_url(base: str, version: Version) -> str:
    return json.dumps(f"{base}/{version.type}/{version.id}")


def _bundle(
    kind: str, entries: Iterable[str], *, self_url: str, next_url: str | None, total: int | None
) -> str:
    links = [{"relation": "self", "url": self_url}]
    if next_url is not None:
        links.append({"relation": "next", "url": next_url})
    head: dict[str, Any] = {"resourceType": "Bundle", "type": kind, "link": links}
    if total is not None:
        head["total"] = total
    joined = ",".join(entries)
    return f'{text(head)[:-1]},"entry":[{joined}]}}' if joined else text(head)
