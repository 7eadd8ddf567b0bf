"""Where an event happened, for who is told of it: depots and sites, out of what an entry says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from allocation.ledger.schema import shipment

PLACES: Final = ("depot", "site")


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


def ends_of(named: Any) -> tuple[NoticePlace | None, NoticePlace | None]:
    """Where a shipment leaves and where it goes, from a payload or row that names both ends, or a depot and a site."""
    ends = tuple(
        None if named.get(f"{end}_kind") is None else NoticePlace(named[f"{end}_kind"], named[f"{end}_place"])
        for end in ("from", "to")
    )
    depot_id, site_id = named.get("depot_id"), named.get("site_id")
    return (
        ends[0] or (NoticePlace("depot", depot_id) if depot_id else None),
        ends[1] or (NoticePlace("site", site_id) if site_id else None),
    )


def shipment_ends(connection: Connection, study_id: str, shipments: Collection[str]) -> dict[str, Any]:
    """Shipment -> its two ends."""
    if not shipments:
        return {}
    rows = connection.execute(
        select(shipment).where(shipment.c.study_id == study_id, shipment.c.shipment_id.in_(sorted(shipments)))
    ).mappings()
    return {row["shipment_id"]: ends_of(row) for row in rows}
