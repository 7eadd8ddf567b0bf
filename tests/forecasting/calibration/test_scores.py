"""Scores of forecasts against closed forms, hand numbers and what calibration means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom, norm

from forecasting.calibration.scores import (
    INTERVALS,
    LEVELS,
    brier,
    covered,
    crps,
    pit,
    pit_tenths,
    stated,
)


def normal_quantiles(mean: float, sd: float) -> np.ndarray:
    return norm.ppf(LEVELS, mean, sd)[None, :]


@pytest.mark.parametrize("came", [-1.5, 0.0, 0.3, 2.0])
def test_the_crps_of_a_normal_forecast_is_the_closed_form(came: float) -> None:
    # Gneiting & Raftery 2007, equation 21 for the normal law: sd (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))
    sd = 3.0
    z = came
    exact = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    found = crps(normal_quantiles(10.0, sd), np.array([10.0 + sd * z]))[0]
    assert found == pytest.approx(exact, rel=0.015)


def test_the_crps_of_a_sure_forecast_is_its_error() -> None:
    # Twice the mean pinball loss of 4 below: 2 x mean(1 - level) x 4; mean(level) is exactly a half.
    assert crps(np.full((1, 99), 10.0), np.array([6.0]))[0] == pytest.approx(4.0)
    assert crps(np.full((1, 99), 10.0), np.array([13.0]))[0] == pytest.approx(3.0)


def test_the_brier_score_by_hand() -> None:
    # (0.2^2 + 0.9^2 + 0.5^2) / 3
    assert brier(np.array([0.2, 0.1, 0.5]), np.array([False, True, False])) == pytest.approx(1.10 / 3)
    assert brier(np.array([1.0, 0.0]), np.array([True, False])) == 0.0


@settings(max_examples=12, deadline=None)
@given(
    mean=st.sampled_from([0.05, 0.7, 4.0, 60.0]),
    size=st.sampled_from([0.5, 3.0, 50.0]),
    seed=st.integers(0, 9),
)
def test_a_calibrated_forecaster_of_counts_has_an_even_pit_and_the_coverage_that_it_states(
    mean: float, size: float, seed: int
) -> None:
    many = 4000
    rng = np.random.default_rng(seed)
    law = nbinom(size, size / (size + mean))
    quantiles = np.tile(law.ppf(LEVELS), (many, 1))
    came = law.rvs(many, random_state=rng).astype(float)
    low, high = pit(quantiles, came)
    assert np.all((low >= 0) & (low < high) & (high <= 1))
    # Exact to a level's hundredth at both ends, and to sampling.
    assert pit_tenths(low, high) == pytest.approx(np.full(10, 0.1), abs=0.035)
    assert ((low + high) / 2).mean() == pytest.approx(0.5, abs=0.025)
    for level in INTERVALS:
        share, says = covered(quantiles, came, level).mean(), stated(quantiles, level).mean()
        assert share == pytest.approx(says, abs=0.03)
        assert says >= level


def test_a_forecaster_who_is_too_sure_or_too_low_is_seen() -> None:
    rng = np.random.default_rng(5)
    came = rng.normal(0, 1, 4000)
    sure = np.tile(normal_quantiles(0, 0.4)[0], (4000, 1))
    low, high = pit(sure, came)
    tenths = pit_tenths(low, high)
    assert min(tenths[0], tenths[-1]) > 0.25
    assert covered(sure, came, 0.9).mean() < 0.6
    below = np.tile(normal_quantiles(-1, 1)[0], (4000, 1))
    assert np.mean(pit(below, came)) > 0.7
    right = np.tile(normal_quantiles(0, 1)[0], (4000, 1))
    assert crps(right, came).mean() < min(crps(sure, came).mean(), crps(below, came).mean())


def test_intervals_hold_their_own_ends() -> None:
    quantiles = np.tile(np.arange(1.0, 100.0), (3, 1))  # the quantile at p % is p
    assert covered(quantiles, np.array([5.0, 95.0, 96.0]), 0.9).tolist() == [True, True, False]
    assert stated(quantiles, 0.9).tolist() == pytest.approx([0.9, 0.9, 0.9], abs=0.011)
