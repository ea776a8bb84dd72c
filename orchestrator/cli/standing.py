"""Where wards stand, gathered for a person; works with the ledger down. No printing here."""

from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from pathlib import Path

from orchestrator import logs
from orchestrator.bootstrap import Installation, install
from orchestrator.core.decision import blocked_return
from orchestrator.core.event import Actor, Draft, Entry
from orchestrator.core.freeze import roles_needed
from orchestrator.core.gates.answer import GateAnswer, Open, not_open
from orchestrator.core.gates.facts import GateFacts, Life
from orchestrator.core.gates.rules import evaluate, not_frozen, not_held, ward_in_turn
from orchestrator.core.ids import ActorKind, Role
from orchestrator.core.plan import Plan, Purpose, Stage
from orchestrator.core.route import ObservedRoute, Route, exposed_slices
from orchestrator.core.soak import SoakProgress, soak_progress
from orchestrator.core.state import Phase, ProgrammeState, WardState, apply, fold
from orchestrator.core.text import plain
from orchestrator.core.verdict import Level, worst
from orchestrator.core.view import recorded_exposure
from orchestrator.errors import Corrupt, NoTables, Refused, Unavailable
from orchestrator.service.leases import GUARD, SENTINEL, LeaseBook, life
from orchestrator.settings import Site
from wards.model import WardId

LOOK_AGAIN_S = 0.1
ONLY_RETURNS = "only rollback works without it"
UNSEEN = Life(sentinel=None, guard=None)
SENTINEL_GATE, GUARD_GATE, FENCE_GATE = "sentinel_alive", "guard_alive", "fence_proven"
ALARM_GATE = "no_alarms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What happened, and its fold. `pending`: only in journals of this machine so far.

    `problem`: why the ledger was not read, and this machine's own copy was used instead;
    `damage`: it was read, and cannot be trusted.
    """

    entries: tuple[Entry, ...]
    pending: tuple[Draft, ...]
    state: ProgrammeState
    problem: str | None = None
    damage: Corrupt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The programme as it can be known now. `routes`: None while whatever keeps them
    does not answer."""

    installation: Installation
    record: Record
    routes: dict[WardId, Route] | None

    @property
    def state(self) -> ProgrammeState:
        """The programme as the record has it."""
        return self.record.state


def stand(home: Path | None, plan: Path | None = None) -> Standing:
    """Read everything that answers, for a person: logs are warnings on stderr.

    Raises: ConfigError, Corrupt.
    """
    logs.configure("wardshift", level="WARNING")
    return stand_in(install(home, plan))


def stand_in(installation: Installation) -> Standing:
    """Read everything of this installation that answers. Raises: ConfigError, Corrupt."""
    return Standing(
        installation=installation,
        record=record_of(installation),
        routes=routes_now(installation),
    )


def record_of(installation: Installation) -> Record:
    """The ledger's record, or this machine's copy of it, also when that has more: then the
    ledger was lost or cut back. Raises: ConfigError; Corrupt without a copy."""
    from orchestrator.cli.schema import lost
    from orchestrator.ledger import copied_to

    # Before the ledger: a copy that grows meanwhile must not look like one that has more.
    copied = copied_to(installation.site.replica_dir)
    try:
        entries = installation.ledger.entries()
    except Unavailable as error:
        return remembered(installation.site, problem=str(error))
    except Corrupt as error:
        return _despite(installation.site, error)
    except NoTables:
        if not copied:
            raise
        entries = ()
    missing = copied - len(entries)
    if missing > 0:
        return remembered(installation.site, problem=lost(missing))
    return _with_journals(installation.site, entries, problem=None)


def _despite(site: Site, error: Corrupt) -> Record:
    copied = remembered(site, problem=str(error))
    if not copied.entries:
        raise error
    return replace(copied, damage=error)


def check_not_lost(installation: Installation) -> None:
    """Nothing goes forward on a ledger that this machine knows to have had more.

    Raises: Corrupt saying how many events are missing; Unavailable.
    """
    from orchestrator.cli.schema import check_no_copy, lost
    from orchestrator.ledger import copied_to

    try:
        head = installation.ledger.head()
    except Unavailable as error:
        raise Unavailable(error.port, f"{error.problem}; {ONLY_RETURNS}") from error
    except NoTables:
        check_no_copy(installation.site)
        raise
    missing = copied_to(installation.site.replica_dir) - head
    if missing > 0:
        raise Corrupt(lost(missing), installation.site.ledger)


def remembered(site: Site, *, problem: str) -> Record:
    """The record as the longest local copy has it."""
    from orchestrator.ledger import FileReplica

    copies = (FileReplica(path).load() for path in sorted(site.replica_dir.glob("*.jsonl")))
    longest: tuple[Entry, ...] = max(copies, key=len, default=())
    return _with_journals(site, longest, problem=problem)


def told(record: Record) -> tuple[tuple[int | None, Draft], ...]:
    """Every happening with its seq, oldest first; what is only journalled has none."""
    return (
        *((entry.seq, entry.draft) for entry in record.entries),
        *((None, draft) for draft in record.pending),
    )


def ward_of(standing: Standing, name: str) -> WardState:
    """A ward of the plan. Raises: Refused with the nearest names."""
    return standing.state.ward(known_ward(standing.installation.plan, name))


def known_ward(plan: Plan, name: str) -> WardId:
    """The ward of that id. Raises: Refused with the nearest names."""
    from orchestrator.core.problems import nearest

    names = [ward.id for ward in plan.wards]
    if name not in names:
        raise Refused("unknown_ward", f"{name} is not a ward of this plan; {nearest(name, names)}")
    return WardId(name)


def next_stage(standing: Standing, ward: WardState) -> Stage | None:
    """The rung above; None where there is none, or the plan does not know the ward's rung."""
    plan = standing.installation.plan
    if ward.stage is None:
        return plan.stages[0]
    known = {stage.name for stage in plan.stages}
    return plan.stage_after(ward.stage) if ward.stage in known else None


def gates(standing: Standing, ward: WardState, life: Life) -> tuple[GateAnswer, ...]:
    """The gates before the ward's next step; nothing where it has none."""
    stage = next_stage(standing, ward)
    if stage is None or ward.phase not in (Phase.WAITING, Phase.AT_STAGE):
        return ()
    facts = _facts(standing, ward, stage, life)
    if ward.phase is Phase.WAITING:
        return (not_frozen(facts), ward_in_turn(facts), not_held(facts))
    return evaluate(facts)


def life_on_record(ward: WardState) -> Life:
    """Whoever moves wards watches the leases and writes down which gates were closed."""
    return Life(
        sentinel=SENTINEL_GATE not in ward.closed_gates,
        guard=GUARD_GATE not in ward.closed_gates,
        fence=FENCE_GATE not in ward.closed_gates,
        deaf_s=inf if ALARM_GATE in ward.closed_gates else 0.0,  # unless an alarm stands, see gate
    )


def life_observed(installation: Installation) -> Life:
    """Whether the signs of life move while we look: until both did, half a lease at most."""
    book = LeaseBook(installation.clock)
    deadline_s = installation.clock.monotonic() + installation.plan.policy.lease_s / 2
    try:
        book.see(installation.leases.all())
        while installation.clock.monotonic() < deadline_s and not _both(book):
            installation.clock.sleep(LOOK_AGAIN_S)
            book.see(installation.leases.all())
    except Unavailable:
        return UNSEEN
    return replace(life(book), sentinel=_seen(book, SENTINEL), guard=_seen(book, GUARD))


def level_of(ward: WardState) -> str:
    """The worst verdict in a word, "-" before anything was judged."""
    levels = [item.verdict.level for item in ward.verdicts]
    return worst(levels).name if levels else "-"


def exposed(standing: Standing, ward: WardId) -> str:
    """The slices on the candidate by the route itself; "?" while nobody says its route."""
    if standing.routes is None:
        allowed = recorded_exposure(standing.installation.plan, standing.state.ward(ward))
        return f"? (by the record: {', '.join(allowed) or 'none'})"
    route = standing.routes.get(ward)
    return "no route" if route is None else ", ".join(exposed_slices(route)) or "-"


def soak_of(standing: Standing, ward: WardState) -> SoakProgress | None:
    """Whole shifts so far at the present stage; None where the ward soaks nothing."""
    plan = standing.installation.plan
    if ward.phase is not Phase.AT_STAGE or ward.stage not in {one.name for one in plan.stages}:
        return None
    return soak_progress(plan, ward, standing.installation.clock.now())


def what_next(standing: Standing, ward: WardState) -> str:
    """The next thing that a person would do or wait for, in a few words."""
    match ward.phase:
        case Phase.PROMOTING:
            return f"proof of {ward.intent.stage if ward.intent else 'the next stage'}"
        case Phase.RETURNING:
            return _return_waits_for(ward)
        case Phase.ROLLED_BACK:
            return f"find the cause; {_two_roles(standing, ward.resume_roles, ward.ward)}"
        case Phase.ACCEPTED:
            return "nothing; it is still watched"
        case Phase.WAITING | Phase.AT_STAGE:
            return _blocked(standing, ward) or _gate_in_the_way(standing, ward)


def _return_waits_for(ward: WardState) -> str:
    back = ward.returned
    if back is not None and back.written_at is None:
        return "the return is not written yet: it waits for the routes, and tries on by itself"
    return f"proof of the return {back.waiting_for if back else ''}".strip()


def frozen(standing: Standing) -> str | None:
    """Why nothing moves forward in the programme and what ends that; None when it moves."""
    freeze = standing.state.freeze
    if freeze is None:
        return None
    agreed = _two_roles(standing, freeze.agreed, "--programme")
    return f"FROZEN by {freeze.origin} (seq {frozen_seq(standing)}): {freeze.reason}; {agreed}"


def frozen_seq(standing: Standing) -> int | None:
    """The seq by which a word about the freeze is said; None while nothing is frozen."""
    freeze = standing.state.freeze
    if freeze is None:
        return None
    return freeze.seq if freeze.ward is None else standing.state.ward(freeze.ward).seq


def local(standing: Standing, at: datetime | None) -> str:
    """A time in the hospital's zone, 24 hours."""
    zone = standing.installation.plan.zone
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def person(role: str) -> Actor:
    """A person acting in a role; nobody's name is kept."""
    return Actor(kind=ActorKind.PERSON, name=plain(role))


def open_gate(answer: GateAnswer) -> bool:
    """Whether the answer is Open."""
    return isinstance(answer, Open)


def _with_journals(site: Site, entries: tuple[Entry, ...], *, problem: str | None) -> Record:
    from orchestrator.ledger import pending_in

    seen = {entry.draft.id for entry in entries}
    pending = tuple(draft for draft in pending_in(site.journal_dir) if draft.id not in seen)
    state = fold(entries)
    for draft in pending:
        state = apply(state, draft)
    return Record(entries=entries, pending=pending, state=state, problem=problem)


def _facts(standing: Standing, ward: WardState, stage: Stage, life: Life) -> GateFacts:
    return GateFacts(
        plan=standing.installation.plan,
        plan_hash=standing.installation.plan_hash,
        programme=standing.state,
        ward=ward,
        stage=stage,
        life=life,
        legacy=_legacy(standing.installation, ward),
        now=standing.installation.clock.now(),
    )


def _legacy(installation: Installation, ward: WardState) -> Level | None:
    names = {signal.name for signal in installation.plan.signals_for(Purpose.LEGACY_READY)}
    levels = [one.verdict.level for one in ward.verdicts if one.verdict.signal in names]
    return worst(levels) if levels else None


def _blocked(standing: Standing, ward: WardState) -> str:
    blocked = blocked_return(standing.installation.plan, ward)
    return "" if blocked is None else f"LEGACY IS NOT READY: {blocked.downtime_procedure}"


def _gate_in_the_way(standing: Standing, ward: WardState) -> str:
    if standing.state.plan_hash is None:
        return "the programme is not started: wardshift run"
    closed = list(not_open(gates(standing, ward, life_on_record(ward))))
    if not closed:
        return "nothing stands in the way"
    more = f" (and {len(closed) - 1} more)" if len(closed) > 1 else ""
    return f"{closed[0].evidence}: {closed[0].todo}{more}"


def _two_roles(standing: Standing, agreed: frozenset[Role], what: str) -> str:
    needed = roles_needed(standing.installation.plan.policy.resume_roles, agreed)
    return f"{needed}: wardshift resume {what} --role ROLE --reason TEXT"


def routes_now(installation: Installation) -> dict[WardId, Route] | None:
    """Every ward's route; None while whatever keeps them does not answer."""
    try:
        observed: tuple[ObservedRoute, ...] = installation.routes.all()
    except Unavailable:
        return None
    return {one.route.ward: one.route for one in observed}


def _seen(book: LeaseBook, name: str) -> bool | None:
    return False if book.record(name) is None else book.is_alive(name)


def _both(book: LeaseBook) -> bool:
    return bool(book.is_alive(SENTINEL)) and bool(book.is_alive(GUARD))
