"""When something that is under way will happen, given that it has not happened yet, as a law of whole days from day 0 on.

What lasts longer than t does so with probability S(t). Given that it has lasted until now, the time that the uniform u stands for is
the one that 1 - S(now) (1 - u) stood for at its beginning. A law over the days in their order does that by itself when the days before
day 0 are left out and the rest is brought to a sum of 1: so a law here is drawn with the number that its beginning would be drawn with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from simulation.engines.calendar_days import screening_ends, weekday_after, weekday_near
from simulation.engines.plan import Laws, TrialPlan

Chances = Iterable[tuple[int, float]]
"""Days (below 0: before day 0) with probabilities; a day may occur several times."""


def given_not_yet(chances: Chances, days: int, overdue: int = 0) -> tuple[int, list[float]]:
    """The law as its first day and the shares from there, given that the day is not below 0; `days` stands for that and all later ones.

    `overdue`: the day, where no day is left on which it could happen.

    >>> given_not_yet([(-2, 0.2), (0, 0.2), (2, 0.6)], 100)
    (0, [0.25, 0.0, 0.75])
    """
    left: dict[int, float] = {}
    for day, chance in chances:
        if day >= 0 and chance > 0:
            left[min(day, days)] = left.get(min(day, days), 0.0) + chance
    total = sum(left.values())
    if total <= 0:
        return min(overdue, days), [1.0]
    first, last = min(left), max(left)
    return first, [left.get(day, 0.0) / total for day in range(first, last + 1)]


def survival(chances: Chances) -> float:
    """The probability that it has not happened before day 0."""
    return sum(chance for day, chance in chances if day >= 0)


def of_law(laws: Laws, law: int) -> Iterator[tuple[int, float]]:
    """The days of a law of the plan with their probabilities."""
    begin, end = int(laws.start[law]), int(laws.start[law + 1])
    shares = np.diff(laws.cumulative[begin:end])
    for place, share in enumerate(shares):
        yield int(laws.first[law]) + place, float(share)


def first_working_day(plan: TrialPlan, weekdays: bool) -> int:
    """Day 0, or the Monday after it."""
    return weekday_after(0, plan.calendar.monday) if weekdays else 0


def decisions(plan: TrialPlan, screened: int) -> list[tuple[int, float]]:
    """When it is decided about someone who was screened on a day."""
    subjects, weekdays, monday = plan.subjects, plan.sites.weekdays, plan.calendar.monday
    return [
        (screening_ends(screened, duration, subjects.longest_screening, weekdays, monday), share)
        for duration, share in of_law(plan.laws, subjects.screening_law)
    ]


def openings(plan: TrialPlan, planned: int) -> list[tuple[int, float]]:
    """When a site opens that was planned for a day."""
    monday = plan.calendar.monday
    return [
        (weekday_after(planned + delay, monday) if plan.sites.weekdays else planned + delay, share)
        for delay, share in of_law(plan.laws, plan.sites.opening_law)
    ]


def comings(plan: TrialPlan, randomized: int, visit: int) -> list[tuple[int, float]]:
    """When a subject who was randomized on a day comes to a visit after the first one, in its window or late, or misses it."""
    visits, monday = plan.visits, plan.calendar.monday
    opens, closes = randomized + int(visits.opens[visit]), randomized + int(visits.closes[visit])
    found = []
    for offset, share in of_law(plan.laws, int(visits.day_law[visit])):
        day = randomized + int(visits.target[visit]) + offset
        day = weekday_near(day, opens, closes, monday) if visits.weekdays else day
        found.append((day, share * (1 - visits.late)))
    for days, share in of_law(plan.laws, visits.late_law):
        day = weekday_after(closes + days, monday) if visits.weekdays else closes + days
        found.append((day, share * visits.late))
    return found


def receipts(plan: TrialPlan, site: int, ordered: int, dispatched: int | None) -> list[tuple[int, float]]:
    """When a shipment is received that was ordered on a day, and dispatched on a day or not yet."""
    lanes, monday = plan.lanes, plan.calendar.monday
    leaving: list[tuple[int, float]] = []
    if dispatched is None:
        for days, share in of_law(plan.laws, lanes.dispatch_law):
            day = weekday_after(ordered + days, monday) if lanes.weekdays else ordered + days
            leaving.append((day, share))
        first, shares = given_not_yet(leaving, plan.calendar.days, first_working_day(plan, lanes.weekdays))
        leaving = [(first + place, share) for place, share in enumerate(shares)]
    else:
        leaving = [(dispatched, 1.0)]
    hold = float(lanes.customs_hold[site])
    held = [(0, 1 - hold)] + [(day, hold * p) for day, p in of_law(plan.laws, int(lanes.customs_law[site]))]
    found = []
    for leaves, chance in leaving:
        for delay, share in of_law(plan.laws, int(lanes.delay_law[site])):
            for days, more in held:
                arrives = max(leaves + max(int(lanes.lead_days[site]) + delay + days, 0), ordered + 1)
                arrives = weekday_after(arrives, monday) if lanes.weekdays else arrives
                found.append((arrives, chance * share * more))
    return found
