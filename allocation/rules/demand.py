"""Which subjects and visits count as coming demand of a site: the input of resupply.py.

Who is eligible differs between sponsors, so each choice is a parameter (field note resupply.md). Whatever the parameters,
discontinued subjects and screen failures never count, and a subject on dose hold is ignored. Visits are projected at the
earliest permissible date (visits.py), with the kits of the subject's latest dose: titration is what the buffer is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules.compilable import NO_DAY, compilable
from allocation.rules.resupply import DueVisit

SCREENED: Final = 0
RANDOMIZED: Final = 1
SCREEN_FAILED: Final = 2
DISCONTINUED: Final = 3
COMPLETED: Final = 4

COUNTED: Final = 0
NOT_IN_TRIAL: Final = 1
NOT_RANDOMIZED: Final = 2
ON_DOSE_HOLD: Final = 3
SKIPPED_LAST_DISPENSING: Final = 4
OVERDUE_TOO_LONG: Final = 5

NEVER_IGNORED: Final = -1
"""No limit of the days overdue."""


@compilable
def demand_code(
    state: int,
    on_dose_hold: bool,
    skipped_last_dispensing: bool,
    oldest_open_window_closes_day: int,
    today: int,
    from_screening: bool,
    ignore_if_last_dispensing_skipped: bool,
    ignore_if_overdue_days: int,
) -> int:
    """Return COUNTED, or the code of the first reason why a subject is no demand on `today`.

    `state` is SCREENED, RANDOMIZED, ...; `from_screening` lets screened subjects count. `oldest_open_window_closes_day` NO_DAY and
    `ignore_if_overdue_days` NEVER_IGNORED stand for none.
    """
    if state == SCREENED and not from_screening:
        return NOT_RANDOMIZED
    if state != SCREENED and state != RANDOMIZED:
        return NOT_IN_TRIAL
    if on_dose_hold:
        return ON_DOSE_HOLD
    if ignore_if_last_dispensing_skipped and skipped_last_dispensing:
        return SKIPPED_LAST_DISPENSING
    if ignore_if_overdue_days == NEVER_IGNORED or oldest_open_window_closes_day == NO_DAY:
        return COUNTED
    if today - oldest_open_window_closes_day > ignore_if_overdue_days:
        return OVERDUE_TOO_LONG
    return COUNTED


@compilable
def visit_is_ahead(place: int, latest_done: int, done: bool, missed: bool) -> bool:
    """Return whether a planned visit is still expected: not done nor missed, and not before a later one that has taken place.

    `place` is the visit's place in the order of the schedule, `latest_done` that of the latest visit done, -1 for none. Whoever came to
    week 8 will not be given week 4's kits any more.
    """
    return not done and not missed and place > latest_done


class EligibleSubjects(StrEnum):
    """From which moment on a subject counts: screened subjects need kits soon, but some of them will fail."""

    SCREENED = "screened"
    RANDOMIZED = "randomized"


class SubjectState(StrEnum):
    """Where a subject stands, as far as demand is concerned."""

    SCREENED = "screened"
    SCREEN_FAILED = "screen_failed"
    RANDOMIZED = "randomized"
    DISCONTINUED = "discontinued"
    COMPLETED = "completed"


class Counted(StrEnum):
    """Why a subject counts or does not."""

    COUNTED = "counted"
    NOT_IN_TRIAL = "not_in_trial"
    NOT_RANDOMIZED = "not_randomized"
    ON_DOSE_HOLD = "on_dose_hold"
    SKIPPED_LAST_DISPENSING = "skipped_last_dispensing"
    OVERDUE_TOO_LONG = "overdue_too_long"


@dataclass(frozen=True, slots=True)
class DemandPolicy:
    """The study's parameters on who counts. `ignore_if_overdue_days` N ignores those more than N days past their window."""

    eligible_subjects: EligibleSubjects = EligibleSubjects.RANDOMIZED
    ignore_if_last_dispensing_skipped: bool = False
    ignore_if_overdue_days: int | None = None

    def __post_init__(self) -> None:
        """Check the range; raises InvalidParameter."""
        if self.ignore_if_overdue_days is not None and self.ignore_if_overdue_days < 0:
            raise InvalidParameter(
                f"must be 0 days or more, not {self.ignore_if_overdue_days}", field="ignore_if_overdue_days"
            )


@dataclass(frozen=True, slots=True)
class SubjectDemandFacts:
    """What is known of a subject on the run date.

    `oldest_open_window_closes` is the last day of the window of the subject's first planned visit that is neither done nor
    missed, None when there is none (or it has no window).
    """

    subject: str
    state: SubjectState
    on_dose_hold: bool = False
    skipped_last_dispensing: bool = False
    oldest_open_window_closes: date | None = None


@dataclass(frozen=True, slots=True)
class PlannedDispensing:
    """One kit type at one planned visit that is neither done nor missed; `projected` is the earliest permissible date."""

    subject: str
    visit: str
    projected: date
    kit_type: str
    quantity: int


_STATE_CODES: Final = {
    SubjectState.SCREENED: SCREENED,
    SubjectState.RANDOMIZED: RANDOMIZED,
    SubjectState.SCREEN_FAILED: SCREEN_FAILED,
    SubjectState.DISCONTINUED: DISCONTINUED,
    SubjectState.COMPLETED: COMPLETED,
}
_COUNTED: Final = {
    COUNTED: Counted.COUNTED,
    NOT_IN_TRIAL: Counted.NOT_IN_TRIAL,
    NOT_RANDOMIZED: Counted.NOT_RANDOMIZED,
    ON_DOSE_HOLD: Counted.ON_DOSE_HOLD,
    SKIPPED_LAST_DISPENSING: Counted.SKIPPED_LAST_DISPENSING,
    OVERDUE_TOO_LONG: Counted.OVERDUE_TOO_LONG,
}


def demand_status(facts: SubjectDemandFacts, today: date, policy: DemandPolicy) -> Counted:
    """Return whether the subject counts as demand on `today` (the site's date), with the reason if not."""
    closes = facts.oldest_open_window_closes
    overdue = policy.ignore_if_overdue_days
    code = demand_code(
        _STATE_CODES[facts.state],
        facts.on_dose_hold,
        facts.skipped_last_dispensing,
        NO_DAY if closes is None else closes.toordinal(),
        today.toordinal(),
        policy.eligible_subjects == EligibleSubjects.SCREENED,
        policy.ignore_if_last_dispensing_skipped,
        NEVER_IGNORED if overdue is None else overdue,
    )
    return _COUNTED[code]


def due_visits(
    planned: Iterable[PlannedDispensing],
    subjects: Iterable[SubjectDemandFacts],
    kit_type: str,
    today: date,
    policy: DemandPolicy,
) -> tuple[DueVisit, ...]:
    """Return the due visits of one kit type by the subjects that count, as offsets in days from `today`.

    Sorted by offset, subject and visit, so that the decision record does not depend on the order of loading. A planned
    dispensing of a subject that is not among `subjects` does not count.
    """
    counted = {facts.subject for facts in subjects if demand_status(facts, today, policy) == Counted.COUNTED}
    due = [
        DueVisit(plan.subject, plan.visit, (plan.projected - today).days, plan.quantity)
        for plan in planned
        if plan.kit_type == kit_type and plan.subject in counted
    ]
    return tuple(sorted(due, key=lambda visit: (visit.due_offset, visit.subject, visit.visit)))
