"""Weekdays and arrivals on whole days, for both engines. `monday` is the weekday of day 0, from 0 for Monday."""

from __future__ import annotations

from numba.extending import register_jitable

from simulation.engines.plan_arrays import Floats

SATURDAY = 5


@register_jitable
def weekday_after(day: int, monday: int) -> int:
    """The day itself, or the Monday after a weekend day."""
    weekday = (day + monday) % 7
    return day if weekday < SATURDAY else day + 7 - weekday


@register_jitable
def weekday_near(day: int, opens: int, closes: int, monday: int) -> int:
    """The nearest weekday: Saturday goes to Friday, Sunday to Monday, unless that leaves the window and the other does not."""
    weekday = (day + monday) % 7
    if weekday < SATURDAY:
        return day
    friday, next_monday = day - (weekday - 4), day + 7 - weekday
    nearest, other = (friday, next_monday) if weekday == SATURDAY else (next_monday, friday)
    if opens <= nearest <= closes or not opens <= other <= closes:
        return nearest
    return other


@register_jitable
def first_day_reaching(cumulative: Floats, begin: int, days: int, level: float) -> int:
    """The first day at whose end `cumulative[begin + day + 1]` has reached a level; `days` where none has."""
    low, high = 0, days
    while low < high:
        middle = (low + high) // 2
        if cumulative[begin + middle + 1] >= level:
            high = middle
        else:
            low = middle + 1
    return low


@register_jitable
def screening_ends(day: int, duration: int, longest: int, weekdays: bool, monday: int) -> int:
    """The day on which it is decided about who was screened on `day`: at most `longest` days later (-1: no limit), on a weekday."""
    ends = day + (duration if longest < 0 else min(duration, longest))
    if not weekdays:
        return ends
    after = weekday_after(ends, monday)
    if longest >= 0 and after > day + longest:
        after = max(weekday_near(after, day, day + longest, monday), day)
        if after > day + longest:
            after = max(ends - ((ends + monday) % 7 - 4), day)
    return after
