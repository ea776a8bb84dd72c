"""Where wards stand, gathered for a person; works with the ledger down. No printing here."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.bootstrap import Installation, install
from orchestrator.core.event import Actor, Draft
from orchestrator.core.gates.answer import GateAnswer, Open
from orchestrator.core.gates.rules import GateFacts, Life, evaluate
from orchestrator.core.ids import ActorKind
from orchestrator.core.plan import Purpose, Stage
from orchestrator.core.route import Route, exposed_slices
from orchestrator.core.soak import SoakProgress, soak_progress
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply, fold
from orchestrator.core.verdict import Level, worst
from orchestrator.errors import Refused, Unavailable
from orchestrator.service.leases import GUARD, SENTINEL, LeaseBook
from wards.model import WardId

LOOK_S = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The programme as it can be known now. `ledger_problem`: why the ledger was not read, and
    replica and journals were used instead. `routes`: None while the gateway does not answer."""

    installation: Installation
    state: ProgrammeState
    ledger_problem: str | None
    routes: dict[WardId, Route] | None


def stand(home: Path | None, plan: Path | None = None) -> Standing:
    """Read everything that answers. Raises: ConfigError, Corrupt."""
    installation = install(home, plan)
    state, problem = known_state(installation)
    return Standing(
        installation=installation, state=state, ledger_problem=problem, routes=_routes(installation)
    )


def known_state(installation: Installation) -> tuple[ProgrammeState, str | None]:
    """The ledger's fold, or what the local replica remembers; and on top what is only journalled."""
    from orchestrator.ledger import FileReplica, pending_in

    problem = None
    try:
        entries = installation.ledger.entries()
    except Unavailable as error:
        problem = str(error)
        entries = FileReplica(installation.site.replica_dir / "sentinel.jsonl").load()
    seen = {entry.draft.id for entry in entries}
    state = fold(entries)
    for draft in pending_in(installation.site.journal_dir):
        state = _with(state, draft, seen)
    return state, problem


def ward_of(standing: Standing, name: str) -> WardState:
    """A ward of the plan. Raises: Refused with the nearest names."""
    from orchestrator.core.problems import nearest

    names = [ward.id for ward in standing.installation.plan.wards]
    if name not in names:
        raise Refused("unknown_ward", f"{name} is not a ward of this plan; {nearest(name, names)}")
    return standing.state.ward(WardId(name))


def next_stage(standing: Standing, ward: WardState) -> Stage | None:
    """The rung above, None before the start and after acceptance."""
    plan = standing.installation.plan
    return plan.stages[0] if ward.stage is None else plan.stage_after(ward.stage)


def gates(standing: Standing, ward: WardState) -> tuple[GateAnswer, ...]:
    """The gates before the next stage, as far as one look can answer them."""
    stage = next_stage(standing, ward)
    if stage is None:
        return ()
    installation = standing.installation
    facts = GateFacts(
        plan=installation.plan,
        plan_hash=installation.plan_hash,
        programme=standing.state,
        ward=ward,
        stage=stage,
        life=_life(installation),
        legacy=_legacy(installation, ward),
        now=installation.clock.now(),
    )
    return evaluate(facts)


def _legacy(installation: Installation, ward: WardState) -> Level | None:
    names = {signal.name for signal in installation.plan.signals_for(Purpose.LEGACY_READY)}
    levels = [one.verdict.level for one in ward.verdicts if one.verdict.signal in names]
    return worst(levels) if levels else None


def level_of(ward: WardState) -> str:
    """The worst verdict in a word, "-" before anything was judged."""
    levels = [item.verdict.level for item in ward.verdicts]
    return max(levels, default=Level.BLIND).name if levels else "-"


def exposed(standing: Standing, ward: WardId) -> str:
    """The slices on the candidate by the route itself; "?" while the gateway does not answer."""
    if standing.routes is None:
        return "?"
    route = standing.routes.get(ward)
    return "no route" if route is None else ", ".join(exposed_slices(route)) or "-"


def soak_of(standing: Standing, ward: WardState) -> SoakProgress:
    """Whole shifts so far at the present stage."""
    installation = standing.installation
    return soak_progress(installation.plan, ward, installation.clock.now())


def what_next(standing: Standing, ward: WardState) -> str:
    """The next thing that a person would do or wait for, in a few words."""
    match ward.phase:
        case Phase.WAITING:
            return "frozen: see the freeze" if standing.state.freeze else "its turn"
        case Phase.PROMOTING:
            return "the promotion under way"
        case Phase.RETURNING:
            waiting = ward.returned.waiting_for if ward.returned else ""
            return f"proof of the return {waiting}".strip()
        case Phase.ROLLED_BACK:
            return "find the cause; two roles: wardshift resume " + ward.ward
        case Phase.ACCEPTED:
            return "nothing; it is still watched"
        case Phase.AT_STAGE:
            return ward.held or ", ".join(ward.closed_gates) or "nothing stands in the way"


def local(standing: Standing, at: datetime | None) -> str:
    """A time in the hospital's zone, 24 hours."""
    zone = standing.installation.plan.zone
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def person(role: str) -> Actor:
    """A person acting in a role; nobody's name is kept."""
    return Actor(kind=ActorKind.PERSON, name=role)


def open_gate(answer: GateAnswer) -> bool:
    """Whether the answer is Open."""
    return isinstance(answer, Open)


def _with(state: ProgrammeState, draft: Draft, seen: set[str]) -> ProgrammeState:
    return state if draft.id in seen else apply(state, draft)


def _routes(installation: Installation) -> dict[WardId, Route] | None:
    try:
        return {one.route.ward: one.route for one in installation.routes.all()}
    except Unavailable:
        return None


def _life(installation: Installation) -> Life:
    """Whether the signs of life move while we look; a short look that sees none says None."""
    book = LeaseBook(installation.clock)
    deadline_s = installation.clock.monotonic() + LOOK_S
    try:
        book.see(installation.leases.all())
        while installation.clock.monotonic() < deadline_s and not _both(book):
            installation.clock.sleep(0.1)
            book.see(installation.leases.all())
    except Unavailable:
        return Life(sentinel=None, guard=None)
    return Life(sentinel=_seen(book, SENTINEL), guard=_seen(book, GUARD))


def _seen(book: LeaseBook, name: str) -> bool | None:
    return False if book.record(name) is None else book.is_alive(name)


def _both(book: LeaseBook) -> bool:
    return bool(book.is_alive(SENTINEL)) and bool(book.is_alive(GUARD))
