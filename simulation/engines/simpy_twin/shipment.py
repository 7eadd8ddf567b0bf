"""An order on its way to a site or a depot: approved where that is asked for, sent, received. A depot is -2 - its index, as in a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.expiry import allowed_on_day
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import weekday_after
from simulation.engines.plan import CONFIRMED, IN_TRANSIT, PROPOSED, REQUESTED
from simulation.engines.simpy_twin.excursions import is_concerned, quarantine
from simulation.engines.simpy_twin.ordering import OnTheWay
from simulation.engines.simpy_twin.outages import leaves_on

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


def send(twin: Twin, place: int, contents: dict[int, int]) -> None:
    """Kits, by lot, that were taken from a depot set out for a site or another depot."""
    order = OnTheWay(contents, PROPOSED if twin.plan.ordering.approved else REQUESTED)
    coming_to(twin, place).append(order)
    twin.environment.process(_shipment(twin, place, order))


def coming_to(twin: Twin, place: int) -> list[OnTheWay]:
    """The orders that are on their way to a site or depot."""
    return twin.sites[place].on_the_way if place >= 0 else twin.depots.on_the_way[-2 - place]


def _shipment(twin: Twin, place: int, order: OnTheWay) -> Any:
    plan, number = twin.plan, twin.shipments
    lanes, to = (plan.lanes, place) if place >= 0 else (plan.refills, -2 - place)
    twin.shipments += 1
    twin.count(out.ORDERS)
    twin.count(out.SHIPMENTS)
    twin.count(out.COST_SHIPMENTS, float(lanes.cost[to]))
    twin.count(out.CO2_KG, float(lanes.co2_kg[to]))
    twin.in_transit += sum(order.contents.values())
    ordered, monday = twin.day, plan.calendar.monday
    index = ordered + plan.present.origin
    approved = ordered
    if plan.ordering.approved:
        approved += twin.draws.approval_days(place, index)
    leaves = approved + twin.draws.dispatch_days(place, index)
    if plan.lanes.weekdays:
        leaves = weekday_after(leaves, monday)
    leaves = leaves_on(twin, int(plan.sites.depot[to] if place >= 0 else plan.refills.supplier[to]), leaves)
    arrives = max(leaves + twin.draws.travel_days(place, index), ordered + 1)
    if plan.lanes.weekdays:
        arrives = weekday_after(arrives, monday)
    if place < 0:
        arrives = leaves_on(twin, to, arrives)
    confirmed = CONFIRMED if plan.ordering.approved else REQUESTED
    for day, status in ((approved, confirmed), (max(leaves, approved), IN_TRANSIT)):
        if day < arrives:
            yield twin.until(day, phases.DISPATCH, number)
            order.status = status
    yield twin.until(arrives, phases.RECEIPTS, number)
    coming_to(twin, place).remove(order)
    unpack(twin, place, order.contents, index)


def unpack(twin: Twin, place: int, contents: dict[int, int], index: int) -> None:
    """A shipment is received, but for what was lost or damaged on the way; what was exposed on its way to a site goes into quarantine.

    `index`: the address of its draws.
    """
    lost, unpacked = twin.draws.is_lost(place, index), 0
    exposed = place >= 0 and not lost and twin.draws.shipment_exposed(place, index)
    held: dict[int, int] = {}
    stock = twin.sites[place].stock if place >= 0 else twin.depots.stock[-2 - place]

    def tell(kind: int, lot: int, kits: int) -> None:
        twin.record(phases.RECEIPTS, kind, place, -1, int(twin.plan.lots.kit_type[lot]), lot, kits)

    def fell() -> None:
        if place >= 0:
            twin.changed.add(place)

    for lot, kits in contents.items():
        if place >= 0:
            twin.sites[place].ordered[int(twin.plan.lots.kit_type[lot])] -= kits
        twin.in_transit -= kits
        if lost:
            fell()
            twin.count(out.KITS_LOST, kits)
            tell(events.LOST, lot, kits)
            continue
        damaged = twin.draws.damaged(place, index, range(unpacked, unpacked + kits))
        unpacked += kits
        twin.count(out.KITS_DAMAGED, damaged)
        if damaged:
            fell()
        if allowed_on_day(twin.today, int(twin.plan.lots.expiry_ordinal[lot]), 0):
            if exposed and kits > damaged and is_concerned(twin, lot):
                held[lot] = kits - damaged
            else:
                stock[lot] += kits - damaged
                tell(events.RECEIVED, lot, kits - damaged)
        else:
            twin.count(out.KITS_EXPIRED_SITE if place >= 0 else out.KITS_EXPIRED_DEPOT, kits - damaged)
            fell()
            tell(events.KITS_EXPIRED, lot, kits - damaged)
        if damaged:
            tell(events.DAMAGED, lot, damaged)
    if held:
        review = twin.draws.review_of(index, in_storage=False)
        quarantine(twin, twin.sites[place], phases.RECEIPTS, held, review)
