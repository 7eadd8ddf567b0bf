"""What subjects who are not randomized yet will receive: the planned kits of each arm, counted from the day of randomization."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from allocation.errors import InvalidParameter
from allocation.rules.computed_buffer import NewcomerDispensing
from allocation.rules.visits import offset_of_study_day
from allocation.study.allocation_scheme import event_ratio
from allocation.study.dose_paths import dispensing_rows
from allocation.study.measure_points import goes_by_measures, planned_measures
from allocation.study.subject_schedule import SubjectPath, planned_dispensings, visits_ahead, window_of

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

_DAY_ZERO: Final = date(2000, 1, 1)
"""Any day: only differences of days are kept."""


@dataclass(frozen=True, slots=True)
class Newcomers:
    """`ratio` of the arms that newcomers are allocated to, and by kit type what one of each arm (its index in it) receives when."""

    ratio: tuple[int, ...]
    dispensings: dict[str, tuple[NewcomerDispensing, ...]]


def newcomers(protocol: Protocol) -> Newcomers:
    """The planned kits of a newcomer, at the earliest permissible dates and the arm's start level, doses by typical measures.

    Visits that every cohort and stratum has are counted, by the first randomization event's ratio. Raises InvalidParameter for a study
    that randomizes nobody, or has no open arm.
    """
    shares = () if not protocol.randomization else event_ratio(protocol, protocol.randomization[0])
    if not shares:
        raise InvalidParameter(
            "needs subjects to be randomized into open arms, and the protocol has none",
            field="buffer_from",
            fix="use min_max or bands",
        )
    event = protocol.randomization[0]
    first = next(visit.number for visit in protocol.visits if visit.code == event.visit)
    rows = dispensing_rows(protocol)
    measures = planned_measures(protocol, None, ()) if goes_by_measures(protocol) else None
    found: dict[str, list[NewcomerDispensing]] = {one.code: [] for one in protocol.kit_types}
    for index, (code, _) in enumerate(shares):
        arm = protocol.arm(code)
        path = SubjectPath(
            subject_id="",
            screened_on=_DAY_ZERO,
            randomized_on=_DAY_ZERO,
            first_dose_on=_DAY_ZERO,
            arm=code,
            dose_level=None if arm is None else arm.start_dose_level,
            randomizations={event.code: _DAY_ZERO},
            measures=measures,
        )
        ahead = [(visit, window) for visit, window in visits_ahead(protocol, path) if visit.number >= first]
        for planned in planned_dispensings(protocol, rows, path, ahead):
            offset = max((planned.projected - _DAY_ZERO).days, 0)
            found[planned.kit_type].append(NewcomerDispensing(index, offset, planned.quantity))
    return Newcomers(
        tuple(share for _, share in shares), {code: tuple(entries) for code, entries in found.items()}
    )


def expected_randomization(protocol: Protocol, path: SubjectPath) -> date:
    """The planned day of a screened subject's first randomization: its visit's window where that is known, else as many days after
    screening as the two visits' target days are apart; the day of screening where the protocol does not say."""
    visits = {visit.code: visit for visit in protocol.visits}
    randomized_at = visits[protocol.randomization[0].visit]
    window = window_of(protocol, randomized_at, path)
    if window is not None:
        return window.projected
    first, last = visits[protocol.screening.visit].target_day, randomized_at.target_day
    if first is None or last is None:
        return path.screened_on
    days = offset_of_study_day(last) - offset_of_study_day(first)
    return path.screened_on + timedelta(days=max(days, 0))
