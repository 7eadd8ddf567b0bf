"""What holds orders back, when sites are seeded, which orders count and which lots are taken, as a plan has it."""

from __future__ import annotations

from allocation.rules.orders import LotChoice
from allocation.rules.picking import SAME_LOT_CODES, SameLot
from allocation.rules.shipment_status import COUNTED_AS, Approval, ShipmentStatus, opening_status
from allocation.study.protocol import Protocol
from simulation.engines.day_laws import LawTables
from simulation.engines.parameter_periods import held_parameters
from simulation.engines.plan import Ordering
from simulation.engines.plan_arrays import ints
from simulation.engines.plan_of_visits import visits_of
from simulation.scenario import Scenario

ON_THE_WAY = (
    ShipmentStatus.PROPOSED,
    ShipmentStatus.REQUESTED,
    ShipmentStatus.CONFIRMED,
    ShipmentStatus.IN_TRANSIT,
)
"""What the numbers of STATUSES stand for."""


def ordering_of(protocol: Protocol, scenario: Scenario, tables: LawTables) -> Ordering:
    """The protocol's limits and switches of orders, and how long an approval takes."""
    supply = protocol.supply
    groups = [kit_type.blinding_group for kit_type in protocol.kit_types]
    paused = [
        [[found.paused for found in row] for row in period] for period in held_parameters(protocol, scenario)
    ]
    counts = [COUNTED_AS[status] in supply.pipeline_statuses for status in ON_THE_WAY]
    same_lot, newest = (
        SameLot(supply.same_lot_shipments),
        LotChoice(supply.lot_choice) == LotChoice.MIN_SHIPMENTS,
    )
    return Ordering(
        limits=supply.min_shipment_kits > 0 or supply.days_between_orders > 0,
        min_shipment_kits=supply.min_shipment_kits,
        days_between_orders=supply.days_between_orders,
        pauses=any(one for period in paused for row in period for one in row),
        paused=ints(paused),
        group=ints(
            [
                [
                    [-1 - at if one else groups.index(groups[at]) for at, one in enumerate(row)]
                    for row in period
                ]
                for period in paused
            ]
        ),
        seeds_on_screening=supply.seeding == "on_first_screening",
        approved=opening_status(Approval(supply.order_approval), by_hand=False) == ShipmentStatus.PROPOSED,
        approval_law=tables.add(scenario.shipping.approval_days),
        statuses=not all(counts),
        counts=ints(counts),
        ignores_skipped=supply.ignore_if_last_dispensing_skipped,
        dispensing=ints([visit.dispensing for visit in visits_of(protocol)]),
        picks=same_lot != SameLot.OFF or newest or supply.withhold_exposed,
        withholds=supply.withhold_exposed,
        same_lot=SAME_LOT_CODES[same_lot],
        newest=newest,
    )
