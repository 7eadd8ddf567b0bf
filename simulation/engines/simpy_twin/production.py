"""Lots whose manufacture or release is drawn: a process for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.expiry import allowed_on_day
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.simpy_twin.outages import arrives_on

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


def production(twin: Twin, made: int) -> Any:
    """A lot is manufactured, labelled and released; from then on depots have it. Without these days it has expired before it is there."""
    plan, days = twin.plan, twin.draws.production_days(made)
    mine = [arrival for arrival in range(plan.production.arrivals) if plan.production.made[arrival] == made]
    arrives = {
        arrival: arrives_on(
            twin, int(plan.production.depot[arrival]), max(int(plan.production.day[arrival]) + days, 0)
        )
        for arrival in mine
    }
    for arrival in sorted(mine, key=lambda one: arrives[one]):
        day = arrives[arrival]
        if day >= plan.calendar.days:
            return
        yield twin.until(day, phases.LOTS, len(plan.lots.arrival_day) + arrival)
        lot, depot = int(plan.production.lot[arrival]), int(plan.production.depot[arrival])
        kits, kit_type = int(plan.production.kits[arrival]), int(plan.lots.kit_type[lot])
        twin.count(out.KITS_PRODUCED, kits)
        twin.record(phases.LOTS, events.LOT_ARRIVED, -2 - depot, -1, kit_type, lot, kits)
        if allowed_on_day(twin.today, int(plan.lots.expiry_ordinal[lot]), 0):
            twin.depots.stock[depot][lot] += kits
        else:
            twin.count(out.KITS_EXPIRED_DEPOT, kits)
            twin.record(phases.LOTS, events.KITS_EXPIRED, -2 - depot, -1, kit_type, lot, kits)
