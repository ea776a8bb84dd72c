"""Opening the ledger's database: bounded in time, and never needed to be up.

SQLite runs in WAL mode with full synchronisation, PostgreSQL with time limits on
connecting, on statements and on dead peers, so that a hung database costs a caller no
more than its timeout.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from orchestrator.errors import ConfigError

HEAD_REVISION = "0001"
MIGRATION_LOCK = 0x57415244  # any number that all our processes agree on
POSTGRES_DRIVER = "postgresql+psycopg"


def engine_for(url: str, *, timeout_s: float) -> Engine:
    """An engine for a ledger URL; connects to nothing yet. Raises: ConfigError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError((f"ledger URL {url!r} cannot be read: write sqlite:///... or "
                           "postgresql://...",)) from error  # fmt: skip
    if parsed.drivername.startswith("postgres"):
        return _postgres(parsed.set(drivername=POSTGRES_DRIVER), timeout_s)
    if parsed.drivername.startswith("sqlite"):
        return _sqlite(parsed, timeout_s)
    raise ConfigError((f"the ledger runs on SQLite or PostgreSQL, not on {parsed.drivername}",))


def migrate(url: str, *, timeout_s: float = 30.0) -> None:
    """Bring the database to the present schema; safe when several processes do it at once."""
    engine = engine_for(url, timeout_s=timeout_s)
    try:
        with engine.connect() as connection:
            _lock(connection)
            _upgrade(connection)
            connection.commit()
    finally:
        engine.dispose()


def revision(connection: Connection) -> str | None:
    """The schema's revision, None in a database that has none."""
    if not has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def has_table(connection: Connection, name: str) -> bool:
    """Whether the database has a table of that name."""
    from sqlalchemy import inspect

    return inspect(connection).has_table(name)


def _upgrade(connection: Connection) -> None:
    from pathlib import Path

    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MIGRATION_LOCK})
    else:
        connection.execute(text("BEGIN IMMEDIATE"))


def _postgres(url: Any, timeout_s: float) -> Engine:
    milliseconds = int(timeout_s * 1000)
    options = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "connect_timeout": max(1, round(timeout_s)),
            "options": options,
            "tcp_user_timeout": milliseconds,
            "application_name": "wardshift",
        },
    )


def _sqlite(url: Any, timeout_s: float) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": timeout_s})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # we say BEGIN IMMEDIATE ourselves
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine
