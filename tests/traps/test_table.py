"""Every trap of the two lists has a row in the table, the tests that it names exist, and every trap
that is played stands in it."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "explanation" / "traps.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
# The gateway's as they were measured, and the peers' as they were read: none is taken away unseen.
TRAPS = (*(f"G{number}" for number in range(1, 26)), *(f"P{number}" for number in range(1, 22)))


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of a file's test functions."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def named() -> list[tuple[str, str]]:
    return NAMED.findall(TABLE.read_text(encoding="utf-8"))


def test_every_test_that_the_table_names_exists() -> None:
    missing = [f"{file}::{name}" for file, name in named() if name not in names_in(file)]
    assert len(named()) > 40
    assert missing == []


def lines() -> list[str]:
    return TABLE.read_text(encoding="utf-8").splitlines()


def rows() -> list[str]:
    return [
        line for line in lines() if line.startswith("|") and not line.startswith(("| trap", "|--"))
    ]


def test_the_list_has_every_trap_once() -> None:
    listed = re.findall(r"^- ([GP]\d+): \S", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(listed) == TRAPS


def test_every_trap_of_the_list_has_a_row_and_every_row_is_of_the_list() -> None:
    found = [row.split()[1] for row in rows()]
    assert set(found) == set(TRAPS), set(found) ^ set(TRAPS)


def test_every_row_of_the_table_names_a_test() -> None:
    assert [row for row in rows() if not NAMED.search(row)] == []


def test_every_trap_that_is_played_here_stands_in_the_table() -> None:
    listed = {name for _, name in named()}
    files = sorted(Path(__file__).parent.glob("test_*_traps.py"))
    played = {name for file in files for name in names_in(f"tests/traps/{file.name}")}
    assert len(files) > 2
    assert played - listed == set()
