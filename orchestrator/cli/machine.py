"""Verbs that start things on this machine: up, worker, practice."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.output import say
from orchestrator.settings import DEFAULT_HOME, HOME_VARIABLE

if TYPE_CHECKING:
    from orchestrator.cli.everything import Everything
    from orchestrator.errors import ConfigError

LAST_PORT = 65_535
FASTEST = 86_400  # a practice day a real second


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where a practice hospital's routes and leases are kept. `kubeconfig`: a person's."""

    url: str
    kubeconfig: Path


def up(
    plan: Path | None = None,
    /,
    *,
    practice: bool = False,
    kubernetes: bool = False,
    standby: bool = False,
    home: Path | None = None,
    speed: float = 60.0,
    prefect_port: int = 0,
    sentinel_port: int = 0,
) -> int:
    """Start everything on this machine, say where to look, and stay until Ctrl-C.

    Example: wardshift up wards/data/practice.yaml --practice

    Args:
        plan: Programme file; else the site's, and with --practice that of the practice hospital.
        practice: With the practice hospital; without it, site.env must name a real one.
        kubernetes: With --practice: routes, leases and fence on a real API server of its own.
        standby: A second sentinel that takes over when the first one dies.
        home: Home folder (or WARDSHIFT_HOME).
        speed: Practice seconds per real second.
        prefect_port: For Prefect's page and API; 0 chooses a free one.
        sentinel_port: For the sentinel's /healthz and /metrics; 0 chooses a free one.
    """
    from orchestrator import logs
    from orchestrator.adapters.processes import is_taken
    from orchestrator.bootstrap import read_site
    from orchestrator.cli.everything import Wishes, start_everything
    from orchestrator.errors import ConfigError, Unavailable

    logs.configure("up", level="WARNING")
    folder = _home(home)
    check_port("--prefect-port", prefect_port)
    check_port("--sentinel-port", sentinel_port)
    _check_speed(speed)
    if kubernetes and not practice:
        problem = "--kubernetes goes with --practice; a real cluster is named in site.env"
        raise ConfigError((problem,))
    for port, what in ((prefect_port, "prefect"), (sentinel_port, "sentinel")):
        if port and is_taken(port):
            raise Unavailable(what, f"port {port} is in use; choose another one")
    chosen = plan or read_site(folder).plan or (practice_plan() if practice else None)
    if chosen is None:
        raise ConfigError(("name a plan: wardshift up PLAN, or try: wardshift up --practice",))
    wishes = Wishes(
        practice=practice,
        kubernetes=kubernetes,
        standby=standby,
        rate=speed,
        prefect_port=prefect_port,
        sentinel_port=sentinel_port,
    )
    everything = start_everything(chosen, folder, wishes, say)
    try:
        say(guide_to(everything))
        until_told()
    finally:
        say("Ending what was started")
        everything.stop()
    return 0


def check_port(option: str, port: int) -> None:
    """Raises: ConfigError for what is no port."""
    from orchestrator.errors import ConfigError

    if not 0 <= port <= LAST_PORT:
        raise ConfigError((f"{option} {port}: a port is a number from 1 to {LAST_PORT}",))


def _check_speed(rate: float) -> None:
    from orchestrator.errors import ConfigError

    if not 0 < rate <= FASTEST:
        raise ConfigError(
            (f"speed {rate:g}: practice seconds a real second, more than 0, {FASTEST} at most",)
        )


def practice_plan() -> Path:
    """The programme of the practice hospital, as it is installed."""
    return Path(str(files("wards") / "data" / "practice.yaml"))


def guide_to(everything: "Everything") -> str:
    """What a person who has just started this wants to know."""
    from wards.practice.cluster.control_plane import OPERATIONS

    hospital, cluster = everything.hospital, None
    if hospital is not None and hospital.cluster is not None:
        cluster = Cluster(url=hospital.cluster.url, kubeconfig=hospital.kubeconfigs[OPERATIONS])
    return where_to_look(everything.prefect_ui, everything.sentinel_port, everything.home, cluster)


def where_to_look(
    prefect_ui: str, sentinel_port: int, home: Path, cluster: Cluster | None = None
) -> str:
    """What a person who has just started everything wants to know."""
    return f"""
Everything runs. Where to look:
  ward board     http://127.0.0.1:{sentinel_port}/ (?lang=en for English)
  stop form      http://127.0.0.1:{sentinel_port}/stop
                 (opens when a role has its code: wardshift stop-code nurse)
  Prefect        {prefect_ui}
  sentinel       http://127.0.0.1:{sentinel_port}/healthz and /metrics
  alerts         http://127.0.0.1:{sentinel_port}/alerts takes Alertmanager's webhook
                 (wardshift alerts token; in practice {home}/practice/alert-token)
  logs           {home}/logs/*.log
  pages          {home}/pages.jsonl, and on-call's Alertmanager if WARDSHIFT_PAGER names it
  ledger         {home}/ledger.sqlite (wardshift verify --home {home}){_cluster_lines(cluster)}
What to try, in another terminal:
  export {HOME_VARIABLE}={home.resolve()} PATH={Path(sys.executable).parent}:$PATH
  wardshift run            start the programme
  wardshift list           where every ward stands
  wardshift show medicine-52
  wardshift practice speed 3600   (in the practice hospital: an hour in a second)
  wardshift practice fault candidate drop_text_rate=0.5
  wardshift drill medicine-52     (its return rehearsed: nobody is exposed)
  wardshift rollback medicine-52{_outage_lines(cluster)}
Ctrl-C ends everything."""


def _cluster_lines(cluster: Cluster | None) -> str:
    if cluster is None:
        return ""
    return f"""
  API server     {cluster.url} keeps the routes, leases and fence; the gateway serves by them
                 kubectl --kubeconfig {cluster.kubeconfig} -n wardshift get httproutes,leases"""


def _outage_lines(cluster: Cluster | None) -> str:
    if cluster is None:
        return ""
    return """
  wardshift practice outage kube-apiserver   (a return waits for it; the gateway serves on)
  wardshift practice restart kube-apiserver"""


def worker(*, home: Path | None = None) -> int:
    """Run the Prefect side in this process's place: flows, recorder, keeper.

    Args:
        home: Home folder (or WARDSHIFT_HOME).
    """
    command = [sys.executable, "-m", "flows.worker", "--home", str(_home(home))]
    os.execv(sys.executable, command)  # noqa: S606 - our own module, in this process's place


def practice_up(*, home: Path | None = None, speed: float = 60.0, seed: int = 1) -> int:
    """Leave a practice hospital running to be explored, and say how.

    Args:
        home: Home folder (or WARDSHIFT_HOME).
        speed: Practice seconds per real second.
        seed: Of the clinicians' choices.
    """
    _check_speed(speed)
    return _practice("up", home, "--speed", str(speed), "--seed", str(seed))


def practice_fault(system: str, /, *faults: str, home: Path | None = None) -> int:
    """Break an EHR on purpose.

    Example: wardshift practice fault candidate drop_text_rate=0.5 latency_s=2

    Args:
        system: legacy or candidate.
        faults: name=value, several.
        home: Home folder (or WARDSHIFT_HOME).
    """
    from wards.practice.wire import SYSTEMS

    _check_name("system", system, SYSTEMS)
    if not faults:
        raise _wrong(f"fault {system}: name a fault and its value, such as latency_s=2")
    return _practice("fault", home, system, *faults)


def practice_clear(*, home: Path | None = None) -> int:
    """Take all faults away.

    Args:
        home: Home folder (or WARDSHIFT_HOME).
    """
    return _practice("clear", home)


def practice_speed(rate: float, /, *, home: Path | None = None) -> int:
    """Set how many practice seconds pass in a real one.

    Args:
        rate: Practice seconds per real second.
        home: Home folder (or WARDSHIFT_HOME).
    """
    _check_speed(rate)
    return _practice("speed", home, str(rate))


def practice_outage(process: str, /, *, home: Path | None = None) -> int:
    """Kill one process of the hospital.

    Args:
        process: legacy, candidate, gateway, clinicians, etcd or kube-apiserver.
        home: Home folder (or WARDSHIFT_HOME).
    """
    _check_process(process)
    return _practice("outage", home, process)


def practice_restart(process: str, /, *, home: Path | None = None) -> int:
    """Start a killed process of the hospital again.

    Args:
        process: legacy, candidate, gateway, clinicians, etcd or kube-apiserver.
        home: Home folder (or WARDSHIFT_HOME).
    """
    _check_process(process)
    return _practice("restart", home, process)


def _check_process(name: str) -> None:
    from wards.practice.actions import PROCESSES

    _check_name("process", name, PROCESSES)


def _check_name(what: str, name: str, known: Sequence[str]) -> None:
    """Raises: ConfigError for what the practice hospital does not have."""
    if name not in known:
        raise _wrong(f"{name} is no {what} of the practice hospital; known: {', '.join(known)}")


def _wrong(problem: str) -> "ConfigError":
    from orchestrator.errors import ConfigError

    return ConfigError((problem,))


def _practice(verb: str, home: Path | None, *arguments: str) -> int:
    folder = _home(home) / "practice"
    command = [sys.executable, "-m", "wards.practice", verb, "--home", str(folder), *arguments]
    sys.stdout.flush()
    # In place of this process: whatever is sent to end it reaches the hospital.
    os.execv(sys.executable, command)  # noqa: S606 - our own module


def _home(home: Path | None) -> Path:
    return home or Path(os.environ.get(HOME_VARIABLE, DEFAULT_HOME))


def until_told() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
