"""One subject's schedule: the window of each planned visit, which visits are still to come, and what they will dispense.

The service judges visit dates with it, resupply and forecasting project demand with it. Dates are calendar dates at the site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from allocation.errors import TitrationRefused
from allocation.rules.amendments import VersionsByVisit
from allocation.rules.demand import PlannedDispensing, visit_is_ahead
from allocation.rules.dosing import DispensingRow, DoseMove, TitrationLimits, kits_due, titrate
from allocation.rules.measures import Measures
from allocation.rules.visits import VisitWindow, window_from_anchor, window_from_previous_visit

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Titration, Visit


@dataclass(frozen=True, slots=True)
class SubjectPath:
    """How far a subject has come. `done` holds the date of each planned visit that took place, `missed` those marked missed.

    `dispensed` are the visits at which kits were given; `dose_level` is the level of the last of them. `randomizations` holds the date of
    each randomization event that the subject went through. `on_hold`: dosing is on hold. `measures`: what is known of weight, surface
    area and age, None where nobody asked. `version`: the protocol version that the subject has come to follow, and `versions` those of all
    its visits (rules/amendments.py), where whoever made the path knows them.
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
    randomizations: Mapping[str, date] = field(default_factory=dict)
    on_hold: bool = False
    measures: Measures | None = None
    version: int | None = None
    versions: VersionsByVisit = ()


def applies_to(visit: Visit, path: SubjectPath) -> bool:
    """Whether the visit is part of the schedule of the subject's cohort and stratum."""
    return (not visit.cohorts or path.cohort in visit.cohorts) and (
        not visit.strata or path.stratum in visit.strata
    )


def window_of(protocol: Protocol, visit: Visit, path: SubjectPath) -> VisitWindow | None:
    """The subject's window of a planned visit; None while its anchor is unknown, or when it has no target.

    A visit that is anchored to the previous one takes that visit's actual date, or its own target while it has not taken place. One that is
    anchored to a later randomization event is unknown until the subject goes through it.
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
    if visit.anchor_event is not None and visit.anchor == "randomization":
        anchor = path.randomizations.get(visit.anchor_event)
    if anchor is None:
        return None
    return window_from_anchor(anchor, visit.target_day, visit.window_before, visit.window_after)


def visits_ahead(protocol: Protocol, path: SubjectPath) -> list[tuple[Visit, VisitWindow]]:
    """The planned visits that are still expected, in order, each with its window.

    Not those done or marked missed, nor optional ones, nor those before a later planned visit that has taken place: whoever came to
    week 8 will not be given week 4's kits any more.
    """
    scheduled = [visit for visit in protocol.visits if not visit.optional and applies_to(visit, path)]
    scheduled.sort(key=lambda visit: visit.number)
    latest = max((place for place, visit in enumerate(scheduled) if visit.code in path.done), default=-1)
    ahead = []
    for place, visit in enumerate(scheduled):
        if not visit_is_ahead(place, latest, visit.code in path.done, visit.code in path.missed):
            continue
        window = window_of(protocol, visit, path)
        if window is not None:
            ahead.append((visit, window))
    return ahead


def needed_until(protocol: Protocol, path: SubjectPath, visit: Visit | None, on: date) -> date | None:
    """The last day on which kits that are handed out at `visit`, which takes place on `on`, may still be in use (dynamic DND).

    It is the last day of the window of the next visit that dispenses, by the schedule as it stands after this one (`visit` None: an
    unscheduled one, which moves nothing). None where no such visit follows: then the kit type's DND days alone decide.
    """
    done = path.done if visit is None else {**path.done, visit.code: on}
    came = replace(path, done=done, first_dose_on=path.first_dose_on or on)
    # Every dispensing asks this, so the windows of the visits between are not worked out (as visits_ahead would).
    following = [
        one
        for one in protocol.visits
        if (one.dispensing or one.code in done) and not one.optional and applies_to(one, came)
    ]
    following.sort(key=lambda one: one.number)
    latest = max((place for place, one in enumerate(following) if one.code in done), default=-1)
    for place, one in enumerate(following):
        if not visit_is_ahead(place, latest, one.code in done, one.code in path.missed):
            continue
        window = window_of(protocol, one, came)
        if window is not None:
            return window.closes
    return None


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


def investigator_titration(protocol: Protocol, visit_code: str) -> Titration | None:
    """The titration that lets the investigator move the dose at this visit, or None."""
    return next(
        (one for one in protocol.titration if one.kind == "investigator" and visit_code in one.visits), None
    )


def is_first_titration(protocol: Protocol, path: SubjectPath) -> bool:
    """Whether the subject was given kits at no visit yet at which the investigator may move the dose."""
    return not any(investigator_titration(protocol, code) is not None for code in path.dispensed)


def dose_level_at(
    protocol: Protocol,
    arm: str,
    level: str | None,
    visit_code: str,
    asked: DoseMove | None,
    *,
    steps: int = 1,
    first: bool = False,
) -> tuple[str | None, DoseMove | None]:
    """The dose level that counts from this visit's dispensing on, and the investigator's move (None where there is none).

    `steps`: by how many levels. `first`: this is the subject's first titration, where the protocol may prescribe the move; if nothing is
    asked for, that one is made. Every arm's level moves alike, so that blinded people see the same; the dispensing table says in which arms
    kits change. Raises TitrationRefused, also for a move that is asked for where the protocol has none.
    """
    level = scheduled_dose_level(protocol, arm, level, visit_code)
    titration = investigator_titration(protocol, visit_code)
    if titration is None:
        if asked is not None:
            raise TitrationRefused(
                f"the dose is not titrated at visit {visit_code}",
                code="no-titration-here",
                field="titration",
                fix="leave it out",
            )
        return level, None
    prescribed = None if titration.forced_first is None or not first else DoseMove(titration.forced_first)
    move = asked or prescribed or DoseMove.MAINTAIN
    order = [one.code for one in sorted(protocol.dose_levels, key=lambda one: one.order)]
    if level is None or titration.min_level is None or titration.max_level is None:
        return level, move
    limits = TitrationLimits(
        order.index(titration.min_level),
        order.index(titration.max_level),
        titration.max_steps,
        None if titration.forced_first is None else DoseMove(titration.forced_first),
    )
    decision = titrate(order.index(level), move, limits, steps=steps, first_move=first)
    return order[decision.level_after], move


def planned_dispensings(
    protocol: Protocol,
    rows: tuple[DispensingRow, ...],
    path: SubjectPath,
    ahead: Sequence[tuple[Visit, VisitWindow]] | None = None,
) -> tuple[PlannedDispensing, ...]:
    """What a randomized subject is scheduled to receive, one item a visit and kit type, at the earliest permissible date.

    Investigator titration is projected at the latest dose. `rows` is the dispensing table (dose_paths.dispensing_rows). Empty for a
    subject without an arm. `ahead`: the subject's `visits_ahead`, where the caller has them. What depends on weight, surface area or age is
    planned by `path.measures`.
    """
    if path.arm is None:
        return ()
    ahead = visits_ahead(protocol, path) if ahead is None else ahead
    level = dose_level_before(protocol, path, ahead[0][0].code) if ahead else None
    planned = []
    for visit, window in ahead:
        level = scheduled_dose_level(protocol, path.arm, level, visit.code)
        if visit.dispensing:
            for kit_type, quantity in kits_due(rows, visit.code, path.arm, level, path.measures).kits:
                planned.append(
                    PlannedDispensing(path.subject_id, visit.code, window.projected, kit_type, quantity)
                )
    return tuple(planned)
