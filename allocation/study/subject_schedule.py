"""One subject's schedule: the window of each planned visit, which visits are still to come, and what they will dispense.

The service judges visit dates with it, resupply and forecasting project demand with it. Dates are calendar dates at the site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from allocation.errors import TitrationRefused
from allocation.rules.demand import PlannedDispensing
from allocation.rules.dosing import DispensingRow, DoseMove, TitrationLimits, kits_due, titrate
from allocation.rules.visits import VisitWindow, window_from_anchor, window_from_previous_visit

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Visit


@dataclass(frozen=True, slots=True)
class SubjectPath:
    """How far a subject has come. `done` holds the date of each planned visit that took place, `missed` those marked missed.

    `dispensed` are the visits at which kits were handed out; `dose_level` is the level of the last of them. `version`: the protocol
    version that the subject's visits follow, where whoever made the path knows it.
    """

    subject_id: str
    screened_on: date
    randomized_on: date | None = None
    first_dose_on: date | None = None
    arm: str | None = None
    dose_level: str | None = None
    cohort: str | None = None
    stratum: str | None = None
    done: Mapping[str, date] = field(default_factory=dict)
    missed: frozenset[str] = frozenset()
    dispensed: frozenset[str] = frozenset()
    version: int | None = None


def applies_to(visit: Visit, path: SubjectPath) -> bool:
    """Whether the visit is part of the schedule of the subject's cohort and stratum."""
    return (not visit.cohorts or path.cohort in visit.cohorts) and (
        not visit.strata or path.stratum in visit.strata
    )


def window_of(protocol: Protocol, visit: Visit, path: SubjectPath) -> VisitWindow | None:
    """The subject's window of a planned visit; None while its anchor is unknown, or when it has no target.

    A visit that is anchored to the previous one takes that visit's actual date, or its own target while it has not taken place.
    """
    if visit.target_day is None or visit.anchor == "none":
        return None
    if visit.anchor == "previous_visit":
        earlier = [
            other
            for other in protocol.visits
            if other.number < visit.number and not other.optional and applies_to(other, path)
        ]
        if not earlier:
            return None
        previous = max(earlier, key=lambda other: other.number)
        on = path.done.get(previous.code)
        if on is None:
            window = window_of(protocol, previous, path)
            if window is None:
                return None
            on = window.target
        return window_from_previous_visit(on, visit.target_day, visit.window_before, visit.window_after)
    anchors = {
        "screening": path.screened_on,
        "randomization": path.randomized_on,
        "first_dose": path.first_dose_on,
    }
    anchor = anchors[visit.anchor]
    if anchor is None:
        return None
    return window_from_anchor(anchor, visit.target_day, visit.window_before, visit.window_after)


def visits_ahead(protocol: Protocol, path: SubjectPath) -> list[tuple[Visit, VisitWindow]]:
    """The planned visits that are still expected, in order, each with its window.

    Not those done or marked missed, nor optional ones, nor those before a later planned visit that has taken place: whoever came to
    week 8 will not be given week 4's kits any more.
    """
    scheduled = [visit for visit in protocol.visits if not visit.optional and applies_to(visit, path)]
    latest = max((visit.number for visit in scheduled if visit.code in path.done), default=None)
    ahead = []
    for visit in sorted(scheduled, key=lambda visit: visit.number):
        if (
            visit.code in path.done
            or visit.code in path.missed
            or (latest is not None and visit.number < latest)
        ):
            continue
        window = window_of(protocol, visit, path)
        if window is not None:
            ahead.append((visit, window))
    return ahead


def scheduled_dose_level(protocol: Protocol, arm: str, level: str | None, visit_code: str) -> str | None:
    """The dose level from `visit_code` on, after the protocol's scheduled titrations of that visit (not the investigator's)."""
    for titration in protocol.titration:
        if titration.kind == "scheduled" and visit_code in titration.visits and arm in titration.arms:
            level = titration.to_level
    return level


def dose_level_before(protocol: Protocol, path: SubjectPath, visit_code: str) -> str | None:
    """The dose level with which a subject comes to a visit, before that visit's own titration.

    It is the level of the last dispensing, moved by the scheduled titrations of the visits since then: the schedule goes on for a
    subject who missed such a visit or was given nothing there.
    """
    level = path.dose_level
    if path.arm is None or all(one.kind != "scheduled" for one in protocol.titration):
        return level
    number = {visit.code: visit.number for visit in protocol.visits}
    last = max((number[code] for code in path.dispensed if code in number), default=None)
    for visit in sorted(protocol.visits, key=lambda visit: visit.number):
        if (last is None or visit.number > last) and visit.number < number[visit_code]:
            level = scheduled_dose_level(protocol, path.arm, level, visit.code)
    return level


def dose_level_at(
    protocol: Protocol, arm: str, level: str | None, visit_code: str, asked: DoseMove | None
) -> tuple[str | None, DoseMove | None]:
    """The dose level that counts from this visit's dispensing on, and the investigator's move (None where there is none).

    Every arm's level moves alike, so that blinded people see the same; the dispensing table says in which arms kits change.
    Raises TitrationRefused, also for a move that is asked for where the protocol has none.
    """
    level = scheduled_dose_level(protocol, arm, level, visit_code)
    titration = next(
        (one for one in protocol.titration if one.kind == "investigator" and visit_code in one.visits), None
    )
    if titration is None:
        if asked is not None:
            raise TitrationRefused(
                f"the dose is not titrated at visit {visit_code}",
                code="no-titration-here",
                field="titration",
                fix="leave it out",
            )
        return level, None
    move = asked or DoseMove.MAINTAIN
    order = [one.code for one in sorted(protocol.dose_levels, key=lambda one: one.order)]
    if level is None or titration.min_level is None or titration.max_level is None:
        return level, move
    limits = TitrationLimits(
        order.index(titration.min_level), order.index(titration.max_level), titration.max_steps
    )
    return order[titrate(order.index(level), move, limits).level_after], move


def planned_dispensings(
    protocol: Protocol,
    rows: tuple[DispensingRow, ...],
    path: SubjectPath,
    ahead: Sequence[tuple[Visit, VisitWindow]] | None = None,
) -> tuple[PlannedDispensing, ...]:
    """What a randomized subject is scheduled to receive, one item a visit and kit type, at the earliest permissible date.

    Investigator titration is projected at the latest dose. `rows` is the dispensing table (dose_paths.dispensing_rows). Empty for a
    subject without an arm. `ahead`: the subject's `visits_ahead`, where the caller has them.
    """
    if path.arm is None:
        return ()
    ahead = visits_ahead(protocol, path) if ahead is None else ahead
    level = dose_level_before(protocol, path, ahead[0][0].code) if ahead else None
    planned = []
    for visit, window in ahead:
        level = scheduled_dose_level(protocol, path.arm, level, visit.code)
        if visit.dispensing:
            for kit_type, quantity in kits_due(rows, visit.code, path.arm, level).kits:
                planned.append(
                    PlannedDispensing(path.subject_id, visit.code, window.projected, kit_type, quantity)
                )
    return tuple(planned)
