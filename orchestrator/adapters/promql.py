"""Asks PromQL so that an old sample cannot pass for a new one. Pure.

A bare selector obeys the query's look-back, so what is older than that vanishes. A range
(`rate(x[5m])`) does not: it goes on answering until its range is empty. So each range
selector of a query also stands beside it as a bare one: `(query) and on (ward) (x)`.
What is selected by range must therefore carry the label `ward` itself; where it does not,
the answer is empty, which is no data and never a pass.
"""

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      |(?P<gap>\s+|\#[^\n]*)
      |(?P<range>\[[^\]]*\])
      |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def fresh_only(promql: str) -> str:
    """The query, silent about wards whose range-selected series have no recent sample."""
    guards = "".join(f" and on (ward) ({selector})" for selector in ranged_selectors(promql))
    return f"({promql}\n){guards}" if guards else promql


def ranged_selectors(promql: str) -> tuple[str, ...]:
    """Each selector that a range follows, as a bare one, without repetition, in order."""
    return tuple(dict.fromkeys(_ranged(_TOKEN.finditer(promql))))


def _ranged(tokens: Iterable[re.Match[str]]) -> Iterator[str]:
    selector, braces = "", ""
    for token in tokens:
        kind, text = token.lastgroup, token.group()
        if braces:
            braces += text
            if kind == "other" and text == "}":
                selector, braces = selector + braces, ""
        elif kind == "other" and text == "{":
            braces = text
        elif kind == "range":
            if selector:
                yield selector
            selector = ""
        elif kind == "name":
            selector = text
        elif kind != "gap":
            selector = ""
