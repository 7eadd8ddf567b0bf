"""What orders have in common wherever they go, in the kernel: how they are booked, and what is damaged on the way."""

from __future__ import annotations

from simulation.engines import outcomes
from simulation.engines.compiled.laws import happens
from simulation.engines.compiled.memory import CO2, COST_OF_SHIPMENTS, IN_TRANSIT
from simulation.engines.compiled.parts import hot
from simulation.engines.draws import KITS_PER_SHIPMENT


@hot
def book(at, ints, floats, kits, cost, co2_kg):
    """An order of so many kits is a shipment on its way, at the cost and with the CO2 of its lane."""
    ints[at.tally + outcomes.ORDERS] += 1
    ints[at.tally + outcomes.SHIPMENTS] += 1
    ints[at.level + IN_TRANSIT] += kits
    floats[at.money + COST_OF_SHIPMENTS] += cost
    floats[at.money + CO2] += co2_kg


@hot
def damaged_on_the_way(at, stream, sent, first, kits):
    """How many of the kits `first`, `first` + 1 ... of a shipment are damaged; `sent` is its address among the draws of `stream`."""
    damaged = 0
    if at.lanes_damaged > 0.0:
        for kit in range(first, first + kits):
            if happens(at.lanes_damaged, stream, sent * KITS_PER_SHIPMENT + kit):
                damaged += 1
    return damaged
