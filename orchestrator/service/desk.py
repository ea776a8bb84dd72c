"""People's words that go into the ledger: start, approve, hold, resume.

A changing word names the sequence its speaker saw, so that a stale screen cannot promote.
None of these is needed for a rollback. Source: design section 13, rules 3 and 9.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.core.event import (
    ApprovalGiven,
    ApprovalWithdrawn,
    Entry,
    Happening,
    HoldLifted,
    HoldPlaced,
    ProgrammeStarted,
    ResumeAgreed,
    ReturnCancelled,
    Trigger,
)
from orchestrator.core.ids import Role, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase, ProgrammeState, WardState
from orchestrator.errors import Conflict, Refused
from orchestrator.service.record import Book
from orchestrator.service.scribe import Scribe
from orchestrator.service.stopping import cancellation, check_reason
from wards.model import WardId

LOST_RACES = 5
ENDED = (Phase.ACCEPTED, Phase.RETURNING, Phase.ROLLED_BACK)


@dataclass(slots=True)
class Desk:
    """Takes people's words for one programme. Raises from every verb: Refused when a rule says
    no, Conflict when the ward is not as the speaker saw it, Unavailable, Indeterminate."""

    plan: Plan
    plan_hash: str
    book: Book
    scribe: Scribe
    is_rehearsal: bool = False

    def rehearsed(self) -> "Desk":
        """A desk that takes and refuses the same words, and writes none of them."""
        return replace(self, is_rehearsal=True)

    def start(self) -> ProgrammeState:
        """Start the programme under this plan; starting it again under the same plan is no harm."""

        def words(state: ProgrammeState) -> Happening | None:
            if state.plan_hash is None:
                return ProgrammeStarted(wards=tuple(ward.id for ward in self.plan.wards))
            if state.plan_hash != self.plan_hash:
                raise Refused(
                    "plan_changed",
                    f"this ledger belongs to a programme started under plan "
                    f"{state.plan_hash[:12]}; the file in hand is {self.plan_hash[:12]}. "
                    "Put the approved plan back, or use a new ledger for a new programme.",
                )
            return None

        self._say(None, words)
        return self.book.read()

    def approve(
        self,
        ward: WardId,
        stage: StageName,
        role: Role,
        *,
        comment: str,
        expect_seq: int | None = None,
    ) -> tuple[Entry, ...]:
        """A role's yes for one ward to enter one stage. Saying it twice changes nothing."""
        self._check_approval(stage, role)

        def words(state: ProgrammeState) -> Happening | None:
            mine = self._seen(state, ward, expect_seq)
            if mine.phase in ENDED:
                raise Refused("ward_ended", f"{ward} is {mine.phase}: there is nothing to approve")
            if (stage, role) in mine.approvals:
                return None
            return ApprovalGiven(stage=stage, role=role, comment=comment)

        return self._say(ward, words)

    def withdraw(
        self, ward: WardId, stage: StageName, role: Role, *, comment: str
    ) -> tuple[Entry, ...]:
        """A role's no. It closes the gate; it does not bring a ward back: that is a rollback."""
        self._check_approval(stage, role)
        return self._say(ward, lambda _: ApprovalWithdrawn(stage=stage, role=role, comment=comment))

    def hold(
        self, ward: WardId, *, reason: str, expect_seq: int | None = None
    ) -> tuple[Entry, ...]:
        """Stop forward movement of a ward. Rollback stays armed."""

        def words(state: ProgrammeState) -> Happening | None:
            mine = self._seen(state, ward, expect_seq)
            return None if mine.held == reason else HoldPlaced(reason=reason)

        return self._say(ward, words)

    def lift(
        self, ward: WardId, *, reason: str, expect_seq: int | None = None
    ) -> tuple[Entry, ...]:
        """End a hold."""

        def words(state: ProgrammeState) -> Happening | None:
            mine = self._seen(state, ward, expect_seq)
            if mine.held is None:
                raise Refused("not_held", f"{ward} is not on hold")
            return HoldLifted(reason=reason)

        return self._say(ward, words)

    def agree_to_resume(
        self, ward: WardId | None, role: Role, *, reason: str, expect_seq: int | None = None
    ) -> tuple[Entry, ...]:
        """One of the two roles that a rolled-back ward, or (None) a frozen programme, needs."""
        self._check_role(role, self.plan.policy.resume_roles, "to resume after a rollback")

        def words(state: ProgrammeState) -> Happening | None:
            self._check_plan(state)
            if ward is None:
                return _thaw(state, role, reason, expect_seq)
            return _again(self._seen(state, ward, expect_seq), role, reason)

        return self._say(ward, words)

    def cancel(
        self,
        ward: WardId,
        trigger: Trigger,
        subject: str,
        role: Role,
        *,
        reason: str,
        expect_seq: int | None = None,
    ) -> tuple[Entry, ...]:
        """Take back what a return still waits for; a return that is decided goes on."""
        word = ReturnCancelled(trigger=trigger, subject=subject, role=role, reason=reason)

        def words(state: ProgrammeState) -> Happening | None:
            self._check_plan(state)
            self._seen(state, ward, expect_seq)
            return cancellation(self.plan, state, word, ward, self.scribe.now())

        return self._say(ward, words)

    def _seen(self, state: ProgrammeState, ward: WardId, expect_seq: int | None) -> WardState:
        if ward not in state.order:
            raise Refused("unknown_ward", f"{ward} is not a ward of this programme")
        mine = state.ward(ward)
        if expect_seq is not None and mine.seq != expect_seq:
            raise Conflict(f"ward {ward}", expected=expect_seq, found=mine.seq)
        return mine

    def _check_approval(self, stage: StageName, role: Role) -> None:
        names = [one.name for one in self.plan.stages]
        if stage not in names:
            raise Refused("unknown_stage", f"{stage} is no stage of this plan: {', '.join(names)}")
        self._check_role(role, self.plan.stage(stage).approvals, f"to enter {stage}")

    def _check_plan(self, state: ProgrammeState) -> None:
        """Who may speak is what the programme's own plan says, not any plan in hand."""
        if state.plan_hash is not None and state.plan_hash != self.plan_hash:
            raise Refused(
                "plan_changed",
                f"this programme runs under plan {state.plan_hash[:12]}; the file in hand is "
                f"{self.plan_hash[:12]}. Nothing was recorded. Put the approved plan back.",
            )

    def _check_role(self, role: Role, allowed: tuple[Role, ...], what: str) -> None:
        if role not in allowed:
            names = ", ".join(allowed) or "nobody"
            raise Refused("wrong_role", f"{role} is not asked {what}; asked: {names}")

    def _say(
        self, ward: WardId | None, words: Callable[[ProgrammeState], Happening | None]
    ) -> tuple[Entry, ...]:
        """Decide on the newest state, again after every lost race."""
        lost: Conflict | None = None
        for _ in range(LOST_RACES):
            happening = words(self.book.read())
            if happening is None:
                return ()
            _check_text(happening)
            if self.is_rehearsal:
                return ()
            try:
                return self.book.decide((self.scribe.draft(ward, happening),))
            except Conflict as error:
                lost = error
        assert lost is not None
        raise lost


def _check_text(happening: Happening) -> None:
    check_reason(f"{getattr(happening, 'reason', '')} {getattr(happening, 'comment', '')}")


def _thaw(
    state: ProgrammeState, role: Role, reason: str, expect_seq: int | None
) -> Happening | None:
    """The speaker's sequence is that of the ward whose return froze the programme: a word about
    one freeze never ends a newer one."""
    if state.freeze is None:
        raise Refused("not_frozen", "the programme is not frozen")
    freeze = state.freeze
    found = freeze.seq if freeze.ward is None else state.ward(freeze.ward).seq
    if expect_seq is not None and found != expect_seq:
        raise Conflict(f"freeze by {freeze.origin}", expected=expect_seq, found=found)
    return None if role in state.freeze.agreed else ResumeAgreed(role=role, reason=reason)


def _again(mine: WardState, role: Role, reason: str) -> Happening | None:
    if mine.phase is not Phase.ROLLED_BACK:
        raise Refused("not_rolled_back", f"{mine.ward} is {mine.phase}, not rolled back")
    waiting = [one.report for one in mine.concerns.reports if one.is_unanswered]
    if waiting:
        raise Refused(
            "reports_wait",
            f"nobody has answered for report {', '.join(waiting)} from {mine.ward}, and going on "
            "would lay it aside. Call the ward, then: wardshift acknowledge "
            f"{mine.ward} --role ROLE",
        )
    return None if role in mine.resume_roles else ResumeAgreed(role=role, reason=reason)
