"""A bedside report's receipt as plain values, and in a sentence for whoever is on call."""

from datetime import datetime
from typing import Any

from orchestrator.core.receipt import Became, Receipt

SENTENCES = {
    Became.UNPROVEN: "kept; nobody proved a role, so nothing froze",
    Became.FROZEN: "the programme is frozen; the ward returns when a second person or a signal "
    "confirms it",
    Became.UNCONFIRMED: "the programme is frozen; nobody confirmed the report in time",
    Became.AT_HOME: "the programme is frozen; the ward works in legacy already",
    Became.BLOCKED: "the ward must return, and legacy is not ready",
    Became.RETURNING: "the ward is returning to legacy",
    Became.RETURNED: "the ward is back on legacy",
    Became.TAKEN_BACK: "it was taken back",
}

MOVED = (Became.BLOCKED, Became.RETURNING, Became.RETURNED)  # whether or not a record of it exists


def receipt_sentence(made: Receipt) -> str:
    """What became of it, in one line."""
    taken = f"; taken in hand by {made.acknowledged_by}" if made.acknowledged_by else ""
    return f"{made.ward}: report {made.report} is recorded; {SENTENCES[made.became]}{taken}."


def unrecorded_sentence(made: Receipt) -> str:
    """What became of a report that no disk took, and what to do: nobody reads of it later."""
    became = SENTENCES[made.became] if made.became in MOVED else "nothing froze and nothing moved"
    return (
        f"{made.ward}: the report is on no disk and in no ledger; {became}. Tell whoever is on "
        f"call, make room on this machine's disk, and report it again: "
        f"wardshift stop {made.ward} --role {made.role}"
    )


def receipt_json(made: Receipt) -> dict[str, Any]:
    """A receipt for machines; times ISO 8601, UTC, milliseconds; None where there is none."""
    return {
        "received": True,
        "report": made.report,
        "ward": made.ward,
        "role": made.role,
        "slice": made.slice_name,
        "became": made.became.value,
        "frozen": made.is_frozen,
        "made_at": _stamp(made.made_at),
        "waits_until": _stamp(made.waits_until),
        "returned_at": _stamp(made.returned_at),
        "acknowledged_at": _stamp(made.acknowledged_at),
        "acknowledged_by": made.acknowledged_by,
        "receipt": f"/stop/receipt/{made.report}",
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
