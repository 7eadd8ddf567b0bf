"""What the database itself refuses, in the words of a refusal: its checks and triggers stand behind the commands' own."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import IntegrityError

from allocation.errors import DomainRefusal
from allocation.ledger.lot_tables import NOT_RELEASED_HERE

_REFUSALS: Final = {
    "never_dispensed_past_dnd": DomainRefusal(
        "a kit is past its last dispense date",
        code="kit-past-last-dispense-date",
        fix="nothing was dispensed",
    ),
    NOT_RELEASED_HERE: DomainRefusal(
        "a kit may no longer be used at this place",
        code="kit-not-released",
        fix="nothing was done; ask the supply manager about the kit",
    ),
}
"""What stands in the database's message -> the refusal."""


def refusal_of(error: Exception) -> DomainRefusal | None:
    """The refusal that an error of the database stands for; None where it is only a lost race."""
    if not isinstance(error, IntegrityError):
        return None
    found = next((known for mark, known in _REFUSALS.items() if mark in str(error.orig)), None)
    return None if found is None else DomainRefusal(found.message, code=found.code, fix=found.fix)
