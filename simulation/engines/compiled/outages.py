"""Depots that are lost for a time, in the kernel. Asked only where the plan has outages (`at.outages_any`)."""

from __future__ import annotations

from simulation.engines.compiled.parts import part


@part
def leaves_on(at, ints, depot, day):
    """When what would leave a depot on a day does."""
    return ints[at.outages_leaves + depot * at.calendar_days + day] if day < at.calendar_days else day


@part
def arrives_on(at, ints, depot, day):
    """When what would arrive at a depot on a day does."""
    return ints[at.outages_arrives + depot * at.calendar_days + day] if day < at.calendar_days else day
