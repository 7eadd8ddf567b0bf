"""What the central view says of places and shipments to everyone: how many kits, never which."""

from __future__ import annotations

from datetime import date

from allocation.views.shape import View


class PlaceStock(View):
    """A depot or site: kits there, those of them that may be used, and those on their way to it.

    `days_of_supply`: how many days the countable kits of an open site last at the projected demand of all subjects there; None at a
    depot, for a past moment, and where nothing is due.
    """

    place_kind: str
    place: str
    name: str
    country: str
    kits: int
    usable: int
    coming: int
    days_of_supply: int | None


class ShipmentInFlight(View):
    """A shipment whose kits are set aside (`requested`) or on their way (`in_transit`). `late`: expected before the view's date.

    Also a parcel to a subject, for whoever may list those: from a site, to a `subject` who is not named, by the parcel's number.
    """

    shipment_id: str
    from_kind: str
    from_place: str
    to_kind: str
    to_place: str
    status: str
    kits: int
    expected_on: date | None
    late: bool
