"""The names, and the one form of time, that the practice hospital's processes share on the wire."""

from datetime import UTC, datetime

LEGACY = "legacy"
CANDIDATE = "candidate"
SYSTEMS = (LEGACY, CANDIDATE)
NOBODY = "none"  # label of an answer that no system gave

SLICES = ("vitals", "notes", "results", "medication", "admissions")
FALLBACK = "fallback"
DRILL = "drill"  # how the names of a drill's rules begin

WARD_HEADER = "x-ward"
CLIENT_HEADER = "x-client"
DRILL_HEADER = "x-wardshift-drill"
MIRRORED_HEADER = "x-mirrored"
SYSTEM_HEADER = "x-ehr-system"
EPOCH_HEADER = "x-wardshift-epoch"
REPLICA_HEADER = "x-gateway-replica"
GATEWAY_ERROR_HEADER = "x-gateway-error"

IDENTIFIER_SYSTEM = "urn:wardshift:practice"  # every synthetic identifier says that it is one
WARD_TAG_SYSTEM = "urn:wardshift:ward"

RESOURCE_TYPES = (
    "Patient",
    "Encounter",
    "ServiceRequest",
    "DiagnosticReport",
    "Observation",
    "MedicationRequest",
    "MedicationAdministration",
    "AllergyIntolerance",
    "DocumentReference",
    "Appointment",
    "Provenance",
    "AuditEvent",
)


def instant(moment: datetime) -> str:
    """ISO, UTC, milliseconds: texts of equal width that sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
