"""The laws of counts and times against what is solved exactly: Anisimov & Fedorov 2007 and the published cases of field note R1 to R15."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betaprime

from forecasting.recruitment.count_law import CountLaw, SiteLaws, time_quantile
from forecasting.recruitment.openings import Opening


def within(laws: SiteLaws, end: float) -> CountLaw:
    return laws.count(np.full(len(laws.mean), end))


def opening_law(opening: Opening, shape: float, rate: float, end: float) -> CountLaw:
    first, second = opening.exposure(lambda start: end - start, end)
    laws = SiteLaws.of_design(opening.sites, shape, rate)
    return laws.count(np.full(opening.sites, first), np.full(opening.sites, second))


@pytest.mark.parametrize(
    ("subjects", "sites", "shape", "rate", "quantiles"),
    [
        (100, 20, 2, 2, {0.025: 3.509276, 0.05: 3.713929, 0.5: 5.025152, 0.9: 6.419280, 0.975: 7.336947}),
        (600, 60, 1.2, 4, {0.05: 27.397640, 0.5: 33.469634, 0.9: 39.417552, 0.95: 41.342524}),
    ],
)
def test_the_time_to_a_target_is_pearsons_type_vi(
    subjects: int, sites: int, shape: float, rate: float, quantiles: dict[float, float]
) -> None:
    laws = SiteLaws.of_design(sites, shape, rate)
    for share, expected in quantiles.items():
        found = time_quantile(lambda end: within(laws, end), subjects, share)
        assert found == pytest.approx(expected, abs=1e-6)


def test_the_count_of_sites_that_are_alike_is_negative_binomial() -> None:
    law = within(SiteLaws.of_design(60, 1.2, 4), 24)
    assert (law.mean, law.variance) == (pytest.approx(432), pytest.approx(3024))
    shares = (0.025, 0.05, 0.5, 0.9, 0.95, 0.975)
    assert [law.quantile(share) for share in shares] == [331, 345, 430, 504, 526, 546]
    assert np.exp(law.log_probability(432)) == pytest.approx(0.007246103817, rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "rate", "left", "had", "target", "counts", "times"),
    [
        # The manual page of the R package accrual: 300 subjects in 36 periods, P = 0.5, 100 at period 10.
        (250, 28, 26, 100, 300, (292, 332, 375), (28.576658, 32.392528, 36.957582)),
        # Gajewski & Jiang's teaching case: 350 in 1095 days, P = 0.5, 41 at day 239.
        (216, 786.5, 856, 41, 350, (234, 276, 321), (1185.7041, 1364.6551, 1579.8285)),
    ],
)
def test_published_interim_forecasts_of_one_stream(
    shape: float,
    rate: float,
    left: float,
    had: int,
    target: int,
    counts: tuple[int, ...],
    times: tuple[float, ...],
) -> None:
    laws, shares = SiteLaws.of_design(1, shape, rate), (0.025, 0.5, 0.975)
    assert tuple(had + within(laws, left).quantile(share) for share in shares) == counts
    census = 10 if had == 100 else 239
    found = [census + time_quantile(lambda end: within(laws, end), target - had, share) for share in shares]
    assert found == pytest.approx(times, rel=1e-6)


@pytest.mark.parametrize(
    ("opening", "shape", "rate", "end", "mean", "variance"),
    [
        (Opening(60, 0, 6), 1.2, 4, 24, 378, 2392.2),
        (Opening(60, 0, 6), 1.2, 4, 3, 13.5, 25.3125),
        (Opening(100, mean=30), 2, 0.4, 120, 45274.734583, 3629.549319**2),
        (Opening(50, mean=60), 4, 0.4, 240, 90549.469167 / 2, None),
        (Opening(50, mean=280), 2, 4, 365, 4025.921409, 697.815747**2),
    ],
)
def test_sites_that_open_over_time_have_the_moments_of_anisimov(
    opening: Opening, shape: float, rate: float, end: float, mean: float, variance: float | None
) -> None:
    law = opening_law(opening, shape, rate, end)
    if variance is None:
        # In closed form: N a / b (t - m (1 - exp(-t / m))).
        mean = 50 * shape / rate * (end - 60 * (1 - np.exp(-end / 60)))
        variance = law.variance
    assert law.mean == pytest.approx(mean, rel=1e-8)
    assert law.variance == pytest.approx(variance, rel=1e-6)


def test_completion_of_the_tiny_model_is_that_of_its_simulation() -> None:
    # R15: 600 subjects, 100 sites open uniformly within 90 days, shape 1.2, mean 0.0187 a day; simulated elsewhere.
    shape, opening = 1.2, Opening(100, 0, 90)

    def law(end: float) -> CountLaw:
        return opening_law(opening, shape, shape / 0.0187, end)

    found = [time_quantile(law, 600, share) for share in (0.05, 0.5, 0.95)]
    assert found == pytest.approx([318.28, 366.58, 425.59], rel=0.003)


def test_a_target_that_is_reached_needs_no_time_and_one_without_sites_is_never_reached() -> None:
    nobody = SiteLaws.of_design(0, 1, 1)
    assert time_quantile(lambda end: within(nobody, end), 0, 0.5) == 0
    assert time_quantile(lambda end: within(nobody, end), 1, 0.5) == np.inf


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.floats(0.3, 5), st.floats(0.5, 50), st.floats(0.02, 0.98))
def test_time_and_count_are_two_sides_of_one_law(
    subjects: int, sites: int, shape: float, rate: float, share: float
) -> None:
    laws = SiteLaws.of_design(sites, shape, rate)
    found = time_quantile(lambda end: within(laws, end), subjects, share)
    exact = betaprime(subjects, shape * sites, scale=rate).ppf(share)
    assert found == pytest.approx(exact, rel=1e-5)
