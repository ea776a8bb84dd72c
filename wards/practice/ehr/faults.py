"""How a practice EHR can be broken on purpose, and what a broken one makes of a record.

Pure, apart from the seeded chance that it is given.
Invariant: every fault is off unless asked for, and shows as exactly one kind of harm.
"""

from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from random import Random

from wards.practice.ehr.resource import Json, note_of, with_note
from wards.practice.notes import without_negation, without_words

WRONG_BY = 10  # the factor of a shifted decimal point


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong, and in which wards (none named: in all). Seconds are real seconds."""

    wards: tuple[str, ...] = ()
    latency_s: float = 0.0
    lockup_s: float = 0.0
    slow_results_s: float = 0.0
    drop_text_rate: float = 0.0
    lose_negation_rate: float = 0.0
    orphan_result_rate: float = 0.0
    wrong_dose_rate: float = 0.0
    login_fail_rate: float = 0.0
    error_rate: float = 0.0

    def strike(self, ward: str) -> bool:
        """Whether a ward is among those that the faults are for."""
        return not self.wards or ward in self.wards


NONE = Faults()
NAMES = tuple(field.name for field in fields(Faults))


class Chance:
    """Seeded decisions: the same seed and the same requests give the same harm."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)  # noqa: S311 - repeatable, not secret

    def comes(self, rate: float) -> bool:
        """True in this share of the calls; a rate of 0 does not use up a number."""
        return rate > 0 and self.rng.random() < rate


def changed(before: Faults, wanted: object) -> Faults | tuple[str, ...]:
    """These faults with the wanted ones set, or every problem with what is wanted."""
    if not isinstance(wanted, dict):
        return ("faults are a JSON object",)
    problems = tuple(text for name, value in wanted.items() if (text := _problem(name, value)))
    if problems:
        return problems
    values = {
        name: tuple(value) if name == "wards" else float(value) for name, value in wanted.items()
    }
    return replace(before, **values)


def as_json(faults: Faults) -> Json:
    """Every fault with its value."""
    return asdict(faults) | {"wards": list(faults.wards)}


def damaged(resource: Json, faults: Faults, chance: Chance) -> Json:
    """What a system with these faults stores when it is given this resource."""
    match resource["resourceType"]:
        case "DocumentReference":
            return _damaged_note(resource, faults, chance)
        case "DiagnosticReport" if chance.comes(faults.orphan_result_rate):
            return {name: value for name, value in resource.items() if name != "subject"}
        case "MedicationRequest" if chance.comes(faults.wrong_dose_rate):
            return _misdosed(resource)
        case _:
            return resource


def _damaged_note(resource: Json, faults: Faults, chance: Chance) -> Json:
    typed = text = note_of(resource)
    if text is None:
        return resource
    if chance.comes(faults.drop_text_rate):
        text = without_words(text, chance.rng)
    if chance.comes(faults.lose_negation_rate):
        text = without_negation(text)
    return resource if text == typed else with_note(resource, text)


def _misdosed(resource: Json) -> Json:
    match resource:
        case {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": dose}}]} as line]}:
            rate = line["doseAndRate"][0]
            quantity = rate["doseQuantity"] | {"value": dose * WRONG_BY}
            wrong = line | {"doseAndRate": [rate | {"doseQuantity": quantity}]}
            return resource | {"dosageInstruction": [wrong]}
        case _:
            return resource


def _problem(name: str, value: object) -> str | None:
    if name not in NAMES:
        return f"unknown fault {name}; known are {', '.join(NAMES)}"
    if name == "wards":
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return None if texts else "wards must be a list of ward names"
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return f"{name} must be a number"
    if name.endswith("_rate") and not 0 <= value <= 1:
        return f"{name} must be between 0 and 1"
    return None if value >= 0 else f"{name} must not be negative"
