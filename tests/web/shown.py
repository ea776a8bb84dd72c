"""The small plan as a Swedish hospital would word it: what the pictures show. All invented."""

from dataclasses import replace

from orchestrator.core.plan import Plan, Signal
from tests.plans import FIRST, HEAD, LEGACY_UP, NOTES, RESULTS, SECOND, SLOW
from tests.stops import stop_plan
from wards.model import Contact, Ward

DOWNTIME = "Röda pärmen på expeditionen, pappersjournal A till D; bud till laboratoriet."
WARDS = {FIRST: ("Medicin 52", 24, "5201"), SECOND: ("Kirurgi 31", 28, "3101")}
SLICES = {NOTES: "Anteckningar", RESULTS: "Provsvar"}
STAGES = {
    "readiness": "Förberedelser",
    "shadow": "Skuggdrift",
    "notes": "Anteckningar i nya systemet",
    "all": "Allt i nya systemet",
    "accepted": "Godkänd",
}
SIGNALS = {
    SLOW: ("Öppna anteckning, långsammaste tjugondelen", "s"),
    LEGACY_UP: ("Gamla systemet svarar som avdelningen", ""),
}


def shown_plan() -> Plan:
    """The plan whose bedside may stop the line, worded in Swedish."""
    plain = stop_plan()
    return replace(
        plain,
        name="övning",
        legacy=replace(plain.legacy, product="Gamla journalen", version="7.4"),
        candidate=replace(plain.candidate, product="Nya journalen", version="2026.11.3"),
        wards=tuple(_ward(one) for one in plain.wards),
        slices=tuple(replace(one, title=SLICES[one.name]) for one in plain.slices),
        stages=tuple(replace(one, title=STAGES[one.name]) for one in plain.stages),
        signals=tuple(_signal(one) for one in plain.signals),
    )


def _ward(one: Ward) -> Ward:
    name, beds, phone = WARDS[one.id]
    contact = Contact(role=HEAD, channel=f"avdelningstelefon {phone}")
    return replace(one, name=name, beds=beds, downtime_procedure=DOWNTIME, contacts=(contact,))


def _signal(one: Signal) -> Signal:
    title, unit = SIGNALS.get(one.name, (one.title, one.unit))
    return replace(one, title=title, unit=unit)
