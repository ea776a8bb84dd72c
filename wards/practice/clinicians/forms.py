"""What clinicians and the laboratory send: FHIR R4 resources of synthetic patients. Pure.

Invariant: every identifier stands in the practice system and every name is "Övning" and a
number; nothing here looks like a person.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wards.practice.wire import IDENTIFIER_SYSTEM, instant

Resource = dict[str, Any]

TEST = {"system": "urn:wardshift:practice:test", "code": "HB", "display": "Hemoglobin"}
PULSE = {"system": "urn:wardshift:practice:vital", "code": "PULSE", "display": "Puls"}
DRUG = {"system": "urn:wardshift:practice:drug", "code": "D-1", "display": "Övningsläkemedel"}
ALLERGEN = {"system": "urn:wardshift:practice:drug", "code": "D-9", "display": "Övningsallergen"}
IMPORTANT = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A synthetic patient. The id is the same in whichever system the patient is entered."""

    ward: str
    number: int

    @property
    def id(self) -> str:
        """The resource id."""
        return f"{self.ward}-p{self.number}"

    @property
    def reference(self) -> Resource:
        """How a record names its patient."""
        return {"reference": f"Patient/{self.id}", "identifier": identifier(self.id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """A dose with its unit."""

    value: float
    unit: str


def identifier(value: str) -> Resource:
    """An identifier in the practice system."""
    return {"system": IDENTIFIER_SYSTEM, "value": value}


def patient(who: Patient) -> Resource:
    """The patient's own record."""
    return {
        "resourceType": "Patient",
        "id": who.id,
        "identifier": [identifier(who.id)],
        "active": True,
        "name": [{"text": f"Övning {who.number}"}],
    }


def encounter(who: Patient, key: str, at: datetime) -> Resource:
    """An admission."""
    return {
        "resourceType": "Encounter",
        "identifier": [identifier(key)],
        "status": "in-progress",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "IMP",
        },
        "subject": who.reference,
        "period": {"start": instant(at)},
    }


def allergy(who: Patient, key: str) -> Resource:
    """An allergy, told on admission."""
    return {
        "resourceType": "AllergyIntolerance",
        "identifier": [identifier(key)],
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "criticality": IMPORTANT,
        "code": {"coding": [ALLERGEN]},
        "patient": who.reference,
    }


def note(who: Patient, key: str, text: str, at: datetime) -> Resource:
    """A note with its text as typed."""
    data = base64.b64encode(text.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "identifier": [identifier(key)],
        "status": "current",
        "docStatus": "final",
        "subject": who.reference,
        "date": instant(at),
        "content": [
            {"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}},
        ],
    }


def order(who: Patient, key: str, at: datetime) -> Resource:
    """An order of a laboratory test."""
    return {
        "resourceType": "ServiceRequest",
        "identifier": [identifier(key)],
        "status": "active",
        "intent": "order",
        "priority": "urgent",
        "code": {"coding": [TEST]},
        "subject": who.reference,
        "authoredOn": instant(at),
        "requester": {"display": "ward physician"},
    }


def observation(who: Patient, key: str, value: float, at: datetime) -> Resource:
    """A laboratory value."""
    return {
        "resourceType": "Observation",
        "identifier": [identifier(key)],
        "status": "final",
        "code": {"coding": [TEST]},
        "subject": who.reference,
        "effectiveDateTime": instant(at),
        "valueQuantity": {"value": value, "unit": "g/L"},
    }


def report(who: Patient, key: str, order_id: str, value_id: str, at: datetime) -> Resource:
    """The laboratory's answer to an order."""
    return {
        "resourceType": "DiagnosticReport",
        "identifier": [identifier(key)],
        "status": "final",
        "code": {"coding": [TEST]},
        "subject": who.reference,
        "basedOn": [{"reference": f"ServiceRequest/{order_id}"}],
        "result": [{"reference": f"Observation/{value_id}"}],
        "effectiveDateTime": instant(at),
        "issued": instant(at),
    }


def prescription(who: Patient, key: str, dose: Dose, at: datetime) -> Resource:
    """A prescription with its dose as typed."""
    quantity = {"value": dose.value, "unit": dose.unit}
    return {
        "resourceType": "MedicationRequest",
        "identifier": [identifier(key)],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [DRUG]},
        "subject": who.reference,
        "authoredOn": instant(at),
        "requester": {"display": "ward physician"},
        "dosageInstruction": [
            {
                "timing": {"code": {"text": "1+0+1"}},
                "route": {"text": "oral"},
                "doseAndRate": [{"doseQuantity": quantity}],
            },
        ],
    }


def administration(who: Patient, key: str, dose: Dose, at: datetime) -> Resource:
    """A dose that was given."""
    return {
        "resourceType": "MedicationAdministration",
        "identifier": [identifier(key)],
        "status": "completed",
        "medicationCodeableConcept": {"coding": [DRUG]},
        "subject": who.reference,
        "effectiveDateTime": instant(at),
        "dosage": {"dose": {"value": dose.value, "unit": dose.unit}},
    }


def vitals(who: Patient, key: str, pulse: int, at: datetime) -> Resource:
    """A pulse as taken at the bedside."""
    return {
        "resourceType": "Observation",
        "identifier": [identifier(key)],
        "status": "final",
        "code": {"coding": [PULSE]},
        "subject": who.reference,
        "effectiveDateTime": instant(at),
        "valueQuantity": {"value": pulse, "unit": "/min"},
    }


def dose_of(resource: Resource) -> Dose | None:
    """The dose that a stored prescription shows; None if it shows none."""
    match resource:
        case {
            "dosageInstruction": [
                {"doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}}, *_]},
                *_,
            ]
        }:
            return Dose(value=value, unit=unit)
        case _:
            return None
