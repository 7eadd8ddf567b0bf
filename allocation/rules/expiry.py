"""Expiry windows: until which day a kit may be shipped, counted and dispensed.

    DNS do not ship      last_ship_date     = expiry - DNS days - 1
    DNC do not count     last_count_date    = expiry - DNC days - 1
    DND do not dispense  last_dispense_date = expiry - DND days - 1        and DNS >= DNC >= DND >= 0

The convention is strict: an act is allowed while `today < expiry - N days`. So with N = 0 the expiry date itself is no
longer usable. Vendors disagree with themselves by a day here; this is the one place that decides (field note
resupply.md, "Expiry windows").

Every date is a calendar date at the location where the act happens: the caller turns the UTC moment into the site's or
depot's date before it asks. A date has no time zone of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from allocation.errors import InvalidParameter
from allocation.rules.compilable import NO_DAY, compilable


@compilable
def last_allowed_day(expiry_day: int, days_before_expiry: int) -> int:
    """Return the last day (ordinal) of an act that is forbidden from `days_before_expiry` days before expiry on."""
    return expiry_day - days_before_expiry - 1


@compilable
def allowed_on_day(today: int, expiry_day: int, days_before_expiry: int) -> bool:
    """Return whether the act is allowed on `today`: `today < expiry_day - days_before_expiry`."""
    return today <= last_allowed_day(expiry_day, days_before_expiry)


@compilable
def valid_through_day(expiry_day: int, needed_until_day: int) -> bool:
    """Return whether a kit can still be used on `needed_until_day` (dynamic DND); NO_DAY asks for nothing."""
    return needed_until_day == NO_DAY or allowed_on_day(needed_until_day, expiry_day, 0)


@compilable
def valid_until_day(lot_expiry_day: int, country_expiry_day: int, printed_expiry_day: int) -> int:
    """Return the expiry day that binds a kit in a country; NO_DAY for what does not exist.

    The lot's expiry in the destination country replaces the lot's own, in both directions: a shelf-life extension is
    approved country by country. A date printed on the kit can only shorten: a kit is never used past its own label,
    which is why a printed kit must be relabelled before an extension reaches it.
    """
    bound = lot_expiry_day if country_expiry_day == NO_DAY else country_expiry_day
    if printed_expiry_day != NO_DAY and printed_expiry_day < bound:
        return printed_expiry_day
    return bound


@dataclass(frozen=True, slots=True)
class ExpiryWindows:
    """The three windows of a kit type, in whole days before expiry; checked on construction.

    Raises InvalidParameter naming the field unless DNS >= DNC >= DND >= 0.
    """

    dns_days: int
    dnc_days: int
    dnd_days: int

    def __post_init__(self) -> None:
        """Check the order of the windows."""
        if self.dnd_days < 0:
            raise InvalidParameter(
                f"must be 0 days or more, not {self.dnd_days}",
                field="dnd_days",
                fix="give the number of days before expiry from which the kit must not be dispensed",
            )
        if self.dnc_days < self.dnd_days:
            raise InvalidParameter(
                f"{self.dnc_days} is less than dnd_days {self.dnd_days}",
                field="dnc_days",
                fix="a kit that may not be dispensed must not count as stock: DNS >= DNC >= DND",
            )
        if self.dns_days < self.dnc_days:
            raise InvalidParameter(
                f"{self.dns_days} is less than dnc_days {self.dnc_days}",
                field="dns_days",
                fix="a kit that would not count at the site must not be shipped to it: DNS >= DNC >= DND",
            )


def last_ship_date(expiry: date, windows: ExpiryWindows) -> date:
    """Return the last date on which the depot may ship the kit (date at the depot)."""
    return date.fromordinal(last_allowed_day(expiry.toordinal(), windows.dns_days))


def last_count_date(expiry: date, windows: ExpiryWindows) -> date:
    """Return the last date on which the kit counts as stock of the site (date at the site)."""
    return date.fromordinal(last_allowed_day(expiry.toordinal(), windows.dnc_days))


def last_dispense_date(expiry: date, windows: ExpiryWindows) -> date:
    """Return the last date on which the kit may be dispensed (date at the site)."""
    return date.fromordinal(last_allowed_day(expiry.toordinal(), windows.dnd_days))


def may_ship(today: date, expiry: date, windows: ExpiryWindows) -> bool:
    """Return whether a kit of this expiry may leave the depot on `today`."""
    return allowed_on_day(today.toordinal(), expiry.toordinal(), windows.dns_days)


def may_count(today: date, expiry: date, windows: ExpiryWindows) -> bool:
    """Return whether a kit of this expiry counts in the site's inventory on `today`."""
    return allowed_on_day(today.toordinal(), expiry.toordinal(), windows.dnc_days)


def may_dispense(
    today: date, expiry: date, windows: ExpiryWindows, must_stay_valid_until: date | None = None
) -> bool:
    """Return whether a kit of this expiry may be dispensed on `today`.

    `must_stay_valid_until` is the dynamic window: the last day of the subject's next dispensing window. It comes on top
    of the fixed do-not-dispense window; both must hold.
    """
    needed = NO_DAY if must_stay_valid_until is None else must_stay_valid_until.toordinal()
    expiry_day = expiry.toordinal()
    return allowed_on_day(today.toordinal(), expiry_day, windows.dnd_days) and valid_through_day(
        expiry_day, needed
    )


def is_expired(today: date, expiry: date) -> bool:
    """Return whether the kit is expired on `today`: the expiry date itself is the first expired day."""
    return not allowed_on_day(today.toordinal(), expiry.toordinal(), 0)


def kit_expiry_date(
    lot_expiry: date, country_expiry: date | None = None, printed_expiry: date | None = None
) -> date:
    """Return the expiry date that binds a kit: the lot's in that country, never later than what the kit's label says."""
    return date.fromordinal(
        valid_until_day(
            lot_expiry.toordinal(),
            NO_DAY if country_expiry is None else country_expiry.toordinal(),
            NO_DAY if printed_expiry is None else printed_expiry.toordinal(),
        )
    )
