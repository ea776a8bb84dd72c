"""Every process of design section 4 on one machine, started in order, ended together.

For trying, for the demonstration, for end-to-end tests, and for one small hospital. A
region runs the same commands as services of its own.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

import httpx2

from orchestrator.adapters.clock import SystemClock, wait_until
from orchestrator.adapters.planfile import load_plan
from orchestrator.adapters.prefect_env import server_env
from orchestrator.adapters.processes import HomeLock, Job, Supervisor, free_port
from orchestrator.adapters.tokens import add_token
from orchestrator.bootstrap import Installation, install, leases_of, read_site
from orchestrator.cli.schema import ready_ledger
from orchestrator.core.plan import Plan
from orchestrator.errors import Unavailable
from orchestrator.service.leases import GUARD, SENTINEL
from orchestrator.settings import SITE_FILE, write_site
from wards.practice.cluster.control_plane import OPERATIONS
from wards.practice.cluster.parts import found_parts
from wards.practice.hospital import Hospital
from wards.practice.staffing import practice_wards

STARTS_AT = time(5)  # local; early on the plan's first day, before any window
PATIENCE_S = 180.0
PREFECT = "prefect"
WORKER = "worker"
STANDBY = "sentinel-standby"
KUBECONFIG_VARIABLE = "WARDSHIFT_KUBECONFIG"
ALERT_TOKEN = Path("practice") / "alert-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What to start.

    `ledger_url`: "" for SQLite in the home folder. `rate`: practice seconds per real second at
    first. `with_prefect`: the server and the worker. `kubernetes`: the practice hospital's routes,
    leases and fence are on a real API server, and each process has an account of its own there.
    """

    practice: bool = False
    kubernetes: bool = False
    standby: bool = False
    with_prefect: bool = True
    ledger_url: str = ""
    rate: float = 60.0
    seed: int = 1
    prefect_port: int = 0
    sentinel_port: int = 0


class Everything:
    """What runs. Made by `start_everything`, ended by `stop`."""

    def __init__(self, home: Path, lock: HomeLock, plan: Path) -> None:
        self.home = home
        self.plan_path = plan
        self.hospital: Hospital | None = None
        self.prefect_port = 0
        self.sentinel_port = 0
        self._lock = lock
        self.supervisor = Supervisor(home / "logs", SystemClock())

    @property
    def prefect_ui(self) -> str:
        """Where people look at Prefect."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def installation(self) -> Installation:
        """The installation as its processes see it."""
        return install(self.home)

    def pids(self) -> Mapping[str, int]:
        """Every process of ours that lives, by name."""
        return self.supervisor.pids()

    def kill(self, name: str) -> None:
        """Kill -9; the supervisor starts it again. Raises: KeyError."""
        self.supervisor.signal(name, signal.SIGKILL)

    def hang(self, name: str) -> None:
        """SIGSTOP. Raises: KeyError."""
        self.supervisor.signal(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """SIGCONT. Raises: KeyError."""
        self.supervisor.signal(name, signal.SIGCONT)

    def restart(self, name: str) -> int:
        """End a process and start it again; its new pid. Raises: KeyError."""
        return self.supervisor.restart(name)

    def stop(self) -> None:
        """End exactly what was started."""
        self.supervisor.stop()
        if self.hospital is not None:
            self.hospital.stop()
        self._lock.release()


def start_everything(
    plan: Path, home: Path, wishes: Wishes, tell: Callable[[str], None]
) -> Everything:
    """Start it all and wait until it is healthy; `tell` hears what is being done.

    Raises: ConfigError for the plan or the site; Unavailable with the last lines of the log of
        what did not become healthy. Nothing is left running then.
    """
    loaded = load_plan(plan)
    if wishes.kubernetes:
        found_parts()  # said before anything is started
    if not wishes.practice:
        leases_of(read_site(home))  # so is an address that the site does not name
    home = home.resolve()
    lock = HomeLock(home)
    lock.take()
    everything = Everything(home, lock, plan.resolve())
    try:
        _start(everything, loaded.plan, wishes, tell)
    except BaseException:
        everything.stop()
        raise
    return everything


def _start(everything: Everything, plan: Plan, wishes: Wishes, tell: Callable[[str], None]) -> None:
    everything.prefect_port = wishes.prefect_port or free_port()
    everything.sentinel_port = wishes.sentinel_port or free_port()
    if wishes.with_prefect:
        tell("Starting the Prefect server (the slowest part; the others start meanwhile)")
        _start_prefect(everything)
    if wishes.practice:
        beside = " and a Kubernetes API server" if wishes.kubernetes else ""
        tell(f"Starting the practice hospital: two EHRs, a gateway, clinicians at work{beside}")
        _start_hospital(everything, plan, wishes)
    _write_site(everything, wishes)
    if wishes.practice:
        _make_alert_token(everything)
    ready_ledger(everything.installation.site)
    tell("Starting sentinel and guard")
    _start_safety(everything, plan, wishes)
    if wishes.with_prefect:
        tell("Starting the worker: flows and recorder")
        _start_worker(everything)


def _start_prefect(everything: Everything) -> None:
    home, port = everything.home, everything.prefect_port
    arguments = _python(
        "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)
    )
    environment = server_env(home, host="127.0.0.1", port=port)
    _run(everything, PREFECT, arguments, **environment)


def _start_hospital(everything: Everything, plan: Plan, wishes: Wishes) -> None:
    folder = everything.home / "practice"
    starts_at = datetime.combine(plan.starts_on, STARTS_AT, tzinfo=plan.zone)
    hospital = Hospital.start(
        folder,
        practice_wards(plan.wards),
        starts_at=starts_at,
        rate=wishes.rate,
        seed=wishes.seed,
        kubernetes=wishes.kubernetes,
    )
    everything.hospital = hospital


def _write_site(everything: Everything, wishes: Wishes) -> None:
    """Say in site.env what this run knows; what a person wrote there besides is kept."""
    written = _written(everything.home / SITE_FILE)
    values = {
        **written,
        "plan": str(everything.plan_path),
        "prefect_api": f"{everything.prefect_ui}/api",
        "prefect_ui": everything.prefect_ui,
        "sentinel_port": str(everything.sentinel_port),
    }
    if everything.hospital is not None:
        values |= _practice_addresses(everything.hospital, written.get("addresses", "{}"))
    if wishes.ledger_url:
        values["ledger_url"] = wishes.ledger_url
    write_site(everything.home, values)


def _make_alert_token(everything: Everything) -> None:
    """So that alerts can be tried at once: the token lies beside the practice hospital, readable
    for who runs this."""
    path = everything.home / ALERT_TOKEN
    if path.exists():
        return
    made = add_token(everything.installation.site.alert_tokens_file, "practice")
    path.touch(mode=0o600)
    path.write_text(f"{made}\n", encoding="utf-8")


def _practice_addresses(hospital: Hospital, others: str) -> dict[str, str]:
    where = hospital.addresses
    addresses = {
        **json.loads(others),
        "staff_metrics": where["staff_metrics_url"],
        "legacy": where["legacy_url"],
        "candidate": where["candidate_url"],
    }
    return {
        "gateways": json.dumps(where["gateway_urls"]),
        "gateway_admin": where["gateway_admin_url"],
        "addresses": json.dumps(addresses),
        "clock_file": where["clock_file"],
        "kubeconfig": where["kubeconfigs"].get(OPERATIONS, ""),  # a person's own hands
    }


def _written(site_file: Path) -> dict[str, str]:
    """The settings that a site.env has, by their names without the prefix."""
    if not site_file.exists():
        return {}
    lines = (line.strip() for line in site_file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line.startswith("WARDSHIFT_"))
    return {name.removeprefix("WARDSHIFT_").lower(): value for name, _, value in pairs}


def _start_safety(everything: Everything, plan: Plan, wishes: Wishes) -> None:
    home = str(everything.home)
    verb = ("-m", "orchestrator.cli.main")
    arguments = _python(*verb, "sentinel", "--home", home)
    account = _account(everything, SENTINEL)
    _run(everything, SENTINEL, arguments, **account)
    if wishes.standby:
        _run(everything, STANDBY, (*arguments, "--port", str(free_port())), **account)
    lease = ("--lease-s", str(plan.policy.lease_s))
    guard = _python(*verb, "guard", "--home", home, *lease)
    _run(everything, GUARD, guard, **_account(everything, GUARD))
    leases = leases_of(everything.installation.site)

    def both_live() -> bool:
        try:
            return {SENTINEL, GUARD} <= {record.name for record in leases.all()}
        except Unavailable:
            return False

    _await(everything, both_live, SENTINEL, GUARD)


def _start_worker(everything: Everything) -> None:
    arguments = _python("-m", "flows.worker", "--home", str(everything.home))
    _await(everything, lambda: _answers(f"{everything.prefect_ui}/api/health"), PREFECT)
    _run(everything, WORKER, arguments, **_account(everything, WORKER))
    api = f"{everything.prefect_ui}/api/deployments/count"
    wanted = len(everything.installation.plan.wards) + 1
    _await(everything, lambda: _count(api) >= wanted, WORKER)


def _account(everything: Everything, name: str) -> dict[str, str]:
    """The environment in which a process acts as its own account; nothing without a cluster."""
    known = {} if everything.hospital is None else everything.hospital.kubeconfigs
    return {KUBECONFIG_VARIABLE: str(known[name])} if name in known else {}


def _run(everything: Everything, name: str, command: tuple[str, ...], **environment: str) -> None:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    job = Job(name=name, command=command, environment={**inherited, **environment})
    everything.supervisor.start(job)


def _await(everything: Everything, condition: Callable[[], bool], *names: str) -> None:
    """Raises: Unavailable as soon as one of them ended by itself, or when time is up."""
    supervisor = everything.supervisor

    def settled() -> bool:
        return any(supervisor.failures(name) for name in names) or condition()

    is_settled = wait_until(settled, timeout_s=PATIENCE_S, every_s=0.1)
    ended = tuple(name for name in names if supervisor.failures(name))
    if is_settled and not ended:
        return
    what = "ended by itself" if ended else f"not healthy after {PATIENCE_S:g} s"
    logs = "\n".join(f"--- {name}\n{supervisor.last_lines(name)}" for name in ended or names)
    raise Unavailable(" and ".join(ended or names), f"{what}; last words:\n{logs}")


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2.0, trust_env=False).is_success
    except httpx2.HTTPError:
        return False


def _count(url: str) -> int:
    try:
        answer = httpx2.post(url, json={}, timeout=2.0, trust_env=False)
        return int(answer.json()) if answer.is_success else 0
    except (httpx2.HTTPError, ValueError):
        return 0


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def clear(home: Path) -> None:
    """Begin anew in a folder that is a home of ours, or empty.

    Raises: Unavailable when it holds other things, or something runs in it.
    """
    if not home.exists():
        return
    known = {"up.lock", "site.env", "ledger.sqlite", "practice"}
    found = {path.name for path in home.iterdir()}
    if found and not found & known:
        raise Unavailable(str(home), "the folder holds other things; give another --home")
    lock = HomeLock(home)
    lock.take()
    shutil.rmtree(home)
    lock.release()
