"""Bringing a ledger's schema up to date before a programme writes into it."""

from orchestrator.errors import ConfigError, Corrupt, NoTables
from orchestrator.ledger import copied_to, migrate, open_ledger
from orchestrator.settings import Site


def ready_ledger(site: Site) -> None:
    """Make the tables where there are none yet; never in place of a ledger that this machine has a
    copy of. Raises: Unavailable, Corrupt, ConfigError."""
    ledger = open_ledger(site.ledger, timeout_s=site.ledger_timeout_s)
    try:
        ledger.head()
    except ConfigError as error:  # it answers, and has not the schema of this version
        if isinstance(error, NoTables):
            check_no_copy(site)
        migrate(site.ledger)
        ledger.head()


def check_no_copy(site: Site) -> None:
    """Of a ledger without tables. Raises: Corrupt when it had events by this machine's copy."""
    missing = copied_to(site.replica_dir)
    if missing:
        anew = f"for a programme that begins anew on purpose, move {site.replica_dir} away first"
        raise Corrupt(f"{lost(missing)}; {anew}", site.ledger)


def lost(missing: int) -> str:
    """What is missing from the ledger, and what to do and to leave."""
    return (
        f"{missing} events are missing from it that this machine's copy has: run nothing; "
        "restore the ledger from its backup, then wardshift verify"
    )
