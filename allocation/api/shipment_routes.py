"""The routes between an order and its receipt: orders by hand, approval, packing, cancelling, loss."""

from __future__ import annotations

from typing import Final

from allocation.api import shipment_bodies as bodies
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.commands.order_approval import (
    ShipmentRequest,
    approve_order,
    cancel_shipment,
    refuse_order,
)
from allocation.commands.packing import ExchangeRequest, PackRequest, exchange_kit, pack_kits
from allocation.commands.shipments_on_the_way import (
    CorrectDispatchRequest,
    correct_dispatch,
    lose_shipment,
)
from allocation.commands.stock_indents import IndentRequest, indent_stock

SHIPMENT_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "indent_stock",
        "orders",
        SUPPLY,
        "Order for a site by hand",
        indent_stock,
        IndentRequest,
        bodies.IndentBody,
        bodies.IndentAnswer,
    ),
    CommandRoute(
        "approve_order",
        "order-approvals",
        SUPPLY,
        "Approve a proposed order",
        approve_order,
        ShipmentRequest,
        bodies.ShipmentBody,
        bodies.ShipmentStepAnswer,
    ),
    CommandRoute(
        "refuse_order",
        "order-refusals",
        SUPPLY,
        "Refuse a proposed order",
        refuse_order,
        ShipmentRequest,
        bodies.ShipmentBody,
        bodies.ShipmentKitsAnswer,
    ),
    CommandRoute(
        "cancel_shipment",
        "cancellations",
        SUPPLY,
        "Cancel an order that has not left",
        cancel_shipment,
        ShipmentRequest,
        bodies.ShipmentBody,
        bodies.ShipmentKitsAnswer,
    ),
    CommandRoute(
        "pack_kits",
        "packings",
        SUPPLY,
        "Scan kits into the box of a shipment",
        pack_kits,
        PackRequest,
        bodies.PackBody,
        bodies.PackAnswer,
    ),
    CommandRoute(
        "exchange_kit",
        "kit-exchanges",
        SUPPLY,
        "Exchange a kit that cannot be packed",
        exchange_kit,
        ExchangeRequest,
        bodies.ExchangeBody,
        bodies.ExchangeAnswer,
    ),
    CommandRoute(
        "correct_dispatch",
        "dispatch-corrections",
        SUPPLY,
        "Correct what was said at dispatch",
        correct_dispatch,
        CorrectDispatchRequest,
        bodies.CorrectDispatchBody,
        bodies.CorrectDispatchAnswer,
    ),
    CommandRoute(
        "lose_shipment",
        "lost-shipments",
        SUPPLY,
        "Give a shipment up as lost",
        lose_shipment,
        ShipmentRequest,
        bodies.ShipmentBody,
        bodies.ShipmentKitsAnswer,
    ),
)
