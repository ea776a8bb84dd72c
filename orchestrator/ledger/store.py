"""The ledger on SQLite or PostgreSQL: append by compare-and-set, each draft once.

Invariant: after every commit the chain is whole and the anchor names its end. An answer
lost at commit is Indeterminate; before it, nothing was changed. Source: rules 3 and 4.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from orchestrator.core.event import Draft, Entry
from orchestrator.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Indeterminate,
    NoTables,
    Unavailable,
)
from orchestrator.ledger.database import HEAD_REVISION, engine_for, has_table, revision
from orchestrator.ledger.mapping import FIRST_HASH, draft_row, entry_from, entry_hash
from orchestrator.ledger.tables import AnchorRow, EventRow

_T = TypeVar("_T")
LEDGER_LOCK = 0x4C454447
EVENT = EventRow.__table__  # type: ignore[attr-defined]
ANCHOR = AnchorRow.__table__  # type: ignore[attr-defined]
PAGE = 1000  # rows held in memory while reading


class SqlLedger:
    """The record. Thread-safe; every call is bounded by the timeout it was opened with."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._engine = engine_for(url, timeout_s=timeout_s)
        self._checked = False
        self._hashes: dict[int, str] = {0: FIRST_HASH}
        self._lock = threading.Lock()

    def append(
        self, drafts: Sequence[Draft], *, expected_seq: int | None = None
    ) -> tuple[Entry, ...]:
        """See ports.Ledger."""
        rows = [draft_row(draft) for draft in drafts]

        def write(connection: Connection) -> tuple[Entry, ...]:
            _begin_writing(connection)
            head, last = _anchor(connection)
            kept = _kept(connection, [row["id"] for row in rows])
            new = [row for row in rows if row["id"] not in kept]
            if expected_seq is not None and head != expected_seq and new:
                raise Conflict("the ledger", expected=expected_seq, found=head)
            placed = _place(connection, new, head, last)
            return tuple(_entry(row, kept, placed) for row in rows)

        return self._run(write, commits=True)

    def entries(self, *, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """See ports.Ledger."""
        return self._run(lambda connection: self._entries(connection, after, limit))

    def head(self) -> int:
        """See ports.Ledger."""
        return self._run(lambda connection: _anchor(connection)[0])

    def rows(self, *, after: int = -1, upto: int | None = None) -> Iterator[dict[str, Any]]:
        """Every stored row as it is, in order, for verification; with `upto`, none after it.

        Raises: Unavailable.
        """
        while True:
            page = self._run(lambda connection, a=after: _rows(connection, a, PAGE))
            yield from (row for row in page if upto is None or row["seq"] <= upto)
            if len(page) < PAGE:
                return
            after = page[-1]["seq"]

    def anchor(self) -> tuple[int, str]:
        """The anchor's sequence and hash. Raises: Unavailable, Corrupt."""
        return self._run(_anchor)

    def _entries(self, connection: Connection, after: int, limit: int | None) -> tuple[Entry, ...]:
        rows = _rows(connection, after, limit)
        prev = self._hash_at(connection, after)
        found: list[Entry] = []
        for expected, row in enumerate(rows, after + 1):
            if row["seq"] != expected:
                raise Corrupt("it is missing", f"event {expected}")
            entry = entry_from(row, prev_hash=prev)
            prev = entry.hash
            found.append(entry)
        if found:
            self._hashes = {0: FIRST_HASH, found[-1].seq: prev}
        return tuple(found)

    def _hash_at(self, connection: Connection, seq: int) -> str:
        """Asked each time: a ledger that was cut back or exchanged must not go unnoticed."""
        if seq == 0:
            return FIRST_HASH
        found = connection.execute(select(EVENT.c.hash).where(EVENT.c.seq == seq)).scalar()
        if found is None:
            raise Corrupt("it was read before and is gone", f"event {seq}")
        if self._hashes.get(seq, found) != found:
            raise Corrupt("it is not the one that was read before", f"event {seq}")
        return found

    def _run(self, work: Callable[[Connection], _T], *, commits: bool = False) -> _T:
        with self._translated(), self._engine.connect() as connection:
            self._check_schema(connection)
            result = work(connection)
            if commits:
                _commit(connection)
            return result

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if "not a database" in str(error.orig) or "malformed" in str(error.orig):
                raise Corrupt(str(error.orig), str(self._engine.url)) from error
            raise Unavailable("ledger", _sentence(error)) from error
        except (SQLAlchemyError, PoolTimeout, OSError) as error:
            raise Unavailable("ledger", type(error).__name__) from error

    def _check_schema(self, connection: Connection) -> None:
        if self._checked:
            return
        found = revision(connection)
        if found != HEAD_REVISION:
            is_new = found is None and not has_table(connection, EVENT.name)
            kind = NoTables if is_new else ConfigError
            raise kind(
                (
                    f"ledger {self._engine.url}: its schema is {found or 'empty'}, this version "
                    f"needs {HEAD_REVISION}; `wardshift run` brings it up to date",
                )
            )
        connection.rollback()
        self._checked = True


def open_ledger(url: str, *, timeout_s: float) -> SqlLedger:
    """The ledger at a URL. Raises: ConfigError for a URL that cannot be one."""
    return SqlLedger(url, timeout_s=timeout_s)


def _begin_writing(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LEDGER_LOCK})
    else:
        connection.execute(text("BEGIN IMMEDIATE"))


def _commit(connection: Connection) -> None:
    try:
        if connection.dialect.name == "sqlite":
            connection.execute(text("COMMIT"))
        connection.commit()
    except DBAPIError as error:
        raise Indeterminate("ledger", "a commit") from error


def _anchor(connection: Connection) -> tuple[int, str]:
    row = connection.execute(select(ANCHOR.c.seq, ANCHOR.c.hash)).first()
    if row is None:
        raise Corrupt("the end of the chain is not named any more", "anchor")
    return row[0], row[1]


def _rows(connection: Connection, after: int, limit: int | None) -> list[dict[str, Any]]:
    query = select(EVENT).where(EVENT.c.seq > after).order_by(EVENT.c.seq)
    found = connection.execute(query if limit is None else query.limit(limit))
    return [dict(row) for row in found.mappings()]


def _kept(connection: Connection, ids: list[str]) -> dict[str, dict[str, Any]]:
    found = connection.execute(select(EVENT).where(EVENT.c.id.in_(ids)))
    return {row["id"]: dict(row) for row in found.mappings()}


def _place(
    connection: Connection, new: list[dict[str, Any]], head: int, last: str
) -> dict[str, dict[str, Any]]:
    placed: dict[str, dict[str, Any]] = {}
    for row in new:
        if row["id"] in placed:
            continue
        head += 1
        entry = {**row, "seq": head, "prev_hash": last, "hash": entry_hash(head, row, last)}
        connection.execute(insert(EVENT).values(**entry))
        last = entry["hash"]
        connection.execute(update(ANCHOR).values(seq=head, hash=last))
        placed[row["id"]] = entry
    return placed


def _entry(
    row: dict[str, Any], kept: dict[str, dict[str, Any]], placed: dict[str, dict[str, Any]]
) -> Entry:
    stored = kept.get(row["id"]) or placed[row["id"]]
    if any(stored[name] != value for name, value in row.items()):
        raise Corrupt("the same id was used for something else", f"event {stored['seq']}")
    return entry_from(stored, prev_hash=stored["prev_hash"])


def _sentence(error: DBAPIError) -> str:
    first = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer"
    return f"the database does not answer ({first}); nothing was changed"
