"""Bringing a ledger's schema up to date before a programme writes into it."""

from orchestrator.errors import ConfigError
from orchestrator.ledger import migrate, open_ledger
from orchestrator.settings import Site


def ready_ledger(site: Site) -> None:
    """Make the tables where there are none yet. Raises: Unavailable, Corrupt, ConfigError."""
    ledger = open_ledger(site.ledger, timeout_s=site.ledger_timeout_s)
    try:
        ledger.head()
    except ConfigError:  # it answers, and has not the schema of this version
        migrate(site.ledger)
        ledger.head()
