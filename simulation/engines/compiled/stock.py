"""Kits in the kernel: what is dispensed, received, reviewed and shipped. Every decision is a rule of allocation.rules, compiled as is."""

from __future__ import annotations

from allocation.rules.compilable import NO_DAY
from allocation.rules.pile_picking import USABLE, kit_usability
from allocation.rules.resupply import COUNTS, FROM_TODAY, resupply_quantity, stock_use
from simulation.engines import events, outcomes, phases
from simulation.engines.calendar_days import weekday_after
from simulation.engines.compiled.calendars import enter, lowest, without_lowest
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import (
    AT_DEPOTS,
    AT_SITES,
    CO2,
    COST_OF_KITS,
    COST_OF_SHIPMENTS,
    FREE_SHIPMENT,
    IN_TRANSIT,
)
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.recording import record
from simulation.engines.draws import (
    CUSTOMS_DAYS,
    CUSTOMS_HOLD,
    DISPATCH_DAYS,
    KIT_DAMAGED,
    KITS_PER_SHIPMENT,
    LANE_DELAY,
    SHIPMENT_LOST,
)


@hot
def usable(at, ints, kits, lot, days_before_expiry, today):
    """Kits of a lot that may be taken today (an ordinal): all of them or none."""
    if kits <= 0:
        return 0
    found = kit_usability(
        True, True, True, ints[at.lots_expiry_ordinal + lot], days_before_expiry, today, NO_DAY
    )
    return kits if found == USABLE else 0


@hot
def dispense(at, ints, words, day, subject, site, visit):
    """Hand out what is due at a visit, all of it or nothing, earliest expiry first."""
    arm = ints[at.subject_arm + subject]
    lines = at.visits_line_start + arm * (at.visits_size + 1) + visit
    first, last = ints[lines], ints[lines + 1]
    if first == last:
        return
    today = at.calendar_first_ordinal + day
    missing = -1
    for line in range(first, last):
        kit_type = ints[at.visits_line_kit_type + line]
        wanted = ints[at.visits_line_quantity + line]
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            wanted -= usable(
                at,
                ints,
                ints[at.stock + site * at.lots_size + lot],
                lot,
                ints[at.kits_dnd_days + kit_type],
                today,
            )
        if wanted > 0:
            missing = kit_type
    if missing >= 0:
        miss(at, ints, day, subject, site, missing, today)
        return
    for line in range(first, last):
        kit_type = ints[at.visits_line_kit_type + line]
        wanted = ints[at.visits_line_quantity + line]
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            there = usable(
                at,
                ints,
                ints[at.stock + site * at.lots_size + lot],
                lot,
                ints[at.kits_dnd_days + kit_type],
                today,
            )
            take = min(there, wanted)
            if take > 0:
                ints[at.stock + site * at.lots_size + lot] -= take
                wanted -= take
                if at.trace_room > 0:
                    record(at, ints, day, phases.VISITS, events.DISPENSED, site, subject, kit_type, lot, take)
        ints[at.tally + outcomes.KITS_DISPENSED] += ints[at.visits_line_quantity + line]
        ints[at.level + AT_SITES] -= ints[at.visits_line_quantity + line]
    enter(words, at.changed, site)


@part
def miss(at, ints, day, subject, site, kit_type, today):
    """A kit that was due is not there: missed while there are kits upstream, else out of stock."""
    upstream = 0
    depot = ints[at.sites_depot + site]
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        upstream += usable(
            at,
            ints,
            ints[at.depot_stock + depot * at.lots_size + lot],
            lot,
            ints[at.kits_dns_days + kit_type],
            today,
        )
    if upstream + ints[at.ordered + site * at.kits_size + kit_type] > 0:
        ints[at.tally + outcomes.MISSED_DISPENSINGS] += 1
    else:
        ints[at.tally + outcomes.OUT_OF_STOCK] += 1
    if at.trace_room > 0:
        there = 1 if upstream + ints[at.ordered + site * at.kits_size + kit_type] > 0 else 0
        record(at, ints, day, phases.VISITS, events.NOT_DISPENSED, site, subject, kit_type, -1, there)


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
    there = usable(
        at,
        ints,
        ints[at.depot_stock + depot * at.lots_size + lot],
        lot,
        ints[at.kits_dns_days + kit_type],
        today,
    )
    take = min(there, wanted)
    if take > 0:
        ints[at.depot_stock + depot * at.lots_size + lot] -= take
        ints[at.level + AT_DEPOTS] -= take
        ints[at.tally + outcomes.KITS_SHIPPED] += take
        floats[at.money + COST_OF_KITS] += take * floats[at.kits_cost + kit_type]
    return take


@hot
def receive(at, ints, words, day):
    """Shipments arrive at their sites."""
    shipment = ints[at.arriving + day]
    while shipment >= 0:
        unpack(at, ints, words, day, shipment)
        following = ints[at.next_shipment + shipment]
        ints[at.next_shipment + shipment] = ints[at.level + FREE_SHIPMENT]
        ints[at.level + FREE_SHIPMENT] = shipment
        shipment = following


@hot
def unpack(at, ints, words, day, shipment):
    """A shipment is received, but for what was lost or damaged on the way."""
    site, sent = ints[at.shipment_site + shipment], ints[at.shipment_day + shipment]
    lost = happens(at.lanes_lost, words[at.stream + SHIPMENT_LOST * at.site_count + site], sent)
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
            if at.trace_room > 0:
                record(at, ints, day, phases.RECEIPTS, events.LOST, site, -1, kit_type, lot, kits)
            continue
        damaged = 0
        if at.lanes_damaged > 0.0:
            stream = words[at.stream + KIT_DAMAGED * at.site_count + site]
            for kit in range(unpacked, unpacked + kits):
                if happens(at.lanes_damaged, stream, sent * KITS_PER_SHIPMENT + kit):
                    damaged += 1
            unpacked += kits
        ints[at.stock + site * at.lots_size + lot] += kits - damaged
        ints[at.level + AT_SITES] += kits - damaged
        ints[at.tally + outcomes.KITS_DAMAGED] += damaged
        if at.trace_room > 0:
            record(at, ints, day, phases.RECEIPTS, events.RECEIVED, site, -1, kit_type, lot, kits - damaged)
            if damaged > 0:
                record(at, ints, day, phases.RECEIPTS, events.DAMAGED, site, -1, kit_type, lot, damaged)


@hot
def review(at, ints, floats, words, day):
    """Review the sites whose stock fell today."""
    for place in range(at.site_words):
        word = words[at.changed + place]
        if word == 0:
            continue
        words[at.changed + place] = 0
        while word != 0:
            site = place * 64 + lowest(word)
            word = without_lowest(word)
            review_site(at, ints, floats, words, day, site)


@hot
def inventory(at, ints, site, kit_type, today):
    """Site available inventory: what counts on hand, and what is on its way."""
    sai = ints[at.ordered + site * at.kits_size + kit_type]
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        kits = ints[at.stock + site * at.lots_size + lot]
        if kits > 0 and (
            stock_use(True, ints[at.lots_expiry_ordinal + lot], ints[at.kits_dnc_days + kit_type], today)
            == COUNTS
        ):
            sai += kits
    return sai


@hot
def quantity_for(at, ints, site, kit_type, today):
    """Whether the site is resupplied with a kit type, and what would bring it to its up-to level."""
    sai = inventory(at, ints, site, kit_type, today)
    triggered, _, up_to, _ = resupply_quantity(
        sai,
        0,
        0,
        0,
        ints[at.resupply_min_buffer + site * at.kits_size + kit_type],
        ints[at.resupply_max_buffer + site * at.kits_size + kit_type],
        ints[at.resupply_trigger + site * at.kits_size + kit_type],
        FROM_TODAY,
    )
    return triggered, max(up_to - sai, 0)


@part
def review_site(at, ints, floats, words, day, site):
    """Review one site, and ship what it is to get."""
    today = at.calendar_first_ordinal + day
    any_triggered = False
    for kit_type in range(at.kits_size):
        if quantity_for(at, ints, site, kit_type, today)[0]:
            any_triggered = True
    if not any_triggered:
        return
    shipment = ints[at.level + FREE_SHIPMENT]
    shipped = 0
    for kit_type in range(at.kits_size):
        triggered, wanted = quantity_for(at, ints, site, kit_type, today)
        if not (triggered or at.resupply_all_types):
            wanted = 0
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            take = take_from_depot(at, ints, floats, site, kit_type, lot, wanted, day)
            ints[at.contents + shipment * at.lots_size + lot] = take
            wanted -= take
            shipped += take
            ints[at.ordered + site * at.kits_size + kit_type] += take
            if at.trace_room > 0 and take > 0:
                record(at, ints, day, phases.RESUPPLY, events.ORDERED, site, -1, kit_type, lot, take)
    if shipped > 0:
        send(at, ints, floats, words, day, site, shipment, shipped)


@hot
def send(at, ints, floats, words, day, site, shipment, kits):
    """Send a shipment on its way. What would arrive after the last day stays in transit."""
    ints[at.tally + outcomes.ORDERS] += 1
    ints[at.tally + outcomes.SHIPMENTS] += 1
    ints[at.level + IN_TRANSIT] += kits
    floats[at.money + COST_OF_SHIPMENTS] += floats[at.lanes_cost + site]
    floats[at.money + CO2] += floats[at.lanes_co2_kg + site]
    arrives = arrival_day(at, ints, floats, words, day, site)
    ints[at.level + FREE_SHIPMENT] = ints[at.next_shipment + shipment]
    ints[at.shipment_site + shipment] = site
    ints[at.shipment_day + shipment] = day
    if arrives < at.calendar_days:
        ints[at.next_shipment + shipment] = ints[at.arriving + arrives]
        ints[at.arriving + arrives] = shipment


@hot
def arrival_day(at, ints, floats, words, day, site):
    """The day on which a shipment that is ordered today is received: at the earliest tomorrow."""
    leaves = day + days_by(
        at, ints, floats, at.lanes_dispatch_law, words[at.stream + DISPATCH_DAYS * at.site_count + site], day
    )
    if at.lanes_weekdays:
        leaves = weekday_after(leaves, at.calendar_monday)
    travels = ints[at.lanes_lead_days + site] + days_by(
        at,
        ints,
        floats,
        ints[at.lanes_delay_law + site],
        words[at.stream + LANE_DELAY * at.site_count + site],
        day,
    )
    if happens(
        floats[at.lanes_customs_hold + site], words[at.stream + CUSTOMS_HOLD * at.site_count + site], day
    ):
        travels += days_by(
            at,
            ints,
            floats,
            ints[at.lanes_customs_law + site],
            words[at.stream + CUSTOMS_DAYS * at.site_count + site],
            day,
        )
    arrives = max(leaves + max(travels, 0), day + 1)
    return weekday_after(arrives, at.calendar_monday) if at.lanes_weekdays else arrives
