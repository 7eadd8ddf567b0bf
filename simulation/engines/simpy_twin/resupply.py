"""Resupply: the runs and reviews of sites, how a shortage is shared, and the shipments that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.order_assembly import needed_kits
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.simpy_twin.ordering import (
    assembled,
    begins_today,
    is_paused,
    is_unseeded,
    order_goes,
    picked,
    seed_quantities,
    without_exposed,
)
from simulation.engines.simpy_twin.refills import asked_by_sites, depot_needs, refill
from simulation.engines.simpy_twin.shipment import send
from simulation.engines.simpy_twin.shortage import share_shortages
from simulation.engines.simpy_twin.thresholds import Threshold, threshold

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
        depots = depot_needs(twin, asked_by_sites(twin)) if held.run[day] else []
        shares = share_shortages(twin, orders, depots) if held.fair_share else {}
        for index, lines in orders.items():
            _ship(twin, twin.sites[index], lines)
        if held.run[day]:
            refill(twin, shares)


def _lines(twin: Twin, site: Site) -> list[int]:
    """The kits of each type that are to leave for the site now: its first shipment, or what the thresholds ask for."""
    held = twin.plan.resupply
    group = twin.plan.ordering.group[held.period[twin.day], site.index]
    if is_unseeded(twin, site):
        return assembled(twin, group, seed_quantities(twin, site))
    kit_types = range(twin.plan.kits.size)
    decisions = {
        kit_type: threshold(twin, site, kit_type)
        for kit_type in kit_types
        if not is_paused(twin, site, kit_type)
    }
    lines = assembled(twin, group, [_needed(twin, decisions, kit_type) for kit_type in kit_types])
    return lines if order_goes(twin, site, list(decisions.values()), sum(lines)) else []


def _needed(twin: Twin, decisions: dict[int, Threshold], kit_type: int) -> int:
    """The kits of a type that the thresholds ask for; none of one that is paused."""
    one = decisions.get(kit_type)
    triggered = any(each.triggered for each in decisions.values())
    if one is None or not triggered:
        return 0
    return needed_kits(triggered, one.quantity, one.top_up, twin.plan.resupply.consolidation)


def _ship(twin: Twin, site: Site, lines: list[int]) -> None:
    """Take what a site is to get from its depot, as far as that has it, and send it."""
    contents: dict[int, int] = {}
    group = twin.plan.ordering.group[twin.plan.resupply.period[twin.day], site.index]
    picks = [picked(twin, site, kit_type, wanted) for kit_type, wanted in enumerate(lines)]
    for kit_type, taken in enumerate(without_exposed(twin, group, picks)):
        twin.depots.give(site.depot, taken)
        twin.count(out.KITS_SHIPPED, sum(taken.values()))
        twin.count(out.COST_KITS, sum(taken.values()) * float(twin.plan.kits.cost[kit_type]))
        site.ordered[kit_type] += sum(taken.values())
        for lot, kits in taken.items():
            twin.record(phases.RESUPPLY, events.ORDERED, site.index, -1, kit_type, lot, kits)
        contents |= taken
    if contents:
        site.last_order = twin.day
        send(twin, site.index, contents)
