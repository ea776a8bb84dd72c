"""Names that must not be mixed up. Ward ids live with the ward model."""

from enum import StrEnum
from typing import NewType

SliceName = NewType("SliceName", str)
StageName = NewType("StageName", str)
SignalName = NewType("SignalName", str)
ProviderName = NewType("ProviderName", str)
Role = NewType("Role", str)
OPERATIONS = Role("operations")  # whoever is on call, in every plan


class Side(StrEnum):
    """Which EHR serves a slice. Fixed for the whole rollout; never "primary" and "canary"."""

    LEGACY = "legacy"
    CANDIDATE = "candidate"


class ActorKind(StrEnum):
    """Whose hand it was (design section 4)."""

    SENTINEL = "sentinel"
    GUARD = "guard"
    FLOW = "flow"
    PERSON = "person"
