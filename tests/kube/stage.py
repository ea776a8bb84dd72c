"""One ward of a real API server from its first route to its end, with the processes around it."""

import json
import multiprocessing
import re
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

from orchestrator.adapters.clock import set_practice_clock, wait_until
from orchestrator.adapters.kubernetes.client import Cluster
from orchestrator.adapters.kubernetes.leases import KubeLeases
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.bootstrap import Installation, install
from orchestrator.core.event import (
    Actor,
    DrillDone,
    Entry,
    Happening,
    PromotionIntended,
    RollbackIntended,
    StageEntered,
    StopReported,
    VerdictChanged,
    WardStarted,
)
from orchestrator.core.ids import ActorKind, Role, SignalName, StageName
from orchestrator.core.plan import GuardAction
from orchestrator.core.route import Annotation, Route, all_legacy, desired_route, exposed_slices
from orchestrator.core.state import Phase, WardState, fold
from orchestrator.core.verdict import Code, Level
from orchestrator.errors import Conflict, Refused, Unavailable, WardshiftError
from orchestrator.ledger import FileReplica, SqlLedger, drain, migrate, pending_in, verify
from orchestrator.ledger.journal import SETTLED
from orchestrator.ledger.lines import BadLine, read_lines
from orchestrator.ports import Clock
from orchestrator.service.leases import ACTION, LEGACY, LeaseBook, ward_lease
from orchestrator.settings import write_site
from tests.kube import doomed, parent
from tests.kube.doomed import LEASE_S, STOP, WARD, Fuse, When
from tests.kube.parent import PROGRAMME
from tests.kube.ports import say_signals
from tests.kube.witness import LEASES, Witness
from tests.real.kube_server import ApiError
from tests.real.kube_site import BACKENDS, NAMESPACE, ROUTES, KubeSite

NOON = datetime(2027, 3, 1, 11, tzinfo=UTC)
NOTES = StageName("notes")
TEXT_LOST = SignalName("text_lost")
WHO = Annotation(who="test", why="made")
LIMIT_S = 60.0
DATABASE = "database"  # a folder that can be taken away at one stroke, whoever has it open
DEAD = "dead"  # who held a lease and renews it no more
SLACK_S = 2.0  # past a lease; the promise of design section 2, rule 7
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([parent.__name__])


@dataclass
class Accounts:
    """The hands of each account, as themselves, and a ledger in which nothing stands yet."""

    configs: dict[str, Path]
    clusters: dict[str, Cluster]
    empty_ledger: Path

    @classmethod
    def of(cls, kube: KubeSite) -> "Accounts":
        configs = {name: kube.kubeconfig(name) for name in kube.tokens}
        clusters = {name: Cluster(config, timeout_s=10) for name, config in configs.items()}
        empty = kube.server.folder / "empty.sqlite"
        migrate(f"sqlite:///{empty}")
        return cls(configs, clusters, empty)

    def routes(self, account: str) -> KubeRoutes:
        return KubeRoutes(self.clusters[account], BACKENDS, namespace=NAMESPACE)

    def leases(self, account: str, clock: Clock) -> KubeLeases:
        return KubeLeases(self.clusters[account], clock, namespace=NAMESPACE)

    def close(self) -> None:
        for cluster in self.clusters.values():
            cluster.close()


class Stage:
    """A home folder, a ledger, a ward's route, and the processes that were started for them."""

    def __init__(
        self, kube: KubeSite, accounts: Accounts, folder: Path, *changes: tuple[str, str]
    ) -> None:
        self.kube = kube
        self.accounts = accounts
        self.home = folder
        self._started: list[ForkServerProcess] = []
        self.installation = self._installed(changes)
        self.plan = self.installation.plan
        self.ledger = self.installation.ledger
        self.quiet()
        clear(kube, accounts)
        kube.create_route(self._route(None, 1))
        self.witness = Witness(kube.server, WARD)

    def _installed(self, changes: Iterable[tuple[str, str]]) -> Installation:
        self.home.mkdir(parents=True)
        programme = PROGRAMME.read_text()
        for before, after in changes:
            assert before in programme, before
            programme = programme.replace(before, after)
        (self.home / PROGRAMME.name).write_text(programme)
        nowhere = "http://127.0.0.1:9"
        set_practice_clock(self.home / "clock.json", now=NOON, rate=1.0)
        write_site(
            self.home,
            {
                "plan": str(self.home / PROGRAMME.name),
                "kubeconfig": str(self.accounts.configs["sentinel"]),
                "gateways": f'["{nowhere}"]',
                "addresses": f'{{"staff_metrics": "{nowhere}", "legacy": "{nowhere}"}}',
                "clock_file": str(self.home / "clock.json"),
            },
        )
        (self.home / DATABASE).mkdir()
        copyfile(self.accounts.empty_ledger, self.home / DATABASE / "ledger.sqlite")
        (self.home / "ledger.sqlite").symlink_to(f"{DATABASE}/ledger.sqlite")
        return install(self.home)

    def end(self) -> None:
        """End every process that was started here, and the witness."""
        for process in self._started:
            if process.is_alive():
                process.kill()
            process.join(30)
        self.witness.end()

    # what is the case

    def quiet(self) -> None:
        """All is well on the ward."""
        say_signals(self.home, text_lost=0.0, legacy_ready=1.0)

    def breach(self) -> None:
        """A note lost its text."""
        say_signals(self.home, text_lost=1.0, legacy_ready=1.0)

    def approve(self) -> None:
        """The programme begins, the ward was drilled, and the first exposure is approved."""
        self._desk("programme_lead").start()
        self.tell(DrillDone(rounds=3, restore_s=0.1, prove_s=0.2, passed=True))
        role = Role("clinical_safety_officer")
        self._desk(role).approve(WARD, NOTES, role, comment="test")

    def expose(self) -> None:
        """The ward works its notes in the candidate, by the record and by the route."""
        self.approve()
        self.tell(
            WardStarted(stage=self.plan.stages[0].name),
            PromotionIntended(stage=NOTES, epoch=2, exposes=True),
            StageEntered(stage=NOTES, epoch=2, proven_after_s=0.1),
        )
        worker = self.accounts.routes("worker")

        def is_written() -> bool:
            """A sentinel that watches takes a grant back that no open intent asks for."""
            with suppress(ApiError, Conflict, Refused):
                self.kube.grant(WARD, 2)
                version = worker.get(WARD).resource_version
                worker.replace(self._route(NOTES, 2), resource_version=version)
                return True
            return False

        assert wait_until(is_written, timeout_s=LIMIT_S, every_s=0.01)

    def intend(self) -> None:
        """A run wrote its intent to expose, and died."""
        self.approve()
        self.tell(
            WardStarted(stage=self.plan.stages[0].name),
            PromotionIntended(stage=NOTES, epoch=2, exposes=True),
        )

    def breach_on_record(self) -> None:
        """A sentinel wrote the breach down, and died before it returned the ward."""
        self.tell(
            VerdictChanged(
                signal=TEXT_LOST,
                level=Level.BREACH,
                code=Code.OCCURRED,
                value=1.0,
                limit=0.0,
                n=1,
            )
        )

    def lease(self, action: GuardAction = GuardAction.RESTORE) -> None:
        """The last sign of life of a sentinel that dies now; none if another one has its lease."""
        leases = self.accounts.leases("sentinel", self.installation.clock)
        found = next((one for one in leases.all() if one.name == ward_lease(WARD)), None)
        if found is not None and found.holder != DEAD:
            return
        with suppress(Conflict):  # another one was faster
            leases.put(
                ward_lease(WARD),
                holder=DEAD,
                duration_s=LEASE_S,
                transitions=0,
                notes={LEGACY: "pass", ACTION: action},
                resource_version="" if found is None else found.resource_version,
            )

    def tell(self, *happenings: Happening) -> None:
        scribe = self.installation.scribe(Actor(kind=ActorKind.FLOW, name="before"))
        self.ledger.append([scribe.draft(WARD, one) for one in happenings])

    # who acts

    def start(
        self,
        role: str,
        *,
        effect: str = "",
        when: When = "before",
        how: signal.Signals = signal.SIGKILL,
        config: Path | None = None,
    ) -> ForkServerProcess:
        """Start a process as its own account; with an effect, it dies (or is stopped) there."""
        account = "operator" if role.startswith("command-line") else role
        environment = {"WARDSHIFT_KUBECONFIG": str(config or self.accounts.configs[account])}
        fuse = Fuse(trace=self.home / f"{role}.trace", effect=effect, when=when, how=how)
        process = PROCESSES.Process(target=doomed.play, args=(role, self.home, environment, fuse))
        process.start()
        self._started.append(process)
        return process

    def carry(self) -> None:
        """Carry what the processes said into the ledger, as each of them does for the others."""
        drain(self.home / "journal", self.ledger)

    def effects(self, role: str) -> list[str]:
        """The distinct effects that a process has had, in the order of their first time."""
        trace = self.home / f"{role}.trace"
        lines = trace.read_text().splitlines() if trace.exists() else ()
        return list(dict.fromkeys(lines))

    # what came of it

    def entries(self) -> tuple[Entry, ...]:
        return self.ledger.entries()

    def ward(self) -> WardState:
        return fold(self.entries()).ward(WARD)

    def route(self) -> Route:
        return self.accounts.routes("sentinel").get(WARD).route

    def is_exposed(self) -> bool:
        """As the route says; True too while nobody can say."""
        with suppress(WardshiftError):
            return bool(exposed_slices(self.route()))
        return True

    def is_home(self) -> bool:
        """On legacy, proven, and everything that was said is in the ledger."""
        if pending_in(self.home / "journal"):
            return False
        return self.ward().phase is Phase.ROLLED_BACK and not exposed_slices(self.route())

    def is_there(self) -> bool:
        """At the intended stage, proven, and everything that was said is in the ledger."""
        if pending_in(self.home / "journal"):
            return False  # asked first: what is drained after the ward was read is in neither
        ward = self.ward()
        return ward.phase is Phase.AT_STAGE and ward.stage == NOTES

    def is_at_rest(self) -> bool:
        return self.is_home() or self.is_there()

    def is_answered(self) -> bool:
        """Stopped by somebody and back, with people told; or not stopped, and where it was."""
        if not self.reports():
            return self.is_there()
        is_told = self.pages("stop_reported") or self.pages("stop_waits")
        return bool(is_told) and self.is_home()

    def reports(self) -> set[str]:
        """The numbers of all reports from the bedside that were written down."""
        drafts = list(pending_in(self.home / "journal"))  # first: it is in one of the two at least
        drafts += [entry.draft for entry in self.entries()]
        happenings = (draft.happening for draft in drafts)
        return {one.report for one in happenings if isinstance(one, StopReported)}

    def await_rest(self, condition: Callable[[], bool]) -> None:
        def holds() -> bool:
            with suppress(WardshiftError):  # an API server that has just come back
                return condition()
            return False

        assert wait_until(holds, timeout_s=LIMIT_S, every_s=0.1), self.story()

    def wrongs(self) -> list[str]:
        """Everything about the end that no rule allows; empty when all is as it must be."""
        ward, exposed = self.ward(), exposed_slices(self.route())
        allowed = self.plan.stage(ward.stage).candidate if ward.stage else ()
        is_legal = {
            Phase.ROLLED_BACK: not exposed,
            Phase.AT_STAGE: exposed == allowed and ward.intent is None,
        }.get(ward.phase, False)
        longest_s = self.witness.longest_without_lease_s()
        found = {
            f"the ledger is not sound: {self.unsound()}": self.unsound() is not None,
            f"{ward.phase} at {ward.stage} with {exposed} on the candidate": not is_legal,
            f"exposed without a lease for {longest_s:.1f} s": longest_s > LEASE_S + SLACK_S,
            f"the witness saw not everything: {self.witness.blinded}": bool(self.witness.blinded),
            "exposed after a return": self.witness.exposed_after_return(),
            "exposed more than once": self.witness.exposures() > 1,
            "forward after a return was intended": _forward_after_return(self.entries()),
            "settled in a journal and in no ledger": bool(self.settled() - self.ids()),
            "called recorded, and there is no such report": bool(self.told() - self.reports()),
        }
        return [what for what, is_so in found.items() if is_so]

    def unsound(self) -> str | None:
        """What `wardshift verify` would say of the ledger; None when it is sound."""
        assert isinstance(self.ledger, SqlLedger)
        copies = [FileReplica(path).load() for path in (self.home / "replica").glob("*.jsonl")]
        return verify(self.ledger, witnesses=copies).problem

    def settled(self) -> set[str]:
        """What every journal says to be in the ledger, by its id."""
        files = (self.home / "journal").glob(f"*{SETTLED}")
        lines = (line for file in files for line in read_lines(file))
        return {line["id"] for line in lines if not isinstance(line, BadLine)}

    def ids(self) -> set[str]:
        """What the ledger holds, by its id."""
        return {entry.draft.id for entry in self.entries()}

    def told(self) -> set[str]:
        """The numbers of the reports that the person at the terminal was told to be recorded."""
        log = self.home / f"{STOP}.log"
        said = log.read_text() if log.exists() else ""
        return set(re.findall(r"[Rr]eport (\w+) is recorded", said))

    def happenings(self, kind: type) -> list[Any]:
        """All happenings of a kind in the ledger, in order."""
        found = (entry.draft.happening for entry in self.entries())
        return [one for one in found if isinstance(one, kind)]

    def said(self, role: str, event: str) -> list[dict[str, Any]]:
        """The log lines of that event, as that process wrote them."""
        log = self.home / f"{role}.log"
        found = (json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{")
        return [line for line in found if line["event"] == event]

    def pages(self, code: str) -> list[dict[str, Any]]:
        """What people were told, by that code."""
        file = self.installation.site.pages_file
        lines = file.read_text().splitlines() if file.exists() else ()
        return [page for page in map(json.loads, lines) if page["code"] == code]

    def await_leases(self, *names: str) -> None:
        """Each of these leases is held by one of our processes."""
        leases = self.accounts.leases("guard", self.installation.clock)

        def all_held() -> bool:
            held = {one.name for one in leases.all() if one.holder != DEAD}
            return held >= set(names)

        self.await_rest(all_held)

    def await_life(self, *names: str) -> None:
        """Each of these leases is renewed by somebody."""
        leases = self.accounts.leases("guard", self.installation.clock)
        book = LeaseBook(self.installation.clock)

        def all_live() -> bool:
            book.see(leases.all())
            return all(book.is_alive(name) for name in names)

        self.await_rest(all_live)

    def holder(self, name: str) -> str:
        """Who holds a lease now."""
        found = self.accounts.leases("guard", self.installation.clock).all()
        return next((one.holder for one in found if one.name == name), "")

    def story(self) -> str:
        """What to look at when a case went wrong."""
        told = [type(entry.draft.happening).__name__ for entry in self.entries()]
        logs = "\n".join(
            f"{one.name}:\n{one.read_text()[-1500:]}" for one in self.home.glob("*.log")
        )
        return f"{self.ward()}\n{self.route()}\n{told}\n{self.witness.routes}\n{logs}"

    def _desk(self, role: str) -> Any:
        return self.installation.desk(Actor(kind=ActorKind.PERSON, name=role))

    def _route(self, stage: StageName | None, epoch: int) -> Route:
        wanted = None if stage is None else self.plan.stage(stage)
        return desired_route(self.plan, WARD, wanted, epoch=epoch, annotation=WHO)


def clear(kube: KubeSite, accounts: Accounts) -> None:
    """No route and no lease of an earlier case is left."""
    guard = accounts.routes("guard")
    with suppress(Unavailable):  # a connection that an earlier case has cut
        guard.all()
    for seen in guard.all():
        home = all_legacy(seen.route, epoch=seen.route.epoch + 1, annotation=WHO)
        guard.replace(home, resource_version=seen.resource_version)
        kube.server.call("DELETE", f"{ROUTES}/ward-{seen.route.ward}")
    for item in kube.server.call("GET", LEASES)["items"]:
        with suppress(ApiError):
            kube.server.call("DELETE", f"{LEASES}/{item['metadata']['name']}")


def was_killed(process: ForkServerProcess) -> bool:
    """It ended, and by SIGKILL."""
    process.join(LIMIT_S)
    return process.exitcode == -signal.SIGKILL


def _forward_after_return(entries: Iterable[Entry]) -> bool:
    returned = False
    for entry in entries:
        happening = entry.draft.happening
        returned = returned or isinstance(happening, RollbackIntended)
        if returned and isinstance(happening, PromotionIntended | StageEntered):
            return True
    return False


def drop(folder: Path) -> None:
    """A case that went well leaves nothing behind."""
    rmtree(folder, ignore_errors=True)
