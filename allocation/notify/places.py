"""Where an event happened, for who is told of it: depots and sites, out of what an entry says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from allocation.ledger.schema import shipment
from allocation.ledger.shipment_ends import COLUMNS, ShipmentEnds, ends_of_row


@dataclass(frozen=True, slots=True, order=True)
class NoticePlace:
    """A depot or a site."""

    kind: str
    key: str

    def __str__(self) -> str:
        """Such as `site 701`."""
        return f"{self.kind} {self.key}"


def as_places(text: str) -> tuple[NoticePlace, ...]:
    """The places of a text that joins them by ", "."""
    return tuple(NoticePlace(*one.split(" ", 1)) for one in text.split(", ") if one)


Ends = tuple[NoticePlace, NoticePlace]
"""Where a shipment leaves from, and where it goes."""


def ends_of(named: ShipmentEnds) -> Ends:
    """The two ends of a shipment."""
    return (
        NoticePlace(named.from_kind.value, named.from_place),
        NoticePlace(named.to_kind.value, named.to_place),
    )


def shipment_ends(connection: Connection, study_id: str, shipments: Collection[str]) -> dict[str, Ends]:
    """Shipment -> its two ends."""
    rows = connection.execute(
        select(shipment.c.shipment_id, *COLUMNS).where(
            shipment.c.study_id == study_id, shipment.c.shipment_id.in_(sorted(shipments))
        )
    )
    return {row.shipment_id: ends_of(ends_of_row(row)) for row in rows} if shipments else {}
