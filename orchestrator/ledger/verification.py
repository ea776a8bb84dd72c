"""Whether the record can be trusted, and if not, which event says so.

Reads every row as it is stored, streaming. The anchor in the database shows a removed
tail; local replicas show one even to somebody who may change the anchor.
Source: design section 11.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.core.event import Entry
from orchestrator.errors import Corrupt, NoTables
from orchestrator.ledger.mapping import FIRST_HASH, entry_from
from orchestrator.ledger.store import SqlLedger


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How many events follow each other, and the first thing that is wrong, in words."""

    events: int
    head_hash: str
    problem: str | None = None

    @property
    def is_sound(self) -> bool:
        """Nothing is wrong."""
        return self.problem is None


def verify(ledger: SqlLedger, *, witnesses: Iterable[tuple[Entry, ...]] = ()) -> Verification:
    """Check the whole chain, its end, and what witnesses have seen. Others may append meanwhile.

    Raises: Unavailable; NoTables of an empty ledger that no witness has seen.
    """
    seen = tuple(witnesses)  # before the ledger: what is appended after it is in no copy
    chain = _Chain()
    try:
        chain.follow(ledger.rows())
        anchored, anchor_hash = ledger.anchor()
        if anchored > chain.seq:  # appended since the rows were read, or removed from the end
            chain.follow(ledger.rows(after=chain.seq, upto=anchored))
    except Corrupt as error:
        return _wrong(chain.seq, chain.head_hash, str(error))
    except NoTables:
        if not any(seen):
            raise
        anchored, anchor_hash = chain.seq, chain.head_hash  # lost: the witnesses say what
    if (anchored, anchor_hash) != (chain.seq, chain.head_hash):
        return _wrong(chain.seq, chain.head_hash, _end_problem(chain.seq, anchored))
    return _witnessed(chain.seq, chain.head_hash, chain.hashes, seen)


class _Chain:
    """What has been followed so far."""

    def __init__(self) -> None:
        self.seq = 0
        self.head_hash = FIRST_HASH
        self.hashes: dict[int, str] = {}

    def follow(self, rows: Iterable[dict[str, Any]]) -> None:
        """Raises: Corrupt at the first row that does not follow the one before."""
        for row in rows:
            wanted = self.seq + 1
            if row["seq"] != wanted:
                raise Corrupt(f"it is missing (next is {row['seq']})", f"event {wanted}")
            entry = entry_from(row, prev_hash=self.head_hash)
            self.seq, self.head_hash = entry.seq, entry.hash
            self.hashes[self.seq] = self.head_hash


def _witnessed(
    seq: int, prev: str, hashes: dict[int, str], witnesses: Iterable[tuple[Entry, ...]]
) -> Verification:
    for entries in witnesses:
        if not entries:
            continue
        last = entries[-1]
        if last.seq > seq:
            return _wrong(seq, prev, f"events {seq + 1} to {last.seq} were seen here and are gone")
        if hashes[last.seq] != last.hash:
            first = next(one.seq for one in entries if hashes[one.seq] != one.hash)
            return _wrong(seq, prev, f"event {first}: it is not the one that was seen here")
    return Verification(events=seq, head_hash=prev)


def _end_problem(seq: int, anchored: int) -> str:
    if anchored > seq:
        return f"events {seq + 1} to {anchored} were removed from the end"
    return f"event {seq}: the anchor says the chain ends elsewhere (event {anchored})"


def _wrong(seq: int, prev: str, problem: str) -> Verification:
    return Verification(events=seq, head_hash=prev, problem=problem)
