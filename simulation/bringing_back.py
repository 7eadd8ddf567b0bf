"""What is left in the kits of a subject who brings them back: the units that the days since each dispensing did not take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from allocation.rules.accountability import days_of_use


@dataclass(frozen=True, slots=True)
class HeldKit:
    """A kit that a subject has: its look, when it was handed out, what it held, and the units a day that are taken of its look."""

    kit_number: str
    look: str
    dispensed_on: date
    units: Decimal
    units_per_day: Decimal


def units_left(kits: Sequence[HeldKit], today: date, missed: float) -> dict[str, int]:
    """Kit number -> whole units that come back today; `missed` is the share of doses that were not taken.

    Kits that were handed out together are emptied one after another, by number.
    """
    handed_out: dict[tuple[str, date], list[HeldKit]] = defaultdict(list)
    for one in kits:
        handed_out[one.look, one.dispensed_on].append(one)
    left: dict[str, int] = {}
    for (look, first), some in handed_out.items():
        later = [day for other, day in handed_out if other == look and day > first]
        days = days_of_use(first, today, min(later, default=None), None)
        due = some[0].units_per_day * days * Decimal(str(1 - missed))
        taken = due.quantize(Decimal(1), ROUND_HALF_UP)
        for one in sorted(some, key=lambda held: held.kit_number):
            used = min(taken, one.units)
            taken -= used
            left[one.kit_number] = int(one.units - used)
    return left
