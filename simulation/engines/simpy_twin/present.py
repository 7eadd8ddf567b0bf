"""A trial that does not begin empty: what is there when day 0 begins goes on (`plan_present.Present`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules import demand
from simulation.engines import phases
from simulation.engines.draws import DROP_OUT, LANE_DELAY, OPENING, SCREENING_DAYS, VISIT_DAY, subject_index
from simulation.engines.plan import CONFIRMED, IN_TRANSIT, NOT_LEAVING, REQUESTED
from simulation.engines.plan_present import NOT_OPEN, NOT_YET
from simulation.engines.simpy_twin.allocation import Run
from simulation.engines.simpy_twin.excursions import storage_excursions
from simulation.engines.simpy_twin.ordering import OnTheWay
from simulation.engines.simpy_twin.shipment import unpack
from simulation.engines.simpy_twin.site import Clock, Site, arrivals, opening
from simulation.engines.simpy_twin.subject import Subject, decided, on_study

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin

BEFORE = -1
"""The day of what happened before day 0, where no more is asked."""


def resume(twin: Twin) -> None:
    """Put everything where it is, and let what is under way go on."""
    plan, present = twin.plan, twin.plan.present
    twin.tally = {outcome: float(value) for outcome, value in enumerate(present.so_far)}
    twin.caps.resume([int(count) for count in present.caps_used])
    twin.depots.stock = present.depot_stock.reshape(plan.depots, plan.lots.size).tolist()
    for group, taken in enumerate(present.taken.reshape(-1, plan.allocation.arm_count)):
        size, allocated = int(present.block_size[group]), int(present.allocated[group])
        twin.allocator.runs[group] = Run([int(one) for one in taken], size, allocated)
    for site, stock in zip(twin.sites, present.stock.reshape(-1, plan.lots.size), strict=True):
        site.stock = [int(kits) for kits in stock]
        site.screened = int(present.screened[site.index])
        site.first_screened_on = BEFORE if site.screened else None
        ordered = int(present.last_order[site.index])
        site.last_order = None if ordered == NOT_YET else ordered
        twin.environment.process(_site(twin, site))
    for index in range(present.subjects):
        _subject(twin, index)
    for index in range(present.shipments):
        _shipment(twin, index)


def _site(twin: Twin, site: Site) -> Any:
    """A site that is open goes on; one that is not opens by what is left of the law of its opening."""
    present, index = twin.plan.present, site.index
    if present.opened[index] == NOT_OPEN:
        if not twin.draws.never_opens(index):
            opened = twin.draws.day_of(int(present.opening_law[index]), index, OPENING, 0)
            yield from opening(twin, site, opened)
        return
    site.opened_on = int(present.opened[index])
    twin.environment.process(storage_excursions(twin, site))
    rate = twin.draws.own_rate(index, float(present.rate[index]), float(present.shape[index]))
    clock = Clock(
        rate,
        int(present.since[index]),
        float(present.base[index]),
        float(present.slope[index]),
        float(present.operational[index]),
    )
    yield from arrivals(twin, site, clock)


def _subject(twin: Twin, index: int) -> None:
    """Someone in screening, who is decided about, or on study, who comes to the next visit unless they leave before."""
    present, draws = twin.plan.present, twin.draws
    site, number = twin.sites[int(present.site[index])], int(present.number[index])
    law = int(present.law[index])
    subject = Subject(index, site, number)
    twin.subjects += 1
    twin.on_study += 1
    site.subjects.append(subject)
    subject.eligible = bool(present.eligible[index])
    subject.stratum = int(present.stratum[index])
    if present.arm[index] < 0:
        ends = draws.day_of(law, site.index, SCREENING_DAYS, number)
        twin.environment.process(decided(twin, subject, ends, ends + twin.plan.arm_supply.wait_days))
        return
    subject.arm, subject.level = int(present.arm[index]), int(present.level[index])
    subject.state, subject.randomized_on = demand.RANDOMIZED, int(present.day0[index])
    subject.next_visit = int(present.visit[index])
    subject.titrated = bool(present.titrated[index])
    subject.skipped_last_dispensing = bool(present.skipped[index])
    leaving = int(present.leaving_law[index])
    leaves_on = twin.plan.calendar.days
    if leaving != NOT_LEAVING:
        leaves_on = draws.day_of(leaving, site.index, DROP_OUT, number)
    coming = draws.day_of(law, site.index, VISIT_DAY, subject_index(number, subject.next_visit))
    twin.environment.process(on_study(twin, subject, coming, leaves_on))


def _shipment(twin: Twin, index: int) -> None:
    """A shipment that is on its way, or ordered."""
    plan, present = twin.plan, twin.plan.present
    site, sent = twin.sites[int(present.shipment_site[index])], int(present.shipment_index[index])
    rows = present.contents.reshape(-1, plan.lots.size)
    contents = {lot: int(kits) for lot, kits in enumerate(rows[index]) if kits}
    for lot, kits in contents.items():
        site.ordered[int(plan.lots.kit_type[lot])] += kits
    twin.in_transit += sum(contents.values())
    waiting = CONFIRMED if plan.ordering.approved else REQUESTED
    order = OnTheWay(contents, IN_TRANSIT if present.shipment_left[index] else waiting)
    site.on_the_way.append(order)
    rank = twin.shipments
    twin.shipments += 1
    arrives = twin.draws.day_of(int(present.shipment_law[index]), site.index, LANE_DELAY, sent)

    def travelling() -> Any:
        yield twin.until(arrives, phases.RECEIPTS, rank)
        site.on_the_way.remove(order)
        unpack(twin, site.index, contents, sent)

    twin.environment.process(travelling())
