"""Ledgers to try: the fake, SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core import event as ev
from orchestrator.ledger import migrate, open_ledger
from tests.drafts import draft
from tests.fakes_ledger import FakeLedger
from tests.plans import FIRST
from tests.postgres import fresh_database

KINDS = ("fake", "sqlite", "postgres")


def held(number, **details):
    """A draft that says little."""
    return draft(FIRST, ev.HoldPlaced(reason=f"reason {number}"), **details)


@contextmanager
def url_of(kind: str, folder: Path) -> Iterator[str]:
    """A migrated database."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'ledger.sqlite'}"
        migrate(url)
        yield url
        return
    with fresh_database() as url:
        migrate(url)
        yield url


@contextmanager
def ledger_of(kind: str, folder: Path):
    """A ledger of that kind."""
    if kind == "fake":
        yield FakeLedger()
        return
    with url_of(kind, folder) as url:
        yield open_ledger(url, timeout_s=3.0)
