"""A subject: randomization, visits with what is dispensed, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allocation.rules.draws import arm_at
from allocation.rules.restricted.fixed_totals import what_is_left
from simulation.engines import events, phases
from simulation.engines import outcomes as out

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


def on_study(twin: Twin, subject: Subject) -> Any:
    """From randomization to the last visit, or until the subject leaves."""
    site, plan = subject.site, twin.plan
    yield twin.until(twin.day, phases.RANDOMIZATIONS, subject.index)
    randomized_on = twin.day
    subject.arm = _allocate(twin)
    twin.tally[out.DAY_LAST_RANDOMIZED] = randomized_on
    twin.record(phases.RANDOMIZATIONS, events.RANDOMIZED, site.index, subject.index, quantity=subject.arm)
    for visit in range(plan.visits.size):
        if visit > 0:
            if twin.draws.drops_out(site.index, subject.number, visit):
                yield twin.until(twin.day, phases.DROP_OUTS, subject.index)
                _end(twin, subject, phases.DROP_OUTS, events.DISCONTINUED, out.DISCONTINUED)
                return
            planned = randomized_on + int(plan.visits.target[visit])
            coming = max(planned + twin.draws.visit_offset(site.index, subject.number, visit), twin.day + 1)
            if coming >= plan.calendar.days:
                return
            yield twin.until(coming, phases.VISITS, subject.index)
        else:
            yield twin.until(twin.day, phases.VISITS, subject.index)
        twin.count(out.VISITS)
        twin.tally[out.DAY_LAST_VISIT] = twin.day
        twin.record(phases.VISITS, events.VISITED, site.index, subject.index, quantity=visit)
        _dispense(twin, subject, visit)
    _end(twin, subject, phases.VISITS, events.COMPLETED, out.COMPLETED)


def _end(twin: Twin, subject: Subject, phase: int, kind: int, outcome: int) -> None:
    twin.on_study -= 1
    twin.count(outcome)
    twin.record(phase, kind, subject.site.index, subject.index)


def _allocate(twin: Twin) -> int:
    """The arm by permuted blocks."""
    ratio, size = twin.plan.subjects.ratio, int(twin.plan.subjects.block_sizes[0])
    shares = what_is_left(np.array(twin.taken, dtype=np.int64), ratio, size)
    arm = arm_at(shares, twin.draws.allocation(twin.allocated))
    twin.taken[arm] += 1
    twin.allocated += 1
    if sum(twin.taken) == size:
        twin.taken = [0] * twin.plan.arms
    return arm


def _dispense(twin: Twin, subject: Subject, visit: int) -> None:
    """Hand out all that is due at a visit, or nothing."""
    site, visits = subject.site, twin.plan.visits
    first, last = (int(visits.line_start[subject.arm, at]) for at in (visit, visit + 1))
    lines = [
        (int(visits.line_kit_type[line]), int(visits.line_quantity[line])) for line in range(first, last)
    ]
    missing = [kit_type for kit_type, wanted in lines if site.usable(kit_type) < wanted]
    if missing:
        kit_type = missing[-1]
        upstream = twin.depots.may_ship(site.depot, kit_type) + site.ordered[kit_type]
        twin.count(out.MISSED_DISPENSINGS if upstream > 0 else out.OUT_OF_STOCK)
        twin.record(
            phases.VISITS,
            events.NOT_DISPENSED,
            site.index,
            subject.index,
            kit_type,
            quantity=int(upstream > 0),
        )
        return
    for kit_type, wanted in lines:
        twin.count(out.KITS_DISPENSED, wanted)
        for lot, kits in site.take(kit_type, wanted).items():
            twin.record(phases.VISITS, events.DISPENSED, site.index, subject.index, kit_type, lot, kits)
    if lines:
        twin.changed.add(site.index)
