"""The ledger and the journal in memory, with faults on demand."""

from collections.abc import Iterable, Sequence
from threading import Event
from typing import Self

from orchestrator.core.event import Draft, Entry
from orchestrator.errors import Conflict, Corrupt, Indeterminate
from orchestrator.ledger.mapping import FIRST_HASH, draft_row, entry_hash
from tests.fakes import Faults


class FakeLedger(Faults):
    """Append-only by compare-and-set; each id once; a real hash chain."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []

    def kept(self) -> tuple[Entry, ...]:
        """What is stored, whatever is down."""
        return tuple(self._entries)

    def lose_answer_next(self) -> None:
        """The next append takes effect and its answer is lost."""
        self.apply_then_fail_next(Indeterminate("ledger", "a commit"))

    def append(
        self, drafts: Sequence[Draft], *, expected_seq: int | None = None
    ) -> tuple[Entry, ...]:
        self.check("ledger")
        known = {entry.draft.id: entry for entry in self._entries}
        new = [draft for draft in drafts if draft.id not in known]
        if any(known[draft.id].draft != draft for draft in drafts if draft.id in known):
            raise Corrupt("the same id was used for something else", "ledger")
        if expected_seq is not None and new and expected_seq != len(self._entries):
            raise Conflict("the ledger", expected=expected_seq, found=len(self._entries))
        for draft in new:
            known[draft.id] = self._place(draft)
        self.answer()
        return tuple(known[draft.id] for draft in drafts)

    def entries(self, *, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        self.check("ledger")
        rest = self._entries[after:]
        return tuple(rest if limit is None else rest[:limit])

    def head(self) -> int:
        self.check("ledger")
        return len(self._entries)

    def _place(self, draft: Draft) -> Entry:
        seq = len(self._entries) + 1
        prev = self._entries[-1].hash if self._entries else FIRST_HASH
        entry = Entry(
            seq=seq, draft=draft, prev_hash=prev, hash=entry_hash(seq, draft_row(draft), prev)
        )
        self._entries.append(entry)
        return entry


class FakeJournal(Faults):
    """What survives a crash of its process."""

    def __init__(self) -> None:
        super().__init__()
        self._drafts: list[Draft] = []
        self._settled: set[str] = set()

    def write(self, draft: Draft) -> None:
        self.check("journal")
        self._drafts.append(draft)
        self.answer()

    def pending(self) -> tuple[Draft, ...]:
        return tuple(draft for draft in self._drafts if draft.id not in self._settled)

    def settle(self, ids: Iterable[str]) -> None:
        self._settled.update(ids)


class HangingJournal(FakeJournal):
    """A disk that neither takes nor refuses, until the block that uses it ends."""

    def __init__(self) -> None:
        super().__init__()
        self._mended = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mended.set()

    def write(self, draft: Draft) -> None:
        assert self._mended.wait(timeout=60.0)
        super().write(draft)
