"""One ward's way up in one process: step, second line, and what there is to show.

Plain blocking code without Prefect: a flow calls `look` again and again. Every look reads
the ledger first, so it may be the first one of a new process at any time.
"""

from dataclasses import dataclass, field

import structlog

from flows import tables
from flows.ending import End, ward_end
from flows.reading import LedgerReader, reader_of
from flows.story import Telling
from orchestrator.bootstrap import Installation
from orchestrator.core.event import Actor
from orchestrator.core.gates.answer import not_open
from orchestrator.core.ids import StageName
from orchestrator.core.plan import Plan
from orchestrator.core.soak import soak_progress
from orchestrator.core.state import WardState
from orchestrator.errors import Corrupt, WardshiftError
from orchestrator.ports import Clock
from orchestrator.service.advance import Climber, Step
from orchestrator.service.backstop import Backstop, Returner
from orchestrator.service.drill import Driller
from wards.model import WardId

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a ward came to. `trouble`: why there was no step, in words."""

    telling: Telling
    ward: WardState
    step: Step | None
    end: End | None
    trouble: str = ""

    @property
    def stage(self) -> StageName | None:
        """Where the ward stands."""
        return self.ward.stage

    @property
    def words(self) -> str:
        """What is going on, in one line for a run's log."""
        if self.trouble:
            return f"no answer, trying again: {self.trouble}"
        if self.step is None:
            return ""
        closed = ", ".join(answer.gate for answer in not_open(self.step.gates))
        parts = (self.step.did, self.step.detail, f"closed: {closed}" if closed else "")
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """A table, and what it comes to in one line."""

    rows: tables.Table
    essence: str


@dataclass(slots=True)
class Ascent:
    """For one thread at a time."""

    plan: Plan
    ward: WardId
    climber: Climber
    backstop: Backstop
    driller: Driller
    reader: LedgerReader
    clock: Clock
    _last: WardState | None = field(default=None, init=False)

    def look(self) -> Look:
        """Do the next thing and read what came of it. Raises: Corrupt."""
        try:
            step = self.climber.step(self.ward)
            if self.backstop.look(step) is not None or self._drilled(step):
                self.reader.drain()
            telling = self.reader.read()
        except Corrupt:
            raise
        except WardshiftError as error:
            log.warning("step.missed", ward=self.ward, problem=str(error))
            return self._looked(self.reader.telling, None, trouble=str(error))
        return self._looked(telling, step)

    def _drilled(self, step: Step) -> bool:
        """Rehearse the ward's return when that is what its way waits for; whether it was done."""
        if not step.wants_drill:
            return False
        self.driller.drill(self.ward)
        return True

    def _looked(self, telling: Telling, step: Step | None, *, trouble: str = "") -> Look:
        return Look(
            telling=telling,
            ward=telling.state.ward(self.ward),
            step=step,
            end=ward_end(self.plan, telling, self.ward),
            trouble=trouble,
        )

    def signals(self, look: Look) -> Summed:
        """The ward's signals with their last verdicts."""
        return Summed(
            rows=tables.signals(self.plan, look.ward),
            essence=tables.essence(self.plan, look.ward),
        )

    def gates(self, look: Look) -> Summed:
        """The gates before the next stage, as just answered."""
        answers = () if look.step is None else look.step.gates
        return Summed(rows=tables.gates(answers), essence=tables.gate_essence(look.ward, answers))

    def soak(self, look: Look) -> tables.Soaked:
        """How far the present stage has soaked."""
        return tables.soaked(soak_progress(self.plan, look.ward, self.clock.now()))


def ascent_of(installation: Installation, ward: WardId, actor: Actor, *, run: str) -> Ascent:
    """An ascent with this installation's parts."""
    return Ascent(
        plan=installation.plan,
        ward=ward,
        climber=installation.climber(actor, run=run),
        backstop=Backstop(
            returner=Returner(hands=installation.hands(installation.scribe(actor))),
            clock=installation.clock,
            tick_s=installation.plan.policy.tick_s,
        ),
        driller=installation.driller(actor),
        reader=reader_of(installation),
        clock=installation.clock,
    )
