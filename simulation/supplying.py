"""Supplies on the move: lots that arrive at depots, resupply runs, and the shipments that they order."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from allocation.rules.run_schedule import Cadence, moments
from allocation.study.parameters import lead_time_days
from simulation.laws import days_from, weekday_after
from simulation.trial import Order

if TYPE_CHECKING:
    from simulation.twin import Twin

LOT_HOUR_UTC = 2
DISPATCH_HOUR_UTC = 6


def lot_arrivals(twin: Twin) -> Generator[Any, Any, None]:
    """Lots arrive at their depots, in order of time; what came before the scenario is there when it starts."""
    arrivals = sorted(
        (
            (arrival.on, lot.code, arrival.depot, arrival.kits, lot)
            for lot in twin.scenario.lots
            for arrival in lot.arrivals
        ),
        key=lambda arrival: arrival[:3],
    )
    known: set[str] = set()
    for on, code, depot, kits, lot in arrivals:
        yield twin.wait_for(datetime.combine(on, time(LOT_HOUR_UTC), UTC))
        twin.trial.load_lot(lot, depot, kits, code not in known)
        known.add(code)


def resupply_runs(twin: Twin) -> Generator[Any, Any, None]:
    """Run resupply on the protocol's weekdays at its hour; each order becomes a shipment's process."""
    supply = twin.protocol.supply
    begins = datetime.combine(twin.scenario.starts_on, time(), UTC)
    for moment in moments(Cadence(begins, supply.run_weekdays, supply.run_hour_utc), begins):
        # From the midnight before it, so that the run comes after what else was planned for its moment by then.
        yield twin.wait_for(datetime.combine(moment.date(), time(), UTC))
        yield twin.wait_for(moment)
        for order in twin.trial.run_resupply():
            twin.tally.shipments += 1
            twin.tally.kits_shipped += order.kits
            twin.environment.process(shipment(twin, order))


def shipment(twin: Twin, order: Order) -> Generator[Any, Any, None]:
    """A shipment is dispatched, travels, and is received with its damaged or lost kits."""
    entity, shipping = order.shipment_id, twin.scenario.shipping
    site = next(one for one in twin.protocol.sites if one.code == order.site_id)
    country = twin.protocol.country(site.country)
    depot = site.depot or (country.depot if country is not None else "")

    def u(purpose: str) -> float:
        return twin.streams.uniform(entity, purpose)

    ordered_on = twin.clock().date()
    leaves = weekday_after(ordered_on + timedelta(days=days_from(shipping.dispatch_days, u("dispatch days"))))
    yield twin.wait_for(datetime.combine(leaves, time(DISPATCH_HOUR_UTC), UTC))
    lead_time = lead_time_days(twin.protocol, depot, site.country, site.code)
    numbers = twin.trial.dispatch(order.shipment_id, leaves + timedelta(days=lead_time))
    delay = shipping.delay_to(site.country)
    days = lead_time + days_from(delay.days, u("lane delay"))
    if u("customs hold") < delay.customs_hold_probability:
        days += days_from(delay.customs_hold_days, u("customs days"))
    arrives = max(leaves + timedelta(days=max(days, 0)), twin.today(site))
    if shipping.weekday_receipt:
        arrives = weekday_after(arrives)
    yield twin.until(site, arrives, int(480 * u("minute of receipt")))
    if u("lost") < shipping.lost_probability:
        dispositions = dict.fromkeys(numbers, "lost")
    else:
        dispositions = {
            number: "damaged"
            for position, number in enumerate(numbers)
            if twin.streams.uniform(entity, "damaged", position) < shipping.damaged_probability
        }
    twin.trial.receive(order.shipment_id, dispositions)
