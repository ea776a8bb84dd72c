"""What a ward is. Pure; no person is named, only roles."""

from dataclasses import dataclass
from typing import NewType

from wards.shifts import ShiftPattern

WardId = NewType("WardId", str)
"""Lowercase letters, digits and dashes: it also names a route and an artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How a role is reached: a function's phone or pager, never a person's own."""

    role: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """A hospital of the programme."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """One ward: the smallest unit that is routed and returned.

    `patterns` are effective-dated; the newest whose day has come applies.
    `downtime_procedure`: what staff do when neither system can be used.
    """

    id: WardId
    name: str
    hospital: str
    beds: int
    patterns: tuple[ShiftPattern, ...]
    slices: tuple[str, ...]
    contacts: tuple[Contact, ...]
    downtime_procedure: str
