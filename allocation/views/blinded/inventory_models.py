"""The central view in blinded words: kits by look. No lot, no kit type, and no days of supply of a look."""

from __future__ import annotations

from datetime import date, datetime

from allocation.views.inventory_models import PlaceStock, ShipmentInFlight
from allocation.views.shape import View


class LookStock(View):
    """Kits of one look, expiry and status at a place; in transit, `place` is the shipment; elsewhere it is empty."""

    place_kind: str
    place: str
    country: str | None
    kit_group: str
    expiry_date: date
    status: str
    kits: int


class Inventory(View):
    """Where all kits that the reader may see were at `as_of` (UTC), the moment of ledger position `position` if one was asked for."""

    study_id: str
    as_of: datetime
    position: int | None
    places: tuple[PlaceStock, ...]
    shipments: tuple[ShipmentInFlight, ...]
    stock: tuple[LookStock, ...]
