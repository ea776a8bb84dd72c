"""How the practice processes speak to whoever runs them: one JSON line an event, on stderr.

Events are static texts with counts, codes and addresses; nothing of a record is ever logged.
"""

import sys

import structlog


def configure(process: str) -> None:
    """Set up structlog for one process; every line carries its name."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        # Not cached: stderr is the one of the moment, also where a command runs inside another.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
