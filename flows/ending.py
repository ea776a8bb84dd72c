"""How a run ends, from what the ledger says: the same words by whoever ends it.

A run that was killed, or whose end Prefect did not hear, is ended later by the keeper
with the same function as the flow itself would have used. Red means "ward not live".
Source: prefect facts, section 7 rule 6.
"""

from dataclasses import dataclass, replace

from flows import wording
from flows.story import Story, Telling
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase
from wards.model import WardId

ACCEPTED = "Accepted"
ROLLED_BACK = "RolledBack"
FROZEN = "Frozen"
PAGED = "Paged"
STOPPED = "Stopped"
TAKEN_BACK = "TakenBack"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The state a run ends in, with a name of our own.

    Completed when good, failed when not; `is_lost`: crashed, the ward itself is as it was.
    `title`: the run's name from then on, for lists show names and no messages; "": as it was.
    `step`: what a person does next, as the last bar of the run's graph; "": nothing.
    """

    is_good: bool
    name: str
    message: str
    is_lost: bool = False
    title: str = ""
    step: str = ""


def story_end(plan: Plan, story: Story) -> End | None:
    """A return ends when it is proven; None: it goes on."""
    if story.proven is None:
        return None
    return End(is_good=False, name=ROLLED_BACK, message=wording.returned(plan, story))


def ward_end(plan: Plan, telling: Telling, ward: WardId) -> End | None:
    """The end of a ward's run; None: it goes on."""
    phase = telling.state.ward(ward).phase
    if phase is Phase.ACCEPTED:
        return End(is_good=True, name=ACCEPTED, message=wording.accepted(plan, ward))
    story = telling.latest(ward)
    end = None if story is None else story_end(plan, story)
    if phase is not Phase.ROLLED_BACK or story is None or end is None:
        return None
    return replace(end, title=wording.ward_ended(plan, story), step=wording.step(story.ward))


def programme_end(plan: Plan, telling: Telling) -> End | None:
    """The end of a programme's run: all wards accepted, or frozen by a return; None: it goes on."""
    state = telling.state
    if state.freeze is not None:
        if state.freeze.ward is None or state.freeze.report is not None:
            return End(is_good=False, name=FROZEN, message=state.freeze.reason)
        story = telling.latest(state.freeze.ward)
        if story is None or story.proven is None:
            return None
        return End(
            is_good=False,
            name=ROLLED_BACK,
            message=wording.frozen(plan, story),
            title=wording.programme_ended(plan, story),
            step=wording.step(story.ward, "--programme"),
        )
    phases = tuple(state.ward(ward).phase for ward in state.order)
    if phases and all(phase is Phase.ACCEPTED for phase in phases):
        message = f"all {len(phases)} wards work in {plan.candidate.product}"
        return End(is_good=True, name=ACCEPTED, message=message)
    return None
