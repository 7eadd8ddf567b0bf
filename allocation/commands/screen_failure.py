"""What an entry says of a subject who failed screening, whoever says so: the site, or the EDC."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

SCREEN_FAILURE: Final = "SCREEN FAILURE"
"""The reason with which such a participation ends (CDISC's NCOMPLT)."""


def screen_failure_facts(assessed_on: date, last_contact_on: date) -> dict[str, Any]:
    """The end of a participation that was not to begin. Dates are the site's."""
    return {
        "ended_on": assessed_on.isoformat(),
        "end_reason": SCREEN_FAILURE,
        "last_contact_on": last_contact_on.isoformat(),
    }
