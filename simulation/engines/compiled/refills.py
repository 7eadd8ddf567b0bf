"""In the kernel: depots that another depot refills, at the scheduled runs: what they need, and their orders.

Each depot has a slot for its order of each day, used again after so many days that whatever was in it has been received.
"""

from __future__ import annotations

from allocation.rules.order_assembly import NOT_SHORT, limited_to_share, needed_kits, ordered_kits
from allocation.rules.resupply import demand_in_window, resupply_quantity
from simulation.engines import events, phases
from simulation.engines.compiled.depot_demand import ask, ask_for_sites
from simulation.engines.compiled.memory import AT_DEPOTS
from simulation.engines.compiled.ordering import pick_lots, withhold_exposed
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.pointers import fill, view
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.refill_shipments import counted_to_depot, send_to_depot
from simulation.engines.compiled.stock import shippable


@part
def plan_refills(at, ints, day):
    """Fill `wanted` with what each refilled depot needs before anybody has ordered; how many need anything."""
    fill(ints, at.depot_share, at.depot_share + at.depots * at.kits_size, NOT_SHORT)
    fill(ints, at.wanted + at.site_count * at.kits_size, at.wanted + at.places * at.kits_size, 0)
    ask_for_sites(at, ints, day)
    return decide_depots(at, ints, day)


@part
def refill(at, ints, floats, words, day):
    """Let every refilled depot order, after the sites of a run: lower ones first, each decided again as things then stand."""
    ask_for_sites(at, ints, day)
    decide_depots(at, ints, day)
    for place in range(at.refills_order):
        depot = ints[at.refills_depots + place]
        ints[at.depot_needs + place] = total_wanted(at, ints, depot)
    for place in range(at.refills_order):
        if ints[at.depot_needs + place] > 0:
            decide_depots(at, ints, day)
            order_for_depot(at, ints, floats, words, day, ints[at.refills_depots + place])


@part
def total_wanted(at, ints, depot):
    """Kits of all types that a depot is to get."""
    total = 0
    for kit_type in range(at.kits_size):
        total += ints[at.wanted + (at.site_count + depot) * at.kits_size + kit_type]
    return total


@part
def decide_depots(at, ints, day):
    """Fill `wanted` with what each refilled depot needs as things stand, lower ones first; how many need anything."""
    asked = at.depots * at.kits_size * at.refills_horizon
    for each in range(asked):
        ints[at.asked + each] = ints[at.asked_by_sites + each]
    find_countries(at, ints, day)
    found = 0
    for place in range(at.refills_order):
        depot = ints[at.refills_depots + place]
        supplier = ints[at.refills_supplier + depot]
        held = (ints[at.resupply_period + day] * at.depots + depot) * at.kits_size
        for kit_type in range(at.kits_size):
            ints[at.inventory + kit_type] = depot_inventory(at, ints, day, depot, kit_type)
        decide_depot(at, ints, depot, held)
        if total_wanted(at, ints, depot) > 0:
            found += 1
        for country in range(at.lots_countries):
            if ints[at.depot_countries + depot * at.lots_countries + country] == 1:
                ints[at.depot_countries + supplier * at.lots_countries + country] = 1
        for kit_type in range(at.kits_size):
            due = at.asked + (depot * at.kits_size + kit_type) * at.refills_horizon
            above = at.asked + (supplier * at.kits_size + kit_type) * at.refills_horizon
            spare = ints[at.inventory + kit_type] - ints[at.refills_min_buffer + held + kit_type]
            ask(at, ints, due, spare, ints[at.refills_lead_days + depot], above)
    return found


@part
def find_countries(at, ints, day):
    """Fill `depot_countries` with the countries that each depot's kits go to from there: by the protocol, and by its open sites."""
    for place in range(at.depots * at.lots_countries):
        ints[at.depot_countries + place] = ints[at.refills_places + place]
    for site in range(at.site_count):
        if ints[at.opened + site] <= day:
            place = ints[at.sites_depot + site] * at.lots_countries + ints[at.sites_country + site]
            ints[at.depot_countries + place] = 1


@part
def kits_for_depot(at, ints, day, depot, origin, kit_type):
    """Kits of a type that depot `origin` may ship to any country that the kits of `depot` go to."""
    kits = 0
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        kits += lot_for_depot(at, ints, day, depot, origin, kit_type, lot)
    return kits


@part
def lot_for_depot(at, ints, day, depot, origin, kit_type, lot):
    """Kits of a lot that depot `origin` may ship to any country that the kits of `depot` go to."""
    most = 0
    for country in range(at.lots_countries):
        if ints[at.depot_countries + depot * at.lots_countries + country] == 1:
            today = at.calendar_first_ordinal + day
            most = max(most, shippable(at, ints, origin, kit_type, lot, country, today))
    return most


@part
def depot_inventory(at, ints, day, depot, kit_type):
    """Kits of a type that a depot may still ship, and those in orders to it that count."""
    on_hand = kits_for_depot(at, ints, day, depot, depot, kit_type)
    return on_hand + counted_to_depot(at, ints, day, depot, kit_type)


@part
def decide_depot(at, ints, depot, held):
    """Fill the depot's row of `wanted`, by `asked` and `inventory`; `held` is its place in a table by period, depot and kit type."""
    any_triggered = False
    for kit_type in range(at.kits_size):
        if ints[at.refills_paused + held + kit_type] == 0:
            triggered, _, _ = depot_threshold(at, ints, depot, kit_type, held + kit_type)
            if triggered:
                any_triggered = True
    for kit_type in range(at.kits_size):
        ints[at.needed + kit_type] = 0
        if any_triggered and ints[at.refills_paused + held + kit_type] == 0:
            _, quantity, top_up = depot_threshold(at, ints, depot, kit_type, held + kit_type)
            ints[at.needed + kit_type] = needed_kits(True, quantity, top_up, at.resupply_consolidation)
    ordered_kits(
        view(ints, at.needed, at.kits_size),
        view(ints, at.kits_block_size, at.kits_size),
        view(ints, at.refills_group + held, at.kits_size),
        view(ints, at.kits_several, at.kits_size),
        at.resupply_single_type != 0,
        at.resupply_single_kit != 0,
        view(ints, at.wanted + (at.site_count + depot) * at.kits_size, at.kits_size),
        view(ints, at.raised, at.kits_size),
    )


@part
def depot_threshold(at, ints, depot, kit_type, held):
    """Whether a depot is refilled with a kit type, with how many, and what would bring it to its up-to level."""
    horizon = at.refills_horizon
    days = view(ints, at.days_ahead, horizon)
    asked = view(ints, at.asked + (depot * at.kits_size + kit_type) * horizon, horizon)
    short, long = ints[at.refills_short_window + held], ints[at.refills_long_window + held]
    triggered, _, up_to, quantity = resupply_quantity(
        ints[at.inventory + kit_type],
        demand_in_window(days, asked, 0, short),
        demand_in_window(days, asked, 0, long),
        demand_in_window(days, asked, short, short + long),
        ints[at.refills_min_buffer + held],
        ints[at.refills_max_buffer + held],
        ints[at.refills_trigger + held],
        ints[at.refills_long_window_from + held],
    )
    return triggered, quantity, max(up_to - ints[at.inventory + kit_type], 0)


@part
def order_for_depot(at, ints, floats, words, day, depot):
    """Take what a depot is to get from the one that refills it, within its share, and send it."""
    supplier = ints[at.refills_supplier + depot]
    slot = depot * at.refills_slots + day % at.refills_slots
    shipped = 0
    for kit_type in range(at.kits_size):
        wanted = limited_to_share(
            ints[at.wanted + (at.site_count + depot) * at.kits_size + kit_type],
            ints[at.depot_share + depot * at.kits_size + kit_type],
        )
        begin = ints[at.kits_lot_start + kit_type]
        lots = ints[at.kits_lot_start + kit_type + 1] - begin
        for lot in range(lots):
            free = lot_for_depot(at, ints, day, depot, supplier, kit_type, begin + lot) > 0
            ints[at.pick_released + lot] = 1 if free else 0
        held = (ints[at.resupply_period + day] * at.depots + depot) * at.kits_size + kit_type
        pick_lots(at, ints, day, supplier, kit_type, wanted, ints[at.refills_long_window + held])
    if at.ordering_withholds:
        group = (ints[at.resupply_period + day] * at.depots + depot) * at.kits_size
        withhold_exposed(at, ints, at.refills_group + group)
    for kit_type in range(at.kits_size):
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            kits = ints[at.picked + lot]
            ints[at.depot_stock + supplier * at.lots_size + lot] -= kits
            ints[at.level + AT_DEPOTS] -= kits
            ints[at.slot_contents + slot * at.lots_size + lot] = kits
            shipped += kits
            if at.trace_room > 0 and kits > 0:
                record(at, ints, day, phases.RESUPPLY, events.ORDERED, -2 - depot, -1, kit_type, lot, kits)
    if shipped > 0:
        send_to_depot(at, ints, floats, words, day, depot, slot, shipped)
