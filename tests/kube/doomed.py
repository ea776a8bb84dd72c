"""One process of ours, as it is in production, that dies by SIGKILL at an effect of one's choice
(or is stopped there, to go on much later).

It runs the process's own entry point in a process of its own. Every effect it has on the world
goes through a fuse, which writes down the effect's names and, at the one it is set to, kills the
process before or after it. Nothing of this is in the product: the classes that have the effects
are wrapped here, in the doomed process alone.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# Carried by the parent of all these processes, so that each starts in a moment.
import orchestrator.adapters.metrics
import orchestrator.adapters.planfile
import orchestrator.web.pages  # noqa: F401
from flows.ascent import ascent_of
from orchestrator import bootstrap, ledger, logs
from orchestrator.adapters import stop_codes
from orchestrator.adapters.guard_memory import FileGuardMemory
from orchestrator.adapters.kubernetes.leases import KubeLeases
from orchestrator.adapters.kubernetes.routes import KubeRoutes
from orchestrator.adapters.notify import FileNotifier
from orchestrator.cli import back, stopping, watching
from orchestrator.core.event import Actor, Draft
from orchestrator.core.ids import ActorKind, Role
from orchestrator.core.route import Route
from orchestrator.ledger import FileJournal, journal, lines
from orchestrator.ledger.store import SqlLedger
from tests.kube.ports import file_readers, stored_prober
from wards.model import WardId

WARD = WardId("medicine-52")
LEASE_S = 2.0
SENIOR = Role("clinical_safety_officer")  # whose stop needs nobody to confirm it
STOP = "command-line-stop"
STOP_ALL = "command-line-stop-programme"
DISK_FULL = "disk-full"  # while this file is in the home folder, its disk takes no more
When = Literal["before", "after"]
Names = list[str]


@dataclass(frozen=True, kw_only=True)
class Fuse:
    """At which effect the process dies; without one it lives. `trace`: where effects are told."""

    trace: Path
    effect: str = ""
    when: When = "before"
    how: signal.Signals = signal.SIGKILL

    def through(self, names: Names, call: Callable[[], Any]) -> Any:
        self._tell(names)
        self._burn(names, "before")
        result = call()
        self._burn(names, "after")
        return result

    def _tell(self, names: Names) -> None:
        with self.trace.open("a") as file:
            file.write("".join(f"{name}\n" for name in names))

    def _burn(self, names: Names, when: When) -> None:
        if self.effect in names and self.when == when:
            os.kill(os.getpid(), self.how)


def play(role: str, home: Path, environment: dict[str, str], fuse: Fuse) -> None:
    """Be that process until it is told to end, or until the fuse burns."""
    os.environ.update(environment)
    _log_to(home / f"{role}.log")
    _arm(fuse)
    if role in (STOP, STOP_ALL):
        _arm_stop(fuse)
    lines._write_all = _on_a_disk_that_may_be_full(home / DISK_FULL, lines._write_all)
    for module in (bootstrap, back):
        module.prober_of = stored_prober
        module.readers_of = file_readers
    sys.exit(ROLES[role](home))


def _on_a_disk_that_may_be_full(
    sign: Path, write: Callable[[int, bytes], None]
) -> Callable[[int, bytes], None]:
    def write_or_not(fd: int, data: bytes) -> None:
        if sign.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(fd, data)

    return write_or_not


def _log_to(file: Path) -> None:
    fd = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(fd, 1)
    os.dup2(fd, 2)


def _climb(home: Path) -> int:
    """A ward's run without the schedule that shows it: the same hands, the same second line."""
    logs.configure("worker")
    installation = bootstrap.install(home)
    ascent = ascent_of(installation, WARD, Actor(kind=ActorKind.FLOW, name="worker"), run="run")
    watching.keep_on(
        lambda: _look(ascent), every_s=installation.plan.policy.tick_s, clock=installation.clock
    )
    return 0


def _look(ascent: Any) -> None:
    """As a run does it: what could not be carried into the ledger at once is carried later."""
    ascent.look()
    ascent.reader.drain()


def _return(home: Path) -> int:
    return back.rollback(WARD, reason="asked for in a test", home=home, yes=True)


def _stop(home: Path) -> int:
    return stopping.stop(WARD, role=SENIOR, words="seen in a test", staff_code="a1", home=home)


def _stop_all(home: Path) -> int:
    return stopping.stop(
        programme=True, role=SENIOR, reason="asked for in a test", home=home, yes=True
    )


ROLES: dict[str, Callable[[Path], int]] = {
    "sentinel": lambda home: watching.sentinel(home=home),
    "guard": lambda home: watching.guard(home=home, lease_s=LEASE_S),
    "worker": _climb,
    "command-line": _return,
    STOP: _stop,
    STOP_ALL: _stop_all,
}


def _arm(fuse: Fuse) -> None:
    _wrap(KubeRoutes, "replace", fuse, lambda route, **_: [f"route: {_why(route)}"])
    _wrap(KubeRoutes, "grant", fuse, lambda *_, **__: ["route: grant"])
    _wrap_leases(fuse)
    _wrap(SqlLedger, "append", fuse, lambda drafts, **_: _told("ledger", drafts))
    _wrap(FileJournal, "write", fuse, lambda draft: _told("journal", [draft]))
    _wrap(FileGuardMemory, "_write", fuse, lambda _: ["guard memory"])
    _wrap(ledger.FileReplica, "extend", fuse, lambda _: ["copy of the ledger"])
    settle = journal._settle
    journal._settle = lambda path, drafts: fuse.through(
        _told("settle", drafts), lambda: settle(path, drafts)
    )


def _arm_stop(fuse: Fuse) -> None:
    """What a stop does beside its return. Of a process that lives on, pages go out on threads of
    their own at any moment of its work; this one waits for them, and its last word is a receipt."""
    _wrap(FileNotifier, "page", fuse, lambda page: [f"page: {page.code}"])
    create, tell, tell_all = stop_codes._create, stopping._tell, stopping._tell_all
    stop_codes._create = lambda *args: fuse.through(["staff key"], lambda: create(*args))
    stopping._tell = lambda *args: fuse.through(["receipt"], lambda: tell(*args))
    stopping._tell_all = lambda *args, **how: fuse.through(
        ["receipt"], lambda: tell_all(*args, **how)
    )


def _wrap_leases(fuse: Fuse) -> None:
    """A lease that another one was faster to write is not taken yet, and is seized again."""
    known: set[str] = set()
    plain = KubeLeases.put

    def put(self: KubeLeases, name: str, *, resource_version: str, **rest: Any) -> Any:
        how = "renew" if name in known else "seize" if resource_version else "create"
        record = fuse.through(
            [f"lease {name}: {how}"],
            lambda: plain(self, name, resource_version=resource_version, **rest),
        )
        known.add(name)
        return record

    KubeLeases.put = put


def _wrap(owner: type, method: str, fuse: Fuse, names_of: Callable[..., Names]) -> None:
    plain = getattr(owner, method)

    def through(self: Any, *args: Any, **kwargs: Any) -> Any:
        return fuse.through(names_of(*args, **kwargs), lambda: plain(self, *args, **kwargs))

    setattr(owner, method, through)


def _why(route: Route) -> str:
    return route.annotation.why.partition(":")[0]


def _told(where: str, drafts: Iterable[Draft]) -> Names:
    return [f"{where}: {_what(draft)}" for draft in drafts]


def _what(draft: Draft) -> str:
    stage = getattr(draft.happening, "stage", "")
    return f"{type(draft.happening).__name__} {stage}".strip()
