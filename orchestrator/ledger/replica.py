"""A process's own copy of the entries it has read, for when the ledger does not answer.

It is also a witness: a ledger that later ends before the copy, or says something else,
has been changed.
"""

from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.event import Entry
from orchestrator.errors import Corrupt
from orchestrator.ledger.lines import BadLine, LineFile, read_lines
from orchestrator.ledger.mapping import FIRST_HASH, entry_from, entry_row


def copied_to(directory: Path) -> int:
    """The greatest sequence that a local copy in this directory holds; 0 without one."""
    lines = (line for path in directory.glob("*.jsonl") for line in read_lines(path))
    found = (line.get("seq") for line in lines if not isinstance(line, BadLine))
    return max((seq for seq in found if isinstance(seq, int)), default=0)


class FileReplica:
    """One file a process name; only its unbroken chain from the first entry is used. A line that
    does not follow is passed over: the one that does may have been written after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = LineFile(path)
        self._last = 0

    def load(self) -> tuple[Entry, ...]:
        """The kept entries from the first on, as far as they follow each other."""
        entries: list[Entry] = []
        prev = FIRST_HASH
        for line in read_lines(self._path):
            if isinstance(line, BadLine) or line.get("seq") != len(entries) + 1:
                continue
            try:
                entry = entry_from(line, prev_hash=prev)
            except (Corrupt, KeyError, TypeError):
                continue
            entries.append(entry)
            prev = entry.hash
        self._last = len(entries)
        return tuple(entries)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Keep more. What would leave a gap is not kept: whoever was refused offers it all again.

        Raises: Unavailable when the disk refuses; then nothing of it is kept.
        """
        new = tuple(entry for entry in entries if entry.seq > self._last)
        if new and new[0].seq == self._last + 1:
            self._file.append([entry_row(entry) for entry in new])
            self._last = new[-1].seq
