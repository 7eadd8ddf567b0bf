"""Subjects on study: when they come, what happens at a visit, and how it ends."""

from __future__ import annotations

from allocation.rules import demand
from allocation.rules.visits import LATE, classify_day
from simulation.engines import events, outcomes, phases
from simulation.engines.calendar_days import weekday_after, weekday_near
from simulation.engines.compiled.calendars import enter, take_all
from simulation.engines.compiled.dispensing import dispense
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import LEAVERS, ON_STUDY, SUBJECTS, UNSERVED
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.replacing import seek_replacement
from simulation.engines.draws import (
    LATE_DAYS,
    LEAVES_UNSERVED,
    VISIT_DAY,
    VISIT_DROP_OUT,
    VISIT_LATE,
    VISIT_MISSED,
    subject_index,
)


@hot
def schedule(at, ints, floats, words, day, subject, visit):
    """Enter a subject for the day of a visit, or for the day on which it leaves before. Nothing is entered after the last day."""
    site = ints[at.subject_site + subject]
    day0 = ints[at.subject_day0 + subject]
    index = subject_index(ints[at.subject_number + subject], visit)
    ints[at.subject_visit + subject] = visit
    coming = day
    if visit > 0:
        if happens(at.visits_late, words[at.stream + VISIT_LATE * at.site_count + site], index):
            late = days_by(
                at,
                ints,
                floats,
                at.visits_late_law,
                words[at.stream + LATE_DAYS * at.site_count + site],
                index,
            )
            coming = day0 + ints[at.visits_closes + visit] + late
            if at.visits_weekdays:
                coming = weekday_after(coming, at.calendar_monday)
        else:
            stream = words[at.stream + VISIT_DAY * at.site_count + site]
            coming = day0 + ints[at.visits_target + visit]
            coming += days_by(at, ints, floats, ints[at.visits_day_law + visit], stream, index)
            if at.visits_weekdays:
                opens, closes = day0 + ints[at.visits_opens + visit], day0 + ints[at.visits_closes + visit]
                coming = weekday_near(coming, opens, closes, at.calendar_monday)
        coming = max(coming, day + 1)
    enter_for(at, ints, words, day, subject, coming)


@hot
def enter_for(at, ints, words, day, subject, coming):
    """Enter a subject for its visit on the day `coming`, or for the day on which it leaves before."""
    leaves = ints[at.subject_leaves + subject]
    if leaves < coming:
        leaves = max(leaves, day)
        if leaves < at.calendar_days:
            ints[at.level + LEAVERS] += 1
            enter(words, at.leaving_calendar + leaves * at.subject_words, subject)
    elif coming < at.calendar_days:
        enter(words, at.visit_calendar + coming * at.subject_words, subject)


@hot
def subject_words(at, ints):
    """The words of a day's row that the subjects so far have a bit in."""
    return (ints[at.level + SUBJECTS] + 63) >> 6


@hot
def visits(at, ints, floats, words, day):
    """The visits of today, by subject."""
    row, row_words = at.visit_calendar + day * at.subject_words, subject_words(at, ints)
    for place in range(at.listed, take_all(at, ints, words, row, row_words)):
        visit_of(at, ints, floats, words, day, ints[place])


@hot
def visit_of(at, ints, floats, words, day, subject):
    """A visit takes place or is missed; then the subject has completed, drops out, or is entered for the next one."""
    site, visit = ints[at.subject_site + subject], ints[at.subject_visit + subject]
    index = subject_index(ints[at.subject_number + subject], visit)
    if at.doses_follows_schedule:
        level = ints[at.doses_scheduled + ints[at.subject_arm + subject] * at.visits_size + visit]
        if level >= 0:
            ints[at.subject_level + subject] = level
    missed = visit > 0 and happens(
        at.visits_missed, words[at.stream + VISIT_MISSED * at.site_count + site], index
    )
    if at.ordering_ignores_skipped and ints[at.ordering_dispensing + visit] == 1:
        ints[at.subject_skipped + subject] = 1 if missed else 0
    if missed:
        ints[at.tally + outcomes.MISSED_VISITS] += 1
    else:
        ints[at.tally + outcomes.VISITS] += 1
        ints[at.tally + outcomes.DAY_LAST_VISIT] = day
        day0 = ints[at.subject_day0 + subject]
        opens, closes = day0 + ints[at.visits_opens + visit], day0 + ints[at.visits_closes + visit]
        if classify_day(day, opens, closes) == LATE:
            ints[at.tally + outcomes.LATE_VISITS] += 1
    if at.trace_room > 0:
        kind = events.MISSED if missed else events.VISITED
        record(at, ints, day, phases.VISITS, kind, site, subject, -1, -1, visit)
    if not missed:
        dispense(at, ints, floats, words, day, subject, site, visit)
    if visit + 1 == at.visits_size:
        ints[at.tally + outcomes.COMPLETED] += 1
        ints[at.subject_state + subject] = demand.COMPLETED
        ints[at.active_subjects + site] -= 1
        ints[at.level + ON_STUDY] -= 1
        if at.trace_room > 0:
            record(at, ints, day, phases.VISITS, events.COMPLETED, site, subject, -1, -1, 1)
    elif at.subjects_leaves_unserved > 0.0 and leaves_unserved(at, ints, words, subject, site, index):
        ints[at.tally + outcomes.SUBJECTS_LOST_TO_STOCKOUT] += 1
        leave(at, ints, floats, words, day, subject)
    elif happens(
        at.subjects_per_visit_drop_out, words[at.stream + VISIT_DROP_OUT * at.site_count + site], index
    ):
        leave(at, ints, floats, words, day, subject)
    else:
        schedule(at, ints, floats, words, day, subject, visit + 1)


@part
def leaves_unserved(at, ints, words, subject, site, index):
    """Whether a subject leaves because the visit that it has just had lacked a kit."""
    if ints[at.level + UNSERVED] != subject + 1:
        return False
    ints[at.level + UNSERVED] = 0
    return happens(
        at.subjects_leaves_unserved, words[at.stream + LEAVES_UNSERVED * at.site_count + site], index
    )


@hot
def drop_outs(at, ints, floats, words, day):
    """Who leaves today without a visit, by subject."""
    if ints[at.level + LEAVERS] == 0:
        return
    row, row_words = at.leaving_calendar + day * at.subject_words, subject_words(at, ints)
    for place in range(at.listed, take_all(at, ints, words, row, row_words)):
        ints[at.level + LEAVERS] -= 1
        leave(at, ints, floats, words, day, ints[place])


@part
def leave(at, ints, floats, words, day, subject):
    """A subject discontinues."""
    ints[at.tally + outcomes.DISCONTINUED] += 1
    ints[at.subject_state + subject] = demand.DISCONTINUED
    ints[at.active_subjects + ints[at.subject_site + subject]] -= 1
    ints[at.level + ON_STUDY] -= 1
    if at.trace_room > 0:
        site = ints[at.subject_site + subject]
        record(at, ints, day, phases.DROP_OUTS, events.DISCONTINUED, site, subject, -1, -1, 1)
    if at.replacing_replaces:
        seek_replacement(at, ints, floats, words, day, subject)
