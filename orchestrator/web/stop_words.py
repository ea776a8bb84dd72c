"""The words of the stop form and its receipt, for people at the bedside; one set a language."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.receipt import Became


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A receipt's heading, and what it means for the reader now."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWords:
    """Everything that the two pages say; `{...}` is filled in."""

    lang: str
    other: str
    other_language: str
    title: str
    lead: str
    costs_nothing: str
    ward: str
    choose: str
    role: str
    code: str
    code_help: str
    staff_code: str
    staff_help: str
    slice: str
    any_slice: str
    words: str
    words_help: str
    stop: str
    closed: str
    closed_text: str
    not_received: str
    missing: str
    too_many: str
    too_long: str
    unknown_ward: str
    no_such_ward: str
    nothing_sent: str
    unknown_receipt: str
    receipt: str
    made: str
    by: str
    taken: str
    taken_by: str
    not_taken: str
    live: str
    frozen: str
    not_frozen: str
    call: str
    otherwise: str
    again: str
    told: Mapping[Became, Told]
    roles: Mapping[str, str]

    def role_name(self, role: str) -> str:
        """A role as people say it."""
        return self.roles.get(role, role.replace("_", " ")).capitalize()
