"""The terminal of a command: it may be closed, halted, full or gone, and nothing waits for it.

A person's return is not to depend on whether its sentences reach anybody. Source: design rule 2.
"""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread

HEARD_WITHIN_S = 1.0  # whoever halted the terminal (Ctrl-S) reads on, or does not
STREAMS = ("stdin", "stdout", "stderr")
STDOUT = 1


def open_streams() -> None:
    """Let streams that were closed before we began lead nowhere: else the next file or connection
    that is opened takes their place. What a result's encoding has no letter for is a question
    mark."""
    for number, name in enumerate(STREAMS):
        if not _is_open(number):
            lead_nowhere(number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - to the end
    with suppress(AttributeError):  # whoever put something else there knows why
        sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]


def outlive_the_terminal() -> None:
    """From here on a terminal that goes away (a window closed, a connection lost) ends nothing, and
    one that belongs to another program stops nothing; at a question neither is an answer."""
    for number in (signal.SIGHUP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def heard_or_not() -> Generator[None]:
    """The result of what is done already: that nobody can read it does not undo it, and is no
    other exit code."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, ValueError):
        lead_nowhere(STDOUT)  # else it is tried once more at the very end


def lead_nowhere(number: int) -> None:
    """Let what is written to this descriptor be gone."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == number:
        os.set_inheritable(number, True)
        return
    os.dup2(nowhere, number)
    os.close(nowhere)


class Voice:
    """Says sentences in their order on stderr, and waits for none of them longer than a moment."""

    def __init__(self) -> None:
        self._halted: Thread | None = None

    def say(self, text: str) -> None:
        """Never raises; while an earlier sentence is not taken, later ones are not said."""
        if self._halted is not None and self._halted.is_alive():
            return
        writer = Thread(target=_write, args=(text,), name="voice", daemon=True)
        with suppress(RuntimeError):  # this machine has no room for another thread
            writer.start()
            writer.join(HEARD_WITHIN_S)
            self._halted = writer


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        try:
            number = sys.stderr.fileno()
        except (OSError, ValueError):  # a stream of somebody else's making
            print(text, end="", file=sys.stderr, flush=True)
            return
        # Not by the stream: a thread that waits inside it would keep the process from ending.
        data = text.encode(sys.stderr.encoding, errors="backslashreplace")
        while data:
            data = data[os.write(number, data) :]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
