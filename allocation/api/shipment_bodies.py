"""Bodies and answers of the routes between an order and its receipt. The answers name kits by number, and tell no kit type."""

from __future__ import annotations

from typing import Any, Final

from allocation.api.answers import Answer, KitsAnswer
from allocation.api.bodies import REASON
from allocation.commands.order_approval import ShipmentRequest
from allocation.commands.packing import ExchangeRequest, PackRequest
from allocation.commands.service import CommandRequest
from allocation.commands.shipments_on_the_way import CorrectDispatchRequest
from allocation.commands.stock_indents import IndentRequest


class IndentBody(IndentRequest):
    """An order for a site."""

    reason: str = REASON


class ShipmentBody(ShipmentRequest):
    """A shipment that something is done to."""

    reason: str = REASON


class PackBody(PackRequest):
    """Kits that were scanned into the box."""

    reason: str = REASON


class ExchangeBody(ExchangeRequest):
    """A kit that cannot be packed. The reason must be given."""

    reason: str = REASON


class CorrectDispatchBody(CorrectDispatchRequest):
    """What is corrected of a dispatch. The reason must be given."""

    reason: str = REASON


class IndentAnswer(Answer):
    """The order: its shipment, whether it waits for an approval, and how many kits were set aside for it."""

    shipment_id: str
    site_id: str
    status: str
    kits: int


class ShipmentStepAnswer(KitsAnswer):
    """A shipment and its status."""

    shipment_id: str
    status: str


class ShipmentKitsAnswer(ShipmentStepAnswer):
    """A shipment, its status, and the kits that were given back or are lost."""

    kits: tuple[str, ...]


class PackAnswer(ShipmentStepAnswer):
    """What is in the box, and what is still to be packed."""

    packed: tuple[str, ...]
    to_pack: tuple[str, ...]


class ExchangeAnswer(ShipmentStepAnswer):
    """The kit that is set aside instead; none where the depot has none left."""

    replacement: str | None


class CorrectDispatchAnswer(ShipmentStepAnswer):
    """The fields that were corrected."""

    corrected: tuple[str, ...]


SHIPMENT_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    IndentBody: {"site_id": "DE01", "groups": {"BOTTLE": 4}},
    ShipmentBody: {"shipment_id": "DE01-S001", "reason": "the site has enough for the month"},
    PackBody: {"shipment_id": "DE01-S001", "scans": ["483920", "(01)09521234543213(21)483921"]},
    ExchangeBody: {
        "shipment_id": "DE01-S001",
        "kit_number": "483920",
        "found": "damaged",
        "reason": "carton torn",
    },
    CorrectDispatchBody: {
        "shipment_id": "DE01-S001",
        "tracking_number": "CC124",
        "reason": "the carrier gave the number later",
    },
}
"""One example for each body, for the OpenAPI description."""
