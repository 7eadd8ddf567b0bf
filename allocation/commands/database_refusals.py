"""What it means when the database itself refuses an act: its checks stand behind the rules, which should have refused before."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from allocation.errors import DomainRefusal
from allocation.ledger.lot_tables import NOT_RELEASED_HERE


def refusal_by_database(error: IntegrityError) -> DomainRefusal | None:
    """The refusal in words that a person can act on; None where the database only met what somebody else had done."""
    told = str(error.orig)
    if "never_dispensed_past_dnd" in told:
        return DomainRefusal(
            "a kit is past its last dispense date",
            code="kit-past-last-dispense-date",
            fix="nothing was dispensed",
        )
    if NOT_RELEASED_HERE in told:
        return DomainRefusal(
            "a kit may no longer be used at this place",
            code="kit-not-released",
            fix="nothing was done; ask the supply manager about the kit",
        )
    return None
