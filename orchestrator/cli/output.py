"""What every verb shares: where it runs, how it shows, how it asks.

stdout carries the result and nothing else; questions and sentences go to stderr.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any

from orchestrator.cli.terminal import Voice
from orchestrator.errors import ConfigError, Refused

USUAL_WIDTH = 80
_voice = Voice()


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"


def say(text: str, *, end: str = "\n") -> None:
    """A sentence for the person at the terminal. One that reaches nobody is no reason not to do
    what was asked for."""
    _voice.say(f"{text}{end}")


def unread(who: str) -> str:
    """That routes cannot be read, naming who was asked and what must not be done about it."""
    return (
        f"{who[:1].upper()}{who[1:]} does not answer, so the routes cannot be read. Do not "
        "restart a gateway: it serves on by the routes that it has."
    )


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout, or a block for each row where the screen is too narrow for it; as wide as
    its content where nobody looks."""
    from orchestrator.cli.tables import rendered

    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    print(rendered(title, columns, cells, width=screen_width()))


def screen_width() -> int | None:
    """Of the terminal, or what COLUMNS says of it; None where nobody looks."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size(fallback=(USUAL_WIDTH, 24)).columns


def confirm(what: str, name: str, *, yes: bool, expect_seq: int | None, needs_seq: bool) -> None:
    """Say the exact change and have the name typed; nothing is said of what cannot be.

    Raises: ConfigError where nobody can type and --yes was not given, or --yes without
    --expect-seq where a stale screen could do harm; Refused when another name is typed.
    """
    if yes:
        if needs_seq and expect_seq is None:
            problem = (
                "--yes needs --expect-seq N, so that a stale screen cannot act: N is the seq that "
                f"`wardshift list` prints of {name} (of a programme: beside FROZEN)"
            )
            raise ConfigError((problem,))
        say(what)
        return
    if not sys.stdin.isatty():
        words = "--yes --expect-seq N" if needs_seq else "--yes"
        raise ConfigError((f"nobody can confirm here (no terminal); a machine says {words}",))
    # In one: of a terminal that is halted meanwhile the question must not be what is dropped.
    say(f"{what}\nType {name} to go on: ", end="")
    typed = ""
    with suppress(OSError, ValueError):  # a terminal that went away, or speaks no text: no answer
        typed = sys.stdin.readline().strip()
    if typed != name:
        raise Refused("not_confirmed", "nothing was changed: that was another name")
