"""The laws are the inverse distribution functions that they say, and move with their parameters."""

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulation.laws import (
    day_in_window,
    days_from,
    gamma_quantile,
    normal_quantile,
    pick,
    poisson_quantile,
    weekday_after,
    weekday_near,
)
from simulation.scenario import DayLaw

UNIFORM = st.floats(1e-9, 1 - 1e-9)
DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(UNIFORM, st.floats(0.01, 8))
def test_the_poisson_quantile_is_that_of_scipy(u: float, mean: float) -> None:
    assert poisson_quantile(mean, u) == pytest.approx(
        stats.poisson.ppf(u, mean), abs=1 if u > 0.999999 else 0
    )


@given(UNIFORM, st.floats(0.2, 20), st.floats(0.1, 30))
def test_the_gamma_and_normal_quantiles_are_those_of_scipy(u: float, shape: float, scale: float) -> None:
    assert gamma_quantile(shape, scale, u) == pytest.approx(stats.gamma.ppf(u, shape, scale=scale), rel=1e-6)
    assert normal_quantile(shape, scale, u) == pytest.approx(
        stats.norm.ppf(u, shape, scale), rel=1e-6, abs=1e-6
    )


def test_a_uniform_law_gives_each_day_alike() -> None:
    law = DayLaw(law="uniform", min_days=-1, max_days=2)
    counts = Counter(days_from(law, (n + 0.5) / 4000) for n in range(4000))
    assert counts == {-1: 1000, 0: 1000, 1: 1000, 2: 1000}


def test_a_gamma_law_has_its_mean_and_stays_in_its_limits() -> None:
    law = DayLaw(law="gamma", mean_days=14, shape=6, min_days=3, max_days=90)
    days = [days_from(law, (n + 0.5) / 20000) for n in range(20000)]
    assert np.mean(days) == pytest.approx(14, abs=0.1)
    assert np.std(days) == pytest.approx(14 / 6**0.5, rel=0.03)
    assert min(days) >= 3


def test_a_fixed_law_is_fixed() -> None:
    assert days_from(DayLaw(law="fixed", min_days=5), 0.7) == 5


@given(UNIFORM)
def test_names_are_picked_by_their_shares(u: float) -> None:
    expected = "a" if u < 0.2 else "b" if u < 0.5 else "c"
    assert pick({"a": 0.2, "b": 0.3, "c": 0.5}, u) == expected


@given(DAYS, st.integers(0, 10), st.integers(0, 10), UNIFORM)
def test_a_visit_day_lies_in_its_window(target: date, before: int, after: int, u: float) -> None:
    opens, closes = target - timedelta(days=before), target + timedelta(days=after)
    assert opens <= day_in_window(opens, target, closes, u) <= closes


def test_the_target_day_is_the_most_likely() -> None:
    target = date(2026, 3, 4)
    opens, closes = target - timedelta(days=3), target + timedelta(days=3)
    counts = Counter(day_in_window(opens, target, closes, (n + 0.5) / 1600) for n in range(1600))
    assert counts[target] == max(counts.values()) == pytest.approx(400, abs=1)
    assert counts[opens] == pytest.approx(100, abs=1)


@given(DAYS)
def test_a_weekday_stays_and_a_weekend_goes_to_its_nearest_weekday(day: date) -> None:
    near, after = weekday_near(day), weekday_after(day)
    assert near.weekday() < 5
    assert after.weekday() < 5
    assert abs((near - day).days) <= 1
    assert 0 <= (after - day).days <= 2


def test_a_weekend_day_is_not_moved_out_of_its_window_if_it_can_be_helped() -> None:
    saturday = date(2026, 3, 7)
    assert weekday_near(saturday, opens=saturday) == date(2026, 3, 9)
    sunday = date(2026, 3, 8)
    assert weekday_near(sunday, closes=sunday) == date(2026, 3, 6)
