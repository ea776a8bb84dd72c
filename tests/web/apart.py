"""A door in a process of its own, for a test that draws its own messages.

CPython 3.11 does not read Python's grammar safely in two threads (its issue 106905): whoever draws
reads the source of lambdas, and a door that logs a traceback reads its lines.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
OPEN_WITHIN_S = 60.0
CLOSED_WITHIN_S = 30.0


@contextmanager
def apart(opened: Callable[[Path], AbstractContextManager[T]], folder: Path) -> Iterator[T]:
    """What `opened(folder)` gives, from a child that ends with us; both must pickle."""
    ours, theirs = multiprocessing.Pipe()
    arguments = (opened, folder, theirs)
    child = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments)
    child.start()
    theirs.close()  # so that a child that dies is heard at once
    try:
        assert ours.poll(OPEN_WITHIN_S), "the door does not open"
        yield ours.recv()
    finally:
        ours.close()
        child.join(CLOSED_WITHIN_S)
        child.kill()
        child.join()


def _serve(
    opened: Callable[[Path], AbstractContextManager[T]], folder: Path, ours: Connection
) -> None:
    with opened(folder) as said:
        ours.send(said)
        ours.poll(None)  # until the test hangs up, or is no more
