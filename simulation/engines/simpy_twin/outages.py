"""Depots that are lost for a time: what would leave them or arrive there waits until they are back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


def leaves_on(twin: Twin, depot: int, day: int) -> int:
    """When what would leave a depot on a day does."""
    outages = twin.plan.outages
    return int(outages.leaves[depot, day]) if outages.any and day < twin.plan.calendar.days else day


def arrives_on(twin: Twin, depot: int, day: int) -> int:
    """When what would arrive at a depot on a day does."""
    outages = twin.plan.outages
    return int(outages.arrives[depot, day]) if outages.any and day < twin.plan.calendar.days else day
