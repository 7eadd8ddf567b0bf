"""A lot's expiry, its own and country by country, and what a change of it does to each kit.

Two flows (field note resupply.md, "Expiry extension"). Not printed: the lot's date is that of its kits, so that a change reaches them
all at once, those in transit included. Printed: a kit is never used past its own label (`expiry.valid_until_day`), so that an extension
reaches it only once it is relabelled where it is; a shortening reaches it at once. Either way a kit that had expired is not stock again
by itself: it goes into quarantine, and leaves that under signature.

Dates are calendar dates; which date binds is that of the country where the kit is, or to which it is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from allocation.errors import DomainRefusal
from allocation.rules.expiry import (
    ExpiryWindows,
    is_expired,
    kit_expiry_date,
    last_count_date,
    last_dispense_date,
    last_ship_date,
)
from allocation.rules.kit_status import KitStatus, Place


@dataclass(frozen=True, slots=True)
class LotExpiry:
    """A lot's own expiry date, and that of each country in which it has another one."""

    own: date
    by_country: Mapping[str, date] = field(default_factory=dict)

    def for_use_in(self, country: str | None) -> date:
        """The date that binds in `country`; None is a depot, which may still ship the kit wherever it lasts longest."""
        if country is None:
            return max([self.own, *self.by_country.values()])
        return self.by_country.get(country, self.own)

    def changed(self, expiry: date, countries: tuple[str, ...]) -> LotExpiry:
        """The lot with another date in these countries; without any, everywhere, and then no country has one of its own."""
        if not countries:
            return LotExpiry(expiry)
        by_country = {**self.by_country, **dict.fromkeys(countries, expiry)}
        return LotExpiry(self.own, {key: day for key, day in by_country.items() if day != self.own})


@dataclass(frozen=True, slots=True)
class KitDates:
    """A kit's expiry date and the last dates of the three acts that its kit type's windows leave."""

    expiry: date
    last_ship: date
    last_count: date
    last_dispense: date


def kit_dates(lot: LotExpiry, country: str | None, printed: date | None, windows: ExpiryWindows) -> KitDates:
    """The dates of a kit of the lot in `country` (None: at a depot) whose label says `printed` (None: no date)."""
    expiry = kit_expiry_date(lot.own, lot.for_use_in(country), printed)
    return KitDates(
        expiry,
        last_ship_date(expiry, windows),
        last_count_date(expiry, windows),
        last_dispense_date(expiry, windows),
    )


class Effect(StrEnum):
    """What a change of the lot's expiry does to one kit."""

    NONE = "none"
    DATED = "dated"
    TAKEN_UP = "taken_up"
    """It had expired and no longer has: into quarantine, from where it is released under signature."""


OUT_OF_REACH = frozenset({Place.SUBJECT, Place.RETURNED, Place.DESTROYED, Place.LOST, Place.OTHER_STUDY})
"""Where a kit keeps the dates that it had: it is never given to anybody again, and what was dispensed was judged by them."""


def effect_of_change(
    status: KitStatus, place: Place, was_dispensed: bool, before: KitDates, after: KitDates, today: date
) -> Effect:
    """What new dates do to a kit on `today` (the date at its place)."""
    if place in OUT_OF_REACH or was_dispensed:
        return Effect.NONE
    if status == KitStatus.EXPIRED and not is_expired(today, after.expiry):
        return Effect.TAKEN_UP
    return Effect.NONE if before == after else Effect.DATED


def check_new_label(printed: date, lot: LotExpiry, country: str | None) -> None:
    """Raise DomainRefusal where a new label would say a later date than the lot may be used until in that country."""
    approved = lot.for_use_in(country)
    if printed > approved:
        raise DomainRefusal(
            f"the label would say {printed}, but the lot may be used {'here ' if country else ''}until {approved}",
            code="label-beyond-expiry",
            field="printed_expiry",
            fix="change the lot's expiry first, or print the date that it has",
        )
