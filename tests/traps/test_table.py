"""The table of traps names tests that exist, and every trap that is played stands in it."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "explanation" / "traps.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


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


def test_every_row_of_the_table_names_a_test() -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [
        line for line in lines if line.startswith("|") and not line.startswith(("| trap", "|--"))
    ]
    assert [row for row in rows if not NAMED.search(row)] == []


def test_every_trap_that_is_played_here_stands_in_the_table() -> None:
    listed = {name for _, name in named()}
    played = {
        name
        for file in ("test_gateway_traps.py", "test_peers_traps.py")
        for name in names_in(f"tests/traps/{file}")
    }
    assert played - listed == set()
