"""Text from outside, made safe to keep: encodable, of one line, bounded, without identities.

What people type and what foreign systems answer ends in the ledger, on routes and in
logs. Source: design rule 11; domain facts 2.6 for the shape of Swedish identity numbers.
"""

import re
import unicodedata
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar, cast

_T = TypeVar("_T")
MOST_CHARACTERS: Final = 500
DROPPED: Final = "[identity removed]"
# Personnummer, coordination and reserve numbers: 8 or 6 digits of a date, its parts together or
# with one same sign between them, at most three signs, then 4 characters of which the middle two
# are digits. Not inside longer numbers, decimals or the middle of a hash.
IDENTITY: Final = re.compile(
    r"(?<![0-9.])(?<![0-9a-f]{8})"
    r"(?:\d{2})?\d{2}(?P<sign>[-+ ./\u00a0\u2010-\u2015\u2212]?)(?:0[1-9]|1[0-2])(?P=sign)\d{2}"
    r"[-+ ./_:,\u00a0\u2010-\u2015\u2212\uff0d]{0,3}[0-9A-Za-z]\d{2}[0-9A-Za-z]"
    r"(?![0-9])(?![0-9a-f]{8})"
)


def has_identity(text: str) -> bool:
    """Whether something in it has the shape of a Swedish personal identity number."""
    return IDENTITY.search(text) is not None


def without_identity(text: str) -> str:
    """The text with whatever has the shape of a personal identity number replaced."""
    return IDENTITY.sub(DROPPED, text)


def plain(text: str) -> str:
    """One line that any file and any protocol takes, at most MOST_CHARACTERS, no identity."""
    encodable = text.encode(errors="replace").decode()
    return without_identity("".join(map(_seen, encodable)))[:MOST_CHARACTERS]


def _seen(one: str) -> str:
    """A character as a reader sees it: digits of any script as ours, nothing for what has no
    width, a space for a line's end."""
    if one.isascii():
        return one if one.isprintable() else " "
    if one.isdecimal():
        return str(unicodedata.decimal(one))
    if one.isprintable():
        return one
    return "" if unicodedata.category(one) == "Cf" else " "


def all_plain(value: _T) -> _T:
    """The same frozen dataclass with every text in it made plain, however deep."""
    made: Any = _plain(value)
    return made


def _plain(value: Any) -> Any:
    if type(value) is str:
        return plain(value)
    if type(value) is tuple:
        return tuple(map(_plain, cast("tuple[Any, ...]", value)))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        )
    return value
