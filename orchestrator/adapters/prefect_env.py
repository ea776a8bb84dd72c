"""What Prefect's processes find in their environment; imports nothing of Prefect.

Kept apart from `flows/` so that a supervisor can start a Prefect server without loading
Prefect. Values were measured on 3.8.8: `PT1S`, not `1`, or the server does not start; the
memory lease store leaks concurrency slots when the server restarts.
"""

from pathlib import Path

NO_ANALYTICS = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
LEASE_STORE = "prefect.server.concurrency.lease_storage.filesystem"
EVENTS_KEPT_S = 14 * 24 * 3600
REQUEST_TIMEOUT_S = 5.0


def server_env(home: Path, *, host: str, port: int, database_url: str = "") -> dict[str, str]:
    """For one local `prefect server start`, with its files in a folder of the home folder.

    `database_url` is PostgreSQL's for a region ("postgresql+asyncpg://..."), empty for SQLite.
    """
    folder = prefect_folder(home)
    return {
        **NO_ANALYTICS,
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": api_url(host, port),
        "PREFECT_UI_API_URL": api_url(host, port),
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_DATABASE_CONNECTION_URL": database_url or sqlite_url(folder),
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{EVENTS_KEPT_S}S",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASE_STORE,
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it has no Cancel, Resume or forms for such runs
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    }


def client_env(home: Path, api: str) -> dict[str, str]:
    """For a process that shows something in Prefect and must not wait long for it.

    One try a call: its own loop comes back anyway.
    """
    return {
        **NO_ANALYTICS,
        "PREFECT_HOME": str(prefect_folder(home)),
        "PREFECT_API_URL": api,
        "PREFECT_API_REQUEST_TIMEOUT": str(REQUEST_TIMEOUT_S),
        "PREFECT_CLIENT_MAX_RETRIES": "0",
    }


def runs_env(home: Path, api: str, *, poll_s: float) -> dict[str, str]:
    """For the Prefect worker and the runs it starts.

    They have Prefect's own patience with its server, which answers 503 while SQLite is locked.
    """
    return {
        **NO_ANALYTICS,
        "PREFECT_HOME": str(prefect_folder(home)),
        "PREFECT_API_URL": api,
        "PREFECT_API_REQUEST_TIMEOUT": "30",
        "PREFECT_WORKER_QUERY_SECONDS": str(poll_s),
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
    }


def prefect_folder(home: Path) -> Path:
    """Where Prefect's own files live."""
    return home.resolve() / "prefect"


def sqlite_url(folder: Path) -> str:
    """Prefect's database on one machine."""
    return f"sqlite+aiosqlite:///{folder / 'prefect.db'}"


def api_url(host: str, port: int) -> str:
    """The address of a server's API."""
    return f"http://{host}:{port}/api"
