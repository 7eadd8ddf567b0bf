"""What holds orders back, when a site gets its first shipment, which orders count as coming, and which lots are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allocation.rules.compilable import NO_DAY
from allocation.rules.order_assembly import exposes_group, ordered_kits, shipped_kits
from allocation.rules.order_timing import GOES, NEVER_ORDERED, is_urgent, order_waits
from allocation.rules.pile_picking import pick_kits
from simulation.engines.plan_arrays import Ints
from simulation.engines.simpy_twin.depot import lots_of

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.thresholds import Threshold
    from simulation.engines.simpy_twin.twin import Twin


@dataclass
class OnTheWay:
    """An order of a site or depot that has not been received: kits by lot, and how far it has come (plan.STATUSES)."""

    contents: dict[int, int]
    status: int


def is_paused(twin: Twin, site: Site, kit_type: int) -> bool:
    """Whether the site is not sent this kit type at present."""
    period = twin.plan.resupply.period[twin.day]
    return bool(twin.plan.ordering.paused[period, site.index, kit_type])


def is_unseeded(twin: Twin, site: Site) -> bool:
    """Whether the site is still to get its first shipment, before which there is no resupply."""
    return twin.plan.resupply.seeds and site.last_order is None


def begins_today(twin: Twin, site: Site) -> bool:
    """Whether the first shipment is due today, whenever runs are: the site opened, or screened its first subject."""
    begins_on = site.first_screened_on if twin.plan.ordering.seeds_on_screening else site.opened_on
    return is_unseeded(twin, site) and begins_on == twin.day


def seed_quantities(twin: Twin, site: Site) -> list[int]:
    """The kits of each type of a first shipment; none where a site is seeded by its first subject and has none."""
    held = twin.plan.resupply
    if twin.plan.ordering.seeds_on_screening and site.first_screened_on is None:
        return [0] * twin.plan.kits.size
    return [
        0 if is_paused(twin, site, kit_type) else int(kits)
        for kit_type, kits in enumerate(held.seed_quantity[held.period[twin.day], site.index])
    ]


def order_goes(twin: Twin, site: Site, decisions: list[Threshold], kits: int) -> bool:
    """Whether an order of so many kits goes out now, or waits for a later review."""
    ordering = twin.plan.ordering
    urgent = any(is_urgent(one.sai, one.d_short) for one in decisions)
    since = NEVER_ORDERED if site.last_order is None else twin.day - site.last_order
    waits = order_waits(kits, urgent, since, ordering.min_shipment_kits, ordering.days_between_orders)
    return waits == GOES


def assembled(twin: Twin, group: Ints, needed: list[int]) -> list[int]:
    """The kits of each type that are ordered: in whole blocks, and so that no shipment tells an arm. `group` is a row of the plan's."""
    kits, held = twin.plan.kits, twin.plan.resupply
    ordered, raised = np.zeros(kits.size, dtype=np.int64), np.zeros(kits.size, dtype=np.int64)
    ordered_kits(
        np.array(needed, dtype=np.int64),
        kits.block_size,
        group,
        kits.several.astype(np.bool_),
        held.single_type,
        held.single_kit,
        ordered,
        raised,
    )
    return [int(one) for one in ordered]


def without_exposed(twin: Twin, group: Ints, picks: list[dict[int, int]]) -> list[dict[int, int]]:
    """The kits of each type, by lot, that leave the depot: where the protocol withholds them, none of a group that they would expose."""
    kits, held = twin.plan.kits, twin.plan.resupply
    found = np.array([sum(lots.values()) for lots in picks], dtype=np.int64)
    leaving = []
    for kit_type, lots in enumerate(picks):
        exposed = exposes_group(
            found,
            group,
            bool(kits.several[kit_type]),
            int(group[kit_type]),
            held.single_type,
            held.single_kit,
        )
        shipped = shipped_kits(int(found[kit_type]), exposed, twin.plan.ordering.withholds)
        leaving.append(lots if shipped else {})
    return leaving


def pipeline(twin: Twin, on_the_way: list[OnTheWay], kit_type: int) -> int:
    """Kits of a type in these orders that count as coming."""
    lots, counts = lots_of(twin, kit_type), twin.plan.ordering.counts
    return sum(
        kits
        for order in on_the_way
        for lot, kits in order.contents.items()
        if lot in lots and counts[order.status]
    )


def picked(twin: Twin, site: Site, kit_type: int, wanted: int) -> dict[int, int]:
    """The kits that a depot takes for an order of the site, by lot in the order of the lots."""
    held = twin.plan.resupply
    long_window = int(held.long_window[held.period[twin.day], site.index, kit_type])
    return picked_for(twin, site.depot, {site.country}, kit_type, wanted, long_window)


def picked_for(
    twin: Twin, depot: int, countries: set[int], kit_type: int, wanted: int, long_window: int
) -> dict[int, int]:
    """The kits that a depot takes for an order whose kits are used in some of these countries."""
    plan, ordering = twin.plan, twin.plan.ordering
    lots = lots_of(twin, kit_type)
    piles, taken = np.zeros(len(lots), dtype=np.int64), np.zeros(len(lots), dtype=np.int64)
    dns_days = int(plan.kits.dns_days[kit_type])
    places = np.arange(len(lots), dtype=np.int64)
    found = pick_kits(
        wanted,
        np.ones(len(lots), dtype=np.bool_),
        np.array([twin.depots.stock[depot][lot] for lot in lots], dtype=np.int64),
        np.array([plan.lots.released[lot, sorted(countries)].any() for lot in lots], dtype=np.bool_),
        plan.lots.expiry_ordinal[lots.start : lots.stop],
        places,
        places,
        dns_days,
        twin.today,
        NO_DAY,
        twin.today + dns_days + long_window if ordering.newest else NO_DAY,
        ordering.same_lot,
        piles,
        taken,
    )
    chosen = zip(piles[:found].tolist(), taken[:found].tolist(), strict=True)
    return {lots[pile]: kits for pile, kits in sorted(chosen)}
