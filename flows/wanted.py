"""Which runs there should be, by the ledger, and what to do about those there are.

Runs die: their processes are killed, their workers restarted, their server replaced. The
ledger says which should live; a run lives while its process renews a sign of life beside
the routes. Invariant: at most one run a ward; a run that a person cancelled or suspended
is not started again behind their back. Pure. Source: prefect facts, section 7 rule 1.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from flows import wording
from orchestrator.core.ids import Role, StageName
from orchestrator.core.plan import Plan
from orchestrator.core.state import Phase, ProgrammeState, WardState
from wards.model import WardId

PROGRAMME = "programme"
WARD = "ward"
APPROVE = "approve"
PROGRAMME_LEASE = "programme-run"
ON_THE_WAY = (Phase.AT_STAGE, Phase.PROMOTING, Phase.RETURNING)
TIMELY = frozenset({"approved", "in_window"})  # gates that may be closed while a form is out
PENDING_PATIENCE_S = 120.0
RESTART_AFTER_S = 5.0
RESTART_AFTER_NO_S = 60.0  # it did not die, it said no: a plan that changed, a wrong setting
FAILED, REFUSED = "Failed", "Refused"


class RunKind(StrEnum):
    """Prefect's state types, as far as they matter here."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CRASHED = "CRASHED"


LIVE = (
    RunKind.SCHEDULED,
    RunKind.PENDING,
    RunKind.RUNNING,
    RunKind.PAUSED,
    RunKind.CANCELLING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A run that should live. `deployment` is "flow/name". `is_new`: its ward has not begun."""

    deployment: str
    name: str
    tags: tuple[str, ...]
    ward: WardId | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """An approval that is waited for. `round` tells one climb to a stage from the next."""

    ward: WardId
    stage: StageName
    missing: tuple[Role, ...]
    round: str

    @property
    def key(self) -> str:
        """The same question asked twice has the same key, so that it is asked once."""
        return f"approve-{self.ward}-{self.stage}-{self.round}-{'+'.join(self.missing)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """A run as Prefect has it.

    `seen_s`: real seconds for which we have seen it just so. `key`: the one it was started
    under. `name`: that of its state.
    """

    id: UUID
    kind: RunKind
    seen_s: float = 0.0
    key: str = ""
    name: str = ""


def ward_run_lease(ward: WardId) -> str:
    """The sign of life of the process that moves a ward."""
    return f"run-{ward}"


def programme_wanted(plan: Plan) -> Wanted:
    """The programme's run."""
    return Wanted(
        deployment=f"{PROGRAMME}/{PROGRAMME}",
        name=wording.programme_run(plan),
        tags=(PROGRAMME,),
    )


def ward_wanted(plan: Plan, state: WardState) -> Wanted:
    """A ward's run."""
    ward = state.ward
    return Wanted(
        deployment=f"{WARD}/{ward}",
        name=wording.ward_run(plan, ward),
        tags=(WARD, ward),
        ward=ward,
        is_new=state.phase is Phase.WAITING,
    )


def due_wards(plan: Plan, state: ProgrammeState) -> tuple[WardId, ...]:
    """The wards that a run should move.

    Those on their way, and, unless the programme is frozen, the next ones as far as the plan
    allows wards at once.
    """
    due: list[WardId] = []
    open_before = 0
    for ward in state.order:
        phase = state.ward(ward).phase
        is_next = phase is Phase.WAITING and open_before < plan.policy.max_exposed_wards
        if phase in ON_THE_WAY or (is_next and state.freeze is None):
            due.append(ward)
        open_before += phase is not Phase.ACCEPTED
    return tuple(due)


def wanted_runs(plan: Plan, state: ProgrammeState) -> tuple[Wanted, ...]:
    """Every run that should live now, the programme's first."""
    is_done = all(state.ward(ward).phase is Phase.ACCEPTED for ward in state.order)
    if not state.order or is_done:
        return ()
    programme = () if state.freeze is not None else (programme_wanted(plan),)
    wards = (ward_wanted(plan, state.ward(ward)) for ward in due_wards(plan, state))
    return (*programme, *wards)


def wanted_forms(plan: Plan, state: ProgrammeState) -> tuple[Form, ...]:
    """The approvals to ask for now: of wards whose evidence is complete but for a person's yes."""
    forms = (_form(plan, state.ward(ward)) for ward in state.order)
    return tuple(form for form in forms if form is not None)


def is_asked(plan: Plan, state: ProgrammeState, ward: WardId, stage: StageName) -> bool:
    """Whether an approval for this stage can still matter: not given, and not past."""
    mine = state.ward(ward)
    if mine.phase not in (Phase.WAITING, Phase.AT_STAGE, Phase.PROMOTING):
        return False
    is_past = mine.stage is not None and plan.index(mine.stage) >= plan.index(stage)
    return not is_past and bool(missing_roles(plan, mine, stage))


def missing_roles(plan: Plan, ward: WardState, stage: StageName) -> tuple[Role, ...]:
    """The roles that the stage asks and that have not said yes."""
    asked = plan.stage(stage).approvals
    return tuple(role for role in asked if (stage, role) not in ward.approvals)


def is_dead(run: KnownRun, *, is_alive: bool, grace_s: float) -> bool:
    """Whether the process behind a run is gone.

    Args:
        run: as Prefect has it.
        is_alive: a process that carries this very run was seen renewing its sign of life.
        grace_s: how long a process may need until it shows one, real seconds.
    """
    if is_alive:
        return False
    match run.kind:
        case RunKind.RUNNING | RunKind.CANCELLING:
            return run.seen_s > grace_s
        case RunKind.PENDING:
            return run.seen_s > PENDING_PATIENCE_S
        case _:
            return False


def was_stopped(last: KnownRun | None) -> bool:
    """A person cancelled it: what has not begun does not begin behind their back."""
    return last is not None and last.kind is RunKind.CANCELLED


def start_key(last: KnownRun | None) -> str | None:
    """The key under which a run is started after its predecessor; None: not now.

    Whoever else wants to start it after the same predecessor uses the same key, and Prefect
    takes a key once. What a person cancelled, a person starts again.
    """
    if last is None:
        return "first"
    pause_s = RESTART_AFTER_NO_S if last.name in (FAILED, REFUSED) else RESTART_AFTER_S
    if was_stopped(last) or last.seen_s < pause_s:
        return None
    return f"after-{last.id}"


def form_key(form: Form, last: KnownRun | None) -> str | None:
    """The key under which a form is opened; None: it was answered, or a person closed it."""
    if last is None or not last.key.startswith(form.key):
        return form.key
    if last.kind in (RunKind.COMPLETED, RunKind.CANCELLED) or last.seen_s < RESTART_AFTER_S:
        return None
    return f"{form.key}-after-{last.id}"


def form_name(form: Form) -> str:
    """The name of the form's run."""
    return wording.approve_run(form.ward, form.stage)


def _form(plan: Plan, ward: WardState) -> Form | None:
    closed = frozenset(ward.closed_gates)
    if ward.phase is not Phase.AT_STAGE or ward.stage is None or ward.entered_at is None:
        return None
    following = plan.stage_after(ward.stage)
    if following is None or "approved" not in closed or closed - TIMELY:
        return None
    missing = missing_roles(plan, ward, following.name)
    if not missing:
        return None
    return Form(
        ward=ward.ward, stage=following.name, missing=missing, round=_stamp(ward.entered_at)
    )


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S%f}"
