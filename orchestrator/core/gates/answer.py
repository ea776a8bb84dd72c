"""What a gate can answer. Unknown counts as closed (design section 10)."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """The rule is met; `evidence` says by what."""

    gate: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The rule is not met; `todo` is what a person can do about it."""

    gate: str
    evidence: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody can tell; `todo` is how to find out."""

    gate: str
    evidence: str
    todo: str


GateAnswer: TypeAlias = Open | Closed | Unknown


def all_open(answers: tuple[GateAnswer, ...]) -> bool:
    """Whether every answer is Open; without any answer the gate is not open."""
    return bool(answers) and all(isinstance(answer, Open) for answer in answers)


def not_open(answers: tuple[GateAnswer, ...]) -> tuple[Closed | Unknown, ...]:
    """The answers that keep the gate closed, in order."""
    return tuple(answer for answer in answers if not isinstance(answer, Open))
