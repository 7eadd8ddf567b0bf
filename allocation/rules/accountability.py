"""Counting what comes back of a dispensed kit, and how much of what was due was taken.

    used       = dispensed - returned - lost                      units (tablets, mL, ...)
    expected   = units a day by the protocol x days                days: from the day of dispensing to the day before the end
    compliance = 100 x used / expected                             percent, one decimal, a half goes up

The end is the day of the next dispensing, or that on which the kits were given back, if that is earlier: what is taken on it comes from
the kits that are handed out then. Where the last dose was before that, the end is the day after it. Days on dose hold are not taken off.
This is the pill count of Farmer KC, "Methods for measuring and monitoring medication regimen adherence in clinical trials and clinical
practice", Clin Ther 1999;21:1074-90; it tells what left the container, not what was taken.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from allocation.errors import DomainRefusal

RULE_VERSION: Final = "accountability/1"
_TENTH: Final = Decimal("0.1")


def check_count(kit: str, dispensed: Decimal, returned: Decimal, lost: Decimal, used: Decimal | None) -> None:
    """Refuse a count that cannot be: negative, or more than the kit held. `dispensed`: the units that the kit may have held at most.

    `used` is what the subject says, None where it follows. A stated one that does not add up is kept, and stands in the reconciliation.
    Raises DomainRefusal (`count-impossible`).
    """
    for name, value in (("returned_units", returned), ("lost_units", lost), ("used_units", used)):
        if value is not None and value < 0:
            raise DomainRefusal(
                f"{value} units of kit {kit} are less than none",
                code="count-impossible",
                field=name,
                fix="count 0 or more",
            )
        if value is not None and value > dispensed:
            raise DomainRefusal(
                f"{value} units of kit {kit} are more than it held",
                code="count-impossible",
                field=name,
                fix=f"count again: it held {_text(dispensed)} at most",
            )
    if returned + lost > dispensed:
        raise DomainRefusal(
            f"{_text(returned)} returned and {_text(lost)} lost units of kit {kit} are more than it held",
            code="count-impossible",
            field="lost_units",
            fix=f"count again: it held {_text(dispensed)} at most",
        )


def used_units(dispensed: Decimal, returned: Decimal, lost: Decimal) -> Decimal:
    """The units that are neither back nor lost."""
    return dispensed - returned - lost


def unexplained_units(
    dispensed: Decimal, returned: Decimal, lost: Decimal, stated: Decimal | None
) -> Decimal:
    """Dispensed minus returned, lost and used as stated: 0 where it adds up, and where nothing was stated."""
    return Decimal(0) if stated is None else used_units(dispensed, returned, lost) - stated


def days_of_use(
    dispensed_on: date, returned_on: date, next_dispensed_on: date | None, last_dose_on: date | None
) -> int:
    """The days for which the kits were meant, 0 or more. Dates are the site's; None: there was none yet."""
    ends = [returned_on]
    if next_dispensed_on is not None:
        ends.append(next_dispensed_on)
    if last_dose_on is not None:
        ends.append(last_dose_on + timedelta(days=1))
    return max((min(ends) - dispensed_on).days, 0)


def compliance_percent(used: Decimal, units_per_day: Decimal, days: int) -> Decimal | None:
    """100 x used / (units a day x days), to one decimal; None where nothing was due yet."""
    expected = units_per_day * days
    if expected <= 0:
        return None
    return (100 * used / expected).quantize(_TENTH, ROUND_HALF_UP)


def _text(value: Decimal) -> str:
    """A number without an exponent or needless zeros."""
    return f"{value.normalize():f}"
