"""What the database itself refuses, in the words of a refusal: its checks and triggers stand behind the commands' own."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import IntegrityError

from allocation.errors import DomainRefusal
from allocation.ledger.lot_tables import NOT_RELEASED_HERE

_REFUSALS: Final = (
    (
        "never_dispensed_past_dnd",
        "a kit is past its last dispense date",
        "kit-past-last-dispense-date",
        "nothing was dispensed",
    ),
    (
        NOT_RELEASED_HERE,
        "a kit may no longer be used at this place",
        "kit-not-released",
        "nothing was done; ask the supply manager about the kit",
    ),
)
"""What stands in the database's message; the refusal's message, code and fix."""


def refusal_of(error: Exception) -> DomainRefusal | None:
    """The refusal that an error of the database stands for; None where it is only a lost race."""
    if not isinstance(error, IntegrityError):
        return None
    for mark, message, code, fix in _REFUSALS:
        if mark in str(error.orig):
            return DomainRefusal(message, code=code, fix=fix)
    return None
