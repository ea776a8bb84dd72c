"""A practice hospital: two EHRs, a gateway and staff at work, as real processes of this machine.

With `kubernetes`, routes and leases are on a real API server of its own, which the gateway
follows. Invariants: one hospital a home folder; it ends exactly what it started; a ward's first
route sends everything to legacy; what others need to know stands in `practice.json`.
"""

import fcntl
import json
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, assert_never
from zoneinfo import ZoneInfo

import httpx2
import structlog

from orchestrator.adapters.clock import PracticeClock, set_practice_clock
from orchestrator.errors import ConfigError, Unavailable, WardshiftError
from wards.practice.actions import (
    Action,
    Behave,
    ClearFaults,
    Handle,
    SetFaults,
    SetSpeed,
    Timed,
)
from wards.practice.cluster.control_plane import OPERATIONS, PROCESSES, ControlPlane
from wards.practice.cluster.parts import found_parts
from wards.practice.processes import Child, Ports, Recipe, Starter
from wards.practice.reception import Reception
from wards.practice.staffing import ZONE, PracticeWard, Staffing, staffing_json
from wards.practice.wire import FALLBACK, LEGACY, SLICES, SYSTEMS

ADDRESSES = "practice.json"
LOCK = "hospital.lock"
FIRST_EPOCH = 1
ASK_TIMEOUT_S = 5.0
LOOK_EVERY_S = 0.05  # at the schedule; also how late an action may be
GATEWAY = "gateway"
CLINICIANS = "clinicians"
ACCOUNTS = (GATEWAY, "sentinel", "guard", "worker")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a hospital is set up. `rate`: practice seconds per real second.

    `real_rate`: requests per real second and ward, at most. `tie_to_parent`: the processes
    end with this one, however it ends. `sync`: etcd writes through to the disk, as it must where
    time is measured.
    """

    starts_at: datetime
    rate: float = 60.0
    seed: int = 1
    zone: ZoneInfo = ZONE
    replicas: int = 1
    real_rate: float = 6.0
    backend_timeout_s: float = 10.0
    with_staff: bool = True
    kubernetes: bool = False
    sync: bool = False
    tie_to_parent: bool = True


class Hospital:
    """A running hospital. Use `start`, and `stop` or a `with` block.

    Methods may be called from several threads, one at a time for each process.
    """

    def __init__(self, home: Path, wards: tuple[PracticeWard, ...], setting: Setting) -> None:
        self.home = home.resolve()
        self.wards = wards
        self.setting = setting
        self.clock_file = self.home / "clock.json"
        self.gateway_log = self.home / "gateway.jsonl"
        self._lock: IO[str] = _locked(self.home)
        self._open = ExitStack()
        self._open.callback(self._lock.close)
        self._client = self._open.enter_context(
            httpx2.Client(timeout=ASK_TIMEOUT_S, trust_env=False)
        )
        starter = Starter()
        self._open.callback(starter.close)
        self._children = {
            recipe.name: Child(
                recipe,
                starter=starter,
                client=self._client,
                home=self.home,
                tie_to_parent=setting.tie_to_parent,
            )
            for recipe in self._recipes()
        }
        self.cluster: ControlPlane | None = None
        self.kubeconfigs: dict[str, Path] = {}
        if setting.kubernetes:
            self._take_cluster(starter)
        self._reception: Reception | None = None
        self._closing = threading.Event()
        self._schedules: list[threading.Thread] = []

    @classmethod
    def start(
        cls,
        home: Path,
        wards: tuple[PracticeWard, ...],
        *,
        starts_at: datetime,
        **setting: Any,
    ) -> Self:
        """Start every process and wait until all are healthy.

        Args:
            home: folder of its files; records, routes and leases found there are kept.
            wards: those that get a route and staff.
            starts_at: practice time, aware.
            setting: the other fields of `Setting`.
        Raises: Unavailable when the home is in use or a process does not become healthy.
        """
        hospital = cls(home, wards, Setting(starts_at=starts_at, **setting))
        try:
            hospital._build()
        except BaseException:
            hospital.stop()
            raise
        return hospital

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def addresses(self) -> Mapping[str, Any]:
        """What stands in practice.json."""
        gateway = self._children[GATEWAY]
        replicas = [gateway.url(name) for name in self._data_ports()]
        return {
            "legacy_url": self._children[LEGACY].url("http"),
            "candidate_url": self._children["candidate"].url("http"),
            "gateway_url": replicas[0],
            "gateway_urls": replicas,
            "gateway_admin_url": gateway.url("admin"),
            "staff_metrics_url": self._staff_url(),
            "hospital_url": self._reception.url if self._reception else "",
            "clock_file": str(self.clock_file),
            "gateway_log": str(self.gateway_log),
            "kubeconfigs": {name: str(path) for name, path in self.kubeconfigs.items()},
            "pids": {name: child.pid for name, child in self._children.items()},
        }

    @property
    def clock(self) -> PracticeClock:
        """The hospital's clock."""
        return PracticeClock(self.clock_file)

    def fault(self, system: str, **faults: Any) -> None:
        """Set faults of an EHR beside those it has. Raises: ConfigError, Unavailable."""
        self._ask("PATCH", f"{self._child(system).url('http')}/faults", faults)

    def clear_faults(self, *systems: str) -> None:
        """Take all faults from these EHRs, or from both. Raises: Unavailable."""
        for system in systems or SYSTEMS:
            self._ask("PUT", f"{self._child(system).url('http')}/faults", {})

    def behave(self, **settings: Any) -> None:
        """Set the gateway's behaviour beside what it has. Raises: ConfigError, Unavailable."""
        self._ask("PATCH", f"{self._children[GATEWAY].url('admin')}/behaviour", settings)

    def outage(self, name: str) -> None:
        """Kill a process, as a crash would."""
        self._child(name).kill()

    def hang(self, name: str) -> None:
        """Stop a process without ending it: it takes connections and never answers."""
        self._child(name).send(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a hung process go on."""
        self._child(name).send(signal.SIGCONT)

    def restart(self, name: str) -> None:
        """Start a process again on its ports and files; faults and behaviour are as at first.

        Raises: Unavailable.
        """
        self._child(name).start_again()
        self._write_addresses()

    def set_speed(self, rate: float) -> None:
        """Practice seconds per real second from now on. Raises: ConfigError."""
        try:
            set_practice_clock(self.clock_file, rate=rate)
        except ValueError as error:
            raise ConfigError((str(error),)) from error

    def do(self, action: Action) -> str:
        """Do one action and say what was done. Raises: ConfigError, Unavailable."""
        match action:
            case SetFaults():
                self.fault(action.system, **action.faults)
                return f"{action.system} now has these faults as well: {_said(action.faults)}"
            case ClearFaults():
                self.clear_faults(*action.systems)
                return f"no faults any more in {' and '.join(action.systems)}"
            case Behave():
                self.behave(**action.settings)
                return f"the gateway now behaves like this: {_said(action.settings)}"
            case SetSpeed():
                self.set_speed(action.rate)
                return f"one real second is now {action.rate:g} practice seconds"
            case Handle():
                self._handle(action)
                return f"{action.process}: {action.verb} done"
            case _:
                assert_never(action)

    def schedule(self, timed: Iterable[Timed]) -> None:
        """Do actions when their practice time has come; returns at once.

        An action that fails is logged, and the next one is done all the same.
        """
        waiting = sorted(timed, key=lambda entry: entry[0])
        thread = threading.Thread(
            target=self._keep_schedule, args=(waiting,), name="practice-schedule", daemon=True
        )
        self._schedules.append(thread)
        thread.start()

    def stop(self) -> None:
        """End every process that was started here, and only those. May be repeated."""
        self._closing.set()
        for thread in self._schedules:
            thread.join()
        if self._reception is not None:
            self._reception.close()
            self._reception = None
        ours = [child for name, child in self._children.items() if name not in PROCESSES]
        with ThreadPoolExecutor(len(ours)) as pool:
            list(pool.map(Child.end, ours))
        if self.cluster is not None:
            self.cluster.stop()
        (self.home / ADDRESSES).unlink(missing_ok=True)
        self._open.close()

    def _build(self) -> None:
        set_practice_clock(self.clock_file, now=self.setting.starts_at, rate=self.setting.rate)
        staffing = Staffing(zone=self.setting.zone, wards=self.wards)
        (self.home / "wards.json").write_text(json.dumps(staffing_json(staffing)), encoding="utf-8")
        first = [self._children[system].start for system in SYSTEMS]
        if self.cluster is not None:
            first.append(self._start_cluster)
        with ThreadPoolExecutor(len(first)) as pool:
            for started in [pool.submit(start) for start in first]:
                started.result()
        self._children[GATEWAY].start()
        if self.cluster is None:
            self._create_routes()
        if self.setting.with_staff:
            self._children[CLINICIANS].start()
        self._reception = Reception(self.do, lambda: json.dumps(self.addresses))
        self._write_addresses()

    def _take_cluster(self, starter: Starter) -> None:
        """Raises: Unavailable when its programs are not on this machine."""
        self.cluster = ControlPlane(
            self.home / "cluster",
            found_parts(),
            starter=starter,
            client=self._client,
            sync=self.setting.sync,
            tie_to_parent=self.setting.tie_to_parent,
        )
        self._children |= self.cluster.children

    def _start_cluster(self) -> None:
        from wards.practice.cluster import fenced  # noqa: PLC0415 - the library, only when needed

        cluster = self.cluster
        assert cluster is not None
        cluster.build()
        fenced.install(cluster)
        fenced.create_routes(cluster, (ward.ward for ward in self.wards), epoch=FIRST_EPOCH)
        self.kubeconfigs = {
            **{name: cluster.kubeconfig(name, cluster.service_account(name)) for name in ACCOUNTS},
            OPERATIONS: cluster.operations_kubeconfig(),
        }

    def _recipes(self) -> Iterable[Recipe]:
        for system in SYSTEMS:
            yield Recipe(
                name=system,
                module="wards.practice.ehr",
                port_names=("http",),
                arguments=self._ehr_arguments(system),
                health_port="http",
            )
        yield Recipe(
            name=GATEWAY,
            module="wards.practice.gateway",
            port_names=("admin", *self._data_ports()),
            arguments=self._gateway_arguments,
            health_port="admin",
        )
        if self.setting.with_staff:
            yield Recipe(
                name=CLINICIANS,
                module="wards.practice.clinicians",
                port_names=("metrics",),
                arguments=self._clinician_arguments,
                health_port="metrics",
            )

    def _ehr_arguments(self, system: str) -> Callable[[Ports], list[str]]:
        return lambda ports: [
            f"--system={system}",
            f"--port={ports['http']}",
            f"--store={self.home / system}.sqlite",
            f"--seed={self.setting.seed}",
            f"--clock={self.clock_file}",
        ]

    def _gateway_arguments(self, ports: Ports) -> list[str]:
        return [
            "--ports",
            *(str(ports[name]) for name in self._data_ports()),
            f"--admin-port={ports['admin']}",
            f"--legacy={self._children[LEGACY].url('http')}",
            f"--candidate={self._children['candidate'].url('http')}",
            self._control_argument(),
            f"--log={self.gateway_log}",
            f"--backend-timeout-s={self.setting.backend_timeout_s}",
            f"--clock={self.clock_file}",
        ]

    def _control_argument(self) -> str:
        if self.cluster is None:
            return f"--state={self.home / 'gateway.json'}"
        return f"--kubeconfig={self.kubeconfigs[GATEWAY]}"

    def _clinician_arguments(self, ports: Ports) -> list[str]:
        return [
            f"--gateway={self._children[GATEWAY].url(self._data_ports()[0])}",
            f"--plan-wards={self.home / 'wards.json'}",
            f"--metrics-port={ports['metrics']}",
            f"--seed={self.setting.seed}",
            f"--real-rate={self.setting.real_rate}",
            f"--clock={self.clock_file}",
        ]

    def _data_ports(self) -> tuple[str, ...]:
        return tuple(f"data-{number}" for number in range(self.setting.replicas))

    def _staff_url(self) -> str:
        staff = self._children.get(CLINICIANS)
        return f"{staff.url('metrics')}/metrics" if staff else ""

    def _create_routes(self) -> None:
        admin = self._children[GATEWAY].url("admin")
        items = self._ask("GET", f"{admin}/routes", None)["items"]
        present = {item["spec"]["ward"] for item in items}
        for ward in self.wards:
            if ward.ward not in present:
                self._ask("POST", f"{admin}/routes", first_route(ward.ward))

    def _child(self, name: str) -> Child:
        try:
            return self._children[name]
        except KeyError:
            known = ", ".join(self._children)
            raise ConfigError((f"there is no process {name} here; there are {known}",)) from None

    def _handle(self, action: Handle) -> None:
        match action.verb:
            case "outage":
                self.outage(action.process)
            case "hang":
                self.hang(action.process)
            case "resume":
                self.resume(action.process)
            case _:
                self.restart(action.process)

    def _keep_schedule(self, waiting: list[Timed]) -> None:
        clock = self.clock
        for at, action in waiting:
            while clock.now() < at:
                if self._closing.wait(LOOK_EVERY_S):
                    return
            try:
                log.info("schedule.done", done=self.do(action))
            except WardshiftError as error:
                log.warning("schedule.failed", problem=str(error))

    def _write_addresses(self) -> None:
        path = self.home / ADDRESSES
        beside = path.with_name(f"{ADDRESSES}.new")
        beside.write_text(json.dumps(self.addresses, indent=2) + "\n", encoding="utf-8")
        beside.replace(path)

    def _ask(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        try:
            answer = self._client.request(method, url, json=body)
        except httpx2.HTTPError as error:
            problem = f"{url} does not answer ({type(error).__name__}): is the process up?"
            raise Unavailable("practice", problem) from error
        if answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT:
            raise ConfigError(tuple(answer.json()["problems"]))
        if not answer.is_success:
            raise Unavailable("practice", f"{url} answered {answer.status_code}: {answer.text}")
        return answer.json()


def first_route(ward: str) -> Mapping[str, Any]:
    """The route with which a ward begins: every slice by name, all on legacy, epoch 1."""
    rules = [
        {"name": name, "path_prefix": f"/{name}", "backend": LEGACY, "mirror": None}
        for name in SLICES
    ]
    fallback = {"name": FALLBACK, "path_prefix": "/", "backend": LEGACY, "mirror": None}
    return {
        "metadata": {"name": f"ward-{ward}", "annotations": {"who": "practice hospital"}},
        "spec": {"ward": ward, "epoch": FIRST_EPOCH, "rules": [*rules, fallback]},
    }


def _locked(home: Path) -> IO[str]:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    lock = (home / LOCK).open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        problem = f"a hospital is already running in {home}: stop it, or choose another --home"
        raise Unavailable("practice", problem) from error
    return lock


def _said(values: Mapping[str, Any]) -> str:
    """As it is typed: names and values."""
    return " ".join(f"{name}={value}" for name, value in values.items())
