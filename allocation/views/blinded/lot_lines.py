"""Lines of kits as people read them: a kit by its number, and bulk supply as one line for all units of a lot that are alike.

A unit's own number is on no label and leaves the service in no view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection

from allocation.ledger.lot_units import lot_words
from allocation.rules.bulk_units import is_unit
from allocation.study.canonical import decimal_text
from allocation.views.shape import View


class KitLine(View):
    """A kit. Of bulk supply `quantity` units of a lot: `kit_number` is empty then, and `lot` the number that blinded people may read."""

    kit_number: str
    lot: str | None = None
    quantity: int = 1

    @property
    def name(self) -> str:
        """The kit number, or lot and quantity, for a table."""
        return self.kit_number if self.lot is None else f"{self.quantity} of lot {self.lot}"


Line = TypeVar("Line", bound=KitLine)


def by_lot(
    connection: Connection, study_id: str, lines: Iterable[Line], summed: Sequence[str] = ()
) -> tuple[Line, ...]:
    """The lines of numbered kits as they are, and behind them those of bulk supply, one for all that say the same of one lot.

    `summed`: fields with exact decimals, which are added up instead of compared; null stays apart.
    """
    lines = list(lines)
    units = [one for one in lines if is_unit(one.kit_number)]
    if not units:
        return tuple(lines)
    numbers = {one.kit_number for one in units}
    lot_of = lot_words(connection, study_id, sorted(numbers))
    alike: dict[str, list[Line]] = {}
    for one in units:
        said: dict[str, Any] = {"kit_number": "", "lot": lot_of[one.kit_number]}
        empty = {name: None if getattr(one, name) is None else "0" for name in summed}
        key = one.model_copy(update=said | empty).model_dump_json()
        alike.setdefault(key, []).append(one.model_copy(update=said))
    merged = [
        some[0].model_copy(update={"quantity": len(some), **_sums(some, summed)})
        for _, some in sorted(alike.items())
    ]
    return (*(one for one in lines if not is_unit(one.kit_number)), *merged)


def _sums(lines: Sequence[KitLine], summed: Sequence[str]) -> dict[str, str | None]:
    return {
        name: None
        if getattr(lines[0], name) is None
        else decimal_text(sum((Decimal(getattr(one, name)) for one in lines), Decimal(0)))
        for name in summed
    }
