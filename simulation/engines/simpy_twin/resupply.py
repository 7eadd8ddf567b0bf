"""Resupply: the runs and reviews of sites, how a shortage is shared, and the shipments that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from allocation.rules.banded_buffer import band_index
from allocation.rules.demand import COUNTED, RANDOMIZED, demand_code
from allocation.rules.expiry import allowed_on_day
from allocation.rules.fair_share import shares_by_country
from allocation.rules.order_assembly import limited_to_share, needed_kits, ordered_kits
from allocation.rules.resupply import COUNTS, demand_in_window, resupply_quantity, stock_use
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import weekday_after
from simulation.engines.plan import CONFIRMED, IN_TRANSIT, PROPOSED, REQUESTED
from simulation.engines.simpy_twin.depot import lots_of
from simulation.engines.simpy_twin.excursions import is_concerned, quarantine
from simulation.engines.simpy_twin.ordering import (
    OnTheWay,
    Threshold,
    begins_today,
    is_paused,
    is_unseeded,
    order_goes,
    picked,
    pipeline,
    seed_quantities,
)
from simulation.engines.simpy_twin.subject import lines_at, scheduled_level

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin


def reviews(twin: Twin) -> Any:
    """At the end of each day: the run over every open site, or the review of those whose inventory fell; who opened today is seeded."""
    held = twin.plan.resupply
    for day in range(twin.plan.calendar.days):
        yield twin.until(day, phases.RESUPPLY)
        if twin.over:
            return
        changed, twin.changed = twin.changed, set()
        if held.run[day]:
            looked_at = [site for site in twin.sites if site.opened_on is not None]
        else:
            looked_at = [
                site
                for site in twin.sites
                if (held.on_event and site.index in changed) or begins_today(twin, site)
            ]
        orders = {}
        for site in looked_at:
            lines = _lines(twin, site)
            if any(lines):
                orders[site.index] = lines
        if held.fair_share:
            _share_shortages(twin, orders)
        for index, lines in orders.items():
            _ship(twin, twin.sites[index], lines)


def _lines(twin: Twin, site: Site) -> list[int]:
    """The kits of each type that are to leave for the site now: its first shipment, or what the thresholds ask for."""
    if is_unseeded(twin, site):
        return _assembled(twin, site, seed_quantities(twin, site))
    kit_types = range(twin.plan.kits.size)
    decisions = {
        kit_type: _threshold(twin, site, kit_type)
        for kit_type in kit_types
        if not is_paused(twin, site, kit_type)
    }
    lines = _assembled(twin, site, [_needed(twin, decisions, kit_type) for kit_type in kit_types])
    return lines if order_goes(twin, site, list(decisions.values()), sum(lines)) else []


def _needed(twin: Twin, decisions: dict[int, Threshold], kit_type: int) -> int:
    """The kits of a type that the thresholds ask for; none of one that is paused."""
    one = decisions.get(kit_type)
    triggered = any(each.triggered for each in decisions.values())
    if one is None or not triggered:
        return 0
    return needed_kits(triggered, one.quantity, one.top_up, twin.plan.resupply.consolidation)


def _threshold(twin: Twin, site: Site, kit_type: int) -> Threshold:
    """Whether the site is resupplied with a kit type, and with how many."""
    plan, held = twin.plan, twin.plan.resupply
    dnc_days = int(plan.kits.dnc_days[kit_type])
    on_hand = sum(
        site.stock[lot]
        for lot in lots_of(twin, kit_type)
        if stock_use(
            bool(plan.lots.released[lot, site.country]),
            int(plan.lots.expiry_ordinal[lot]),
            dnc_days,
            twin.today,
        )
        == COUNTS
    )
    sai = on_hand + pipeline(twin, site, kit_type)
    place = (int(held.period[twin.day]), site.index, kit_type)
    short, long = int(held.short_window[place]), int(held.long_window[place])
    offsets, quantities = _due(twin, site, kit_type)
    d_short = int(demand_in_window(offsets, quantities, 0, short))
    triggered, _, up_to, quantity = resupply_quantity(
        sai,
        d_short,
        int(demand_in_window(offsets, quantities, 0, long)),
        int(demand_in_window(offsets, quantities, short, short + long)),
        *_buffers(twin, site, place),
        int(held.trigger[place]),
        int(held.long_window_from[place]),
    )
    return Threshold(triggered, quantity, max(up_to - sai, 0), sai, d_short)


def _buffers(twin: Twin, site: Site, place: tuple[int, int, int]) -> tuple[int, int]:
    """The buffers of a period, site and kit type: those of the plan, or of the band that the site's active subjects are in."""
    held, bands = twin.plan.resupply, twin.plan.bands
    flat = int(np.ravel_multi_index(place, held.min_buffer.shape))
    of_place = slice(int(bands.start[flat]), int(bands.start[flat + 1]))
    if of_place.start == of_place.stop:
        return int(held.min_buffer[place]), int(held.max_buffer[place])
    active = sum(subject.state == RANDOMIZED for subject in site.subjects)
    band = of_place.start + band_index(bands.from_subjects[of_place], active)
    return int(bands.min_buffer[band]), int(bands.max_buffer[band])


def _due(twin: Twin, site: Site, kit_type: int) -> tuple[Any, Any]:
    """The planned dispensings of a kit type: days from today to the opening of each window, and kits."""
    plan = twin.plan
    due = []
    for subject in site.subjects if plan.resupply.windows else []:
        closes = subject.randomized_on + int(plan.visits.closes[subject.next_visit])
        counted = demand_code(
            subject.state,
            False,
            subject.skipped_last_dispensing,
            plan.calendar.first_ordinal + closes,
            twin.today,
            False,
            plan.ordering.ignores_skipped,
            plan.resupply.overdue_days,
        )
        if counted != COUNTED:
            continue
        level = subject.level
        for visit in range(subject.next_visit, plan.visits.size):
            level = scheduled_level(twin, subject.arm, level, visit)
            due += [
                (subject.randomized_on + int(plan.visits.opens[visit]) - twin.day, quantity)
                for line_type, quantity in lines_at(twin, subject.arm, level, visit)
                if line_type == kit_type
            ]
    table = np.array(due, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _assembled(twin: Twin, site: Site, needed: list[int]) -> list[int]:
    """The kits of each type that are ordered: in whole blocks, and so that no shipment tells an arm."""
    kits, held = twin.plan.kits, twin.plan.resupply
    ordered, raised = np.zeros(kits.size, dtype=np.int64), np.zeros(kits.size, dtype=np.int64)
    ordered_kits(
        np.array(needed, dtype=np.int64),
        kits.block_size,
        twin.plan.ordering.group[held.period[twin.day], site.index],
        kits.several.astype(np.bool_),
        held.single_type,
        held.single_kit,
        ordered,
        raised,
    )
    return [int(one) for one in ordered]


def _share_shortages(twin: Twin, orders: dict[int, list[int]]) -> None:
    """Lower what the sites of a depot are to get to their fair shares, for each kit type of which it has less than they want."""
    plan = twin.plan
    countries = range(plan.lots.countries)
    for depot in range(plan.depots):
        for kit_type in range(plan.kits.size):
            sites = [
                index
                for index, lines in orders.items()
                if twin.sites[index].depot == depot and lines[kit_type] > 0
            ]
            by_country = [twin.depots.may_ship(depot, kit_type, country) for country in countries]
            usable = np.array([sum(lots.values()) for lots in by_country], dtype=np.int64)
            lots = lots_of(twin, kit_type)
            available = sum(max(there.get(lot, 0) for there in by_country) for lot in lots)
            wanted = np.array([orders[index][kit_type] for index in sites], dtype=np.int64)
            places = np.array([twin.sites[index].country for index in sites], dtype=np.int64)
            asked = np.array([wanted[places == country].sum() for country in countries], dtype=np.int64)
            if not sites or (wanted.sum() <= available and (asked <= usable).all()):
                continue
            block = int(plan.kits.block_size[kit_type])
            shares, within, given = (np.zeros(len(sites), dtype=np.int64) for _ in range(3))
            shares_by_country(
                wanted // block, places, usable // block, available // block, shares, within, given
            )
            for index, share in zip(sites, shares, strict=True):
                orders[index][kit_type] = limited_to_share(orders[index][kit_type], int(share) * block)


def _ship(twin: Twin, site: Site, lines: list[int]) -> None:
    """Take what a site is to get from its depot, as far as that has it, and send it."""
    contents: dict[int, int] = {}
    for kit_type, wanted in enumerate(lines):
        chosen = picked(twin, site, kit_type, wanted)
        taken = twin.depots.give(site.depot, chosen)
        site.ordered[kit_type] += sum(taken.values())
        for lot, kits in taken.items():
            twin.record(phases.RESUPPLY, events.ORDERED, site.index, -1, kit_type, lot, kits)
        contents |= taken
    if contents:
        site.last_order = twin.day
        order = OnTheWay(contents, PROPOSED if twin.plan.ordering.approved else REQUESTED)
        site.on_the_way.append(order)
        twin.environment.process(_shipment(twin, site, order))


def _shipment(twin: Twin, site: Site, order: OnTheWay) -> Any:
    """An order is approved where that is asked for, leaves, and is received at its site."""
    plan, number = twin.plan, twin.shipments
    twin.shipments += 1
    twin.count(out.ORDERS)
    twin.count(out.SHIPMENTS)
    twin.count(out.COST_SHIPMENTS, float(plan.lanes.cost[site.index]))
    twin.count(out.CO2_KG, float(plan.lanes.co2_kg[site.index]))
    twin.in_transit += sum(order.contents.values())
    ordered, monday = twin.day, plan.calendar.monday
    index = ordered + plan.present.origin
    approved = ordered
    if plan.ordering.approved:
        approved += twin.draws.approval_days(site.index, index)
    leaves = approved + twin.draws.dispatch_days(site.index, index)
    if plan.lanes.weekdays:
        leaves = weekday_after(leaves, monday)
    arrives = max(leaves + twin.draws.travel_days(site.index, index), ordered + 1)
    if plan.lanes.weekdays:
        arrives = weekday_after(arrives, monday)
    for day, status in ((approved, CONFIRMED if plan.ordering.approved else REQUESTED), (leaves, IN_TRANSIT)):
        if day < arrives:
            yield twin.until(max(day, ordered), phases.DISPATCH, number)
            order.status = status
    yield twin.until(arrives, phases.RECEIPTS, number)
    site.on_the_way.remove(order)
    unpack(twin, site, order.contents, index)


def unpack(twin: Twin, site: Site, contents: dict[int, int], index: int) -> None:
    """A shipment is received, but for what was lost or damaged on the way; what was exposed goes into quarantine.

    `index`: the address of its draws.
    """
    lost, unpacked = twin.draws.is_lost(site.index, index), 0
    exposed = not lost and twin.draws.shipment_exposed(site.index, index)
    held: dict[int, int] = {}

    def tell(kind: int, lot: int, kits: int) -> None:
        twin.record(phases.RECEIPTS, kind, site.index, -1, int(twin.plan.lots.kit_type[lot]), lot, kits)

    for lot, kits in contents.items():
        site.ordered[int(twin.plan.lots.kit_type[lot])] -= kits
        twin.in_transit -= kits
        if lost:
            twin.changed.add(site.index)
            twin.count(out.KITS_LOST, kits)
            tell(events.LOST, lot, kits)
            continue
        damaged = twin.draws.damaged(site.index, index, range(unpacked, unpacked + kits))
        unpacked += kits
        twin.count(out.KITS_DAMAGED, damaged)
        if damaged:
            twin.changed.add(site.index)
        if allowed_on_day(twin.today, int(twin.plan.lots.expiry_ordinal[lot]), 0):
            if exposed and kits > damaged and is_concerned(twin, lot):
                held[lot] = kits - damaged
            else:
                site.stock[lot] += kits - damaged
                tell(events.RECEIVED, lot, kits - damaged)
        else:
            twin.count(out.KITS_EXPIRED_SITE, kits - damaged)
            twin.changed.add(site.index)
            tell(events.KITS_EXPIRED, lot, kits - damaged)
        if damaged:
            tell(events.DAMAGED, lot, damaged)
    quarantine(twin, site, phases.RECEIPTS, held, twin.draws.review_of(index, in_storage=False))
