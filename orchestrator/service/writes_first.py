"""Where several wards return at once, every write comes before anybody's proof.

A route that is written serves its ward already; being sure of it can wait for those that are not
written yet, and a hundred proofs would take the machine and the API from them. The waiting is
bounded: a write that hangs holds nobody's proof up for longer. Source: rule 3, design section 8.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager

# Within it a hundred wards are written on two cores (docs/reference/benchmarks.md).
PATIENCE_S = 3.0


class WritesFirst:
    """Shared by all returns of one process. Thread-safe."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._writing = 0
        self._changed = threading.Condition()

    @contextmanager
    def writing(self) -> Generator[None]:
        """A return writes meanwhile."""
        with self._changed:
            self._writing += 1
        try:
            yield
        finally:
            with self._changed:
                self._writing -= 1
                self._changed.notify_all()

    def wait(self) -> None:
        """Until nobody writes any more, or for as long as patience lasts, in real seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._writing == 0, timeout=self._patience_s)
