"""Where a practice EHR keeps its records: every version, in one SQLite file.

Invariants: a version is never changed or removed; what was answered survives the
process being killed (write-ahead log); a page's order does not depend on what is
written between two pages.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wards.practice.ehr.resource import Json, terms_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    num INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    updated TEXT NOT NULL,
    visible_from TEXT,
    ward TEXT NOT NULL,
    UNIQUE (type, id)
);
CREATE INDEX IF NOT EXISTS records_in_order ON records (type, num);
CREATE INDEX IF NOT EXISTS records_by_time ON records (type, updated);
CREATE INDEX IF NOT EXISTS records_by_ward ON records (ward, type);
CREATE TABLE IF NOT EXISTS versions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated TEXT NOT NULL,
    method TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (type, id, version)
);
CREATE INDEX IF NOT EXISTS versions_in_order ON versions (type, seq);
CREATE TABLE IF NOT EXISTS terms (
    type TEXT NOT NULL,
    param TEXT NOT NULL,
    value TEXT NOT NULL,
    num INTEGER NOT NULL,
    PRIMARY KEY (type, param, value, num)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS terms_of_record ON terms (num);
"""
SHOWN = "(r.visible_from IS NULL OR r.visible_from <= :now)"
SEARCH = """
SELECT v.type, v.id, v.version, v.updated, v.method, v.body, r.num
FROM records r JOIN versions v ON v.seq = r.seq
WHERE {where} AND r.num > :after ORDER BY r.num LIMIT :limit
"""
TOTAL = "SELECT count(*) FROM records r WHERE {where}"
ANY_OF = (
    "r.num IN (SELECT num FROM terms"
    " WHERE type = :type AND param = :{param} AND value IN ({values}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One stored version. `body` is its JSON text; `updated` is ISO, UTC, milliseconds."""

    type: str
    id: str
    version: int
    updated: str
    method: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One search parameter: any of these values. Times compare as text (fixed width)."""

    param: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBound:
    """`updated` compared with a moment by `>=`, `>`, `<=`, `<` or `=`."""

    comparison: str
    moment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked of one type; `after` is the last page's cursor, 0 at the start."""

    type: str
    conditions: tuple[Condition, ...]
    bounds: tuple[TimeBound, ...]
    count: int
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some versions in order, and the cursor of the next page if there is one."""

    versions: tuple[Version, ...]
    next_cursor: int | None


class Store:
    """Records of one practice EHR. One thread uses it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # survives a killed process
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def put(
        self, resource: Json, *, ward: str, method: str, updated: str, visible_from: str | None
    ) -> Version:
        """Store the next version of a resource whose id is set; all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            stored = self._put(resource, ward, method, updated, visible_from)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return stored

    def current(self, type_: str, id_: str, *, now: str) -> Version | None:
        """The newest version, unless the record is not to be seen yet."""
        row = self._db.execute(
            "SELECT v.type, v.id, v.version, v.updated, v.method, v.body FROM records r"
            " JOIN versions v ON v.seq = r.seq WHERE r.type = :type AND r.id = :id"
            " AND (r.visible_from IS NULL OR r.visible_from <= :now)",
            {"type": type_, "id": id_, "now": now},
        ).fetchone()
        return _version(row) if row else None

    def version(self, type_: str, id_: str, version: int) -> Version | None:
        """One version by its number."""
        row = self._db.execute(
            "SELECT type, id, version, updated, method, body FROM versions"
            " WHERE type = ? AND id = ? AND version = ?",
            (type_, id_, version),
        ).fetchone()
        return _version(row) if row else None

    def newest_number(self, type_: str, id_: str) -> int:
        """The newest version's number, also of a record not to be seen yet; 0 if there is none."""
        row = self._db.execute(
            "SELECT version FROM records WHERE type = ? AND id = ?", (type_, id_)
        ).fetchone()
        return row[0] if row else 0

    def search(self, search: Search, *, now: str) -> Page:
        """One page in the order in which the records were first written."""
        where, values = _where(search)
        values |= {"now": now, "after": search.after, "limit": search.count + 1}
        rows = self._db.execute(SEARCH.format(where=where), values).fetchall()
        return _page(rows, search.count)

    def total(self, search: Search, *, now: str) -> int:
        """How many records a search finds on all its pages."""
        where, values = _where(search)
        values["now"] = now
        return self._db.execute(TOTAL.format(where=where), values).fetchone()[0]

    def history(
        self, type_: str, id_: str | None, *, since: str, before: int, count: int, now: str
    ) -> Page:
        """Versions of a type or of one record, newest first; `before` 0 starts at the newest."""
        rows = self._db.execute(
            "SELECT v.type, v.id, v.version, v.updated, v.method, v.body, v.seq FROM versions v"
            " JOIN records r ON r.type = v.type AND r.id = v.id"
            " WHERE v.type = :type AND (:id IS NULL OR v.id = :id) AND v.updated >= :since"
            " AND (:before = 0 OR v.seq < :before)"
            " AND (r.visible_from IS NULL OR r.visible_from <= :now)"
            " ORDER BY v.seq DESC LIMIT :limit",
            {
                "type": type_,
                "id": id_,
                "since": since,
                "before": before,
                "now": now,
                "limit": count + 1,
            },
        ).fetchall()
        return _page(rows, count)

    def census(self) -> Iterator[tuple[str, str, int]]:
        """(ward, type, number of records) of everything kept."""
        yield from self._db.execute("SELECT ward, type, count(*) FROM records GROUP BY ward, type")

    def _put(
        self, resource: Json, ward: str, method: str, updated: str, visible_from: str | None
    ) -> Version:
        type_, id_ = resource["resourceType"], resource["id"]
        number = self.newest_number(type_, id_) + 1
        resource["meta"] = resource.get("meta", {}) | {
            "versionId": str(number),
            "lastUpdated": updated,
        }
        body = json.dumps(resource, ensure_ascii=False, separators=(",", ":"))
        seq = self._db.execute(
            "INSERT INTO versions (type, id, version, updated, method, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (type_, id_, number, updated, method, body),
        ).lastrowid
        num = self._db.execute(
            "INSERT INTO records (type, id, version, seq, updated, visible_from, ward)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (type, id) DO UPDATE SET version = excluded.version,"
            " seq = excluded.seq, updated = excluded.updated, ward = excluded.ward"
            " RETURNING num",
            (type_, id_, number, seq, updated, visible_from, ward),
        ).fetchone()[0]
        self._index(resource, type_, num)
        return Version(
            type=type_, id=id_, version=number, updated=updated, method=method, body=body
        )

    def _index(self, resource: Json, type_: str, num: int) -> None:
        self._db.execute("DELETE FROM terms WHERE num = ?", (num,))
        self._db.executemany(
            "INSERT OR IGNORE INTO terms (type, param, value, num) VALUES (?, ?, ?, ?)",
            [(type_, term.param, term.value, num) for term in terms_of(resource)],
        )


# Only names made here are pasted into a statement; every value is bound.
def _where(search: Search) -> tuple[str, dict[str, Any]]:
    # A plus keeps SQLite from walking through the whole type where a term finds a few records.
    found_by_term = any(condition.param != "_id" for condition in search.conditions)
    parts = ["+r.type = :type" if found_by_term else "r.type = :type", SHOWN]
    values: dict[str, Any] = {"type": search.type}
    for at, bound in enumerate(search.bounds):
        parts.append(f"r.updated {bound.comparison} :t{at}")
        values[f"t{at}"] = bound.moment
    for at, condition in enumerate(search.conditions):
        names = [f"c{at}_{index}" for index in range(len(condition.values))]
        values |= dict(zip(names, condition.values, strict=True))
        marks = ", ".join(f":{name}" for name in names)
        if condition.param == "_id":
            parts.append(f"r.id IN ({marks})")
            continue
        values[f"p{at}"] = condition.param
        parts.append(ANY_OF.format(param=f"p{at}", values=marks))
    return " AND ".join(parts), values


def _page(rows: Sequence[tuple[Any, ...]], count: int) -> Page:
    shown = rows[:count]
    more = len(rows) > count and bool(shown)
    return Page(
        versions=tuple(_version(row) for row in shown),
        next_cursor=shown[-1][6] if more else None,
    )


def _version(row: Sequence[Any]) -> Version:
    return Version(
        type=row[0], id=row[1], version=row[2], updated=row[3], method=row[4], body=row[5]
    )
