"""A subject: randomization, visits with what is dispensed, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allocation.rules import demand
from allocation.rules.compilable import NO_DAY
from allocation.rules.dosing import NO_FORCED_STEP, titration_step
from allocation.rules.draws import arm_at
from allocation.rules.restricted.fixed_totals import what_is_left
from allocation.rules.visits import LATE, classify_day
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import screening_ends, weekday_after, weekday_near
from simulation.engines.plan import SCOPE_COUNTRY, SCOPE_SITE, SCOPE_STUDY

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin


@dataclass
class Subject:
    """The `index`-th subject of the trial, the `number`-th of its site (from 0)."""

    index: int
    site: Site
    number: int
    arm: int = -1
    level: int = 0
    state: int = demand.SCREENED
    next_visit: int = 0
    randomized_on: int = 0
    skipped_last_dispensing: bool = False


def in_screening(twin: Twin, subject: Subject) -> Any:
    """From screening to screen failure, refusal at a cap, or randomization, and on from there."""
    site, plan, calendar = subject.site, twin.plan, twin.plan.calendar
    duration = twin.draws.screening_days(site.index, subject.number)
    ends = screening_ends(
        twin.day, duration, plan.subjects.longest_screening, plan.sites.weekdays, calendar.monday
    )
    if ends >= calendar.days:
        return
    yield twin.until(ends, phases.RANDOMIZATIONS, subject.index)
    if twin.draws.fails_screening(site.index, subject.number):
        subject.state = demand.SCREEN_FAILED
        _end(twin, subject, phases.RANDOMIZATIONS, events.SCREEN_FAILED, out.SCREEN_FAILURES)
    elif twin.caps.refuse_randomization(site.index):
        subject.state = demand.SCREEN_FAILED
        _end(twin, subject, phases.RANDOMIZATIONS, events.REFUSED, out.REFUSED_RANDOMIZATIONS)
    else:
        subject.arm = _allocate(twin, subject)
        subject.level = int(plan.doses.start[subject.arm])
        subject.state, subject.randomized_on = demand.RANDOMIZED, ends
        twin.count(out.RANDOMIZED)
        twin.caps.count(site.index, randomized=True)
        twin.tally[out.DAY_LAST_RANDOMIZED] = ends
        twin.record(phases.RANDOMIZATIONS, events.RANDOMIZED, site.index, subject.index, quantity=subject.arm)
        yield from _on_study(twin, subject, ends)


def _on_study(twin: Twin, subject: Subject, randomized_on: int) -> Any:
    """The visits, until the last one or until the subject leaves."""
    site, number, draws, last_day = subject.site, subject.number, twin.draws, twin.plan.calendar.days - 1
    stays = draws.days_on_study(site.index, number, subject.arm)
    leaves_on = last_day + 1 if stays is None else randomized_on + stays
    for visit in range(twin.plan.visits.size):
        subject.next_visit = visit
        coming = _coming(twin, subject, randomized_on, visit)
        if leaves_on < coming:
            leaves_on = max(leaves_on, twin.day)
            if leaves_on <= last_day:
                yield from _leave(twin, subject, leaves_on)
            return
        if coming > last_day:
            return
        yield twin.until(coming, phases.VISITS, subject.index)
        missed = visit > 0 and draws.misses(site.index, number, visit)
        if twin.plan.ordering.dispensing[visit]:
            subject.skipped_last_dispensing = missed
        if missed:
            twin.count(out.MISSED_VISITS)
            twin.record(phases.VISITS, events.MISSED, site.index, subject.index, quantity=visit)
        else:
            _attend(twin, subject, randomized_on, visit)
        is_last = visit + 1 == twin.plan.visits.size
        if not is_last and draws.drops_out(site.index, number, visit):
            yield from _leave(twin, subject, twin.day)
            return
    subject.state = demand.COMPLETED
    _end(twin, subject, phases.VISITS, events.COMPLETED, out.COMPLETED)


def _coming(twin: Twin, subject: Subject, randomized_on: int, visit: int) -> int:
    """The day on which the subject comes to a visit: the first on the day of randomization, each other after the one before it."""
    if visit == 0:
        return randomized_on
    visits, monday = twin.plan.visits, twin.plan.calendar.monday
    place = (subject.site.index, subject.number, visit)
    opens, closes = (randomized_on + int(ends[visit]) for ends in (visits.opens, visits.closes))
    late = twin.draws.days_late(*place)
    if late is not None:
        coming = closes + late
        if visits.weekdays:
            coming = weekday_after(coming, monday)
    else:
        coming = randomized_on + int(visits.target[visit]) + twin.draws.visit_offset(*place)
        if visits.weekdays:
            coming = weekday_near(coming, opens, closes, monday)
    return max(coming, twin.day + 1)


def _attend(twin: Twin, subject: Subject, randomized_on: int, visit: int) -> None:
    visits = twin.plan.visits
    opens, closes = (randomized_on + int(ends[visit]) for ends in (visits.opens, visits.closes))
    twin.count(out.VISITS)
    twin.tally[out.DAY_LAST_VISIT] = twin.day
    if classify_day(twin.day, opens, closes) == LATE:
        twin.count(out.LATE_VISITS)
    twin.record(phases.VISITS, events.VISITED, subject.site.index, subject.index, quantity=visit)
    _dispense(twin, subject, visit)


def _leave(twin: Twin, subject: Subject, day: int) -> Any:
    yield twin.until(day, phases.DROP_OUTS, subject.index)
    subject.state = demand.DISCONTINUED
    _end(twin, subject, phases.DROP_OUTS, events.DISCONTINUED, out.DISCONTINUED)


def _end(twin: Twin, subject: Subject, phase: int, kind: int, outcome: int) -> None:
    twin.on_study -= 1
    twin.count(outcome)
    twin.record(phase, kind, subject.site.index, subject.index)


@dataclass
class Block:
    """The open permuted block of a stratum and holder, and how many were allocated there in all."""

    taken: list[int]
    size: int = 0
    allocated: int = 0


def _allocate(twin: Twin, subject: Subject) -> int:
    """The arm by the open block of the subject's stratum and holder."""
    subjects, site = twin.plan.subjects, subject.site.index
    holder = {SCOPE_STUDY: 0, SCOPE_COUNTRY: int(twin.plan.sites.country[site]), SCOPE_SITE: site}
    stratum = twin.draws.stratum(site, subject.number)
    group = holder[subjects.held_by] * subjects.stratum_count + stratum
    block = twin.blocks.setdefault(group, Block([0] * twin.plan.arms))
    if sum(block.taken) == block.size:
        block.size = twin.draws.block_size(group, block.allocated)
        block.taken = [0] * twin.plan.arms
    shares = what_is_left(np.array(block.taken, dtype=np.int64), subjects.ratio, block.size)
    arm = arm_at(shares, twin.draws.allocation(group, block.allocated))
    block.taken[arm] += 1
    block.allocated += 1
    return arm


def _dispense(twin: Twin, subject: Subject, visit: int) -> None:
    """Hand out all that is due at a visit, or nothing. A dose moves only where its kits are there."""
    site, plan = subject.site, twin.plan
    level = _titrated(twin, subject, visit) if plan.doses.titrated[visit] else subject.level
    lines = lines_at(twin, subject.arm, level, visit)
    needed_until = int(plan.visits.needed_until[visit])

    def until(kit_type: int) -> int:
        if needed_until < 0 or not plan.kits.stays_valid[kit_type]:
            return NO_DAY
        return plan.calendar.first_ordinal + subject.randomized_on + needed_until

    missing = [
        kit_type
        for kit_type, wanted in lines
        if sum(site.usable(kit_type, until(kit_type)).values()) < wanted
    ]
    if missing:
        _miss(twin, subject, missing[-1])
        return
    for kit_type, wanted in lines:
        twin.count(out.KITS_DISPENSED, wanted)
        for lot, kits in site.take(kit_type, wanted, until(kit_type)).items():
            twin.record(phases.VISITS, events.DISPENSED, site.index, subject.index, kit_type, lot, kits)
    if lines:
        subject.level = level
        twin.changed.add(site.index)


def _miss(twin: Twin, subject: Subject, kit_type: int) -> None:
    """A kit that was due is not there: missed while there are kits upstream, else out of stock."""
    site = subject.site
    upstream = site.ordered[kit_type] + twin.depots.kits_above(site.depot, kit_type, site.country) > 0
    twin.count(out.MISSED_DISPENSINGS if upstream else out.OUT_OF_STOCK)
    twin.record(
        phases.VISITS, events.NOT_DISPENSED, site.index, subject.index, kit_type, quantity=int(upstream)
    )


def _titrated(twin: Twin, subject: Subject, visit: int) -> int:
    """The dose level after what the site asks for; what the limits forbid maintains it."""
    doses = twin.plan.doses
    step = twin.draws.dose_step(subject.site.index, subject.number, visit, subject.arm, subject.level)
    lowest, highest, most = (int(limit[visit]) for limit in (doses.lowest, doses.highest, doses.max_steps))
    return titration_step(subject.level, step, lowest, highest, most, NO_FORCED_STEP)[0]


def lines_at(twin: Twin, arm: int, level: int, visit: int) -> list[tuple[int, int]]:
    """The (kit type, quantity) that are due at a visit."""
    visits = twin.plan.visits
    starts = visits.line_start[arm * twin.plan.doses.levels + level]
    return [
        (int(visits.line_kit_type[line]), int(visits.line_quantity[line]))
        for line in range(int(starts[visit]), int(starts[visit + 1]))
    ]
