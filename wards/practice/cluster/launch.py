"""Become another program, one that ends with whoever started it.

`python -m wards.practice.cluster.launch PROGRAM OPTIONS... [--parent-pid N]`
"""

import os
import sys
from collections.abc import Sequence

from wards.practice.tied import tie_to_parent

OURS = "--parent-pid"
# A control plane with a handful of objects has a small heap, and Go's collector would run on it all
# the time: a third of the API server's work, where a region's own spends little (measured).
COLLECTOR = {"GOGC": "400"}


def main(arguments: Sequence[str]) -> None:
    """Returns only if the program cannot be started. Raises: OSError."""
    command, parent_pid = split(arguments)
    tie_to_parent(parent_pid)
    environment = {**COLLECTOR, **os.environ}
    os.execve(command[0], command, environment)  # noqa: S606 - the program that the hospital chose


def split(arguments: Sequence[str]) -> tuple[list[str], int]:
    """The program with its options, and the parent's pid (0: nobody's)."""
    if OURS not in arguments:
        return list(arguments), 0
    at = list(arguments).index(OURS)
    return [*arguments[:at], *arguments[at + 2 :]], int(arguments[at + 1])


if __name__ == "__main__":
    main(sys.argv[1:])
