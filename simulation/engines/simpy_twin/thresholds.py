"""What the thresholds of a site say of a kit type: its inventory, the dispensings that are due, the buffers that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from allocation.rules.banded_buffer import band_index
from allocation.rules.demand import COUNTED, RANDOMIZED, demand_code
from allocation.rules.resupply import COUNTS, demand_in_window, resupply_quantity, stock_use
from simulation.engines.simpy_twin.depot import lots_of
from simulation.engines.simpy_twin.ordering import pipeline
from simulation.engines.simpy_twin.subject import lines_at, scheduled_level

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin

NOTHING = np.zeros(0, dtype=np.int64)


class Threshold(NamedTuple):
    """What the thresholds say of a kit type at a site: whether it is resupplied, with how many kits, and what would bring it to its up-to
    level; its inventory, and the demand of the short window."""

    triggered: bool
    quantity: int
    top_up: int
    sai: int
    d_short: int


def inventory(twin: Twin, site: Site, kit_type: int) -> int:
    """Kits of a type that count at a site: on hand, and in orders on their way to it."""
    plan = twin.plan
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
    return on_hand + pipeline(twin, site.on_the_way, kit_type)


def threshold(twin: Twin, site: Site, kit_type: int) -> Threshold:
    """Whether the site is resupplied with a kit type, and with how many."""
    held, sai = twin.plan.resupply, inventory(twin, site, kit_type)
    place = (int(held.period[twin.day]), site.index, kit_type)
    short, long = int(held.short_window[place]), int(held.long_window[place])
    offsets, quantities = due_dispensings(twin, site, kit_type) if held.windows else (NOTHING, NOTHING)
    d_short = int(demand_in_window(offsets, quantities, 0, short))
    triggered, _, up_to, quantity = resupply_quantity(
        sai,
        d_short,
        int(demand_in_window(offsets, quantities, 0, long)),
        int(demand_in_window(offsets, quantities, short, short + long)),
        *buffers(twin, site, kit_type),
        int(held.trigger[place]),
        int(held.long_window_from[place]),
    )
    return Threshold(triggered, quantity, max(up_to - sai, 0), sai, d_short)


def buffers(twin: Twin, site: Site, kit_type: int) -> tuple[int, int]:
    """The buffers of a kit type at a site: those of the plan, or of the band that the site's active subjects are in."""
    held, bands = twin.plan.resupply, twin.plan.bands
    place = (int(held.period[twin.day]), site.index, kit_type)
    flat = int(np.ravel_multi_index(place, held.min_buffer.shape))
    of_place = slice(int(bands.start[flat]), int(bands.start[flat + 1]))
    if of_place.start == of_place.stop:
        return int(held.min_buffer[place]), int(held.max_buffer[place])
    active = sum(subject.state == RANDOMIZED for subject in site.subjects)
    band = of_place.start + band_index(bands.from_subjects[of_place], active)
    return int(bands.min_buffer[band]), int(bands.max_buffer[band])


def due_dispensings(twin: Twin, site: Site, kit_type: int) -> tuple[Any, Any]:
    """The planned dispensings of a kit type: days from today to the opening of each window, and kits."""
    plan = twin.plan
    found = []
    for subject in site.subjects:
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
            found += [
                (subject.randomized_on + int(plan.visits.opens[visit]) - twin.day, quantity)
                for line_type, quantity in lines_at(twin, subject.arm, level, visit)
                if line_type == kit_type
            ]
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
