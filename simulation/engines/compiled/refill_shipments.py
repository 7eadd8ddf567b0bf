"""In the kernel: orders on their way to a depot that another one refills. `slot` is the place of an order among those of all depots."""

from __future__ import annotations

from allocation.rules.expiry import allowed_on_day
from simulation.engines import events, outcomes, phases
from simulation.engines.calendar_days import weekday_after
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import AT_DEPOTS, IN_TRANSIT
from simulation.engines.compiled.ordering import status_of
from simulation.engines.compiled.outages import leaves_on
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.transit import book, damaged_on_the_way
from simulation.engines.draws import (
    APPROVAL_DAYS,
    CUSTOMS_DAYS,
    CUSTOMS_HOLD,
    DISPATCH_DAYS,
    KIT_DAMAGED,
    LANE_DELAY,
    SHIPMENT_LOST,
)


@part
def drawn_for(at, words, depot, purpose):
    """The stream of what is drawn for a depot and purpose."""
    return words[at.depot_stream + purpose * at.depots + depot]


@part
def send_to_depot(at, ints, floats, words, day, depot, slot, kits):
    """Send an order on its way. It is received at the earliest tomorrow; what would arrive after the last day stays in transit."""
    book(at, ints, floats, kits, floats[at.refills_cost + depot], floats[at.refills_co2_kg + depot])
    approved = day
    if at.ordering_approved:
        stream = drawn_for(at, words, depot, APPROVAL_DAYS)
        approved += days_by(at, ints, floats, at.ordering_approval_law, stream, day)
    stream = drawn_for(at, words, depot, DISPATCH_DAYS)
    leaves = approved + days_by(at, ints, floats, at.lanes_dispatch_law, stream, day)
    if at.lanes_weekdays:
        leaves = weekday_after(leaves, at.calendar_monday)
    if at.outages_any:
        leaves = leaves_on(at, ints, ints[at.refills_supplier + depot], leaves)
    stream = drawn_for(at, words, depot, LANE_DELAY)
    travels = ints[at.refills_lead_days + depot] + days_by(
        at, ints, floats, ints[at.refills_delay_law + depot], stream, day
    )
    if happens(floats[at.refills_customs_hold + depot], drawn_for(at, words, depot, CUSTOMS_HOLD), day):
        stream = drawn_for(at, words, depot, CUSTOMS_DAYS)
        travels += days_by(at, ints, floats, ints[at.refills_customs_law + depot], stream, day)
    arrives = max(leaves + max(travels, 0), day + 1)
    if at.lanes_weekdays:
        arrives = weekday_after(arrives, at.calendar_monday)
    if at.outages_any:
        arrives = leaves_on(at, ints, depot, arrives)
    ints[at.slot_ordered + slot] = day
    ints[at.slot_approved + slot] = approved
    ints[at.slot_leaves + slot] = max(leaves, approved)
    ints[at.slot_arrives + slot] = arrives


@part
def to_depot(at, ints, day, depot, kit_type, counted):
    """Kits of a type in orders on their way to a depot, all of them or those whose status counts."""
    kits = 0
    for slot in range(depot * at.refills_slots, (depot + 1) * at.refills_slots):
        if ints[at.slot_arrives + slot] < 0:
            continue
        status = status_of(at, day, ints[at.slot_approved + slot], ints[at.slot_leaves + slot])
        if counted and ints[at.ordering_counts + status] == 0:
            continue
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            kits += ints[at.slot_contents + slot * at.lots_size + lot]
    return kits


@part
def counted_to_depot(at, ints, day, depot, kit_type):
    """Kits of a type in orders on their way to a depot whose status counts."""
    return to_depot(at, ints, day, depot, kit_type, True)


@part
def coming_to_depot(at, ints, day, depot, kit_type):
    """Kits of a type in orders on their way to a depot."""
    return to_depot(at, ints, day, depot, kit_type, False)


@part
def receive_refills(at, ints, words, day):
    """Orders arrive at their depots."""
    for slot in range(at.depots * at.refills_slots):
        if ints[at.slot_arrives + slot] == day:
            ints[at.slot_arrives + slot] = -1
            unpack_refill(at, ints, words, day, slot // at.refills_slots, slot)


@part
def unpack_refill(at, ints, words, day, depot, slot):
    """An order is received at a depot, but for what was lost or damaged on the way."""
    sent = ints[at.slot_ordered + slot]
    lost = happens(at.lanes_lost, drawn_for(at, words, depot, SHIPMENT_LOST), sent)
    unpacked = 0
    for lot in range(at.lots_size):
        kits = ints[at.slot_contents + slot * at.lots_size + lot]
        if kits == 0:
            continue
        ints[at.slot_contents + slot * at.lots_size + lot] = 0
        kit_type = ints[at.lots_kit_type + lot]
        ints[at.level + IN_TRANSIT] -= kits
        damaged = 0
        if not lost:
            stream = drawn_for(at, words, depot, KIT_DAMAGED)
            damaged = damaged_on_the_way(at, stream, sent, unpacked, kits)
            unpacked += kits
        kind, arrived = events.RECEIVED, kits - damaged
        if lost:
            kind = events.LOST
            ints[at.tally + outcomes.KITS_LOST] += kits
        elif allowed_on_day(at.calendar_first_ordinal + day, ints[at.lots_expiry_ordinal + lot], 0):
            ints[at.depot_stock + depot * at.lots_size + lot] += arrived
            ints[at.level + AT_DEPOTS] += arrived
        else:
            kind = events.KITS_EXPIRED
            ints[at.tally + outcomes.KITS_EXPIRED_DEPOT] += arrived
        ints[at.tally + outcomes.KITS_DAMAGED] += damaged
        if at.trace_room > 0:
            record(at, ints, day, phases.RECEIPTS, kind, -2 - depot, -1, kit_type, lot, arrived)
            if damaged > 0:
                record(at, ints, day, phases.RECEIPTS, events.DAMAGED, -2 - depot, -1, kit_type, lot, damaged)
