"""People who take the place of those who left, in the kernel: sought when somebody leaves, screened at the same site some days later."""

from __future__ import annotations

from allocation.rules.caps import cap_reached
from allocation.rules.replacement import REPLACEABLE, replacement_code
from simulation.engines.calendar_days import weekday_after
from simulation.engines.compiled.calendars import enter
from simulation.engines.compiled.cap_scopes import is_within
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import ON_STUDY
from simulation.engines.compiled.parts import part
from simulation.engines.draws import REPLACED, REPLACEMENT_DAYS


@part
def seek_replacement(at, ints, floats, words, day, subject):
    """A subject has left: is somebody sought for its place?"""
    site, number = ints[at.subject_site + subject], ints[at.subject_number + subject]
    if replacement_code(at.replacing_replaces != 0, True, False) != REPLACEABLE:
        return
    if at.replacing_most >= 0 and ints[at.sought] >= at.replacing_most:
        return
    if not happens(at.replacing_probability, words[at.stream + REPLACED * at.site_count + site], number):
        return
    ints[at.sought] += 1
    stream = words[at.stream + REPLACEMENT_DAYS * at.site_count + site]
    comes = day + max(days_by(at, ints, floats, at.replacing_law, stream, number), 1)
    if at.sites_weekdays:
        comes = weekday_after(comes, at.calendar_monday)
    if comes < at.calendar_days:
        ints[at.level + ON_STUDY] += 1
        enter(words, at.replacing_calendar + comes * at.subject_words, subject)


@part
def place_is_refused(at, ints, site, of_randomization):
    """Whether a cap refuses a replacement: the caps of a new subject, but whom it replaces does not count."""
    for cap in range(at.caps_size):
        if of_randomization and (ints[at.caps_on_randomized + cap] == 0 or ints[at.caps_refuses + cap] == 0):
            continue
        applies = is_within(at, ints, site, ints[at.caps_scope + cap], ints[at.caps_place + cap])
        if applies and cap_reached(ints[at.cap_counts + cap] - 1, ints[at.caps_limit + cap]):
            return True
    return False
