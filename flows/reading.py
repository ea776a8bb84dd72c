"""Reads the ledger for showing, and can carry this machine's journals into it.

The recorder does both, so that what the way back wrote on local disk becomes visible
although no sentinel runs on this machine; a run does it for what it wrote itself.
Source: decision 4.
"""

from collections.abc import Callable

from flows.story import Telling, tell
from orchestrator.bootstrap import Installation
from orchestrator.ledger import drain
from orchestrator.ports import Ledger


class LedgerReader:
    """The telling of a ledger, read on from where it stopped. For one thread at a time.

    `drain` carries journals into the ledger. Raises: Unavailable, Indeterminate, Corrupt.
    """

    def __init__(self, ledger: Ledger, drain: Callable[[], object]) -> None:
        self._ledger = ledger
        self.drain = drain
        self.telling = Telling()

    def read(self) -> Telling:
        """The telling up to the ledger's end. Raises: Unavailable, Corrupt."""
        self.telling = tell(self.telling, self._ledger.entries(after=self.telling.state.head))
        return self.telling


def reader_of(installation: Installation) -> LedgerReader:
    """A reader of this installation's ledger."""
    site, ledger = installation.site, installation.ledger
    return LedgerReader(ledger, lambda: drain(site.journal_dir, ledger))
