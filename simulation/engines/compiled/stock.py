"""Kits on the move in the kernel: what depots give, what arrives, what expires. Every decision is a rule of allocation.rules, compiled."""

from __future__ import annotations

from allocation.rules.compilable import NO_DAY
from allocation.rules.expiry import allowed_on_day
from allocation.rules.pile_picking import USABLE, kit_usability
from simulation.engines import events, outcomes, phases
from simulation.engines.calendar_days import weekday_after
from simulation.engines.compiled.calendars import enter
from simulation.engines.compiled.excursions import hold, is_exposed, start_review
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import (
    AT_DEPOTS,
    AT_SITES,
    COST_OF_KITS,
    FREE_SHIPMENT,
    IN_TRANSIT,
)
from simulation.engines.compiled.ordering import follow, unfollow
from simulation.engines.compiled.outages import leaves_on
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.transit import book, damaged_on_the_way
from simulation.engines.draws import (
    APPROVAL_DAYS,
    CUSTOMS_DAYS,
    CUSTOMS_HOLD,
    DISPATCH_DAYS,
    KIT_DAMAGED,
    LANE_DELAY,
    REVIEWS,
    SHIPMENT_LOST,
)


@hot
def usable(at, ints, kits, lot, country, days_before_expiry, today, until):
    """Kits of a lot that may be taken today (an ordinal) for a country: all of them or none. `until`: they must stay valid until then."""
    if kits <= 0:
        return 0
    released = ints[at.lots_released + lot * at.lots_countries + country] == 1
    found = kit_usability(
        True, True, released, ints[at.lots_expiry_ordinal + lot], days_before_expiry, today, until
    )
    return kits if found == USABLE else 0


@hot
def shippable(at, ints, depot, kit_type, lot, country, today):
    """Kits of a lot that a depot may ship to a country today."""
    kits = ints[at.depot_stock + depot * at.lots_size + lot]
    return usable(at, ints, kits, lot, country, ints[at.kits_dns_days + kit_type], today, NO_DAY)


@hot
def expiries(at, ints, words, day):
    """Lots that expire today leave the stock of depots and sites."""
    for lot in range(at.lots_size):
        if ints[at.lots_expiry_day + lot] == day:
            expire(at, ints, words, day, lot)


@part
def expire(at, ints, words, day, lot):
    """A lot expires everywhere."""
    kit_type = ints[at.lots_kit_type + lot]
    for depot in range(at.depots):
        kits = ints[at.depot_stock + depot * at.lots_size + lot]
        if kits > 0:
            ints[at.depot_stock + depot * at.lots_size + lot] = 0
            ints[at.level + AT_DEPOTS] -= kits
            ints[at.tally + outcomes.KITS_EXPIRED_DEPOT] += kits
            if at.trace_room > 0:
                record(
                    at, ints, day, phases.EXPIRIES, events.KITS_EXPIRED, -2 - depot, -1, kit_type, lot, kits
                )
    for site in range(at.site_count):
        kits = ints[at.stock + site * at.lots_size + lot]
        if kits > 0:
            ints[at.stock + site * at.lots_size + lot] = 0
            ints[at.level + AT_SITES] -= kits
            ints[at.tally + outcomes.KITS_EXPIRED_SITE] += kits
            if ints[at.opened + site] < day:
                enter(words, at.changed, site)
            if at.trace_room > 0:
                record(at, ints, day, phases.EXPIRIES, events.KITS_EXPIRED, site, -1, kit_type, lot, kits)


@part
def give_initial_stock(at, ints, floats):
    """What each site has from the beginning, taken from its depot."""
    for site in range(at.site_count):
        for kit_type in range(at.kits_size):
            wanted = ints[at.resupply_initial + site * at.kits_size + kit_type]
            for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
                take = take_from_depot(at, ints, floats, site, kit_type, lot, wanted, 0)
                wanted -= take
                ints[at.stock + site * at.lots_size + lot] += take
                ints[at.level + AT_SITES] += take
                if at.trace_room > 0 and take > 0:
                    record(at, ints, 0, phases.LOTS, events.STOCKED, site, -1, kit_type, lot, take)


@hot
def take_from_depot(at, ints, floats, site, kit_type, lot, wanted, day):
    """Take up to `wanted` kits of a lot that the site's depot may ship today; gives how many."""
    depot = ints[at.sites_depot + site]
    today = at.calendar_first_ordinal + day
    there = shippable(at, ints, depot, kit_type, lot, ints[at.sites_country + site], today)
    take = min(there, wanted)
    if take > 0:
        ints[at.depot_stock + depot * at.lots_size + lot] -= take
        ints[at.level + AT_DEPOTS] -= take
        ints[at.tally + outcomes.KITS_SHIPPED] += take
        floats[at.money + COST_OF_KITS] += take * floats[at.kits_cost + kit_type]
    return take


@hot
def receive(at, ints, floats, words, day):
    """Shipments arrive at their sites."""
    shipment = ints[at.arriving + day]
    while shipment >= 0:
        unpack(at, ints, floats, words, day, shipment)
        following = ints[at.next_shipment + shipment]
        ints[at.next_shipment + shipment] = ints[at.level + FREE_SHIPMENT]
        ints[at.level + FREE_SHIPMENT] = shipment
        shipment = following


@hot
def unpack(at, ints, floats, words, day, shipment):
    """A shipment is received, but for what was lost or damaged on the way; what was exposed goes into quarantine."""
    site, sent = ints[at.shipment_site + shipment], ints[at.shipment_day + shipment]
    if at.ordering_statuses:
        unfollow(at, ints, site, shipment)
    lost = happens(at.lanes_lost, words[at.stream + SHIPMENT_LOST * at.site_count + site], sent)
    exposed = at.excursions_on and not lost and is_exposed(at, words, site, sent)
    held = 0
    unpacked = 0
    for lot in range(at.lots_size):
        kits = ints[at.contents + shipment * at.lots_size + lot]
        if kits == 0:
            continue
        kit_type = ints[at.lots_kit_type + lot]
        ints[at.ordered + site * at.kits_size + kit_type] -= kits
        ints[at.level + IN_TRANSIT] -= kits
        if lost:
            ints[at.tally + outcomes.KITS_LOST] += kits
            enter(words, at.changed, site)
            if at.trace_room > 0:
                record(at, ints, day, phases.RECEIPTS, events.LOST, site, -1, kit_type, lot, kits)
            continue
        stream = words[at.stream + KIT_DAMAGED * at.site_count + site]
        damaged = damaged_on_the_way(at, stream, sent, unpacked, kits)
        unpacked += kits
        ints[at.tally + outcomes.KITS_DAMAGED] += damaged
        if damaged > 0:
            enter(words, at.changed, site)
        arrived = kits - damaged
        kind = events.RECEIVED
        if allowed_on_day(at.calendar_first_ordinal + day, ints[at.lots_expiry_ordinal + lot], 0):
            ints[at.level + AT_SITES] += arrived
            if exposed and arrived > 0 and ints[at.excursions_concerned + kit_type] == 1:
                held += hold(at, ints, site, lot, arrived, held)
                kind = events.QUARANTINED
            else:
                ints[at.stock + site * at.lots_size + lot] += arrived
        else:
            ints[at.tally + outcomes.KITS_EXPIRED_SITE] += arrived
            enter(words, at.changed, site)
            kind = events.KITS_EXPIRED
        if at.trace_room > 0:
            record(at, ints, day, phases.RECEIPTS, kind, site, -1, kit_type, lot, arrived)
            if damaged > 0:
                record(at, ints, day, phases.RECEIPTS, events.DAMAGED, site, -1, kit_type, lot, damaged)
    if held > 0:
        start_review(at, ints, floats, words, day, site, sent * REVIEWS)


@hot
def send(at, ints, floats, words, day, site, shipment, kits):
    """Send a shipment on its way. What would arrive after the last day stays in transit."""
    book(at, ints, floats, kits, floats[at.lanes_cost + site], floats[at.lanes_co2_kg + site])
    arrives = arrival_day(at, ints, floats, words, day, site, shipment)
    ints[at.level + FREE_SHIPMENT] = ints[at.next_shipment + shipment]
    ints[at.shipment_site + shipment] = site
    ints[at.shipment_day + shipment] = day + at.present_origin
    if arrives < at.calendar_days:
        ints[at.next_shipment + shipment] = ints[at.arriving + arrives]
        ints[at.arriving + arrives] = shipment


@hot
def arrival_day(at, ints, floats, words, day, site, shipment):
    """The day on which a shipment that is ordered today is received: at the earliest tomorrow."""
    index = day + at.present_origin
    approved = day
    if at.ordering_approved:
        stream = words[at.stream + APPROVAL_DAYS * at.site_count + site]
        approved += days_by(at, ints, floats, at.ordering_approval_law, stream, index)
    leaves = approved + days_by(
        at,
        ints,
        floats,
        at.lanes_dispatch_law,
        words[at.stream + DISPATCH_DAYS * at.site_count + site],
        index,
    )
    if at.lanes_weekdays:
        leaves = weekday_after(leaves, at.calendar_monday)
    if at.outages_any:
        leaves = leaves_on(at, ints, ints[at.sites_depot + site], leaves)
    if at.ordering_statuses:
        follow(at, ints, site, shipment, approved, leaves)
    travels = ints[at.lanes_lead_days + site] + days_by(
        at,
        ints,
        floats,
        ints[at.lanes_delay_law + site],
        words[at.stream + LANE_DELAY * at.site_count + site],
        index,
    )
    if happens(
        floats[at.lanes_customs_hold + site], words[at.stream + CUSTOMS_HOLD * at.site_count + site], index
    ):
        travels += days_by(
            at,
            ints,
            floats,
            ints[at.lanes_customs_law + site],
            words[at.stream + CUSTOMS_DAYS * at.site_count + site],
            index,
        )
    arrives = max(leaves + max(travels, 0), day + 1)
    return weekday_after(arrives, at.calendar_monday) if at.lanes_weekdays else arrives
