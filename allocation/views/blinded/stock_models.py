"""What blinded people may read of a site's stock and of a shipment's kits."""

from __future__ import annotations

from datetime import date

from allocation.views.blinded.lot_lines import KitLine
from allocation.views.blinded.overview_models import ShipmentSummary
from allocation.views.shape import View


class StockedKit(KitLine):
    """A kit at a site. `kit_group` is what it looks like; `usable`: it may be dispensed on the view's date.

    `blinded_lot`: the lot number that blinded people may read, None where the lot has none.
    """

    kit_group: str
    blinded_lot: str | None = None
    status: str
    expiry_date: date
    last_dispense_date: date
    usable: bool


class SiteStock(View):
    """The kits at a site, as of a date."""

    study_id: str
    site_id: str
    as_of: date
    kits: tuple[StockedKit, ...]


class ShippedKit(KitLine):
    """A kit of a shipment; `disposition` is what was found at receipt, None before; `blinded_lot` as in `StockedKit`.

    `packed_on`: when it was scanned into the box.
    """

    kit_group: str
    packed_on: date | None
    blinded_lot: str | None = None
    disposition: str | None


class ShipmentDetail(View):
    """A shipment and its kits, as its picking list and its receipt show them."""

    study_id: str
    shipment: ShipmentSummary
    contents: tuple[ShippedKit, ...]


class ShipmentList(View):
    """Shipments, newest request first."""

    study_id: str
    shipments: tuple[ShipmentSummary, ...]
