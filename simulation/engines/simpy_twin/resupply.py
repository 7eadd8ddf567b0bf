"""Resupply: the review of sites, and the shipments that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.resupply import COUNTS, FROM_TODAY, resupply_quantity, stock_use
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import weekday_after
from simulation.engines.simpy_twin.depot import lots_of

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin


def reviews(twin: Twin) -> Any:
    """At the end of each day, review the sites whose stock fell."""
    for day in range(twin.plan.calendar.days):
        yield twin.until(day, phases.RESUPPLY)
        changed, twin.changed = sorted(twin.changed), set()
        for index in changed:
            _review(twin, twin.sites[index])


def _review(twin: Twin, site: Site) -> None:
    """Order what the site is to get, and send it."""
    decisions = [_decide(twin, site, kit_type) for kit_type in range(twin.plan.kits.size)]
    if not any(triggered for triggered, _ in decisions):
        return
    contents: dict[int, int] = {}
    for kit_type, (triggered, top_up) in enumerate(decisions):
        wanted = top_up if triggered or twin.plan.resupply.all_types else 0
        taken = twin.depots.take(site.depot, kit_type, wanted)
        site.ordered[kit_type] += sum(taken.values())
        for lot, kits in taken.items():
            twin.record(phases.RESUPPLY, events.ORDERED, site.index, -1, kit_type, lot, kits)
        contents |= taken
    if contents:
        twin.environment.process(_shipment(twin, site, contents))


def _decide(twin: Twin, site: Site, kit_type: int) -> tuple[bool, int]:
    """Whether the site is resupplied with a kit type, and what would bring it to its up-to level."""
    plan, held = twin.plan, twin.plan.resupply
    dnc_days = int(plan.kits.dnc_days[kit_type])
    on_hand = sum(
        site.stock[lot]
        for lot in lots_of(twin, kit_type)
        if stock_use(True, int(plan.lots.expiry_ordinal[lot]), dnc_days, twin.today) == COUNTS
    )
    sai = on_hand + site.ordered[kit_type]
    place = (site.index, kit_type)
    triggered, _, up_to, _ = resupply_quantity(
        sai,
        0,
        0,
        0,
        int(held.min_buffer[place]),
        int(held.max_buffer[place]),
        int(held.trigger[place]),
        FROM_TODAY,
    )
    return triggered, max(up_to - sai, 0)


def _shipment(twin: Twin, site: Site, contents: dict[int, int]) -> Any:
    """A shipment is on its way, and is received at its site."""
    plan, number = twin.plan, twin.shipments
    twin.shipments += 1
    twin.count(out.ORDERS)
    twin.count(out.SHIPMENTS)
    twin.count(out.COST_SHIPMENTS, float(plan.lanes.cost[site.index]))
    twin.count(out.CO2_KG, float(plan.lanes.co2_kg[site.index]))
    twin.in_transit += sum(contents.values())
    ordered, monday = twin.day, plan.calendar.monday
    leaves = ordered + twin.draws.dispatch_days(site.index, ordered)
    if plan.lanes.weekdays:
        leaves = weekday_after(leaves, monday)
    arrives = max(leaves + twin.draws.travel_days(site.index, ordered), ordered + 1)
    if plan.lanes.weekdays:
        arrives = weekday_after(arrives, monday)
    yield twin.until(arrives, phases.RECEIPTS, number)
    _unpack(twin, site, contents, ordered)


def _unpack(twin: Twin, site: Site, contents: dict[int, int], ordered: int) -> None:
    """A shipment is received, but for what was lost or damaged on the way."""
    lost, unpacked = twin.draws.is_lost(site.index, ordered), 0

    def tell(kind: int, lot: int, kits: int) -> None:
        twin.record(phases.RECEIPTS, kind, site.index, -1, int(twin.plan.lots.kit_type[lot]), lot, kits)

    for lot, kits in contents.items():
        site.ordered[int(twin.plan.lots.kit_type[lot])] -= kits
        twin.in_transit -= kits
        if lost:
            twin.count(out.KITS_LOST, kits)
            tell(events.LOST, lot, kits)
            continue
        damaged = twin.draws.damaged(site.index, ordered, range(unpacked, unpacked + kits))
        unpacked += kits
        site.stock[lot] += kits - damaged
        twin.count(out.KITS_DAMAGED, damaged)
        tell(events.RECEIVED, lot, kits - damaged)
        if damaged:
            tell(events.DAMAGED, lot, damaged)
