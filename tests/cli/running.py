"""Runs the command line as a process of its own, as a person or a machine would.

Commands are forked from a server process that has the modules loaded, so that a hundred of
them cost seconds and each still has its own standard streams, environment and exit code.
"""

import contextlib
import json
import multiprocessing
import os
import pty
import sys
import tempfile
import termios
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 60.0
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "orchestrator.cli.main",
        "orchestrator.cli.look",
        "orchestrator.cli.words",
        "orchestrator.cli.back",
        "orchestrator.cli.drill",
        "orchestrator.cli.stopping",
        "orchestrator.cli.plan",
        "orchestrator.cli.board",
        "orchestrator.cli.machine",
        "orchestrator.cli.watching",
        "orchestrator.reports.timeline",
        "orchestrator.adapters.planfile",
        "orchestrator.adapters.sources",
        "orchestrator.adapters.prober",
        "orchestrator.adapters.notify",
        "orchestrator.adapters.practice_gateway",
        "orchestrator.ledger",
        "cyclopts.argument",
        "cyclopts.help.formatters",
        "orchestrator.cli.tables",
        "sqlalchemy.dialects.sqlite",
        "tests.cli.running",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended, and what it said."""

    code: int | None
    out: str
    err: str

    @property
    def json(self):
        """The result as JSON; nothing else may stand on stdout."""
        return json.loads(self.out)


def wardshift(
    *words: str, home: Path, typed: str | None = None, env: dict[str, str] | None = None
) -> Ran:
    """Run one command line to its end.

    `typed`: what a person types at a terminal; None: there is no terminal.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        out, err = Path(folder) / "out", Path(folder) / "err"
        terminal = "" if typed is None else _terminal(stack, typed)
        process = SERVER.Process(
            target=_run, args=(words, str(home), str(out), str(err), terminal, env or {})
        )
        process.start()
        process.join(LIMIT_S)
        if process.is_alive():
            process.kill()
            process.join()
        return Ran(code=process.exitcode, out=_text(out), err=_text(err))


def _terminal(stack: contextlib.ExitStack, typed: str) -> str:
    """A terminal at which somebody has typed a line already; its device's name."""
    master, slave = pty.openpty()
    stack.callback(os.close, master)
    stack.callback(os.close, slave)
    settings = termios.tcgetattr(slave)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    os.write(master, f"{typed}\n".encode())
    return os.ttyname(slave)


def _run(
    words: tuple[str, ...], home: str, out: str, err: str, terminal: str, env: dict[str, str]
) -> None:
    """In the forked process: take over its streams, and be the command."""
    os.environ.update(env, WARDSHIFT_HOME=home)
    os.dup2(os.open(terminal or os.devnull, os.O_RDWR | os.O_NOCTTY), 0)
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT), 2)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in enumerate("rww"))
    from orchestrator.cli.main import run

    code = run(words)
    sys.stdout.flush()
    sys.stderr.flush()
    if "orchestrator.logs" in sys.modules:  # os._exit runs nothing that was to run at the end
        sys.modules["orchestrator.logs"].outlet.drain()
    os._exit(code)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
