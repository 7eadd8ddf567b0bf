"""Parcels that a site sends to a patient's home: what may go into one, and where its kits go when the patient does not get them.

A parcel is no place of its own. Until the patient has it, the site accounts for its kits, which stay assigned to the subject: no run
counts them as stock or as coming, and a recall or quarantine takes them as those on its shelf. That the patient has them is the same
confirmation as that of handing out at the site, by the same rule of last dispense dates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from allocation.errors import DomainRefusal

QUARANTINE: Final = "quarantine"
LOST: Final = "lost"


@dataclass(frozen=True, slots=True)
class ParcelKit:
    """An assigned kit and the last date at the site on which a subject may get it."""

    kit_number: str
    last_dispense_date: date


def check_parcel(kits: Iterable[ParcelKit], sent_on: date, expected_on: date) -> None:
    """Refuse a parcel that would arrive before it leaves, or after the last dispense date of a kit in it. Dates at the site.

    Raises DomainRefusal (`dates-contradict`, `kit-past-last-dispense-date`).
    """
    if expected_on < sent_on:
        raise DomainRefusal(
            f"it would arrive on {expected_on}, before it leaves on {sent_on}",
            code="dates-contradict",
            field="expected_on",
            fix="correct the date",
        )
    late = sorted(one.kit_number for one in kits if expected_on > one.last_dispense_date)
    if late:
        raise DomainRefusal(
            f"kit {', '.join(late)} would be past its last dispense date on {expected_on}",
            code="kit-past-last-dispense-date",
            field="expected_on",
            fix="send it faster, or confirm it as not dispensed",
        )


def undelivered_to(*, in_parcel: bool, lost: bool, at_site: str) -> str:
    """Where a kit goes that the subject did not get: `stock`, `quarantine` or `lost`. `at_site`: the protocol's word for one on the shelf.

    What was on its way left the site's storage, so it is looked at before it is used again, whatever the protocol says.
    """
    if lost:
        return LOST
    return QUARANTINE if in_parcel else at_site


def parcels_written_off(parcels: Mapping[str, Collection[str]], still_assigned: Collection[str]) -> list[str]:
    """The parcels under way (number -> kits) of which no kit is assigned to the subject any more: nothing is to come from them."""
    return sorted(parcel for parcel, kits in parcels.items() if not set(kits) & set(still_assigned))
