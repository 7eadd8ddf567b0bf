"""What was found of bulk supply, by counts: the units of a delivery, and what a subject brings back, from what people counted of a lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from allocation.errors import DomainRefusal
from allocation.rules.bulk_units import LotUnit

FOUND: Final = ("available", "quarantined", "damaged", "lost", "not_arrived")
"""What a unit may be found as, in the order in which units of a lot are given to it (receipts.py)."""


@dataclass(frozen=True, slots=True)
class LotFound:
    """How many units of a lot were found as what."""

    lot: str
    counts: Mapping[str, int]


def judge_lots(
    coming: Sequence[LotUnit], held: Sequence[LotUnit], found: Sequence[LotFound], shipment: str
) -> dict[str, str]:
    """The disposition of every unit of the lots that are named, by unit number.

    `coming`: units that may be used once they are there; `held`: those quarantined on their way, which may not. Every unit of a named
    lot is counted. Raises DomainRefusal for a lot that is not in the shipment, for more or fewer than it holds, and where a held one
    would be used.
    """
    dispositions: dict[str, str] = {}
    for one in found:
        free, kept = (
            sorted(
                (unit for unit in units if one.lot in (unit.lot, unit.blinded_lot)),
                key=lambda unit: (unit.expiry, unit.pick_sequence),
            )
            for units in (coming, held)
        )
        inside, counted = len(free) + len(kept), sum(one.counts.values())
        if not inside:
            raise DomainRefusal(
                f"lot {one.lot} is not in shipment {shipment}",
                code="lot-not-in-shipment",
                field="bulk",
                fix="correct the lot; set aside what was not shipped and tell the depot",
            )
        if counted > inside:
            raise DomainRefusal(
                f"{counted} units of lot {one.lot} are more than the {inside} that shipment {shipment} still brings",
                code="more-than-shipped",
                field="bulk",
                fix="count again; set aside what was not shipped and tell the depot",
            )
        if counted < inside:
            raise DomainRefusal(
                f"nothing is said about {inside - counted} of the {inside} units of lot {one.lot}",
                code="units-left-out",
                field="bulk",
                fix="count them, too: as lost, or as not_arrived where they may still come",
            )
        good = one.counts.get("available", 0)
        if good > len(free):
            raise DomainRefusal(
                f"{len(kept)} units of lot {one.lot} were quarantined on their way",
                code="kit-quarantined",
                field="bulk",
                fix="count them as quarantined; they are released from there",
            )
        rest = iter([*kept, *free[good:]])
        dispositions |= {unit.number: "available" for unit in free[:good]}
        for what in FOUND[1:]:
            dispositions |= {next(rest).number: what for _ in range(one.counts.get(what, 0))}
    return dispositions


@dataclass(frozen=True, slots=True)
class UnitCount:
    """What one unit of bulk supply came back with; `used` None where it was not stated."""

    returned: Decimal
    lost: Decimal
    used: Decimal | None


def spread_counts(
    quantity: int, content: Decimal, returned: Decimal, lost: Decimal, used: Decimal | None
) -> tuple[UnitCount, ...]:
    """Counts over `quantity` units of `content` each, as counts of the single ones: what is back fills the first, then what is lost, then
    what was used. Sums are exact. Raises DomainRefusal (`count-impossible`) for more than they held.
    """
    whole = content * quantity
    if returned + lost + (used or 0) > whole:
        raise DomainRefusal(
            f"{returned + lost + (used or 0)} counted are more than the {whole} of {quantity} units",
            code="count-impossible",
            field="bulk",
            fix="count again",
        )

    def part(start: Decimal, length: Decimal, index: int) -> Decimal:
        low, high = content * index, content * (index + 1)
        return max(Decimal(0), min(start + length, high) - max(start, low))

    return tuple(
        UnitCount(
            part(Decimal(0), returned, index),
            part(returned, lost, index),
            None if used is None else part(returned + lost, used, index),
        )
        for index in range(quantity)
    )
