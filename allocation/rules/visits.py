"""Visit dates: target, window, projection, and whether a date fits.

`target_day` is a study day in the CDISC sense: the anchor's date is day 1 and there is NO day 0, so day 8 is 7 days after the
anchor and day -1 the day before it. The offset in days from the anchor is `target_day - 1` for day 1 and later, and `target_day`
itself for negative days (SDTM Implementation Guide, --DY). A visit anchored at the previous visit counts plain days after it.

All dates are calendar dates at the site. A window is `window_before` days before to `window_after` days after the target, both
ends included. The projected date is the earliest permissible one, the window's opening: stock must be there by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter, VisitOutsideWindow
from allocation.rules.compilable import compilable

RULE_VERSION: Final = "visit-window/1"

EARLY: Final = -1
IN_WINDOW: Final = 0
LATE: Final = 1


@compilable
def offset_of_study_day(study_day: int) -> int:
    """Return the days from the anchor to a study day (day 1 -> 0, day 8 -> 7, day -1 -> -1). Day 0 does not exist."""
    return study_day - 1 if study_day > 0 else study_day


@compilable
def study_day_of_offset(offset_days: int) -> int:
    """Return the study day that lies `offset_days` from the anchor: the inverse of `offset_of_study_day`; never 0."""
    return offset_days + 1 if offset_days >= 0 else offset_days


@compilable
def planned_day(from_day: int, target_day: int, after_previous: bool) -> int:
    """Return the target (ordinal) of a visit: `target_day` days after the previous visit, or on that study day of its anchor."""
    if after_previous:
        return from_day + target_day
    return from_day + offset_of_study_day(target_day)


@compilable
def visit_window(target: int, window_before: int, window_after: int) -> tuple[int, int]:
    """Return (opening day, closing day), both inside the window, of a target day (ordinals)."""
    return target - window_before, target + window_after


@compilable
def projected_day(target: int, window_before: int) -> int:
    """Return the day on which a planned visit is expected for supply: its window's opening."""
    return visit_window(target, window_before, 0)[0]


@compilable
def classify_day(day: int, opens: int, closes: int) -> int:
    """Return EARLY, IN_WINDOW or LATE for a visit on `day`; the opening and the closing day are in the window."""
    if day < opens:
        return EARLY
    if day > closes:
        return LATE
    return IN_WINDOW


@compilable
def is_overdue_day(projected: int, today: int, done: bool, missed: bool) -> bool:
    """Return whether a visit is overdue: projected before today, and neither done nor missed."""
    return projected < today and not done and not missed


class Timing(StrEnum):
    """How a visit date lies to the window; NO_WINDOW for a visit without a target (when needed)."""

    EARLY = "early"
    IN_WINDOW = "in_window"
    LATE = "late"
    NO_WINDOW = "no_window"


class WindowKind(StrEnum):
    """A hard window refuses a date outside it unless an override gives a reason; a soft one records the deviation."""

    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class VisitWindow:
    """Target, opening and closing date of one planned visit of one subject."""

    target: date
    opens: date
    closes: date

    @property
    def projected(self) -> date:
        """The earliest permissible date, which supply plans for."""
        return self.opens


@dataclass(frozen=True, slots=True)
class VisitDateDecision:
    """The record of judging a visit date. `days_outside` counts from the nearest end of the window, 0 inside.

    `overridden` is true when a hard window was passed over for `reason`.
    """

    rule_version: str
    visit_date: date
    window: VisitWindow | None
    kind: WindowKind
    timing: Timing
    days_outside: int
    overridden: bool
    reason: str | None


def window_from_anchor(anchor: date, target_day: int, window_before: int, window_after: int) -> VisitWindow:
    """Return the window of a visit whose `target_day` is a study day of `anchor` (anchor = day 1).

    Raises InvalidParameter for day 0 and for negative window lengths.
    """
    if target_day == 0:
        raise InvalidParameter(
            "there is no study day 0", field="target_day", fix="the anchor is day 1, the day before it day -1"
        )
    return _window(planned_day(anchor.toordinal(), target_day, False), window_before, window_after)


def window_from_previous_visit(
    previous: date, days_after: int, window_before: int, window_after: int
) -> VisitWindow:
    """Return the window of a visit that is planned `days_after` days after the actual date of the previous visit.

    Raises InvalidParameter for negative numbers.
    """
    if days_after < 0:
        raise InvalidParameter(f"must be 0 days or more, not {days_after}", field="target_day")
    return _window(planned_day(previous.toordinal(), days_after, True), window_before, window_after)


def study_day(day: date, anchor: date) -> int:
    """Return the study day of a date (SDTM --DY when the anchor is RFSTDTC): 1 on the anchor, -1 the day before, never 0."""
    return study_day_of_offset(day.toordinal() - anchor.toordinal())


def is_overdue(projected: date, today: date, *, done: bool = False, missed: bool = False) -> bool:
    """Return whether a visit is overdue on `today`: projected earlier, and neither done nor missed."""
    return is_overdue_day(projected.toordinal(), today.toordinal(), done, missed)


def judge_visit_date(
    visit_date: date,
    window: VisitWindow | None,
    kind: WindowKind,
    override_reason: str | None = None,
) -> VisitDateDecision:
    """Decide whether a visit may be recorded with this date; `window` None for a visit without a target.

    Raises VisitOutsideWindow when the window is hard, the date is outside it and `override_reason` is empty.
    """
    reason = (override_reason or "").strip() or None
    if window is None:
        return VisitDateDecision(RULE_VERSION, visit_date, None, kind, Timing.NO_WINDOW, 0, False, reason)
    place = classify_day(visit_date.toordinal(), window.opens.toordinal(), window.closes.toordinal())
    if place == EARLY:
        timing, outside = Timing.EARLY, (window.opens - visit_date).days
    elif place == LATE:
        timing, outside = Timing.LATE, (visit_date - window.closes).days
    else:
        timing, outside = Timing.IN_WINDOW, 0
    hard_and_outside = outside > 0 and kind == WindowKind.HARD
    if hard_and_outside and reason is None:
        raise VisitOutsideWindow(
            f"{visit_date} is {outside} days {timing} of the window {window.opens} to {window.closes}",
            field="visit_date",
            fix="correct the date, or give a reason to override the window",
        )
    return VisitDateDecision(
        RULE_VERSION, visit_date, window, kind, timing, outside, hard_and_outside, reason
    )


def _window(target: int, window_before: int, window_after: int) -> VisitWindow:
    for field, value in (("window_before", window_before), ("window_after", window_after)):
        if value < 0:
            raise InvalidParameter(f"must be 0 days or more, not {value}", field=field)
    opens, closes = visit_window(target, window_before, window_after)
    return VisitWindow(date.fromordinal(target), date.fromordinal(opens), date.fromordinal(closes))
