"""In the kernel: what holds orders back, when a site gets its first shipment, which orders count as coming, and which lots are taken.

Each is asked only where a flag of the plan (`at.ordering_...`) says that there is anything to do.
"""

from __future__ import annotations

from allocation.rules.compilable import NO_DAY
from allocation.rules.demand import COUNTED, demand_code
from allocation.rules.order_assembly import exposes_group, shipped_kits
from allocation.rules.order_timing import GOES, NEVER_ORDERED, is_urgent, order_waits
from allocation.rules.pile_picking import pick_kits
from allocation.rules.resupply import COUNTS, stock_use
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import view
from simulation.engines.plan import CONFIRMED, IN_TRANSIT, PROPOSED, REQUESTED
from simulation.engines.plan_present import NOT_YET


@part
def is_paused(at, ints, held):
    """Whether a kit type is not sent at present; `held` is its place in a table by period, site and kit type."""
    return at.ordering_pauses != 0 and ints[at.ordering_paused + held] == 1


@part
def is_unseeded(at, ints, site):
    """Whether the site is still to get its first shipment, before which there is no resupply."""
    return at.resupply_seeds != 0 and ints[at.last_order + site] == NOT_YET


@part
def begins_today(at, ints, day, site):
    """Whether the first shipment is due today, whenever runs are: the site opened, or screened its first subject."""
    begins_on = ints[at.opened + site]
    if at.ordering_seeds_on_screening:
        begins_on = ints[at.first_screened + site]
    return is_unseeded(at, ints, site) and begins_on == day


@part
def seed(at, ints, site, place):
    """Fill `needed` with the kits of a first shipment: none where a site is seeded by its first subject and has none."""
    waits = at.ordering_seeds_on_screening != 0 and ints[at.first_screened + site] == NOT_YET
    for kit_type in range(at.kits_size):
        kits = ints[at.resupply_seed_quantity + place + kit_type]
        ints[at.needed + kit_type] = 0 if waits or is_paused(at, ints, place + kit_type) else kits


@part
def waits_for_later(at, ints, day, site, place, kits):
    """Whether an order of so many kits waits for a later review; `inventory` and `due` are those of its kit types."""
    urgent = False
    for kit_type in range(at.kits_size):
        if not is_paused(at, ints, place + kit_type) and is_urgent(
            ints[at.inventory + kit_type], ints[at.due + kit_type]
        ):
            urgent = True
    last = ints[at.last_order + site]
    since = NEVER_ORDERED if last == NOT_YET else day - last
    waits = order_waits(kits, urgent, since, at.ordering_min_shipment_kits, at.ordering_days_between_orders)
    return waits != GOES


@part
def follow(at, ints, site, shipment, approved, leaves):
    """Keep an order among those on their way to the site, with the days on which it is approved and leaves."""
    ints[at.shipment_approved + shipment] = approved
    ints[at.shipment_leaves + shipment] = max(leaves, approved)
    ints[at.shipment_after + shipment] = ints[at.on_the_way + site]
    ints[at.on_the_way + site] = shipment


@part
def unfollow(at, ints, site, shipment):
    """An order is on its way no more."""
    after = ints[at.shipment_after + shipment]
    if ints[at.on_the_way + site] == shipment:
        ints[at.on_the_way + site] = after
        return
    before = ints[at.on_the_way + site]
    while ints[at.shipment_after + before] != shipment:
        before = ints[at.shipment_after + before]
    ints[at.shipment_after + before] = after


@part
def status_of(at, day, approved, leaves):
    """How far an order has come when sites are reviewed, which is before anything is approved or leaves on that day."""
    if leaves < day:
        return IN_TRANSIT
    if at.ordering_approved == 0:
        return REQUESTED
    return CONFIRMED if approved < day else PROPOSED


@part
def uncounted(at, ints, day, site, kit_type):
    """Kits of a type on their way to the site in orders whose status does not count."""
    kits = 0
    shipment = ints[at.on_the_way + site]
    while shipment >= 0:
        status = status_of(
            at, day, ints[at.shipment_approved + shipment], ints[at.shipment_leaves + shipment]
        )
        if ints[at.ordering_counts + status] == 0:
            for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
                kits += ints[at.contents + shipment * at.lots_size + lot]
        shipment = ints[at.shipment_after + shipment]
    return kits


@hot
def is_demand(at, ints, day, subject):
    """Whether a subject counts as coming demand."""
    closes = ints[at.subject_day0 + subject] + ints[at.visits_closes + ints[at.subject_visit + subject]]
    counted = demand_code(
        ints[at.subject_state + subject],
        False,
        ints[at.subject_skipped + subject] == 1,
        at.calendar_first_ordinal + closes,
        at.calendar_first_ordinal + day,
        False,
        at.ordering_ignores_skipped != 0,
        at.resupply_overdue_days,
    )
    return counted == COUNTED


@hot
def lines_on_level(at, arm, level):
    """Where the lines of the dispensing table begin, visit after visit, of an arm on a dose level."""
    return at.visits_line_start + (arm * at.doses_levels + level) * at.visits_size


@hot
def lines_by_schedule(at, ints, arm, visit, lines):
    """The same for who comes to a visit with `lines`: where the protocol itself moves the arm by then, those of that level."""
    if at.doses_follows_schedule:
        level = ints[at.doses_scheduled + arm * at.visits_size + visit]
        if level >= 0:
            lines = lines_on_level(at, arm, level)
    return lines


@hot
def site_inventory(at, ints, day, site, kit_type):
    """Kits of a type that count at a site: on hand, and in orders on their way to it."""
    today = at.calendar_first_ordinal + day
    kits_there = ints[at.ordered + site * at.kits_size + kit_type]
    if at.ordering_statuses:
        kits_there -= uncounted(at, ints, day, site, kit_type)
    country = ints[at.sites_country + site]
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        kits = ints[at.stock + site * at.lots_size + lot]
        if kits > 0:
            released = ints[at.lots_released + lot * at.lots_countries + country] == 1
            expiry = ints[at.lots_expiry_ordinal + lot]
            if stock_use(released, expiry, ints[at.kits_dnc_days + kit_type], today) == COUNTS:
                kits_there += kits
    return kits_there


@part
def pick_order(at, ints, day, site):
    """Fill `picked` with the kits of each lot that the site's depot takes for an order."""
    for kit_type in range(at.kits_size):
        pick(at, ints, day, site, kit_type, ints[at.wanted + site * at.kits_size + kit_type])
    if at.ordering_withholds:
        group = (ints[at.resupply_period + day] * at.site_count + site) * at.kits_size
        withhold_exposed(at, ints, at.ordering_group + group)


@part
def withhold_exposed(at, ints, group):
    """Take out of `picked` what would expose a blinding group; `group` is where the groups of the kit types begin."""
    for kit_type in range(at.kits_size):
        ints[at.found + kit_type] = 0
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            ints[at.found + kit_type] += ints[at.picked + lot]
    for kit_type in range(at.kits_size):
        exposed = exposes_group(
            view(ints, at.found, at.kits_size),
            view(ints, group, at.kits_size),
            ints[at.kits_several + kit_type] == 1,
            ints[group + kit_type],
            at.resupply_single_type != 0,
            at.resupply_single_kit != 0,
        )
        if shipped_kits(ints[at.found + kit_type], exposed, True) == 0:
            for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
                ints[at.picked + lot] = 0


@part
def pick(at, ints, day, site, kit_type, wanted):
    """Fill `picked` with the kits of each lot of one type."""
    begin = ints[at.kits_lot_start + kit_type]
    for lot in range(ints[at.kits_lot_start + kit_type + 1] - begin):
        released = at.lots_released + (begin + lot) * at.lots_countries + ints[at.sites_country + site]
        ints[at.pick_released + lot] = ints[released]
    held = (ints[at.resupply_period + day] * at.site_count + site) * at.kits_size + kit_type
    long_window = ints[at.resupply_long_window + held]
    pick_lots(at, ints, day, ints[at.sites_depot + site], kit_type, wanted, long_window)


@part
def pick_lots(at, ints, day, depot, kit_type, wanted, long_window):
    """Fill `picked` with the kits of each lot of a type that a depot takes for an order, of those in `pick_released`."""
    begin = ints[at.kits_lot_start + kit_type]
    lots = ints[at.kits_lot_start + kit_type + 1] - begin
    for lot in range(lots):
        ints[at.pick_type + lot] = 1
        ints[at.pick_place + lot] = lot
        ints[at.picked + begin + lot] = 0
    today = at.calendar_first_ordinal + day
    short_dated_before = NO_DAY
    if at.ordering_newest:
        short_dated_before = today + ints[at.kits_dns_days + kit_type] + long_window
    piles = pick_kits(
        wanted,
        view(ints, at.pick_type, lots),
        view(ints, at.depot_stock + depot * at.lots_size + begin, lots),
        view(ints, at.pick_released, lots),
        view(ints, at.lots_expiry_ordinal + begin, lots),
        view(ints, at.pick_place, lots),
        view(ints, at.pick_place, lots),
        ints[at.kits_dns_days + kit_type],
        today,
        NO_DAY,
        short_dated_before,
        at.ordering_same_lot,
        view(ints, at.pick_pile, lots),
        view(ints, at.pick_taken, lots),
    )
    for pile in range(piles):
        ints[at.picked + begin + ints[at.pick_pile + pile]] = ints[at.pick_taken + pile]
