"""Where this installation lives: addresses, files, credentials. Never what a plan means.

Read from the environment (WARDSHIFT_...) and from `site.env` in the home folder.
Addresses are named by the plan's providers (`staff_metrics`, `legacy`, ...), so that one
plan with one hash serves a test hospital and a real one.
"""

import os
from ipaddress import IPv4Address
from pathlib import Path

from pydantic import Field, IPvAnyAddress
from pydantic_settings import BaseSettings, SettingsConfigDict

HOME_VARIABLE = "WARDSHIFT_HOME"
DEFAULT_HOME = ".wardshift"
SITE_FILE = "site.env"
MOUNTED = "mounted"
ADDRESS = r"^(https?://[^\s]+)?$"
BACKEND = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?:[1-9][0-9]{0,4}$"


KEEPERS = {True: "Kubernetes API server", False: "practice gateway's administration"}


class Site(BaseSettings):
    """One installation's addresses and files.

    `gateways`: every replica of the gateway's data plane, for proofs.
    `addresses`: by the name that a plan's provider gives.
    `kubeconfig`: routes and leases are on that cluster ("mounted": the one this process runs in)
    in `namespace`, and the systems behind these Services; empty: at the practice gateway.
    `runs_namespace`: there the worker's runs show that they live. Not beside the wards' leases: who
    may write those could play a living sentinel.
    `listen_host`: the address that the sentinel's pages listen on; in a pod "0.0.0.0", where what
    may reach it is said by the network's own rules.
    `alertmanager`, `prometheus_alerts`: where firing alerts are asked for, beside those that are
    pushed; `alertmanager_receiver`: only those that are routed to it. `alert_tokens`: the file
    with the hashes of the tokens that may push; `stop_codes`, `stop_key`: those of the stop form.
    Else in the home folder; where several sentinels run, each must have the same.
    `pager`: the Alertmanager that tells on-call of every page; empty: only the log and the pages
    file do. `pager_token`: the file with the bearer token for it, read anew for each page.
    `clock_file`: only in the practice hospital.
    """

    model_config = SettingsConfigDict(
        env_prefix="WARDSHIFT_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    home: Path = Path(DEFAULT_HOME)
    plan: Path | None = None
    ledger_url: str = ""
    ledger_timeout_s: float = Field(default=3.0, gt=0)
    gateways: tuple[str, ...] = ()
    gateway_admin: str = ""
    kubeconfig: str = ""
    namespace: str = "wardshift"
    runs_namespace: str = "wardshift-runs"
    legacy_backend: str = Field(default="ehr-legacy:80", pattern=BACKEND)
    candidate_backend: str = Field(default="ehr-candidate:80", pattern=BACKEND)
    addresses: dict[str, str] = Field(default_factory=dict)
    prefect_api: str = ""
    prefect_ui: str = ""
    sentinel_port: int = 0
    listen_host: IPvAnyAddress = IPv4Address("127.0.0.1")
    clock_file: Path | None = None
    alertmanager: str = Field(default="", pattern=ADDRESS)
    alertmanager_receiver: str = Field(default="", pattern=r"^[\w./-]*$")
    prometheus_alerts: str = Field(default="", pattern=ADDRESS)
    alert_tokens: Path | None = None
    stop_codes: Path | None = None
    stop_key: Path | None = None
    pager: str = Field(default="", pattern=ADDRESS)
    pager_token: Path | None = None

    @property
    def ledger(self) -> str:
        """The ledger's database URL; SQLite in the home folder unless set."""
        return self.ledger_url or f"sqlite:///{(self.home / 'ledger.sqlite').resolve()}"

    @property
    def routes_kept_by(self) -> str:
        """Who is asked for routes and leases, in words: never a gateway that serves requests."""
        return f"the {KEEPERS[bool(self.kubeconfig)]}"

    @property
    def journal_dir(self) -> Path:
        """Where every process of this machine keeps its journal."""
        return self.home / "journal"

    @property
    def replica_dir(self) -> Path:
        """Where local copies of the ledger's entries are kept."""
        return self.home / "replica"

    @property
    def alert_tokens_file(self) -> Path:
        """Hashes of the tokens that may push alerts, one a line."""
        return self.alert_tokens or self.home / "alert-tokens"

    @property
    def pages_file(self) -> Path:
        """Where messages to people are also written, one JSON line each."""
        return self.home / "pages.jsonl"

    @property
    def guard_memory_file(self) -> Path:
        """What the guard of this home knows of leases, for the one that is started after it."""
        return self.home / "guard-memory.json"

    @property
    def stop_codes_file(self) -> Path:
        """Hashes of the roles' codes for the stop form; the same on every sentinel's machine."""
        return self.stop_codes or self.home / "stop-codes.json"

    @property
    def stop_key_file(self) -> Path:
        """The key that tells reporters apart; the same on every sentinel's machine."""
        return self.stop_key or self.home / "stop-key"


def load_site(home: Path | None = None) -> Site:
    """Read the site of a home folder; the environment wins over the file.

    Raises: pydantic.ValidationError for values that are no settings.
    """
    chosen = home or Path(os.environ.get(HOME_VARIABLE, DEFAULT_HOME))
    return Site(_env_file=chosen / SITE_FILE, home=chosen)  # pyright: ignore[reportCallIssue]


def write_site(home: Path, values: dict[str, str]) -> Path:
    """Write `site.env` with these settings (names without the prefix, lower case)."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / SITE_FILE
    lines = (f"WARDSHIFT_{name.upper()}={value}" for name, value in values.items())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
