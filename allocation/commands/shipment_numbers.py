"""How shipments are numbered: by where they go, and by the kind of place that they come from."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select

from allocation.ledger.schema import shipment
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.rules.kit_status import Place

MARKS: Final = {
    (Place.DEPOT, Place.SITE): "S",
    (Place.DEPOT, Place.DEPOT): "D",
    (Place.SITE, Place.SITE): "T",
}
"""What tells the kind of shipment, so that a site and a depot may have one name: supply, depot refill, transfer."""


def next_shipment_id(connection: Connection, study_id: str, ends: ShipmentEnds) -> str:
    """The id of the next shipment to a place whose row is locked, such as `DE01-S001`."""
    sent = (
        select(func.count())
        .select_from(shipment)
        .where(
            shipment.c.study_id == study_id,
            shipment.c.to_kind == ends.to_kind.value,
            shipment.c.to_place == ends.to_place,
            shipment.c.from_kind == ends.from_kind.value,
        )
    )
    mark = MARKS[ends.from_kind, ends.to_kind]
    return f"{ends.to_place}-{mark}{int(connection.execute(sent).scalar_one()) + 1:03d}"
