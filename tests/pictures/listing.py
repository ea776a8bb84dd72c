"""Which pictures there are of the board and the form, and the page of the docs that shows them."""

from collections.abc import Iterator
from pathlib import Path

from tests.web.states import STATES
from tests.web.views import VIEWS

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
PAGE = ROOT / "docs" / "reference" / "pictures.md"
ON_THE_WALL = ("returning", "exposed-pass")
OLD = "old"  # the board whose sentinel is gone; the check of the script takes it

_HEAD = """# Every state of the board and the form, in pictures

`make pictures` takes them in a headless Chromium from the sentinel's own pages, and writes this
page. The hospital is invented. A phone's picture is 390 wide, a desk's 1280, both as high as the
page; a wall's is 1920 by 1080.

## The ward board

What the words mean and what to do: [the ward board](../how-to/board.md).
"""
_FORM = """
## The stop form and its receipts

How the line is stopped, and who is called: [stop the line](../how-to/stop-the-line.md).
"""


def picture(of: str, name: str, size: str) -> str:
    """A picture's path below docs/pictures, without its ending."""
    return f"{of}/{name}-{size}"


def all_pictures() -> Iterator[str]:
    """Every picture of the board and the form, below docs/pictures."""
    for of, names in (("board", STATES), ("stop", VIEWS)):
        for name in names:
            yield from (picture(of, name, size) for size in sizes(of, name))
    yield from (picture("board", OLD, size) for size in ("phone", "wide"))


def sizes(of: str, name: str) -> tuple[str, ...]:
    """The sizes that it is taken at."""
    if of == "board" and name in ON_THE_WALL:
        return ("phone", "wide", "wall")
    return ("phone", "wide", "small") if (of, name) == ("stop", "form") else ("phone", "wide")


def page() -> str:
    """The page of the docs, whole."""
    boards = ((name, state.come.__doc__) for name, state in STATES.items())
    old = (
        OLD,
        "The sentinel is gone: the page covers itself by the clock, with or without script.",
    )
    forms = ((name, view.come.__doc__) for name, view in VIEWS.items())
    parts = [_HEAD, *(_part("board", *one) for one in (*boards, old))]
    return "".join([*parts, _FORM, *(_part("stop", *one) for one in forms)])


def _part(of: str, name: str, says: str | None) -> str:
    shown = "".join(
        f"\n![{name}, {size}](../pictures/{picture(of, name, size)}.png)\n"
        for size in (sizes(of, name) if name != OLD else ("phone", "wide"))
    )
    return f"\n### {name}\n\n{says}\n{shown}"
