"""Bulk supply: kits that bear no number. People name a lot and a quantity; which units of the lot those are is decided here.

Each unit is a kit of its own to every rule (status, dates, conservation, resupply), under a number that the system gives and that is on no
label. The number begins with a mark that no kit number of a packager may hold, so that one is never taken for the other, and nobody
can name a unit. Units of a lot are taken as kits are picked: the one that expires first, then by pick sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from allocation.errors import DomainRefusal

UNIT_MARK: Final = "~"


def unit_number(pick_sequence: int) -> str:
    """The number of the unit that is picked in this turn; pick sequences are unique in a study, and so are these."""
    return f"{UNIT_MARK}{pick_sequence}"


def is_unit(number: str) -> bool:
    """Whether a kit's number is that of a unit of bulk supply."""
    return number.startswith(UNIT_MARK)


@dataclass(frozen=True, slots=True)
class LotUnit:
    """A unit of bulk supply. `blinded_lot`: the word for its lot that blinded people read; None where they read `lot` itself.

    `rank`: units with a lower one are taken first, whatever their dates.
    """

    number: str
    lot: str
    blinded_lot: str | None
    expiry: date
    pick_sequence: int
    rank: int = 0

    @property
    def lot_word(self) -> str:
        """What its lot is called when people are told of it."""
        return self.lot if self.blinded_lot is None else self.blinded_lot


@dataclass(frozen=True, slots=True)
class AskedOfLot:
    """So many units of a lot, named by its id or by its blinded word."""

    lot: str
    quantity: int


def take_units(
    units: Iterable[LotUnit], asked: Sequence[AskedOfLot], where: str, field: str = "bulk"
) -> tuple[tuple[str, ...], ...]:
    """The numbers of the units for each quantity asked, no unit twice. `where` completes "no units of lot L are ...".

    Raises DomainRefusal for a lot of which nothing is there (`lot-not-here`) and for more than there is (`too-few-of-lot`).
    """
    ordered = sorted(units, key=lambda one: (one.rank, one.expiry, one.pick_sequence))
    taken: set[str] = set()
    found = []
    for one in asked:
        of_lot = [unit.number for unit in ordered if one.lot in (unit.lot, unit.blinded_lot)]
        if not of_lot:
            raise DomainRefusal(
                f"no units of lot {one.lot} are {where}",
                code="lot-not-here",
                field=field,
                fix="correct the lot",
            )
        free = [number for number in of_lot if number not in taken]
        if len(free) < one.quantity:
            already = (
                f", beside the {len(of_lot) - len(free)} named before" if len(free) < len(of_lot) else ""
            )
            raise DomainRefusal(
                f"{one.quantity} units of lot {one.lot} are too many: {len(free)} are {where}{already}",
                code="too-few-of-lot",
                field=field,
                fix="count again, and correct the quantity",
            )
        taken.update(free[: one.quantity])
        found.append(tuple(free[: one.quantity]))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LotCount:
    """Of a lot, as people are told of it: so many units."""

    lot: str
    quantity: int


def count_by_lot(units: Iterable[LotUnit]) -> tuple[LotCount, ...]:
    """How many units of each lot these are, by the lot's word."""
    counted = Counter(unit.lot_word for unit in units)
    return tuple(LotCount(lot, counted[lot]) for lot in sorted(counted))


def serialized_only(numbers: Collection[str]) -> list[str]:
    """The numbers that are on a label, in their order."""
    return [one for one in numbers if not is_unit(one)]
