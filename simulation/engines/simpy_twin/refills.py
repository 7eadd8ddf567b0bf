"""Depots that another depot refills: what sites and lower depots ask of them, what they need, and their orders, at the scheduled runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allocation.rules.depot_demand import asked_of_depot
from allocation.rules.order_assembly import NOT_SHORT, limited_to_share, needed_kits
from allocation.rules.resupply import DueVisit, demand_in_window, resupply_quantity
from simulation.engines import events, phases
from simulation.engines.simpy_twin.ordering import (
    assembled,
    is_paused,
    is_unseeded,
    picked_for,
    pipeline,
    without_exposed,
)
from simulation.engines.simpy_twin.shipment import send
from simulation.engines.simpy_twin.thresholds import buffers, due_dispensings, inventory

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.shortage import Shares
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin

Asked = dict[tuple[int, int], list[DueVisit]]
"""Depot, kit type -> what is asked of it."""


@dataclass(frozen=True)
class DepotNeed:
    """What a depot is to get of each kit type, and the countries that its kits go to, by way of other depots too."""

    depot: int
    lines: list[int]
    countries: set[int]


def asked_by_sites(twin: Twin) -> Asked:
    """What the open sites will ask of their depots, each kit when it must leave."""
    asked: Asked = defaultdict(list)
    if twin.plan.refills.order == 0:
        return asked
    for site in twin.sites:
        for kit_type in range(twin.plan.kits.size):
            if site.opened_on is not None and not is_paused(twin, site, kit_type):
                asked[site.depot, kit_type] += _asked_by_site(twin, site, kit_type)
    return asked


def _asked_by_site(twin: Twin, site: Site, kit_type: int) -> tuple[DueVisit, ...]:
    held, name = twin.plan.resupply, f"site {site.index}"
    lead_time = int(twin.plan.lanes.lead_days[site.index])
    if is_unseeded(twin, site):
        seed = int(held.seed_quantity[held.period[twin.day], site.index, kit_type])
        return asked_of_depot(name, (), 0, seed, lead_time)
    sai = inventory(twin, site, kit_type)
    due = [
        DueVisit(name, "", int(offset), int(quantity))
        for offset, quantity in zip(*due_dispensings(twin, site, kit_type), strict=True)
    ]
    return asked_of_depot(name, due, sai, buffers(twin, site, kit_type)[0], lead_time)


def depot_needs(twin: Twin, asked_by: Asked) -> list[DepotNeed]:
    """What every refilled depot needs as things stand, lower ones first; `asked_by` is what sites ask."""
    refills, kit_types = twin.plan.refills, range(twin.plan.kits.size)
    asked: Asked = defaultdict(list, {key: list(visits) for key, visits in asked_by.items()})
    countries = [{int(one) for one in np.flatnonzero(row)} for row in refills.places]
    for site in twin.sites:
        if site.opened_on is not None:
            countries[site.depot].add(site.country)
    needs = []
    for depot in (int(one) for one in refills.depots):
        supplier, period = int(refills.supplier[depot]), int(twin.plan.resupply.period[twin.day])
        sai = [_inventory(twin, depot, kit_type, countries[depot]) for kit_type in kit_types]
        lines = _lines(twin, depot, sai, [asked[depot, kit_type] for kit_type in kit_types])
        needs.append(DepotNeed(depot, lines, set(countries[depot])))
        countries[supplier] |= countries[depot]
        for kit_type in kit_types:
            least = int(refills.min_buffer[period, depot, kit_type])
            lead_time = int(refills.lead_days[depot])
            asked[supplier, kit_type] += asked_of_depot(
                f"depot {depot}", asked[depot, kit_type], sai[kit_type], least, lead_time
            )
    return needs


def _inventory(twin: Twin, depot: int, kit_type: int, countries: Iterable[int]) -> int:
    """Kits of a type that a depot may ship to any of these countries, and those in orders to it that count."""
    there: dict[int, int] = {}
    for country in countries:
        there |= twin.depots.may_ship(depot, kit_type, country)
    return sum(there.values()) + pipeline(twin, twin.depots.on_the_way[depot], kit_type)


def _lines(twin: Twin, depot: int, sai: list[int], asked: list[list[DueVisit]]) -> list[int]:
    """The kits of each type that the depot is to get, by the rule that decides sites."""
    refills, period = twin.plan.refills, int(twin.plan.resupply.period[twin.day])
    decisions: dict[int, tuple[bool, int, int]] = {}
    for kit_type, visits in enumerate(asked):
        place = (period, depot, kit_type)
        if refills.paused[place]:
            continue
        offsets = np.array([one.due_offset for one in visits], dtype=np.int64)
        quantities = np.array([one.quantity for one in visits], dtype=np.int64)
        short, long = int(refills.short_window[place]), int(refills.long_window[place])
        triggered, _, up_to, quantity = resupply_quantity(
            sai[kit_type],
            int(demand_in_window(offsets, quantities, 0, short)),
            int(demand_in_window(offsets, quantities, 0, long)),
            int(demand_in_window(offsets, quantities, short, short + long)),
            int(refills.min_buffer[place]),
            int(refills.max_buffer[place]),
            int(refills.trigger[place]),
            int(refills.long_window_from[place]),
        )
        decisions[kit_type] = triggered, quantity, max(up_to - sai[kit_type], 0)
    any_triggered = any(triggered for triggered, _, _ in decisions.values())
    needed = [0] * len(asked)
    for kit_type, (_, quantity, top_up) in decisions.items():
        needed[kit_type] = needed_kits(any_triggered, quantity, top_up, twin.plan.resupply.consolidation)
    return assembled(twin, refills.group[period, depot], needed)


def refill(twin: Twin, shares: Shares) -> None:
    """Let every refilled depot order, after the sites of a run: lower ones first, each decided again as things then stand."""
    asked = asked_by_sites(twin)
    for depot in [one.depot for one in depot_needs(twin, asked) if any(one.lines)]:
        need = next(one for one in depot_needs(twin, asked) if one.depot == depot)
        supplier, period = int(twin.plan.refills.supplier[depot]), int(twin.plan.resupply.period[twin.day])
        contents: dict[int, int] = {}
        picks = []
        for kit_type, ordered in enumerate(need.lines):
            wanted = limited_to_share(ordered, shares.get((depot, kit_type), NOT_SHORT))
            long_window = int(twin.plan.refills.long_window[period, depot, kit_type])
            picks.append(picked_for(twin, supplier, need.countries, kit_type, wanted, long_window))
        group = twin.plan.refills.group[period, depot]
        for kit_type, taken in enumerate(without_exposed(twin, group, picks)):
            contents |= twin.depots.give(supplier, taken)
            for lot, kits in taken.items():
                twin.record(phases.RESUPPLY, events.ORDERED, -2 - depot, -1, kit_type, lot, kits)
        if contents:
            send(twin, -2 - depot, contents)
