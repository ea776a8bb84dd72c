"""What a practice note says, and which of its words are gone when it is read again.

All texts are invented. Negations are told apart from other words: a note that loses
"ingen" says the opposite, a note that loses another word says less.
"""

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

NEGATIONS = frozenset({"ingen", "inget", "inga", "ej", "inte", "utan", "icke", "nej"})

SENTENCES = (
    "Ingen blödning från operationssåret.",
    "Patienten är vaken och inte smärtpåverkad i vila.",
    "Förbandet bytt utan anmärkning.",
    "Ej febrig under passet.",
    "Nej till illamående vid förfrågan.",
    "Inga tecken till infektion runt infarten.",
    "Icke mobiliserad ännu, ny bedömning efter lunch.",
    "Inget tillkommande sedan föregående anteckning.",
    "Dricker själv, urinmängd enligt lista.",
    "Sängläge tills vidare, vändschema följs.",
    "Ringt avdelningens sjukgymnast för bedömning i morgon.",
    "Kontroller enligt ordination, stabil under natten.",
    "Sover lugnt, väckbar vid tilltal.",
    "Planerad hemgång diskuterad vid ronden.",
)
NEGATED = SENTENCES[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """How many words a stored note lacks: negations, and all others."""

    words: int
    negations: int


def note_text(rng: Random) -> str:
    """Four sentences, at least one of them with a negation."""
    chosen = [rng.choice(NEGATED), *rng.sample(SENTENCES, 3)]
    rng.shuffle(chosen)
    return " ".join(chosen)


def loss(typed: str, stored: str) -> Loss:
    """Compare a note word by word, as typed and as read back; order and commas do not count."""
    missing = Counter(_bare_words(typed)) - Counter(_bare_words(stored))
    negations = sum(count for word, count in missing.items() if word in NEGATIONS)
    return Loss(words=missing.total() - negations, negations=negations)


def without_words(text: str, rng: Random) -> str:
    """The same text with a run of two words gone, none of them a negation."""
    words = text.split()
    starts = [at for at in range(len(words) - 1) if not _negates(words[at : at + 2])]
    if not starts:
        return text
    at = rng.choice(starts)
    return " ".join(words[:at] + words[at + 2 :])


def without_negation(text: str) -> str:
    """The same text with its first negation gone: "ingen blödning" becomes "blödning"."""
    words = text.split()
    for at, word in enumerate(words):
        if _bare(word) in NEGATIONS:
            return " ".join(words[:at] + words[at + 1 :])
    return text


def _negates(words: Sequence[str]) -> bool:
    return any(_bare(word) in NEGATIONS for word in words)


def _bare_words(text: str) -> list[str]:
    return [bare for word in text.split() if (bare := _bare(word))]


def _bare(word: str) -> str:
    return word.strip(string.punctuation).casefold()
