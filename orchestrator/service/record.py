"""Reading the ledger for a decision, and writing what was decided by compare-and-set.

A lost compare-and-set means that the decision was made on an old state: it is thrown
away, never applied again. Source: design rules 3 and 4.
"""

from collections.abc import Sequence

from orchestrator.core.event import Draft, Entry
from orchestrator.core.state import ProgrammeState, fold
from orchestrator.ports import Ledger


class Book:
    """The ledger with the fold of what was read so far. For one thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._state = ProgrammeState()

    def read(self) -> ProgrammeState:
        """The state at the ledger's end. Raises: Unavailable, Corrupt."""
        self._state = fold(self._ledger.entries(after=self._state.head), self._state)
        return self._state

    def decide(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Append what was decided on the state last read.

        Raises: Conflict when anything was written since; Unavailable; Indeterminate.
        """
        return self._ledger.append(drafts, expected_seq=self._state.head)

    def tell(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Append what has happened, whatever the head. Raises: Unavailable, Indeterminate."""
        return self._ledger.append(drafts)
