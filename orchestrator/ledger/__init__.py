"""The record: append-only, hash-chained, in SQLite or PostgreSQL, with a journal beside it.

The only importer of sqlmodel, sqlalchemy and alembic. Rows never leave this package.
"""

from orchestrator.ledger.bounded import BoundedJournal
from orchestrator.ledger.database import migrate
from orchestrator.ledger.journal import DrainReport, FileJournal, drain, pending_in, unreadable_in
from orchestrator.ledger.replica import FileReplica, copied_to
from orchestrator.ledger.store import SqlLedger, open_ledger
from orchestrator.ledger.verification import Verification, verify

__all__ = [
    "BoundedJournal",
    "DrainReport",
    "FileJournal",
    "FileReplica",
    "SqlLedger",
    "Verification",
    "copied_to",
    "drain",
    "migrate",
    "open_ledger",
    "pending_in",
    "unreadable_in",
    "verify",
]
