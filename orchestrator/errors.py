"""Exceptions mean "no answer"; expected outcomes are values.

    WardshiftError
    ├ ConfigError     bad usage, plan or settings             exit 2
    ├ Refused         a rule said no                          exit 3
    ├ Unavailable     a port did not answer; may be retried   exit 4
    ├ Conflict        compare-and-set lost: decide again      exit 4
    ├ Corrupt         the record cannot be trusted            exit 5
    └ Indeterminate   sent, answer unknown: observe first     exit 6

Adapters translate library errors into these at their boundary. A timeout on a
write is Indeterminate, on a read Unavailable. Source: design section 13 (exit codes).
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line answers to a machine (design section 13)."""

    DONE = 0
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4
    CORRUPT = 5
    UNKNOWN = 6


class WardshiftError(Exception):
    """Root of every error of ours; its text is a sentence for a person."""

    exit_code = ExitCode.UNAVAILABLE


class ConfigError(WardshiftError):
    """Usage, plan or settings are wrong; nothing was started."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NoTables(ConfigError):
    """The ledger answers and is empty: made by nobody yet, or lost if a copy has events."""


class Refused(WardshiftError):
    """A rule said no. `code` is stable; the text is for people."""

    exit_code = ExitCode.REFUSED

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unavailable(WardshiftError):
    """A port did not answer. The only kind that may be retried as it is."""

    def __init__(self, port: str, message: str) -> None:
        super().__init__(f"{port}: {message}")
        self.port = port
        self.problem = message


class Conflict(WardshiftError):
    """Compare-and-set lost: somebody else wrote first. Read again and decide again."""

    def __init__(self, what: str, *, expected: object, found: object) -> None:
        super().__init__(
            f"{what} changed meanwhile: expected {expected}, found {found}; look again, then decide"
        )
        self.expected = expected
        self.found = found


class Corrupt(WardshiftError):
    """A record contradicts itself. Stop forward movement and page."""

    exit_code = ExitCode.CORRUPT

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where


class Indeterminate(WardshiftError):
    """A write was sent and its outcome is unknown: observe before anything else."""

    exit_code = ExitCode.UNKNOWN

    def __init__(self, port: str, operation: str) -> None:
        super().__init__(f"{port}: {operation} was sent, the answer is unknown")
        self.port = port
        self.operation = operation
