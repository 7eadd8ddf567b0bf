"""The units of bulk supply among kits, with what their lots are called (rules/bulk_units.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, func, or_, select

from allocation.ledger.projections.kit_moves import chunks
from allocation.ledger.schema import kit, lot
from allocation.rules.bulk_units import LotUnit, count_by_lot, is_unit, serialized_only
from allocation.rules.kit_status import KitStatus

TAKEN_LATER: Final = {
    KitStatus.QUARANTINED.value: 1,
    KitStatus.REQUESTED.value: 2,
    KitStatus.ASSIGNED.value: 2,
}
"""An act by quantity that may be done to units in several states takes those in quarantine later than others, and last of all those
that are kept for an order or a subject."""


def units_among(connection: Connection, study_id: str, numbers: Iterable[str]) -> list[LotUnit]:
    """The units of bulk supply among these kit numbers."""
    found = []
    for some in chunks([one for one in numbers if is_unit(one)]):
        query = (
            select(
                kit.c.kit_number,
                kit.c.lot_id,
                lot.c.blinded_lot,
                kit.c.expiry_date,
                kit.c.pick_sequence,
                kit.c.status,
            )
            .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
            .where(kit.c.study_id == study_id, kit.c.kit_number.in_(some))
        )
        found += [LotUnit(*row[:5], rank=TAKEN_LATER.get(row.status, 0)) for row in connection.execute(query)]
    return found


def units_of_lot(connection: Connection, study_id: str, word: str, *, by_own_name: bool) -> frozenset[str]:
    """The units of bulk supply of the lots that people call `word`; a lot with a blinded name has its own only `by_own_name`."""
    called = func.coalesce(lot.c.blinded_lot, lot.c.lot_id) == word
    query = (
        select(kit.c.kit_number)
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(kit.c.study_id == study_id, or_(called, lot.c.lot_id == word) if by_own_name else called)
    )
    return frozenset(one for one in connection.execute(query).scalars() if is_unit(one))


def lot_words(connection: Connection, study_id: str, numbers: Iterable[str]) -> dict[str, str]:
    """Unit number -> what its lot is called when people are told of it; nothing else of a unit leaves the database."""
    found: dict[str, str] = {}
    word = func.coalesce(lot.c.blinded_lot, lot.c.lot_id)
    for some in chunks([one for one in numbers if is_unit(one)]):
        query = (
            select(kit.c.kit_number, word.label("lot"))
            .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
            .where(kit.c.study_id == study_id, kit.c.kit_number.in_(some))
        )
        found |= {row.kit_number: row.lot for row in connection.execute(query)}
    return found


def names_by_lot(connection: Connection, study_id: str, numbers: Sequence[str]) -> tuple[str, ...]:
    """Kit numbers for a text, in their order, and behind them bulk supply as lots and quantities."""
    counts = count_by_lot(units_among(connection, study_id, numbers))
    return (*serialized_only(numbers), *(f"{one.quantity} of lot {one.lot}" for one in counts))
