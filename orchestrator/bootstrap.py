"""The composition root: the only file that knows all adapters.

Each function gives one process what it needs, and imports no more than that, so that the
command line starts quickly and the guard carries nothing that it could stumble over.
"""

import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.adapters.clock import PracticeClock, SystemClock, clock_from
from orchestrator.core.event import Actor, Via
from orchestrator.core.ids import ActorKind, Side, SliceName
from orchestrator.core.plan import Plan, ProofPolicy
from orchestrator.core.route import Route
from orchestrator.core.state import ProgrammeState
from orchestrator.errors import ConfigError
from orchestrator.ports import AlertSource, Leases, Ledger, Notifier, Prober
from orchestrator.service.advance import Climber
from orchestrator.service.desk import Desk
from orchestrator.service.draining import DrainWatch
from orchestrator.service.drill import Driller, Leftovers, patience_s
from orchestrator.service.fence import FenceWatch
from orchestrator.service.follow import Follower
from orchestrator.service.gateways import GatewayWatch
from orchestrator.service.guard import Guard
from orchestrator.service.hearing import Hearing, Poll
from orchestrator.service.leases import Keeper, LeaseBook
from orchestrator.service.record import Book
from orchestrator.service.rollback import Hands
from orchestrator.service.scribe import Scribe
from orchestrator.service.sentinel import Gauges, Sentinel
from orchestrator.service.stopping import AcknowledgementClock, StopLine
from orchestrator.service.watch import Readers, Watch
from orchestrator.service.writes_first import WritesFirst
from orchestrator.settings import MOUNTED, Site, load_site
from wards.model import WardId

if TYPE_CHECKING:
    from orchestrator.adapters.kubernetes.client import Cluster
    from orchestrator.adapters.kubernetes.routes import KubeRoutes
    from orchestrator.adapters.practice_gateway import PracticeRoutes
    from orchestrator.adapters.stop_codes import StaffDigest, StopCodes

# A thread a ward, made when needed: no ward's write waits for the proof of another.
RETURNS_AT_ONCE = 1_000
START = uuid4().hex[:6]
CONTROL_TIMEOUT_S = 2.0
SLOWEST_POLL_S = 1.0
FIRST_WAIT_S = 0.1
GUARD_PROOF = ProofPolicy(probes=3, every_s=0.1, deadline_s=60.0)


@dataclass(frozen=True)
class Installation:
    """One home folder with its site, its plan and its clock. Parts are made when asked for."""

    site: Site
    plan: Plan
    plan_hash: str

    @cached_property
    def clock(self) -> SystemClock | PracticeClock:
        """Wall and monotonic time of this installation."""
        return clock_from(self.site.clock_file)

    @cached_property
    def ledger(self) -> Ledger:
        """The record. Opening it needs no database yet."""
        from orchestrator.ledger import open_ledger

        return open_ledger(self.site.ledger, timeout_s=self.site.ledger_timeout_s)

    @cached_property
    def routes(self) -> "PracticeRoutes | KubeRoutes":
        """The gateway's routes, with their fence."""
        return routes_of(self.site)

    @cached_property
    def leases(self) -> Leases:
        """Signs of life of those who watch, kept beside the routes."""
        return leases_of(self.site)

    @cached_property
    def run_leases(self) -> Leases:
        """Signs of life of runs; on a cluster in a namespace of their own."""
        return leases_of(self.site, namespace=self.site.runs_namespace)

    @cached_property
    def prober(self) -> Prober:
        """Asks every gateway replica as a ward."""
        return prober_of(self.site, self._prefixes())

    def _prefixes(self) -> Mapping[SliceName, str]:
        return {item.name: item.path_prefix for item in self.plan.slices}

    @cached_property
    def notifier(self) -> Notifier:
        """Tells people."""
        return notifier_of(self.site)

    def scribe(self, actor: Actor) -> Scribe:
        """A pen for one process, with a journal file of its own."""
        return scribe_of(self.site, self.clock, actor, plan_hash=self.plan_hash)

    def hands(self, scribe: Scribe) -> Hands:
        """What a return to legacy needs."""
        return Hands(
            routes=self.routes,
            prober=self.prober,
            scribe=scribe,
            clock=self.clock,
            proof=self.plan.policy.proof,
        )

    def desk(self, actor: Actor) -> Desk:
        """Takes people's words."""
        return Desk(
            plan=self.plan,
            plan_hash=self.plan_hash,
            book=Book(self.ledger),
            scribe=self.scribe(actor),
        )

    def climber(self, actor: Actor, *, run: str = "") -> Climber:
        """Moves wards forward; it may wait a moment for the leases, the sentinel never does."""
        from orchestrator.adapters.patience import PatientLeases
        from orchestrator.adapters.retrying import retrying

        budget_s = self.plan.policy.retry_budget_s
        patience = retrying(self.clock, budget_s=budget_s, first_s=FIRST_WAIT_S, ceiling_s=1.0)
        return Climber(
            plan=self.plan,
            plan_hash=self.plan_hash,
            book=Book(self.ledger),
            routes=self.routes,
            fence=self.routes,
            leases=PatientLeases(self.leases, patience),
            lease_book=LeaseBook(self.clock),
            prober=self.prober,
            clock=self.clock,
            scribe=self.scribe(actor),
            run=run,
        )

    def driller(self, actor: Actor) -> Driller:
        """Rehearses returns."""
        return Driller(
            plan=self.plan,
            plan_hash=self.plan_hash,
            book=Book(self.ledger),
            hands=self.hands(self.scribe(actor)),
        )

    def follower(self, *, name: str, every_s: float) -> Follower:
        """Follows the ledger beside the work, draining this machine's journals into it."""
        from orchestrator.ledger import FileReplica, drain, pending_in

        return Follower(
            self.ledger,
            self.clock,
            replica=FileReplica(self.site.replica_dir / f"{name}.jsonl"),
            drain=lambda: drain(self.site.journal_dir, self.ledger),
            every_s=every_s,
            journalled=lambda: pending_in(self.site.journal_dir),
        )

    def sentinel(
        self, gauges: Gauges, probed: Callable[[int, int], None]
    ) -> tuple[Sentinel, Follower]:
        """A sentinel and the follower that keeps it informed; neither is started.

        `probed`: hears how many probes of a round were asked, and how many went wrong.
        """
        follower = self.follower(name="sentinel", every_s=self.plan.policy.tick_s)
        scribe = self.scribe(Actor(kind=ActorKind.SENTINEL, name=process_name()))
        scribe.listen(follower.add)
        routes = followed_routes(self.site)
        watch = Watch(
            plan=self.plan,
            hands=replace(self.hands(scribe), routes=routes),
            readers=readers_of(self.site, self.plan, self.clock),
            record=follower,
            notifier=self.notifier,
            executor=ThreadPoolExecutor(RETURNS_AT_ONCE, thread_name_prefix="return"),
        )
        book = LeaseBook(self.clock)
        lease_s = self.plan.policy.lease_s
        keeper = Keeper(self.leases, book, holder=process_name(), duration_s=lease_s)
        beside = ThreadPoolExecutor(1, thread_name_prefix="fence")
        asking = ThreadPoolExecutor(1, thread_name_prefix="gateways")
        # With connections of its own: no proof of a return waits behind it.
        asker = prober_of(self.site, self._prefixes())
        sentinel = Sentinel(
            watch=watch,
            fence=FenceWatch(routes, routes, self.clock, beside),
            gateways=GatewayWatch(asker, self.clock, asking, probed),
            drains=DrainWatch(asker, scribe, self.clock, asking),
            leases=self.leases,
            keeper=keeper,
            book=book,
            gauges=gauges,
            clock=self.clock,
            lease_s=lease_s,
            plan_hash=self.plan_hash,
            leftovers=Leftovers(
                plan=self.plan,
                routes=routes,
                scribe=scribe,
                clock=self.clock,
                patience_s=patience_s(self.plan.policy.proof.deadline_s),
            ),
            remind=AcknowledgementClock(
                plan=self.plan, state=follower.state, notifier=self.notifier, clock=self.clock
            ).look,
        )
        return sentinel, follower

    def hearing(self, sentinel: Sentinel, follower: Follower) -> tuple[Hearing, tuple[Poll, ...]]:
        """A sentinel's ears, and the polls that are not started yet."""
        sources = alert_sources_of(self.site)
        hearing = Hearing(
            self.plan,
            returns=sentinel.watch,
            known=follower,
            scribe=sentinel.watch.hands.scribe,
            notifier=sentinel.watch.notifier,
            clock=self.clock,
            polled=tuple(sources),
        )
        sentinel.deaf_s = hearing.deaf_s
        every_s = min(self.plan.policy.tick_s, SLOWEST_POLL_S)
        polls = (
            Poll(source, via, hearing, leads=lambda: sentinel.is_active, every_s=every_s)
            for via, source in sources.items()
        )
        return hearing, tuple(polls)

    def stop_line(
        self,
        scribe: Scribe,
        state: Callable[[], ProgrammeState],
        attend: Callable[[WardId], object | None] = lambda _ward: None,
        may_be_exposed: Callable[[WardId], bool] = lambda _ward: False,
    ) -> StopLine:
        """Hears the bedside for one process; without `attend` its caller acts upon a report."""
        return StopLine(
            plan=self.plan,
            scribe=scribe,
            state=state,
            attend=attend,
            may_be_exposed=may_be_exposed,
            notifier=self.notifier,
            clock=self.clock,
        )


def install(home: Path | None = None, plan: Path | None = None) -> Installation:
    """Read a home folder's site and its plan.

    Raises: ConfigError with every problem.
    """
    from orchestrator.adapters.planfile import load_plan

    site = read_site(home)
    chosen = plan or site.plan
    if chosen is None:
        raise ConfigError(
            (
                f"{site.home}: no installation is here, or its site.env names no WARDSHIFT_PLAN. "
                "Name its folder: --home DIR or WARDSHIFT_HOME; to begin: wardshift up --practice",
            )
        )
    loaded = load_plan(chosen)
    return Installation(site=site, plan=loaded.plan, plan_hash=loaded.hash)


def read_site(home: Path | None = None) -> Site:
    """The settings of a home folder. Raises: ConfigError naming each wrong setting."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from orchestrator import logs

    try:
        site = load_site(home)
    except ValidationError as error:
        raise ConfigError(
            tuple(
                f"setting WARDSHIFT_{'__'.join(str(part) for part in item['loc']).upper()}: "
                f"{item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            )
        ) from error
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        why = str(error).partition(" from source")[0]
        raise ConfigError((f"site.env or a WARDSHIFT_ variable does not read: {why}",)) from error
    logs.keep_in(site.home)
    return site


def guard_of(site: Site, *, lease_s: float) -> Guard:
    """A guard: no plan, no ledger. What it notes is drained by whoever has a ledger."""
    from orchestrator.adapters.guard_memory import FileGuardMemory

    clock = clock_from(site.clock_file)
    scribe = scribe_of(site, clock, Actor(kind=ActorKind.GUARD, name=process_name()), plan_hash="")
    routes = followed_routes(site)
    writes = WritesFirst()

    def hands_for(route: Route) -> Hands:
        prefixes = {rule.slice_name: rule.path_prefix for rule in route.rules}
        return Hands(
            routes=routes,
            prober=prober_of(site, prefixes),
            scribe=scribe,
            clock=clock,
            proof=GUARD_PROOF,
            writes=writes,
        )

    leases = leases_of(site)
    book = LeaseBook(clock)
    return Guard(
        routes=routes,
        leases=leases,
        keeper=Keeper(leases, book, holder=process_name(), duration_s=lease_s),
        book=book,
        notifier=notifier_of(site),
        clock=clock,
        executor=ThreadPoolExecutor(RETURNS_AT_ONCE, thread_name_prefix="return"),
        hands_for=hands_for,
        lease_s=lease_s,
        memory=FileGuardMemory(site.guard_memory_file),
    )


def routes_of(site: Site) -> "PracticeRoutes | KubeRoutes":
    """The routes that the site names, with their fence. Raises: ConfigError."""
    if site.kubeconfig:
        return _cluster_routes(site)
    from orchestrator.adapters.practice_gateway import PracticeRoutes

    return PracticeRoutes(_needed(site, "gateway_admin"), timeout_s=CONTROL_TIMEOUT_S)


def followed_routes(site: Site) -> "PracticeRoutes | KubeRoutes":
    """The same, kept in view by a watch where there is one: for whoever looks all the time."""
    if not site.kubeconfig:
        return routes_of(site)
    routes = _cluster_routes(site)
    routes.follow()
    return routes


def _cluster_routes(site: Site) -> "KubeRoutes":
    from orchestrator.adapters.kubernetes.documents import Backend
    from orchestrator.adapters.kubernetes.routes import KubeRoutes

    def backend(said: str) -> Backend:
        name, _, port = said.partition(":")
        return Backend(name=name, port=int(port))

    backends = {
        Side.LEGACY: backend(site.legacy_backend),
        Side.CANDIDATE: backend(site.candidate_backend),
    }
    return KubeRoutes(_cluster(site.kubeconfig), backends, namespace=site.namespace)


@cache
def _cluster(kubeconfig: str) -> "Cluster":
    """One set of connections a process. Raises: ConfigError."""
    from orchestrator.adapters.kubernetes.client import Cluster

    path = None if kubeconfig == MOUNTED else Path(kubeconfig)
    return Cluster(path, timeout_s=CONTROL_TIMEOUT_S)


def leases_of(site: Site, *, namespace: str = "") -> Leases:
    """The leases beside the routes; `namespace`: another one than theirs, on a cluster.

    Raises: ConfigError.
    """
    if site.kubeconfig:
        from orchestrator.adapters.kubernetes.leases import KubeLeases

        clock = clock_from(site.clock_file)
        cluster = _cluster(site.kubeconfig)
        return KubeLeases(cluster, clock, namespace=namespace or site.namespace)
    from orchestrator.adapters.practice_gateway import PracticeLeases

    return PracticeLeases(_needed(site, "gateway_admin"), timeout_s=CONTROL_TIMEOUT_S)


def prober_of(site: Site, prefixes: Mapping[SliceName, str]) -> Prober:
    """Probes through every gateway of the site. Raises: ConfigError."""
    from orchestrator.adapters.prober import GatewayProber

    # On a cluster there may be no way to count what is open; then it is said to be unknown.
    admin = site.gateway_admin if site.kubeconfig else _needed(site, "gateway_admin")
    return GatewayProber(site.gateways, admin, prefixes, timeout_s=CONTROL_TIMEOUT_S)


def readers_of(site: Site, plan: Plan, clock: SystemClock | PracticeClock) -> Readers:
    """All of the plan's providers at the site's addresses. Raises: ConfigError with all missing."""
    from orchestrator.adapters.sources import source_set

    missing = tuple(
        f"{site.home}/site.env: provider {item.name} needs the address {item.address!r} "
        f"in WARDSHIFT_ADDRESSES"
        for item in plan.providers
        if item.address not in site.addresses
    )
    if missing:
        raise ConfigError(missing)
    return source_set(plan, site.addresses, clock)


def alert_sources_of(site: Site) -> Mapping[Via, AlertSource]:
    """The systems that the site names as knowing which alerts fire; perhaps none."""
    from orchestrator.adapters.alertmanager import AlertmanagerAlerts, PrometheusAlerts

    sources: dict[Via, AlertSource] = {}
    if site.prometheus_alerts:
        sources[Via.PROMETHEUS] = PrometheusAlerts(
            site.prometheus_alerts, timeout_s=CONTROL_TIMEOUT_S
        )
    if site.alertmanager:
        sources[Via.ALERTMANAGER] = AlertmanagerAlerts(
            site.alertmanager, timeout_s=CONTROL_TIMEOUT_S, receiver=site.alertmanager_receiver
        )
    return sources


def notifier_of(site: Site) -> Notifier:
    """Pages to the log, to the pages file and, where the site names one, to the pager."""
    from orchestrator.adapters.notify import FanOut, FileNotifier, LogNotifier

    ways: list[Notifier] = [LogNotifier(), FileNotifier(site.pages_file)]
    if site.pager:
        from orchestrator.adapters.pager import pager

        ways.append(pager(site.pager, timeout_s=CONTROL_TIMEOUT_S, token_file=site.pager_token))
    return FanOut(ways)


def stop_codes_of(site: Site) -> "StopCodes":
    """The stop codes of the site's roles."""
    from orchestrator.adapters.stop_codes import StopCodes

    return StopCodes(site.stop_codes_file)


def staff_digest_of(site: Site) -> "StaffDigest":
    """What tells two reporters apart."""
    from orchestrator.adapters.stop_codes import StaffDigest

    return StaffDigest(site.stop_key_file)


def process_name() -> str:
    """This process among others: host, pid, and which start it was, for a container's process
    has the same pid each time and must not take over its own old leases."""
    return f"{socket.gethostname()}-{os.getpid()}-{START}"


def code_version() -> str:
    """The version that is written into every event."""
    return version("wardshift")


def _needed(site: Site, name: str) -> str:
    value = getattr(site, name)
    if not value:
        raise ConfigError(
            (
                f"{site.home}/site.env: WARDSHIFT_{name.upper()} is not set; "
                "`wardshift up --practice` writes one for the practice hospital",
            )
        )
    return value


def scribe_of(
    site: Site, clock: SystemClock | PracticeClock, actor: Actor, *, plan_hash: str
) -> Scribe:
    """One process's pen: a journal of its own on local disk, never waited for long."""
    from orchestrator.ledger import BoundedJournal, FileJournal

    journal = BoundedJournal(FileJournal(site.journal_dir, f"{actor.kind}-{process_name()}"))
    return Scribe(journal, clock, actor=actor, plan_hash=plan_hash, code_version=code_version())
