"""A rehearsed return: on the ward's own route, for a request that only we make, and timed.

Each round puts a rule on the route that sends whoever carries this round's word to the
candidate, proves that the word's bearer is served there and that nobody else is, and returns
with the very function that returns a ward in earnest. Nothing of the ward may be exposed, so
that taking everything home takes nothing from anybody.
A drill is no rollback: it freezes nothing and moves no ward; what it showed is evidence. A real
return that comes between wins, because the drill stops at the first route that is not its own.
Source: design section 8.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from orchestrator.core.event import DrillDone
from orchestrator.core.ids import Side, SliceName
from orchestrator.core.plan import Plan
from orchestrator.core.route import (
    DRILL_MARK,
    Annotation,
    ObservedRoute,
    Route,
    desired_route,
    is_drilled,
    is_exposed,
    no_further,
)
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.core.text import plain
from orchestrator.core.view import foreign_return, recorded_exposure, view
from orchestrator.errors import Conflict, Indeterminate, Refused, Unavailable
from orchestrator.ports import Clock, ProbeAnswer, Prober, Routes
from orchestrator.service.record import Book
from orchestrator.service.rollback import Hands, write_legacy
from orchestrator.service.scribe import Scribe
from orchestrator.service.switch import NotYet, prove
from wards.model import WardId

log = structlog.get_logger()
AT_REST = (Phase.WAITING, Phase.AT_STAGE)
OVER = "after a drill"
LEFT_OVER = "left by a drill that ended without a word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One rehearsed return, in real seconds from the decision; `problem` is empty when it went
    as it should."""

    restore_s: float
    prove_s: float
    problem: str = ""


@dataclass(slots=True)
class Driller:
    """Drills the wards of one programme. For one thread at a time."""

    plan: Plan
    plan_hash: str
    book: Book
    hands: Hands

    def drill(self, ward: WardId, rounds: int | None = None) -> DrillDone:
        """Rehearse the return of a ward and note what was shown.

        Args:
            rounds: how many; None: as the plan has it, and fewer do not open the gate.
        Raises: Refused, Unavailable, Conflict: nothing was changed or noted.
        """
        state = self.book.read()
        mine = state.ward(ward)
        self._check(state, mine)
        observed = self._at_rest(mine)
        wanted = self.plan.policy.drill.rounds if rounds is None else rounds
        log.info("drill.begun", ward=ward, rounds=wanted)
        course = _Course(plan=self.plan, hands=self.hands, ward=mine)
        course.run(observed, wanted)
        done = course.outcome(wanted)
        self.hands.scribe.note(ward, done)
        log.info("drill.done", ward=ward, passed=done.passed, problem=done.problem)
        return done

    def _check(self, state: ProgrammeState, mine: WardState) -> None:
        if state.plan_hash not in (None, self.plan_hash):
            raise Refused(
                "plan_changed",
                "the programme runs under another plan than the one in hand; a drill under this "
                "one would prove nothing. Put the approved plan back.",
            )
        if mine.phase not in AT_REST:
            raise Refused(
                "not_at_rest",
                f"{mine.ward} is {mine.phase}: a drill is for a ward that stands on legacy and "
                "is not being moved. Nothing was changed.",
            )
        if recorded_exposure(self.plan, mine):
            raise _exposed(mine.ward)

    def _at_rest(self, mine: WardState) -> ObservedRoute:
        """The ward's route, as a drill may begin on it."""
        observed = _undisturbed(self.hands, mine.ward)
        if is_exposed(observed.route):
            raise _exposed(mine.ward)
        cause = foreign_return(view(self.plan, mine, observed.route))
        if cause is not None:
            raise Refused(
                "returned",
                f"{mine.ward} was returned by another hand ({cause.reason}) and the ledger does "
                "not have it yet. Nothing was changed; wait for the sentinel.",
            )
        return observed


@dataclass(slots=True)
class _Course:
    """One drill under way."""

    plan: Plan
    hands: Hands
    ward: WardState
    rounds: list[Round] = field(default_factory=list[Round])
    problem: str = ""

    def run(self, observed: ObservedRoute, wanted: int) -> None:
        """All rounds, or as many as go well; then the route as it was. Raises: nothing."""
        try:
            for number in range(1, wanted + 1):
                observed = self._round(observed, f"round {number} of {wanted}")
                if self.problem:
                    break
            self._put_back(observed)
        except (Unavailable, Conflict, Indeterminate, Refused) as error:
            self.problem = self.problem or str(error)
            self._give_up()

    def outcome(self, wanted: int) -> DrillDone:
        """What was shown, against the plan's limits."""
        restore_s = max((one.restore_s for one in self.rounds), default=0.0)
        prove_s = max((one.prove_s for one in self.rounds), default=0.0)
        problem = self.problem or self._slow(restore_s, prove_s)
        return DrillDone(
            rounds=len(self.rounds),
            restore_s=round(restore_s, 4),
            prove_s=round(prove_s, 4),
            passed=not problem and len(self.rounds) == wanted,
            problem=problem,
        )

    def _slow(self, restore_s: float, prove_s: float) -> str:
        policy = self.plan.policy.drill
        if restore_s > policy.restore_within_s:
            return f"restored in {restore_s:.2f} s, the limit is {policy.restore_within_s:g} s"
        if prove_s > policy.prove_within_s:
            return f"proven in {prove_s:.2f} s, the limit is {policy.prove_within_s:g} s"
        return ""

    def _round(self, observed: ObservedRoute, name: str) -> ObservedRoute:
        word = secrets.token_hex(16)
        opened = self.hands.routes.replace(
            replace(self._resting(observed.route, f"{DRILL_MARK}{name}"), drill=word),
            resource_version=observed.resource_version,
        )
        self.problem = self._shown(opened.route, word)
        return self._return(word, f"{DRILL_MARK}return, {name}")

    def _shown(self, opened: Route, word: str) -> str:
        """Why the data plane is not as it should be in words; empty when the word's bearer is on
        the candidate and the ward's clinicians are where they were."""
        hands, watchful = self.hands, _Watchful(self.hands.prober)
        for bearing in (word, ""):
            try:
                proof = prove(
                    watchful, hands.clock, hands.proof, opened, opened.ward, drill=bearing
                )
            except _Leak as leak:
                return str(leak)
            if isinstance(proof, NotYet):
                return f"the drill's rule was not seen: {proof.waiting_for}"
        return ""

    def _return(self, word: str, why: str) -> ObservedRoute:
        """The return itself, timed from the decision to the write and to the last right probe."""
        clock = self.hands.clock
        began_s = clock.monotonic()
        annotation = self._annotation(why)
        written = write_legacy(
            self.hands.routes, self.ward, annotation,
            is_fresh=False, is_over=lambda route: route.drill != word,
        )  # fmt: skip
        restore_s = clock.monotonic() - began_s
        if written.route.annotation != annotation:
            self.problem = ""  # whatever was not seen, was not seen for this
            raise Refused("overtaken", "another hand changed the route during the drill")
        proof = prove(
            self.hands.prober, clock, self.hands.proof, written.route, self.ward.ward, drill=word
        )
        prove_s = clock.monotonic() - began_s
        if isinstance(proof, NotYet):
            self.problem = self.problem or f"the return was not proven: {proof.waiting_for}"
        self.rounds.append(Round(restore_s=restore_s, prove_s=prove_s, problem=self.problem))
        return written

    def _put_back(self, observed: ObservedRoute) -> None:
        """The ward's own route, with the copies of reads that a return takes away."""
        self.hands.routes.replace(
            self._resting(observed.route, OVER), resource_version=observed.resource_version
        )

    def _give_up(self) -> None:
        """Leave no rule of ours behind if we can; if not, the sentinel or the next drill removes
        it."""
        try:
            observed = self.hands.routes.get(self.ward.ward)
            if is_drilled(observed.route) and not is_exposed(observed.route):
                self._put_back(observed)
        except (Unavailable, Conflict, Indeterminate, Refused) as error:
            log.warning("drill.rule_left", ward=self.ward.ward, problem=str(error))

    def _resting(self, observed: Route, why: str) -> Route:
        epoch = max(observed.epoch, self.ward.epoch) + 1
        return resting_route(
            self.plan, self.ward, observed, epoch=epoch, annotation=self._annotation(why)
        )

    def _annotation(self, why: str) -> Annotation:
        return _by(self.hands.scribe, why)


class _Leak(Exception):
    """The gateway would serve a clinician by the drill's rule."""


class _Watchful:
    """A prober that looks, before each probe, where clinicians are served: should the gateway
    take them by the drill's rule, nobody waits for a deadline."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober

    def probe(
        self, ward: WardId, slices: Sequence[SliceName], *, drill: str = ""
    ) -> tuple[ProbeAnswer, ...]:
        """As the prober under it. Raises: _Leak."""
        for answer in self._prober.probe(ward, slices):
            if answer.side is Side.CANDIDATE:
                raise _Leak(
                    f"{answer.gateway} serves {answer.slice_name} from the candidate to everybody, "
                    "although only the bearer of the drill's word should be served there"
                )
        return self._prober.probe(ward, slices, drill=drill)

    def open_on(self, ward: WardId, side: Side) -> int | None:
        """As the prober under it."""
        return self._prober.open_on(ward, side)


def resting_route(
    plan: Plan, ward: WardState, observed: Route, *, epoch: int, annotation: Annotation
) -> Route:
    """The route of the stage on which a ward stands, without a drill and with no exposure that is
    not there now."""
    stage = next((one for one in plan.stages if one.name == ward.stage), None)
    wanted = desired_route(plan, ward.ward, stage, epoch=epoch, annotation=annotation)
    return no_further(wanted, observed)


@dataclass(slots=True)
class Leftovers:
    """Removes what a drill left on a route when its process died, beside the sentinel's ticks.

    A drill that lives writes the route again before `patience_s` (real seconds) are over.
    """

    plan: Plan
    routes: Routes
    scribe: Scribe
    clock: Clock
    patience_s: float
    _seen: dict[WardId, tuple[str, float]] = field(default_factory=dict[WardId, tuple[str, float]])

    def look(self, observed: Sequence[ObservedRoute], state: ProgrammeState) -> None:
        """Look at the routes as last read; remove what has stood still for too long."""
        drilled = [one for one in observed if is_drilled(one.route)]
        for ward in self._seen.keys() - {one.route.ward for one in drilled}:
            del self._seen[ward]
        for one in drilled:
            if self._stands_still(one):
                self._remove(one, state.ward(one.route.ward))

    def _stands_still(self, one: ObservedRoute) -> bool:
        now_s = self.clock.monotonic()
        version, since_s = self._seen.get(one.route.ward, ("", now_s))
        if version != one.resource_version:
            self._seen[one.route.ward] = (one.resource_version, now_s)
            return False
        return now_s - since_s > self.patience_s

    def _remove(self, one: ObservedRoute, ward: WardState) -> None:
        if ward.phase in (Phase.PROMOTING, Phase.RETURNING):
            return  # whoever moves the ward writes the whole route
        epoch = max(one.route.epoch, ward.epoch) + 1
        annotation = _by(self.scribe, LEFT_OVER)
        clean = (
            replace(one.route, drill="", epoch=epoch, annotation=annotation)
            if is_exposed(one.route)
            else resting_route(self.plan, ward, one.route, epoch=epoch, annotation=annotation)
        )
        try:
            self.routes.replace(clean, resource_version=one.resource_version)
        except (Unavailable, Conflict, Indeterminate, Refused) as error:
            log.warning("drill.rule_left", ward=ward.ward, problem=str(error))
            return
        log.warning("drill.rule_removed", ward=ward.ward, epoch=epoch)
        self.scribe.note(
            ward.ward,
            DrillDone(rounds=0, restore_s=0.0, prove_s=0.0, passed=False, problem=LEFT_OVER),
        )


def patience_s(deadline_s: float) -> float:
    """For how long a living drill may leave a route as it is, in real seconds: it proves two
    things between two writes, each of them until the deadline, and is given a moment besides."""
    return 2 * deadline_s + 10.0


def _undisturbed(hands: Hands, ward: WardId) -> ObservedRoute:
    """The route once no other drill is under way on it. Raises: Refused("drill_running")."""
    observed = hands.routes.get(ward)
    until_s = hands.clock.monotonic() + patience_s(hands.proof.deadline_s)
    while is_drilled(observed.route) and hands.clock.monotonic() < until_s:
        hands.clock.sleep(hands.proof.every_s)
        again = hands.routes.get(ward)
        if is_drilled(again.route) and again.resource_version != observed.resource_version:
            raise Refused("drill_running", f"{ward} is being drilled already. Nothing was changed.")
        observed = again
    return observed


def _by(scribe: Scribe, why: str) -> Annotation:
    return Annotation(who=plain(f"{scribe.actor.kind}:{scribe.actor.name}"), why=plain(why))


def _exposed(ward: WardId) -> Refused:
    return Refused(
        "exposed",
        f"clinicians of {ward} work in the candidate: a drill takes everything to legacy and "
        "would take it from them. Nothing was changed. In earnest: wardshift rollback "
        f"{ward}",
    )
