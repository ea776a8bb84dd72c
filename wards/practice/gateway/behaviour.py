"""How the gateway may be asked to behave: late, lying, slow or silent. Pure."""

from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from math import isfinite
from typing import Any, assert_never

from wards.practice.wire import SYSTEMS


class StatusMode(StrEnum):
    """What a route's status says about the data plane."""

    TRUTHFUL = "truthful"  # observed only once every replica serves it
    EARLY = "early"  # observed at once, before the data plane has changed (as real gateways do)
    MISSING = "missing"  # no status at all
    STALE = "stale"  # never the newest generation, also when it is served
    UNRESOLVED = "unresolved"  # as if one reference were bad: false of the whole route


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The default is a quick gateway whose status comes early. Seconds are real seconds.

    `lateness_s`: from an accepted change to the data plane serving it; one for all
    replicas, or one for each. `mirrors`: False for a gateway that does not know mirroring: what a
    mirrored rule should serve is answered with 500, whatever the status says. `unready`: the
    systems behind which no endpoint is ready: 503, whatever the status says. `strict_edge`: False
    for an edge that lets `x-ward` through twice: such a request matches either ward.
    """

    lateness_s: float | tuple[float, ...] = 0.0
    status: StatusMode = StatusMode.EARLY
    answer_delay_s: float = 0.0
    admin_delay_s: float = 0.0
    refuse_admin: bool = False
    refuse_routes: bool = False
    mirrors: bool = True
    unready: tuple[str, ...] = ()
    strict_edge: bool = True

    def lateness_of(self, replica: int) -> float:
        """How late one replica is."""
        late = self.lateness_s
        return late[replica] if isinstance(late, tuple) else late


USUAL = Behaviour()
NAMES = tuple(field.name for field in fields(Behaviour))


def changed(before: Behaviour, wanted: object, *, replicas: int) -> Behaviour | tuple[str, ...]:
    """This behaviour with the wanted settings, or every problem with them."""
    if not isinstance(wanted, dict):
        return ("behaviour is a JSON object",)
    problems = tuple(
        text for name, value in wanted.items() if (text := _problem(name, value, replicas))
    )
    if problems:
        return problems
    return replace(before, **{name: _value(name, value) for name, value in wanted.items()})


def as_json(behaviour: Behaviour) -> dict[str, Any]:
    """Every setting with its value."""
    return asdict(behaviour)


def status_json(mode: StatusMode, *, generation: int, served: int) -> dict[str, Any]:
    """A route's status.

    Args:
        mode: how far the status may be believed.
        generation: of the stored route.
        served: the oldest generation that a replica still serves.
    """
    match mode:
        case StatusMode.EARLY:
            return {"accepted": True, "observed_generation": generation}
        case StatusMode.UNRESOLVED:
            said = {"accepted": True, "resolved_refs": False}
            return {**said, "observed_generation": generation}
        case StatusMode.TRUTHFUL:
            return {"accepted": True, "observed_generation": served}
        case StatusMode.STALE:
            return {"accepted": True, "observed_generation": generation - 1}
        case StatusMode.MISSING:
            return {}
        case _:
            assert_never(mode)


def _value(name: str, value: Any) -> Any:
    match name:
        case "status":
            return StatusMode(value)
        case "lateness_s" if isinstance(value, list):
            return tuple(float(item) for item in value)
        case "unready":
            return tuple(value)
        case _:
            return value


def _problem(name: str, value: object, replicas: int) -> str | None:
    match name:
        case "lateness_s" if isinstance(value, list):
            fits = len(value) == replicas and all(_is_seconds(item) for item in value)
            return None if fits else f"lateness_s needs one number for each of {replicas} replicas"
        case "lateness_s" | "answer_delay_s" | "admin_delay_s":
            return None if _is_seconds(value) else f"{name} must be a number from 0"
        case "status":
            known = [mode.value for mode in StatusMode]
            return None if value in known else f"status must be one of {', '.join(known)}"
        case "unready":
            fits = isinstance(value, list) and all(item in SYSTEMS for item in value)
            return None if fits else f"unready must be a list of {', '.join(SYSTEMS)}"
        case "refuse_admin" | "refuse_routes" | "mirrors" | "strict_edge":
            return None if isinstance(value, bool) else f"{name} must be true or false"
        case _:
            return f"unknown setting {name}; known are {', '.join(NAMES)}"


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isfinite(value) and value >= 0
