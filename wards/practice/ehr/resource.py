"""What a resource must have, by which terms it is found, and which words its text holds. Pure.

The required elements are those of FHIR R4 4.0.1 for the types that this EHR keeps.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "Patient": (),
    "Encounter": ("status", "class"),
    "ServiceRequest": ("status", "intent", "subject"),
    "DiagnosticReport": ("status", "code"),
    "Observation": ("status", "code"),
    "MedicationRequest": ("status", "intent", "subject", "medication[x]"),
    "MedicationAdministration": ("status", "subject", "medication[x]"),
    "AllergyIntolerance": ("patient",),
    "DocumentReference": ("status", "content"),
    "Appointment": ("status", "participant"),
    "Provenance": ("target", "recorded", "agent"),
    "AuditEvent": ("type", "recorded", "agent", "source"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A value under which a search parameter finds a resource."""

    param: str
    value: str


def problems(resource: Mapping[str, Any], type_: str, id_: str | None) -> tuple[str, ...]:
    """Why a body cannot be stored as this type (under this id); empty when it can."""
    if resource.get("resourceType") != type_:
        return (f"resourceType is not {type_}",)
    if id_ is not None and resource.get("id") != id_:
        return ("the id in the body is not the id in the address",)
    if not _is_meta(resource.get("meta", {})):
        return ("meta is not an object whose tag is a list of objects",)
    missing = (name for name in REQUIRED[type_] if not _has(resource, name))
    return tuple(f"{type_}.{name} is required" for name in missing)


def terms_of(resource: Mapping[str, Any]) -> tuple[Term, ...]:
    """Everything by which this resource can be found, apart from its id and time."""
    return tuple(_terms(resource))


def note_of(resource: Mapping[str, Any]) -> str | None:
    """The text of a DocumentReference's first attachment; None if it has none."""
    match resource:
        case {"content": [{"attachment": {"data": str(data)}}, *_]}:
            return _decoded(data)
        case _:
            return None


def with_note(resource: Json, text: str) -> Json:
    """The same DocumentReference with another text; hash and size stay as they were typed."""
    first, *others = resource["content"]
    data = base64.b64encode(text.encode()).decode()
    changed = first | {"attachment": first["attachment"] | {"data": data}}
    return resource | {"content": [changed, *others]}


def _is_meta(meta: object) -> bool:
    if not isinstance(meta, dict):
        return False
    tags = meta.get("tag", [])
    return isinstance(tags, list) and all(isinstance(tag, dict) for tag in tags)


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _has(resource: Mapping[str, Any], name: str) -> bool:
    if name.endswith("[x]"):
        return any(key.startswith(name[:-3]) and value for key, value in resource.items())
    return resource.get(name) not in (None, "", [], {})


def _terms(resource: Mapping[str, Any]) -> Iterator[Term]:
    for identifier in _objects(resource.get("identifier")):
        yield from _token("identifier", identifier.get("system"), identifier.get("value"))
    for tag in _objects(_object(resource.get("meta")).get("tag")):
        yield from _token("_tag", tag.get("system"), tag.get("code"))
    for name in ("code", "medicationCodeableConcept"):
        for coding in _objects(_object(resource.get(name)).get("coding")):
            yield from _token("code", coding.get("system"), coding.get("code"))
    if isinstance(status := resource.get("status"), str):
        yield Term(param="status", value=status)
    yield from _references(resource)


def _references(resource: Mapping[str, Any]) -> Iterator[Term]:
    actors = [actor.get("actor") for actor in _objects(resource.get("participant"))]
    for subject in (resource.get("subject"), resource.get("patient"), *actors):
        for reference in _objects(subject):
            yield from _reference("patient", reference)
    for name, param in (("basedOn", "based-on"), ("target", "target")):
        for reference in _objects(resource.get(name)):
            yield from _reference(param, reference)


def _reference(param: str, reference: Mapping[str, Any]) -> Iterator[Term]:
    if isinstance(target := reference.get("reference"), str):
        yield Term(param=param, value=target)


def _token(param: str, system: object, value: object) -> Iterator[Term]:
    if not isinstance(value, str):
        return
    space = system if isinstance(system, str) else ""
    yield Term(param=param, value=value)
    yield Term(param=param, value=f"{space}|{value}")
    if space:
        yield Term(param=param, value=f"{space}|")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    several = value if isinstance(value, list) else [value]
    return [item for item in several if isinstance(item, dict)]
