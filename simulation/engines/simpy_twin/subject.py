"""A subject: randomization, visits with what is dispensed, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from allocation.rules import demand
from allocation.rules.compilable import NO_DAY
from allocation.rules.dosing import NO_FORCED_STEP, forced_step, titration_step
from allocation.rules.visits import LATE, classify_day
from simulation.engines import events, phases
from simulation.engines import outcomes as out
from simulation.engines.calendar_days import screening_ends, weekday_after, weekday_near
from simulation.engines.plan import due_lines

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.allocation import Given
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin


@dataclass
class Subject:
    """The `index`-th subject of the trial, the `number`-th of its site (from 0).

    `eligible`, `stratum`: what was known before day 0 of who was in screening then; -1: it is still to be drawn.
    """

    index: int
    site: Site
    number: int
    arm: int = -1
    level: int = 0
    state: int = demand.SCREENED
    next_visit: int = 0
    randomized_on: int = 0
    skipped_last_dispensing: bool = False
    replaces: Subject | None = None
    eligible: bool = False
    stratum: int = -1
    titrated: bool = False


def in_screening(twin: Twin, subject: Subject) -> Any:
    """From screening to screen failure, refusal, or randomization, and on from there. Who is refused for want of supply may wait."""
    site, plan, calendar = subject.site, twin.plan, twin.plan.calendar
    duration, longest = twin.draws.screening_days(site.index, subject.number), plan.subjects.longest_screening
    ends = screening_ends(twin.day, duration, longest, plan.sites.weekdays, calendar.monday)
    last_try = ends + plan.arm_supply.wait_days
    if longest >= 0:
        last_try = min(last_try, twin.day + longest)
    yield from decided(twin, subject, ends, last_try)


def decided(twin: Twin, subject: Subject, ends: int, last_try: int) -> Any:
    """The decision about a subject on the day `ends`, made again until `last_try` where supply is wanting, and on from there."""
    site, plan = subject.site, twin.plan
    while ends < plan.calendar.days:
        yield twin.until(ends, phases.RANDOMIZATIONS, subject.index)
        if not subject.eligible and twin.draws.fails_screening(site.index, subject.number):
            subject.state = demand.SCREEN_FAILED
            _end(twin, subject, phases.RANDOMIZATIONS, events.SCREEN_FAILED, out.SCREEN_FAILURES)
            return
        if _refused_by_cap(twin, subject):
            subject.state = demand.SCREEN_FAILED
            _end(twin, subject, phases.RANDOMIZATIONS, events.REFUSED, out.REFUSED_RANDOMIZATIONS)
            return
        given = _allocated(twin, subject)
        if given is not None:
            _randomize(twin, subject, given)
            stays = twin.draws.days_on_study(site.index, subject.number, subject.arm)
            leaves_on = plan.calendar.days if stays is None else ends + stays
            yield from on_study(twin, subject, ends, leaves_on)
            return
        ends = weekday_after(ends + 1, plan.calendar.monday) if plan.sites.weekdays else ends + 1
        if ends > last_try:
            subject.state = demand.SCREEN_FAILED
            _end(twin, subject, phases.RANDOMIZATIONS, events.REFUSED_FOR_SUPPLY, out.REFUSED_FOR_SUPPLY)
            return
        twin.record(phases.RANDOMIZATIONS, events.REFUSED_FOR_SUPPLY, site.index, subject.index, quantity=0)


def _refused_by_cap(twin: Twin, subject: Subject) -> bool:
    if subject.replaces is not None:
        return twin.caps.refuse_replacement(subject.site.index, of_randomization=True)
    return twin.caps.refuse_randomization(subject.site.index)


def _allocated(twin: Twin, subject: Subject) -> Given | None:
    if subject.replaces is not None and twin.plan.replacing.same_arm:
        return twin.allocator.take_arm(subject.site, subject.replaces.arm)
    return twin.allocator.allocate(subject)


def _randomize(twin: Twin, subject: Subject, given: Given) -> None:
    site = subject.site.index
    subject.arm = given.arm
    subject.level = int(twin.plan.doses.start[subject.arm])
    subject.state, subject.randomized_on = demand.RANDOMIZED, twin.day
    twin.count(out.RANDOMIZED)
    if subject.replaces is None:
        twin.caps.count(site, randomized=True)
    else:
        twin.count(out.REPLACED)
        quantity = subject.replaces.index
        twin.record(phases.RANDOMIZATIONS, events.REPLACED, site, subject.index, quantity=quantity)
    twin.tally[out.DAY_LAST_RANDOMIZED] = twin.day
    twin.record(phases.RANDOMIZATIONS, events.RANDOMIZED, site, subject.index, quantity=given.arm)
    if given.scheduled != given.arm:
        twin.count(out.FORCED_RANDOMIZATIONS)
        twin.allocator.supply.count_forced(site)
        twin.record(phases.RANDOMIZATIONS, events.FORCED, site, subject.index, quantity=given.scheduled)


def on_study(twin: Twin, subject: Subject, first_coming: int, leaves_on: int) -> Any:
    """The visits from the next one on, which is on the day `first_coming`, until the last one or until the subject leaves."""
    site, number, draws, last_day = subject.site, subject.number, twin.draws, twin.plan.calendar.days - 1
    first, randomized_on = subject.next_visit, subject.randomized_on
    for visit in range(first, twin.plan.visits.size):
        subject.next_visit = visit
        coming = first_coming if visit == first else _coming(twin, subject, randomized_on, visit)
        if leaves_on < coming:
            leaves_on = max(leaves_on, twin.day)
            if leaves_on <= last_day:
                yield from _leave(twin, subject, leaves_on)
            return
        if coming > last_day:
            return
        yield twin.until(coming, phases.VISITS, subject.index)
        subject.level = scheduled_level(twin, subject.arm, subject.level, visit)
        served = True
        missed = visit > 0 and draws.misses(site.index, number, visit)
        if twin.plan.ordering.dispensing[visit]:
            subject.skipped_last_dispensing = missed
        if missed:
            twin.count(out.MISSED_VISITS)
            twin.record(phases.VISITS, events.MISSED, site.index, subject.index, quantity=visit)
        else:
            served = _attend(twin, subject, randomized_on, visit)
        is_last = visit + 1 == twin.plan.visits.size
        if not is_last and not served and draws.leaves_unserved(site.index, number, visit):
            twin.count(out.SUBJECTS_LOST_TO_STOCKOUT)
            yield from _leave(twin, subject, twin.day)
            return
        if not is_last and draws.drops_out(site.index, number, visit):
            yield from _leave(twin, subject, twin.day)
            return
    subject.state = demand.COMPLETED
    _end(twin, subject, phases.VISITS, events.COMPLETED, out.COMPLETED)


def _coming(twin: Twin, subject: Subject, randomized_on: int, visit: int) -> int:
    """The day on which the subject comes to a visit after the first one, which is on the day of randomization."""
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


def _attend(twin: Twin, subject: Subject, randomized_on: int, visit: int) -> bool:
    """A visit takes place; gives whether all that was due there could be handed out."""
    visits = twin.plan.visits
    opens, closes = (randomized_on + int(ends[visit]) for ends in (visits.opens, visits.closes))
    twin.count(out.VISITS)
    twin.tally[out.DAY_LAST_VISIT] = twin.day
    if classify_day(twin.day, opens, closes) == LATE:
        twin.count(out.LATE_VISITS)
    twin.record(phases.VISITS, events.VISITED, subject.site.index, subject.index, quantity=visit)
    return _dispense(twin, subject, visit)


def _leave(twin: Twin, subject: Subject, day: int) -> Any:
    yield twin.until(day, phases.DROP_OUTS, subject.index)
    subject.state = demand.DISCONTINUED
    _end(twin, subject, phases.DROP_OUTS, events.DISCONTINUED, out.DISCONTINUED)
    twin.replacements.seek(subject)


def _end(twin: Twin, subject: Subject, phase: int, kind: int, outcome: int) -> None:
    twin.on_study -= 1
    twin.count(outcome)
    twin.record(phase, kind, subject.site.index, subject.index)


def _dispense(twin: Twin, subject: Subject, visit: int) -> bool:
    """Hand out all that is due at a visit, or nothing; gives whether nothing was missing. A dose moves only where its kits are there."""
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
        return False
    for kit_type, wanted in lines:
        twin.count(out.KITS_DISPENSED, wanted)
        for lot, kits in site.take(kit_type, wanted, until(kit_type)).items():
            twin.record(phases.VISITS, events.DISPENSED, site.index, subject.index, kit_type, lot, kits)
    if lines:
        subject.level = level
        subject.titrated = subject.titrated or bool(plan.doses.titrated[visit])
        twin.changed.add(site.index)
    handed_out = 0
    for kit_type, wanted in lines:
        places = range(handed_out, handed_out + wanted)
        handed_out += wanted
        lost = twin.draws.kits_replaced(site.index, subject.number, visit, places)
        _replace_kits(twin, subject, kit_type, lost, until(kit_type))
    return True


def _replace_kits(twin: Twin, subject: Subject, kit_type: int, lost: int, until: int) -> None:
    """Kits that the subject loses or damages are replaced on the same day, as far as the site has others."""
    site = subject.site
    for lot, kits in site.take(kit_type, lost, until).items():
        twin.count(out.KITS_DISPENSED, kits)
        twin.count(out.KITS_REPLACED, kits)
        for kind in (events.DISPENSED, events.KIT_REPLACED):
            twin.record(phases.VISITS, kind, site.index, subject.index, kit_type, lot, kits)


def _miss(twin: Twin, subject: Subject, kit_type: int) -> None:
    """A kit that was due is not there: missed while there are kits upstream, else out of stock."""
    site = subject.site
    upstream = site.ordered[kit_type] + twin.depots.kits_above(site.depot, kit_type, site.country) > 0
    twin.count(out.MISSED_DISPENSINGS if upstream else out.OUT_OF_STOCK)
    twin.record(
        phases.VISITS, events.NOT_DISPENSED, site.index, subject.index, kit_type, quantity=int(upstream)
    )


def _titrated(twin: Twin, subject: Subject, visit: int) -> int:
    """The dose level after what the site asks for, or must do first; what the limits forbid maintains it."""
    doses = twin.plan.doses
    forced = forced_step(not subject.titrated, int(doses.forced_first[visit]))
    step = forced
    if forced == NO_FORCED_STEP:
        step = twin.draws.dose_step(subject.site.index, subject.number, visit, subject.arm, subject.level)
    lowest, highest, most = (int(limit[visit]) for limit in (doses.lowest, doses.highest, doses.max_steps))
    return titration_step(subject.level, step, lowest, highest, most, forced)[0]


def scheduled_level(twin: Twin, arm: int, level: int, visit: int) -> int:
    """The dose level with which a subject comes to a visit, or would have, by the protocol's schedule."""
    scheduled = int(twin.plan.doses.scheduled[arm, visit])
    return level if scheduled < 0 else scheduled


def lines_at(twin: Twin, arm: int, level: int, visit: int) -> list[tuple[int, int]]:
    """The (kit type, quantity) that are due at a visit."""
    visits = twin.plan.visits
    lines = due_lines(visits, arm * twin.plan.doses.levels + level, visit)
    due = zip(visits.line_kit_type[lines], visits.line_quantity[lines], strict=True)
    return [(int(kit_type), int(quantity)) for kit_type, quantity in due]
