"""The way forward: gates, intent in the ledger, lease, route, proof, and only then the stage.

Every step reads the ledger first and may be the first step of a new process: an intent
that a dead run left is finished or fenced off, never repeated. Shares nothing with the
way back but the core and the ports. Source: design rules 3, 4, 5, 6 and section 4.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from orchestrator.core.alarm import alarms
from orchestrator.core.decision import (
    Advance,
    Complete,
    Rollback,
    Situation,
    decide,
    legacy_level,
)
from orchestrator.core.event import (
    Cause,
    Draft,
    GateAnswered,
    Happening,
    PromotionAbandoned,
    PromotionIntended,
    StageEntered,
    WardAccepted,
    WardStarted,
)
from orchestrator.core.gates.answer import GateAnswer, Open, not_open
from orchestrator.core.gates.drill import needs_drill
from orchestrator.core.gates.facts import GateFacts
from orchestrator.core.gates.rules import (
    evaluate,
    not_frozen,
    not_held,
    plan_unchanged,
    ward_in_turn,
)
from orchestrator.core.plan import Plan, Stage
from orchestrator.core.route import (
    Annotation,
    ObservedRoute,
    Route,
    desired_route,
    diff,
    is_drilled,
    is_return,
    no_further,
)
from orchestrator.core.state import Intent, Phase, ProgrammeState, WardState
from orchestrator.core.verdict import Level
from orchestrator.core.view import foreign_return, last_verdicts, recorded_exposure, view
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Clock, Fence, Leases, Prober, Routes
from orchestrator.service.fence import breaches
from orchestrator.service.leases import LeaseBook, legacy_noted, life, ward_lease
from orchestrator.service.record import Book
from orchestrator.service.scribe import Scribe
from orchestrator.service.switch import NotYet, Proof, prove
from wards.model import WardId

log = structlog.get_logger()
LOST_RACES = 5  # each is decided anew on what the others wrote


class Did(StrEnum):
    """What one step came to."""

    STARTED = "started"
    PROMOTED = "promoted"
    ACCEPTED = "accepted"
    WAITS = "waits"
    ABANDONED = "abandoned"
    LOST_RACE = "lost_race"
    MUST_RETURN = "must_return"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step's outcome: what was done, the state before it, and for whoever waits, why.

    `wants_drill`: nobody has to be asked first, the ward's return only has to be rehearsed.
    """

    did: Did
    state: ProgrammeState
    ward: WardState
    gates: tuple[GateAnswer, ...] = ()
    cause: Cause | None = None
    detail: str = ""
    wants_drill: bool = False


@dataclass(slots=True)
class Climber:
    """Moves one programme's wards forward. For one thread at a time.

    `draft` makes a happening of this process with an id of its own.
    """

    plan: Plan
    plan_hash: str
    book: Book
    routes: Routes
    fence: Fence
    leases: Leases
    lease_book: LeaseBook
    prober: Prober
    clock: Clock
    scribe: Scribe
    run: str = ""

    def step(self, ward: WardId) -> Step:
        """Do the next thing for a ward, if there is one.

        Raises: Unavailable (nothing was changed, or what was changed is in the ledger and the
        next step finishes it), Corrupt.
        """
        lost: Conflict | None = None
        for _ in range(LOST_RACES):
            try:
                return self._step(ward)
            except Conflict as error:
                lost = error
                log.info("decision.dropped", ward=ward, problem=str(error))
        state = self.book.read()
        return Step(did=Did.LOST_RACE, state=state, ward=state.ward(ward), detail=str(lost))

    def _step(self, ward: WardId) -> Step:
        state = self.book.read()
        mine = state.ward(ward)
        if mine.phase in (Phase.RETURNING, Phase.ROLLED_BACK):
            return Step(did=Did.ENDED, state=state, ward=mine)
        plan = plan_unchanged(self._facts(state, mine, self.plan.stages[0]))
        if not isinstance(plan, Open):
            # Every move below, and giving one up, asks the plan what a stage means.
            return Step(did=Did.WAITS, state=state, ward=mine, gates=(plan,))
        if mine.phase is Phase.WAITING:
            return self._start(state, mine)
        if mine.intent is not None:
            return self._finish(state, mine, mine.intent)
        return self._climb(state, mine)

    def _start(self, state: ProgrammeState, mine: WardState) -> Step:
        facts = self._facts(state, mine, self.plan.stages[0])
        answers = (not_frozen(facts), ward_in_turn(facts), not_held(facts))
        if not all(isinstance(answer, Open) for answer in answers):
            return Step(did=Did.WAITS, state=state, ward=mine, gates=answers)
        self.book.decide((self._draft(mine.ward, WardStarted(stage=self.plan.stages[0].name)),))
        return Step(did=Did.STARTED, state=state, ward=mine)

    def _climb(self, state: ProgrammeState, mine: WardState) -> Step:
        following = None if mine.stage is None else self.plan.stage_after(mine.stage)
        facts = None if following is None else self._facts(state, mine, following)
        gates = () if facts is None else evaluate(facts)
        decision = decide(self._situation(state, mine, gates))
        match decision:
            case Rollback(cause=cause):
                return Step(did=Did.MUST_RETURN, state=state, ward=mine, cause=cause)
            case Advance(stage=stage) | Complete(stage=stage):
                return self._promote(state, mine, stage)
            case _:
                self._answer(mine, following, gates)
                did = Did.ENDED if mine.phase is Phase.ACCEPTED else Did.WAITS
                due = facts is not None and needs_drill(facts)
                return Step(did=did, state=state, ward=mine, gates=gates, wants_drill=due)

    def _situation(
        self, state: ProgrammeState, mine: WardState, gates: tuple[GateAnswer, ...]
    ) -> Situation:
        exposed, verdicts = recorded_exposure(self.plan, mine), last_verdicts(mine)
        now = self.clock.now()
        return Situation(
            plan=self.plan,
            ward=mine,
            exposed=exposed,
            verdicts=verdicts,
            gates=gates,
            alarms=alarms(self.plan, state, mine, exposed=exposed, verdicts=verdicts, now=now),
        )

    def _facts(self, state: ProgrammeState, mine: WardState, stage: Stage) -> GateFacts:
        self.lease_book.see(self.leases.all())
        return GateFacts(
            plan=self.plan,
            plan_hash=self.plan_hash,
            programme=state,
            ward=mine,
            stage=stage,
            life=life(self.lease_book),
            legacy=self._legacy(mine),
            now=self.clock.now(),
        )

    def _legacy(self, mine: WardState) -> Level | None:
        """How ready legacy is: the worse of what the ledger has and what the ward's lease says,
        which does not pass through the ledger. None when nobody has looked."""
        noted = legacy_noted(self.lease_book, mine.ward)
        levels = [] if noted is None else [noted]
        if mine.verdicts:
            levels.append(legacy_level(self.plan, last_verdicts(mine)))
        return max(levels, default=None)

    def _answer(self, mine: WardState, stage: Stage | None, gates: tuple[GateAnswer, ...]) -> None:
        """Write down which gates are closed, when that is new; losing the race is no harm."""
        closed = tuple(answer.gate for answer in not_open(gates))
        if stage is None or closed == mine.closed_gates:
            return
        self.book.decide((self._draft(mine.ward, GateAnswered(stage=stage.name, closed=closed)),))

    def _promote(self, state: ProgrammeState, mine: WardState, stage: Stage) -> Step:
        observed = self.routes.get(mine.ward)
        cause = foreign_return(view(self.plan, mine, observed.route))
        if cause is not None:
            return Step(did=Did.MUST_RETURN, state=state, ward=mine, cause=cause)
        if is_drilled(observed.route):
            return Step(did=Did.WAITS, state=state, ward=mine, detail="its return is being drilled")
        epoch = max(observed.route.epoch, mine.epoch) + 1
        intent = PromotionIntended(stage=stage.name, epoch=epoch, exposes=bool(stage.candidate))
        self.book.decide((self._draft(mine.ward, intent),))
        log.info("promotion.intended", ward=mine.ward, stage=stage.name, epoch=epoch)
        opened = Intent(stage=stage.name, epoch=epoch, exposes=intent.exposes)
        if opened.exposes:
            granted = self._granted(mine.ward, opened)
            if granted is None or granted.route != observed.route:
                why = f"the sentinel did not grant it within {2 * self.plan.policy.lease_s:g} s"
                return self._abandon(state, mine, opened, why)
            observed = granted
        objection = self._let_through(observed) if opened.exposes else ""
        objection = objection or self._objection(mine.ward, stage, opened)
        if objection:
            return self._abandon(state, mine, opened, objection)
        problem = self._write(self._target(mine.ward, stage, epoch), observed)
        if problem is not None:
            return self._abandon(state, mine, opened, problem)
        return self._prove(state, mine, opened)

    def _target(self, ward: WardId, stage: Stage, epoch: int) -> Route:
        actor = self.scribe.actor
        annotation = Annotation(
            who=f"{actor.kind}:{actor.name}", why=f"enter {stage.name}", run=self.run
        )
        return desired_route(self.plan, ward, stage, epoch=epoch, annotation=annotation)

    def _granted(self, ward: WardId, intent: Intent) -> ObservedRoute | None:
        """Wait until the ward's lease is seen to live, so that the guard will act if we all die,
        and the route has the sentinel's grant for this intent; None when that does not come."""
        name = ward_lease(ward)
        deadline_s = self.clock.monotonic() + 2 * self.plan.policy.lease_s
        while self.clock.monotonic() < deadline_s:
            self.lease_book.see(self.leases.all())
            if self.lease_book.is_alive(name):
                observed = self.routes.get(ward)
                if observed.granted == intent.epoch:
                    return observed
            self.clock.sleep(self.plan.policy.tick_s / 2)
        return None

    def _objection(self, ward: WardId, stage: Stage, intent: Intent) -> str:
        """What came between the intent and the write, in words; empty when nothing did.

        All gates and verdicts are asked again: waiting for the lease takes long enough for
        legacy to fall sick, or for a role to take its word back.
        """
        state = self.book.read()
        mine = state.ward(ward)
        if mine.intent != intent:
            return "something else was decided meanwhile"
        standing = replace(mine, phase=Phase.AT_STAGE, intent=None)
        gates = evaluate(self._facts(state, standing, stage))
        if isinstance(decide(self._situation(state, standing, gates)), Advance | Complete):
            return ""
        closed = ", ".join(answer.gate for answer in not_open(gates))
        return f"meanwhile closed: {closed or 'signals_clear'}"

    def _let_through(self, observed: ObservedRoute) -> str:
        """What the fence would let through of this very hand's forbidden writes, in words."""
        try:
            through = breaches(self.fence, observed)
        except Unavailable as error:
            return f"the fence could not be tried: {error}"
        return f"the fence lets through {' and '.join(through)}" if through else ""

    def _write(self, target: Route, observed: ObservedRoute) -> str | None:
        """Write the route once; what went wrong in words, None when it is (or may be) written."""
        try:
            self.routes.replace(target, resource_version=observed.resource_version)
        except Indeterminate as error:
            log.warning("promotion.unclear", ward=target.ward, problem=str(error))
        except (Conflict, Refused) as error:
            return str(error)
        return None

    def _finish(self, state: ProgrammeState, mine: WardState, intent: Intent) -> Step:
        """Recover an intent without an outcome: proven if it was written, fenced off if not."""
        if not self._is_written(self.routes.get(mine.ward).route, mine.ward, intent):
            return self._abandon(
                state, mine, intent, "the run that intended it ended before it wrote"
            )
        return self._prove(state, mine, intent)

    def _is_written(self, observed: Route, ward: WardId, intent: Intent) -> bool:
        """The route is the one this intent meant: an epoch alone does not say whose it is."""
        target = self._target(ward, self.plan.stage(intent.stage), intent.epoch)
        is_same = observed.epoch == intent.epoch and not diff(observed, target)
        return is_same and not is_return(observed)

    def _prove(self, state: ProgrammeState, mine: WardState, intent: Intent) -> Step:
        observed = self.routes.get(mine.ward)
        if not self._is_written(observed.route, mine.ward, intent):
            return self._abandon(state, mine, intent, "the route went another way")
        proof = prove(self.prober, self.clock, self.plan.policy.proof, observed.route, mine.ward)
        if isinstance(proof, NotYet):
            return self._abandon(state, mine, intent, f"not proven: {proof.waiting_for}")
        return self._enter(state, mine, intent, proof)

    def _enter(self, state: ProgrammeState, mine: WardState, intent: Intent, proof: Proof) -> Step:
        entered = StageEntered(
            stage=intent.stage, epoch=intent.epoch, proven_after_s=round(proof.took_s, 3)
        )
        is_last = self.plan.stage_after(intent.stage) is None
        drafts = [self._draft(mine.ward, entered)]
        if is_last:
            drafts.append(self._draft(mine.ward, WardAccepted(stage=intent.stage)))
        self.book.tell(drafts)
        log.info("stage.entered", ward=mine.ward, stage=intent.stage, epoch=intent.epoch)
        return Step(did=Did.ACCEPTED if is_last else Did.PROMOTED, state=state, ward=mine)

    def _abandon(self, state: ProgrammeState, mine: WardState, intent: Intent, reason: str) -> Step:
        """Put the old stage's route back under a greater epoch, so that the intent can never
        land later, and say so in the ledger."""
        self._fence(mine, intent)
        self.book.tell(
            (self._draft(mine.ward, PromotionAbandoned(epoch=intent.epoch, reason=reason)),)
        )
        log.warning("promotion.abandoned", ward=mine.ward, reason=reason, epoch=intent.epoch)
        return Step(did=Did.ABANDONED, state=state, ward=mine, detail=reason)

    def _fence(self, mine: WardState, intent: Intent) -> None:
        """Write the old stage's route, and no more than is exposed now, under a greater epoch.

        A return that the record does not know yet keeps its mark, so that it is still seen.
        Raises: Conflict when the route is being changed by somebody else: look again.
        """
        observed = self.routes.get(mine.ward)
        if observed.route.epoch > intent.epoch:
            return
        stage = None if mine.stage is None else self.plan.stage(mine.stage)
        old = desired_route(
            self.plan, mine.ward, stage, epoch=intent.epoch + 1,
            annotation=self._giving_up(mine, observed.route),
        )  # fmt: skip
        try:
            self.routes.replace(
                no_further(old, observed.route), resource_version=observed.resource_version
            )
        except Refused as error:
            if error.code != "stale_epoch":
                raise  # a greater epoch fences the intent as well as ours would have

    def _giving_up(self, mine: WardState, observed: Route) -> Annotation:
        if foreign_return(view(self.plan, mine, observed)) is not None:
            return observed.annotation
        actor = self.scribe.actor
        return Annotation(who=f"{actor.kind}:{actor.name}", why="promotion abandoned", run=self.run)

    def _draft(self, ward: WardId, happening: Happening) -> Draft:
        return self.scribe.draft(ward, happening)
