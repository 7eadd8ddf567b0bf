"""What happens to the kits that sites have when the trial is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.engines import events, phases
from simulation.engines import outcomes as out

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


def returns(twin: Twin) -> Any:
    """On the day on which the trial is over, every site returns what it has, in quarantine too, to be destroyed."""
    for day in range(twin.plan.calendar.days):
        yield twin.until(day, phases.RETURNS)
        if not twin.over:
            continue
        for site in twin.sites:
            for lot in range(twin.plan.lots.size):
                kits = site.stock[lot] + site.quarantine[lot]
                if kits > 0:
                    site.stock[lot] = site.quarantine[lot] = 0
                    twin.count(out.KITS_RETURNED_UNUSED, kits)
                    kit_type = int(twin.plan.lots.kit_type[lot])
                    twin.record(phases.RETURNS, events.RETURNED, site.index, -1, kit_type, lot, kits)
        return
