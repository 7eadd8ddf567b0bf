"""People who take the place of those who left: sought when somebody leaves, screened at the same site some days later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from allocation.rules.replacement import REPLACEABLE, replacement_code
from simulation.engines import phases
from simulation.engines.calendar_days import weekday_after
from simulation.engines.simpy_twin.site import screen

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.subject import Subject
    from simulation.engines.simpy_twin.twin import Twin

AFTER_ARRIVALS: Final = 1 << 32
"""Replacements are screened after those who come of themselves, in the order of those whom they replace."""


class Replacements:
    """How many replacements were sought."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.sought = 0

    def seek(self, left: Subject) -> None:
        """A subject has left: is somebody sought for its place?"""
        twin, plan, site = self.twin, self.twin.plan.replacing, left.site.index
        if replacement_code(plan.replaces, True, False) != REPLACEABLE:
            return
        if 0 <= plan.most <= self.sought or not twin.draws.is_replaced(site, left.number):
            return
        self.sought += 1
        day = twin.day + max(twin.draws.replacement_days(site, left.number), 1)
        if twin.plan.sites.weekdays:
            day = weekday_after(day, twin.plan.calendar.monday)
        if day < twin.plan.calendar.days:
            twin.on_study += 1
            twin.environment.process(self._coming(left, day))

    def _coming(self, left: Subject, day: int) -> Any:
        yield self.twin.until(day, phases.SCREENINGS, AFTER_ARRIVALS + left.index)
        self.twin.on_study -= 1
        if not self.twin.caps.refuse_replacement(left.site.index, of_randomization=False):
            screen(self.twin, left.site, replaces=left)
