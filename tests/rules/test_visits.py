"""Visit dates: CDISC study days, windows with both ends inside, projection, and hard against soft windows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, VisitOutsideWindow
from allocation.rules.visits import (
    Timing,
    VisitWindow,
    WindowKind,
    is_overdue,
    judge_visit_date,
    offset_of_study_day,
    projected_day,
    study_day,
    study_day_of_offset,
    window_from_anchor,
    window_from_previous_visit,
)

ANCHOR = date(2026, 3, 1)
WINDOW = window_from_anchor(ANCHOR, 15, 2, 3)
ONE_DAY = timedelta(days=1)
dates = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


@pytest.mark.parametrize(
    ("target_day", "target"),
    [
        (1, ANCHOR),
        (2, date(2026, 3, 2)),
        (15, date(2026, 3, 15)),
        (-1, date(2026, 2, 28)),
        (-7, date(2026, 2, 22)),
    ],
)
def test_the_anchor_is_day_one_and_the_day_before_it_is_minus_one(target_day, target) -> None:
    assert window_from_anchor(ANCHOR, target_day, 0, 0) == VisitWindow(target, target, target)
    assert study_day(target, ANCHOR) == target_day


def test_there_is_no_day_zero() -> None:
    with pytest.raises(InvalidParameter) as refused:
        window_from_anchor(ANCHOR, 0, 1, 1)
    assert refused.value.field == "target_day"


@given(dates, dates)
def test_a_study_day_is_never_zero_and_leads_back_to_its_date(day, anchor) -> None:
    number = study_day(day, anchor)
    assert number != 0
    assert anchor + timedelta(days=offset_of_study_day(number)) == day
    assert study_day_of_offset(offset_of_study_day(number)) == number


def test_a_visit_after_the_previous_one_counts_plain_days() -> None:
    window = window_from_previous_visit(ANCHOR, 14, 3, 4)
    assert window == VisitWindow(date(2026, 3, 15), date(2026, 3, 12), date(2026, 3, 19))


def test_the_projected_date_is_the_opening_of_the_window_not_the_target() -> None:
    assert (WINDOW.opens, WINDOW.target, WINDOW.closes) == (
        date(2026, 3, 13),
        date(2026, 3, 15),
        date(2026, 3, 18),
    )
    assert WINDOW.projected == date(2026, 3, 13)
    assert projected_day(WINDOW.target.toordinal(), 2) == WINDOW.projected.toordinal()


@pytest.mark.parametrize(
    ("visit_date", "timing", "outside"),
    [
        (date(2026, 3, 12), Timing.EARLY, 1),
        (date(2026, 3, 13), Timing.IN_WINDOW, 0),
        (date(2026, 3, 18), Timing.IN_WINDOW, 0),
        (date(2026, 3, 19), Timing.LATE, 1),
        (date(2026, 3, 28), Timing.LATE, 10),
    ],
)
def test_both_ends_are_inside_and_days_count_from_the_nearest_end(visit_date, timing, outside) -> None:
    decision = judge_visit_date(visit_date, WINDOW, WindowKind.SOFT)
    assert (decision.timing, decision.days_outside, decision.overridden) == (timing, outside, False)


def test_a_hard_window_refuses_a_date_outside_it_and_names_the_window() -> None:
    with pytest.raises(VisitOutsideWindow, match="2026-03-13 to 2026-03-18") as refused:
        judge_visit_date(date(2026, 3, 19), WINDOW, WindowKind.HARD)
    assert refused.value.code == "visit-outside-window"


@pytest.mark.parametrize("reason", [None, "", "   "])
def test_blanks_are_no_reason(reason) -> None:
    with pytest.raises(VisitOutsideWindow):
        judge_visit_date(date(2026, 3, 12), WINDOW, WindowKind.HARD, reason)


def test_a_reason_passes_over_a_hard_window_and_is_kept() -> None:
    decision = judge_visit_date(date(2026, 3, 19), WINDOW, WindowKind.HARD, " snow storm ")
    assert (decision.overridden, decision.reason, decision.timing) == (True, "snow storm", Timing.LATE)


def test_a_date_inside_a_hard_window_needs_no_reason() -> None:
    assert not judge_visit_date(date(2026, 3, 18), WINDOW, WindowKind.HARD).overridden


def test_a_visit_when_needed_has_no_window_to_miss() -> None:
    decision = judge_visit_date(ANCHOR, None, WindowKind.HARD)
    assert (decision.timing, decision.days_outside) == (Timing.NO_WINDOW, 0)


def test_a_visit_is_overdue_from_the_day_after_its_projected_date_until_done_or_missed() -> None:
    assert not is_overdue(ANCHOR, ANCHOR)
    assert is_overdue(ANCHOR, ANCHOR + ONE_DAY)
    assert not is_overdue(ANCHOR, ANCHOR + ONE_DAY, done=True)
    assert not is_overdue(ANCHOR, ANCHOR + ONE_DAY, missed=True)


@pytest.mark.parametrize(("before", "after", "field"), [(-1, 0, "window_before"), (0, -1, "window_after")])
def test_negative_windows_are_refused_by_name(before, after, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        window_from_anchor(ANCHOR, 8, before, after)
    assert refused.value.field == field
    with pytest.raises(InvalidParameter):
        window_from_previous_visit(ANCHOR, -1, 0, 0)


@given(dates, st.integers(1, 500), st.integers(0, 30), st.integers(0, 30), st.integers(-60, 60))
def test_a_date_is_in_the_window_exactly_when_it_is_between_its_ends(
    anchor, target_day, before, after, shift
) -> None:
    window = window_from_anchor(anchor, target_day, before, after)
    visit = window.target + timedelta(days=shift)
    decision = judge_visit_date(visit, window, WindowKind.SOFT)
    assert (decision.timing == Timing.IN_WINDOW) == (-before <= shift <= after)
    assert decision.days_outside == max(-before - shift, shift - after, 0)
