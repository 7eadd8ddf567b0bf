"""The two ends of a shipment: a depot or a site at each.

Payloads of shipments from a depot to a site name `depot_id` and are written at the site; others name both ends in full, as
`from` and `to`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Row

from allocation.ledger.supply_tables import shipment
from allocation.rules.kit_status import Place

COLUMNS: tuple[Column[Any], ...] = (
    shipment.c.from_kind,
    shipment.c.from_place,
    shipment.c.to_kind,
    shipment.c.to_place,
)


@dataclass(frozen=True, slots=True)
class ShipmentEnds:
    """Where a shipment leaves from and where it goes. The kinds are `depot` or `site`."""

    from_kind: Place
    from_place: str
    to_kind: Place
    to_place: str

    def _end(self, kind: Place) -> str | None:
        """The place of this kind; where both ends are of it, the destination."""
        if self.to_kind == kind:
            return self.to_place
        return self.from_place if self.from_kind == kind else None

    @property
    def site_id(self) -> str | None:
        """The site at an end; of two, the one that receives."""
        return self._end(Place.SITE)

    @property
    def depot_id(self) -> str | None:
        """The depot at an end; of two, the one that receives."""
        return self._end(Place.DEPOT)

    def payload(self) -> dict[str, Any]:
        """How the ends stand in an entry's payload."""
        if (self.from_kind, self.to_kind) == (Place.DEPOT, Place.SITE):
            return {"depot_id": self.from_place, "site_id": self.to_place}
        return {
            "from": [self.from_kind.value, self.from_place],
            "to": [self.to_kind.value, self.to_place],
        }

    def columns(self) -> dict[str, str]:
        """How the ends stand in the table of shipments."""
        return {
            "from_kind": self.from_kind.value,
            "from_place": self.from_place,
            "to_kind": self.to_kind.value,
            "to_place": self.to_place,
        }


def ends_of_payload(after: dict[str, Any], site_id: str) -> ShipmentEnds:
    """The ends in the payload of an entry that was written at `site_id`, which is the destination where the payload names a depot alone."""
    if "from" in after:
        (from_kind, from_place), (to_kind, to_place) = after["from"], after["to"]
        return ShipmentEnds(Place(from_kind), from_place, Place(to_kind), to_place)
    return ShipmentEnds(Place.DEPOT, after["depot_id"], Place.SITE, site_id)


def ends_of_row(row: Row[*tuple[Any, ...]]) -> ShipmentEnds:
    """The ends in a row of the table of shipments."""
    return ShipmentEnds(Place(row.from_kind), row.from_place, Place(row.to_kind), row.to_place)
