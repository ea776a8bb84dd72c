"""What may happen without a database: one fsynced file a process, drained later, once.

A draft has an id from birth and the ledger takes each id once, so draining twice, from
two processes, or again after a crash between append and settle does no harm.
Source: design rule 3.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from orchestrator.core.event import Draft
from orchestrator.ledger.lines import BadLine, LineFile, read_lines
from orchestrator.ledger.mapping import draft_from, draft_row
from orchestrator.ports import Ledger

log = structlog.get_logger()
SUFFIX = ".jsonl"
SETTLED = ".settled"
AT_ONCE = 200  # drafts in one transaction


class FileJournal:
    """One process's journal in a directory shared by all processes of a machine."""

    def __init__(self, directory: Path, writer: str) -> None:
        name = f"{writer}-{uuid4().hex[:8]}"
        self._path = directory / f"{name}{SUFFIX}"
        self._drafts = LineFile(self._path)
        self._settled = LineFile(self._path.with_suffix(SETTLED))

    def write(self, draft: Draft) -> None:
        """See ports.Journal."""
        self._drafts.append((draft_row(draft),))

    def pending(self) -> tuple[Draft, ...]:
        """See ports.Journal."""
        return _pending_of(self._path)

    def settle(self, ids: Iterable[str]) -> None:
        """See ports.Journal."""
        self._settled.append([{"id": one} for one in ids])


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """How many drafts are now known to be in the ledger, and lines that nobody can read."""

    settled: int
    unreadable: int


def pending_in(directory: Path) -> tuple[Draft, ...]:
    """Every writer's pending drafts, in order of the time at which they happened."""
    drafts = (draft for path in _journals(directory) for draft in _pending_of(path))
    return tuple(sorted(drafts, key=lambda draft: draft.at))


def unreadable_in(directory: Path) -> tuple[BadLine, ...]:
    """Whole lines of journals that do not read, or say what this version does not know."""
    lines = (line for path in _journals(directory) for line in _lines_of(path))
    return tuple(line for line in lines if isinstance(line, BadLine))


def drain(directory: Path, ledger: Ledger) -> DrainReport:
    """Move every pending draft of a directory into the ledger.

    Raises: Unavailable, Indeterminate, Corrupt from the ledger; nothing is lost, the next
    drain goes on where this one stopped.
    """
    settled = 0
    for path in _journals(directory):
        drafts = _pending_of(path)
        for start in range(0, len(drafts), AT_ONCE):
            some = drafts[start : start + AT_ONCE]
            ledger.append(some)
            _settle(path, some)
            settled += len(some)
    return DrainReport(settled=settled, unreadable=len(unreadable_in(directory)))


def _settle(path: Path, drafts: Iterable[Draft]) -> None:
    """A file of this drainer's own beside the journal: two drainers never share a file."""
    settled = LineFile(path.with_suffix(f".{uuid4().hex[:8]}{SETTLED}"))
    try:
        settled.append([{"id": draft.id} for draft in drafts])
    finally:
        settled.close()


def _journals(directory: Path) -> tuple[Path, ...]:
    return tuple(sorted(directory.glob(f"*{SUFFIX}"))) if directory.exists() else ()


def _pending_of(path: Path) -> tuple[Draft, ...]:
    settled = _settled_of(path)
    return tuple(draft for draft in _drafts_of(path) if draft.id not in settled)


def _settled_of(path: Path) -> set[str]:
    files = path.parent.glob(f"{path.stem}*{SETTLED}")
    lines = (line for file in files for line in read_lines(file))
    return {line["id"] for line in lines if not isinstance(line, BadLine) and "id" in line}


def _drafts_of(path: Path) -> Iterator[Draft]:
    for line in _lines_of(path):
        if isinstance(line, BadLine):
            log.error("journal.damaged", path=str(line.path), line=line.number)
        else:
            yield line


def _lines_of(path: Path) -> Iterator[Draft | BadLine]:
    """Each draft, and each line that stays where it is because nobody here can read it."""
    for number, line in enumerate(read_lines(path), 1):
        if isinstance(line, BadLine):
            if not line.is_torn_end:
                yield line
            continue
        try:
            yield draft_from(line)
        except (ValueError, KeyError, TypeError):
            yield BadLine(path=path, number=number, is_torn_end=False)
