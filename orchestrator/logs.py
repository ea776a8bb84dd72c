"""How the processes speak to operators: JSON lines on stderr, or colours on a terminal.

Log is not audit: the ledger is. Nothing that looks like a Swedish personal identity
number passes (design rule 11).
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# Personnummer, coordination and reserve numbers: 8 or 6 digits of a date, an optional sign, 4 more
# characters of which at least three digits (domain facts 2.6).
IDENTITY = re.compile(
    r"(?<![0-9a-fA-F.])(?:\d{2})?\d{6}[-+ ]?[0-9A-Za-z]\d{2}[0-9A-Za-z](?![0-9a-fA-F])"
)
DROPPED = "[identity removed]"


def drop_identifiers(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace whatever looks like a personal identity number in any text of a log line."""
    return {key: _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return IDENTITY.sub(DROPPED, value)
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(item) for item in value]
        case _:
            return value


def configure(process: str, *, level: str = "INFO") -> None:
    """Set up structlog for one process. Every line carries the process's name."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            drop_identifiers,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
