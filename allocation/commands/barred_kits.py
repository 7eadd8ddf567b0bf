"""Kits of an order whose lots may by now no longer be shipped to where it goes."""

from __future__ import annotations

from sqlalchemy import select

from allocation.commands.kit_candidates import is_released
from allocation.commands.transaction import Transaction
from allocation.ledger.schema import kit, lot


def kits_not_released(transaction: Transaction, shipment_id: str, country: str) -> set[str]:
    """The kits of a shipment whose lots may not be shipped to `country` by now; where that is "", it goes to a depot and ships any lot."""
    if not country:
        return set()
    query = (
        select(kit.c.kit_number, lot.c.status, lot.c.released_for)
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(kit.c.study_id == transaction.study_id, kit.c.shipment_id == shipment_id)
    )
    return {
        row.kit_number
        for row in transaction.connection.execute(query)
        if not is_released(row, country, shipping=True)
    }
