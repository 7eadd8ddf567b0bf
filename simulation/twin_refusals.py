"""What a protocol asks of people or of the service that the service's twin does not do: refused by name, before anything is played."""

from __future__ import annotations

from allocation.study.protocol import Protocol
from allocation.study.refilled_depots import refilled_depots
from simulation.errors import NotSimulated


def refuse_what_nobody_does(protocol: Protocol) -> None:
    """Raise NotSimulated for the first part of the protocol that would stop the twin in the middle, or be left out in silence."""
    event, supply = protocol.randomization[0], protocol.supply
    for field, used in (
        ("supply.order_approval", supply.order_approval == "all"),
        ("supply.on_event", supply.on_event),
        ("supply.pack_by_scan", supply.pack_by_scan),
        ("randomization[0].forced", event.forced != "none"),
        ("randomization[0].supply_gate", event.supply_gate != "none"),
        ("depots", bool(refilled_depots(protocol))),
    ):
        if used:
            raise NotSimulated(
                f"{field} is not played through the service: the twin approves, packs and refills nothing, makes scheduled runs only, and "
                "knows no refusal for want of supply",
                field=field,
                fix="leave it out, or use rtsm simulate",
            )
