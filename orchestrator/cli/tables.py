"""Tables as text for a screen of some width: a block for each row where a table does not fit.

Invariant: no word, and no command that a person is told to type, is ever broken. What is wider
than the screen stands on a line of its own. Pure.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence

GAP = "  "
READABLE = 24  # a column of sentences is not made narrower than this
_GLUE = "\ue000"  # stands for a blank that no line may be broken at
_COMMAND = re.compile(r"wardshift [^;,()`\n]+?(?=$|[;,()`\n]|\.\s|\.$| \()", re.MULTILINE)


def rendered(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None
) -> str:
    """The title and the rows. `columns` without names: each row is a label and a value.
    `width` None: nobody looks, nothing is wrapped."""
    cells = [[_glued(cell) for cell in row] for row in rows]
    head = [line for part in title.splitlines() for line in _wrapped(_glued(part), width)]
    body = _table(columns, cells, width) or _blocks(columns, cells, width or 0)
    return _plain("\n".join((*head, *body)))


def _table(columns: Sequence[str], rows: list[list[str]], width: int | None) -> list[str]:
    """Nothing when it does not fit."""
    named = any(columns)
    lines = [list(columns), *rows] if named else rows
    natural = [max((len(cell) for cell in column), default=0) for column in _columns(lines)]
    floors = [
        max(min(most, READABLE), *(_longest_word(cell) for cell in column))
        for most, column in zip(natural, _columns(lines), strict=True)
    ]
    widths = natural if width is None else _shared(natural, floors, width - len(GAP) * len(floors))
    if not widths:
        return []
    shown = [_line(line, widths) for line in lines]
    if named:
        shown.insert(1, [GAP.join("─" * one for one in widths)])
    return [part for line in shown for part in line]


def _columns(lines: list[list[str]]) -> list[tuple[str, ...]]:
    return list(zip(*lines, strict=True))


def _shared(natural: list[int], floors: list[int], width: int) -> list[int]:
    """Every column has its floor; what is left goes where it is needed, the least need first."""
    left = width - sum(floors)
    if left < 0:
        return []
    widths = list(floors)
    needs = sorted(range(len(floors)), key=lambda i: natural[i] - floors[i])
    for place, i in enumerate(needs):
        more = min(natural[i] - floors[i], left // (len(needs) - place))
        widths[i] += more
        left -= more
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    wrapped = [_wrapped(cell, wide) for cell, wide in zip(cells, widths, strict=True)]
    height = max((len(one) for one in wrapped), default=0)
    padded = [[*one, *[""] * (height - len(one))] for one in wrapped]
    return [
        GAP.join(part.ljust(wide) for part, wide in zip(parts, widths, strict=True)).rstrip()
        for parts in zip(*padded, strict=True)
    ]


def _blocks(columns: Sequence[str], rows: list[list[str]], width: int) -> list[str]:
    if not any(columns):
        longest = max((len(label) for label, _ in rows), default=0)
        return [line for label, value in rows for line in _fact(label, value, longest, width)]
    longest, lines = max(len(name) for name in columns), list[str]()
    for row in rows:
        lines.append("")
        for name, value in zip(columns, row, strict=True):
            lines.extend(_fact(name, value, longest, width))
    return lines


def _fact(label: str, value: str, longest: int, width: int) -> list[str]:
    """A label and its value beside it; below it where a piece of it would not fit there."""
    name, indent = f"{label}:".ljust(longest + 1 + len(GAP)), longest + 1 + len(GAP)
    if _longest_word(value) > width - indent:
        return [f"{label}:", *(GAP + line for line in _wrapped(value, width - len(GAP)))]
    first, *more = _wrapped(value, width - indent)
    return [f"{name}{first}".rstrip(), *(" " * indent + line for line in more)]


def _glued(text: str) -> str:
    return _COMMAND.sub(lambda found: found.group().replace(" ", _GLUE), text)


def _plain(text: str) -> str:
    return text.replace(_GLUE, " ")


def _longest_word(text: str) -> int:
    return max((len(word) for word in text.split()), default=0)


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or (len(text) <= width and "\n" not in text):
        return text.splitlines() or [""]
    return [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(
            part, max(width, 1), break_long_words=False, break_on_hyphens=False
        )
        or [""]
    ]
