"""Rule F: the projected run-out date, with screened subjects weighted, and the alarm at its boundary."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.run_out import HORIZON_DAYS, ExpectedVisit, project_run_out

TODAY = date(2026, 6, 1)
GOLDEN = [ExpectedVisit(f"S{first}", first + 21 * cycle, 1) for first in (4, 9, 25) for cycle in range(6)]
"""The golden vectors' three subjects: due in 4, 9, 25, 25, 30, 46 ... days."""


def days_left(sai: int, visits: list[ExpectedVisit]) -> int | None:
    found = project_run_out("K", sai, visits, TODAY, 0).run_out_on
    return None if found is None else (found - TODAY).days


@pytest.mark.parametrize(("sai", "day"), [(0, 4), (1, 9), (2, 25), (3, 25), (4, 30), (18, None)])
def test_a_site_runs_out_on_the_day_of_the_first_visit_that_stock_does_not_cover(
    sai: int, day: int | None
) -> None:
    assert days_left(sai, GOLDEN) == day


def test_a_visit_that_is_due_or_overdue_runs_out_tomorrow() -> None:
    assert days_left(0, [ExpectedVisit("S1", -5, 1)]) == days_left(0, [ExpectedVisit("S1", 0, 1)]) == 1


def test_screened_subjects_count_by_their_chance_of_being_randomized() -> None:
    """With a screen-failure rate of 0.4, two of them are 1.2 kits: one kit does not last, two do."""
    screened = [ExpectedVisit(name, 7, 1, 0.6) for name in ("S1", "S2")]
    assert days_left(1, screened) == 7
    assert days_left(2, screened) is None


def test_shares_that_sum_to_a_whole_kit_are_one_kit() -> None:
    assert days_left(1, [ExpectedVisit("S", 3, 1, 0.1)] * 10) is None


@pytest.mark.parametrize(("alarm_days", "alarm"), [(0, False), (8, False), (9, True), (10, True)])
def test_the_alarm_rings_from_its_day_on(alarm_days: int, alarm: bool) -> None:
    assert project_run_out("K", 1, GOLDEN, TODAY, alarm_days).alarm is alarm


@given(st.lists(st.tuples(st.integers(-9, 800), st.integers(0, 3)), max_size=8), st.integers(0, 20))
def test_the_date_is_the_first_on_which_whole_demand_exceeds_stock(
    visits: list[tuple[int, int]], sai: int
) -> None:
    found = days_left(sai, [ExpectedVisit("S", offset, kits) for offset, kits in visits])
    days = range(1, HORIZON_DAYS + 1)
    exceeded = (d for d in days if sum(kits for offset, kits in visits if max(offset, 1) <= d) > sai)
    assert found == next(exceeded, None)


def test_what_cannot_be_projected_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="weight"):
        project_run_out("K", 1, [ExpectedVisit("S", 1, 1, 1.5)], TODAY, 7)
    with pytest.raises(InvalidParameter, match="0 or more"):
        project_run_out("K", 1, [], TODAY, -1)
    with pytest.raises(RuleError):
        project_run_out("K", -1, [], TODAY, 7)
    assert project_run_out("K", 1, [], TODAY, 7).run_out_on is None
    assert TODAY + timedelta(days=9) == project_run_out("K", 1, GOLDEN, TODAY, 7).run_out_on
