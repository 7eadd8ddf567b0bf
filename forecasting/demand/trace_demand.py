"""The demand in the trace of one replicate: the kits that were due, whether there or not, apart by what is known of them at the census.

Kits are *predictable* that subjects on study are due whatever is decided about them: only their days, missed visits and leaving are chance.
They are *correlated* where they follow from something that is still to happen to those on study: a titration, a kit that is lost and
replaced, a subject who leaves and is replaced. All others are of *new* subjects, those in screening at the census among them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulation.engines import events
from simulation.engines.plan import TrialPlan, due_lines
from simulation.engines.trace import COLUMNS, Trace

Ints = NDArray[np.int64]

PARTS: Final = ("predictable", "correlated", "new")
PREDICTABLE, CORRELATED, NEW = range(3)

_DAY, _, _KIND, _SITE, _SUBJECT, _KIT_TYPE, _, _QUANTITY = range(len(COLUMNS))


class Demand(NamedTuple):
    """Rows of `kits` of a `kit_type` due on a `day` at a `site`, of a part (PARTS); `met` 0: none was there for the whole visit.

    `unserved`: (day, site) of each visit that lacked a kit. `newcomers`: subjects randomized from day 0 on.
    """

    day: Ints
    site: Ints
    kit_type: Ints
    part: Ints
    met: Ints
    kits: Ints
    unserved: Ints
    newcomers: int


class DueTable(NamedTuple):
    """What a plan's visits are due: `due[arm, level, visit, kit type]` in kits, `depends[arm, visit, kit type]` on the dose level, and
    `to_come[next visit, visit]`: whether a dose is titrated at one of them or between."""

    due: Ints
    depends: NDArray[np.bool_]
    to_come: NDArray[np.bool_]


def due_table(plan: TrialPlan) -> DueTable:
    """The table of a plan; the same for all of its replicates."""
    arms, levels, visits, kits = plan.arms, plan.doses.levels, plan.visits.size, plan.kits.size
    due = np.zeros((arms * levels, visits, kits), dtype=np.int64)
    for row in range(arms * levels):
        for visit in range(visits):
            lines = due_lines(plan.visits, row, visit)
            due[row, visit, plan.visits.line_kit_type[lines]] = plan.visits.line_quantity[lines]
    by_level = due.reshape(arms, levels, visits, kits)
    titrations = np.concatenate([[0], np.cumsum(plan.doses.titrated)])
    to_come = titrations[None, 1:] - titrations[:-1, None] > 0
    return DueTable(by_level, np.ptp(by_level, axis=1) > 0, to_come)


def demand_of(plan: TrialPlan, table: DueTable, trace: Trace) -> Demand:
    """The demand of a replicate from its trace."""
    kind, subject = trace[:, _KIND], trace[:, _SUBJECT]
    arm, level = _arms_and_levels(plan, trace)
    # Of one subject and day, its visit comes first in the order of a trace.
    visited = np.where(kind == events.VISITED, np.arange(len(trace)), -1)
    visit = trace[np.maximum.accumulate(visited), _QUANTITY]
    handed = _handed(plan, trace, visit)
    missed = np.flatnonzero(kind == events.NOT_DISPENSED)
    last = _last_levels(table, handed, arm, level, subject[missed], visit[missed])
    lacked = _lacked(table, arm, trace[missed], visit[missed], last)
    who = np.concatenate([handed.subject, subject[missed][lacked.row]])
    at_visit = np.concatenate([handed.visit, visit[missed][lacked.row]])
    kit_type = np.concatenate([handed.kit_type, lacked.kit_type])
    day = np.concatenate([handed.day, trace[missed, _DAY][lacked.row]])
    site = np.concatenate([handed.site, trace[missed, _SITE][lacked.row]])
    kits = np.concatenate([handed.first, lacked.kits])
    met = np.repeat([1, 0], [len(handed.day), len(lacked.row)])
    part = _part_of(plan, table, trace, arm, who, at_visit, kit_type)
    again = np.flatnonzero(handed.again > 0)
    anew = np.where(part[again] == PREDICTABLE, CORRELATED, part[again])

    def with_replaced(rows: Ints) -> Ints:
        return np.concatenate([rows, rows[again]])

    return Demand(
        day=with_replaced(day),
        site=with_replaced(site),
        kit_type=with_replaced(kit_type),
        part=np.concatenate([part, anew]),
        met=with_replaced(met),
        kits=np.concatenate([kits, handed.again[again]]),
        unserved=trace[missed][:, [_DAY, _SITE]],
        newcomers=int((kind == events.RANDOMIZED).sum()),
    )


class _Handed(NamedTuple):
    """What was handed out, a row a subject, visit and kit type in the order of subject and visit: `first` kits, and those given `again`."""

    subject: Ints
    visit: Ints
    kit_type: Ints
    day: Ints
    site: Ints
    first: Ints
    again: Ints


def _handed(plan: TrialPlan, trace: Trace, visit: Ints) -> _Handed:
    out = trace[:, _KIND] == events.DISPENSED
    again = trace[:, _KIND] == events.KIT_REPLACED
    rows = np.flatnonzero(out | again)
    key = (trace[rows, _SUBJECT] * plan.visits.size + visit[rows]) * plan.kits.size + trace[rows, _KIT_TYPE]
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    kits = trace[rows, _QUANTITY]
    all_kits = np.bincount(place, kits * out[rows], len(first)).astype(np.int64)
    replaced = np.bincount(place, kits * again[rows], len(first)).astype(np.int64)
    one = rows[first]
    return _Handed(
        trace[one, _SUBJECT],
        visit[one],
        trace[one, _KIT_TYPE],
        trace[one, _DAY],
        trace[one, _SITE],
        all_kits - replaced,
        replaced,
    )


def _arms_and_levels(plan: TrialPlan, trace: Trace) -> tuple[Ints, Ints]:
    """By subject the arm (-1: not randomized) and the dose level at the census, or at the start."""
    there = plan.present.subjects
    arm = np.full(max(there, int(trace[:, _SUBJECT].max(initial=-1)) + 1), -1, dtype=np.int64)
    arm[:there] = plan.present.arm
    randomized = trace[:, _KIND] == events.RANDOMIZED
    arm[trace[randomized, _SUBJECT]] = trace[randomized, _QUANTITY]
    level = np.where(arm >= 0, plan.doses.start[arm], 0)
    on_study = np.flatnonzero(plan.present.arm >= 0)
    level[on_study] = plan.present.level[on_study]
    return arm, level


def _nearest(fits: NDArray[np.bool_], level: Ints) -> Ints:
    """The dose level nearest to `level` among those that fit (a row each); `level` itself where none does."""
    distance = np.abs(np.arange(fits.shape[1])[None, :] - level[:, None])
    found: Ints = np.where(
        fits.any(axis=1), np.where(fits, distance, fits.shape[1] + 1).argmin(axis=1), level
    )
    return found


def _last_levels(
    table: DueTable, handed: _Handed, arm: Ints, level: Ints, subject: Ints, visit: Ints
) -> Ints:
    """The dose levels of subjects before a visit, as their last kits before it tell."""
    base = level[subject]
    if not len(handed.subject):
        return base
    visits = table.due.shape[2]
    before = np.searchsorted(handed.subject * visits + handed.visit, subject * visits + visit) - 1
    row = np.maximum(before, 0)
    known = (before >= 0) & (handed.subject[row] == subject)
    due = table.due[arm[subject], :, handed.visit[row], handed.kit_type[row]]
    found: Ints = np.where(known, _nearest(due == handed.first[row][:, None], base), base)
    return found


class _Lacked(NamedTuple):
    """What visits that were not served were due: `row` is the visit's place among them."""

    row: Ints
    kit_type: Ints
    kits: Ints


def _lacked(table: DueTable, arm: Ints, missed: Trace, visit: Ints, level: Ints) -> _Lacked:
    """All that was due on the dose level at which the missing kit is due; the one nearest to the last, where there are several."""
    of_arm = arm[missed[:, _SUBJECT]]
    by_level = table.due[of_arm, :, visit, :]
    kit = missed[:, _KIT_TYPE]
    fits = by_level[np.arange(len(missed)), :, kit] > 0
    due = by_level[np.arange(len(missed)), _nearest(fits, level)]
    row, kit_type = np.nonzero(due)
    return _Lacked(row.astype(np.int64), kit_type.astype(np.int64), due[row, kit_type])


def _part_of(
    plan: TrialPlan, table: DueTable, trace: Trace, arm: Ints, subject: Ints, visit: Ints, kit_type: Ints
) -> Ints:
    present = plan.present
    on_study = np.zeros(len(arm), dtype=np.bool_)
    on_study[: present.subjects] = present.arm >= 0
    following = np.zeros(len(arm), dtype=np.int64)
    following[: present.subjects] = present.visit
    replacing = np.zeros(len(arm), dtype=np.bool_)
    replacing[trace[trace[:, _KIND] == events.REPLACED, _SUBJECT]] = True
    decided = table.to_come[following[subject], visit] & table.depends[arm[subject], visit, kit_type]
    of_those: Any = np.where(decided, CORRELATED, PREDICTABLE)
    found: Ints = np.where(on_study[subject], of_those, np.where(replacing[subject], CORRELATED, NEW))
    return found
