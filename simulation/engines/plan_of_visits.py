"""The visits of a plan, what is dispensed at them, and how doses move."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.rules.dosing import NO_FORCED_STEP, DispensingRow
from allocation.rules.visits import offset_of_study_day
from allocation.study.dose_paths import dispensing_rows
from allocation.study.protocol import Protocol
from allocation.study.schedule import Visit
from allocation.study.subject_schedule import scheduled_dose_level
from simulation.engines.day_laws import LawTables
from simulation.engines.plan import Doses, Visits
from simulation.engines.plan_arrays import floats, ints
from simulation.laws import window_shares
from simulation.scenario import Scenario

STEPS = {"up": 1, "maintain": 0, "down": -1}
"""The moves of a dose as steps of its level."""


def visits_of(protocol: Protocol) -> list[Visit]:
    """The planned visits from randomization on, in their order."""
    return sorted(
        (
            visit
            for visit in protocol.visits
            if visit.anchor == "randomization" and not visit.optional and visit.target_day is not None
        ),
        key=lambda visit: (offset_of_study_day(visit.target_day or 1), visit.number),
    )


def levels_of(protocol: Protocol) -> list[str | None]:
    """The dose levels from the lowest; a study without any has one that is none."""
    return [level.code for level in sorted(protocol.dose_levels, key=lambda one: one.order)] or [None]


def visits_of_plan(protocol: Protocol, scenario: Scenario, tables: LawTables) -> Visits:
    """The visits with their windows, the laws of their days, and what is dispensed."""
    visits = visits_of(protocol)
    targets = [offset_of_study_day(visit.target_day or 1) for visit in visits]
    closes = [target + visit.window_after for target, visit in zip(targets, visits, strict=True)]
    laws = []
    for visit in visits:
        shares = window_shares(visit.window_before, visit.window_after, scenario.visits.day_law)
        laws.append(tables.add_shares(-visit.window_before, shares))
    starts, lines = _lines(protocol, visits)
    needed_until = [
        next((closes[later] for later in range(at + 1, len(visits)) if visits[later].dispensing), -1)
        for at in range(len(visits))
    ]
    return Visits(
        size=len(visits),
        target=ints(targets),
        opens=ints([target - visit.window_before for target, visit in zip(targets, visits, strict=True)]),
        closes=ints(closes),
        day_law=ints(laws),
        missed=scenario.visits.missed_probability,
        late=scenario.visits.late_probability,
        late_law=tables.add(scenario.visits.late_days),
        weekdays=scenario.visits.weekdays_only,
        line_start=ints(starts),
        line_kit_type=ints([kit_type for kit_type, _ in lines]),
        line_quantity=ints([quantity for _, quantity in lines]),
        needed_until=ints(needed_until),
    )


def _lines(protocol: Protocol, visits: list[Visit]) -> tuple[list[int], list[tuple[int, int]]]:
    """The lines of the dispensing table by arm, level and visit: where each begins and the last ends, and (kit type, quantity)."""
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    rows = dispensing_rows(protocol)
    starts = [0]
    lines: list[tuple[int, int]] = []
    for arm in protocol.arms:
        for level in levels_of(protocol):
            for visit in visits:
                row = row_at(rows, visit, arm.code, level)
                due: dict[int, int] = {}
                for kit_type, quantity in row.kits if row is not None else ():
                    due[kit_types.index(kit_type)] = due.get(kit_types.index(kit_type), 0) + quantity
                lines += due.items()
                starts.append(len(lines))
    return starts, lines


def row_at(rows: Sequence[DispensingRow], visit: Visit, arm: str, level: str | None) -> DispensingRow | None:
    """The row of the dispensing table for an arm and a dose level at a visit; None where nothing is handed out."""
    return next(
        (
            row
            for row in rows
            if visit.dispensing
            and visit.code in row.visits
            and row.arm in (None, arm)
            and row.dose_level in (None, level)
        ),
        None,
    )


def _scheduled(protocol: Protocol) -> list[list[int]]:
    """By arm and visit of the plan the level that the protocol's schedule moves to since the visit before; -1 where it moves nothing."""
    levels, everything = levels_of(protocol), sorted(protocol.visits, key=lambda one: one.number)
    rows = []
    for arm in protocol.arms:
        row, before = [], None
        for visit in visits_of(protocol):
            level = None
            for one in everything:
                if (before is None or one.number > before) and one.number <= visit.number:
                    level = scheduled_dose_level(protocol, arm.code, level, one.code)
            row.append(-1 if level is None else levels.index(level))
            before = visit.number
        rows.append(row)
    return rows


def doses_of(protocol: Protocol, scenario: Scenario) -> Doses:
    """Where doses start, at which visits the site moves them, and what it asks for."""
    levels = levels_of(protocol)
    starts = [levels.index(arm.start_dose_level or levels[0]) for arm in protocol.arms]
    by_visit = {
        visit: one for one in protocol.titration if one.kind == "investigator" for visit in one.visits
    }
    titrations = [by_visit.get(visit.code) for visit in visits_of(protocol)]
    shares = []
    for arm in protocol.arms:
        for level in levels:
            asked = next(
                (
                    one
                    for one in scenario.titration
                    if one.arm in (None, arm.code) and one.dose_level in (None, level)
                ),
                None,
            )
            shares.append(
                [0.0, 0.0, 1.0, 1.0] if asked is None else [0.0, asked.up, asked.up + asked.maintain, 1.0]
            )
    return Doses(
        levels=len(levels),
        start=ints(starts),
        titrated=ints([one is not None for one in titrations]),
        lowest=ints([0 if one is None else levels.index(one.min_level) for one in titrations]),
        highest=ints([0 if one is None else levels.index(one.max_level) for one in titrations]),
        max_steps=ints([0 if one is None else one.max_steps for one in titrations]),
        moves=floats(shares),
        follows_schedule=any(one.kind == "scheduled" for one in protocol.titration),
        scheduled=ints(_scheduled(protocol)),
        forced_first=ints(
            [
                NO_FORCED_STEP if one is None or one.forced_first is None else STEPS[one.forced_first]
                for one in titrations
            ]
        ),
    )
