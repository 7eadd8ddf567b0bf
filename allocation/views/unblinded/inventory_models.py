"""The central view by kit type and lot, for those who may learn them."""

from __future__ import annotations

from datetime import date, datetime

from allocation.views.inventory_models import PlaceStock, ShipmentInFlight
from allocation.views.shape import View


class LotStock(View):
    """Kits of one type, lot, expiry and status at a place; in transit, `place` is the shipment; elsewhere it is empty."""

    place_kind: str
    place: str
    country: str | None
    kit_type: str
    lot_id: str
    expiry_date: date
    status: str
    kits: int


class TypeSupply(View):
    """How long a site's countable kits of a type last: `demand` kits are due within `window_days`. None where nothing is due."""

    site_id: str
    kit_type: str
    on_hand: int
    demand: int
    window_days: int
    days_of_supply: int | None


class TypeInventory(View):
    """As the blinded inventory, by kit type and lot. `supply` is of the present alone, and empty for a past moment."""

    study_id: str
    as_of: datetime
    position: int | None
    places: tuple[PlaceStock, ...]
    shipments: tuple[ShipmentInFlight, ...]
    supply: tuple[TypeSupply, ...]
    stock: tuple[LotStock, ...]
