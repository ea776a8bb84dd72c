"""One route change: written under an epoch, then proven through the data plane.

A written route is an intention. A switch is done when N rounds of probes in a row, for
every slice through every gateway, were answered by the right system under this epoch.
Source: design rule 6 and section 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.ids import Side, SliceName
from orchestrator.core.plan import ProofPolicy
from orchestrator.core.route import Route
from orchestrator.ports import Clock, ProbeAnswer, Prober
from wards.model import WardId


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The data plane was seen to serve the route: probes counted, real seconds taken."""

    probes: int
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The deadline passed; `waiting_for` says what the last wrong answer was."""

    waited_s: float
    waiting_for: str


def expected_sides(route: Route, drill: str = "") -> Mapping[SliceName, Side]:
    """Which side must answer for each slice, whoever carries this drill's word."""
    is_drilled = bool(drill) and route.drill == drill
    return {rule.slice_name: Side.CANDIDATE if is_drilled else rule.side for rule in route.rules}


def wrong_answer(
    answers: tuple[ProbeAnswer, ...], sides: Mapping[SliceName, Side], *, epoch: int
) -> str | None:
    """What is still wrong in one round, in words; None when everything is right.

    A later epoch than ours is right too, if the sides are: somebody else went further.
    """
    if not answers:
        return "no probe was answered"
    for answer in answers:
        if answer.side is None:
            return f"{answer.gateway} gives no answer for {answer.slice_name}: {answer.problem}"
        if answer.side is not sides[answer.slice_name]:
            return f"{answer.gateway} still serves {answer.slice_name} from {answer.side}"
        if answer.epoch is None or answer.epoch < epoch:
            return f"{answer.gateway} still serves epoch {answer.epoch}, not {epoch}"
    return None


def prove(
    prober: Prober,
    clock: Clock,
    policy: ProofPolicy,
    route: Route,
    ward: WardId,
    *,
    drill: str = "",
) -> Proof | NotYet:
    """Probe until enough rounds in a row are right, or until the deadline.

    `drill`: probe with that drill's word; empty: as the ward's clinicians are served.
    """
    began = clock.monotonic()
    sides = expected_sides(route, drill)
    in_a_row = 0
    probes = 0
    while True:
        answers = prober.probe(ward, tuple(sides), drill=drill)
        probes += len(answers)
        wrong = wrong_answer(answers, sides, epoch=route.epoch)
        in_a_row = 0 if wrong else in_a_row + 1
        waited_s = clock.monotonic() - began
        if in_a_row >= policy.probes:
            return Proof(probes=probes, took_s=waited_s)
        if waited_s >= policy.deadline_s:
            return NotYet(waited_s=waited_s, waiting_for=wrong or "more right answers in a row")
        clock.sleep(policy.every_s)
