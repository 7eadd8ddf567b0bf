"""The Poisson-gamma model of recruitment: reference numbers of two real trials, and what holds for every set of counts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.fitting.site_rates import gamma_rates, negative_binomial, rates_by_group


def accrual(shared_data: Path, name: str) -> tuple[list[int], list[float]]:
    """Totals and exposures (rows that are not NA) by centre of a published accrual table."""
    with (shared_data / "accrual" / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = [[int(row[centre]) for row in rows if row[centre] != "NA"] for centre in rows[0]]
    return [sum(column) for column in columns], [float(len(column)) for column in columns]


def test_csp546_gives_the_published_maximum(shared_data: Path) -> None:
    # VA Cooperative Study 546, pmean/simulating-clinical-trials; the maximum is in the field note simulation.md 1.3.
    counts, exposures = accrual(shared_data, "csp546")
    assert (sum(counts), counts[0], exposures[11]) == (613, 47, 20)
    fit = gamma_rates(counts, exposures)
    assert fit.shape == pytest.approx(13.3847, rel=1e-4)
    assert fit.shape is not None
    assert fit.shape / fit.mean == pytest.approx(15.66506, rel=1e-4)
    assert fit.mean == pytest.approx(0.85443, rel=1e-4)
    assert fit.log_likelihood == pytest.approx(-55.42937, abs=1e-4)


def test_csp546_at_its_interim_gives_the_published_maximum() -> None:
    counts = [25, 29, 22, 7, 34, 44, 36, 12, 17, 44, 64, 40, 7]
    exposures = [28.0, 28, 28, 14, 28, 28, 28, 21, 28, 28, 28, 28, 8]
    fit = gamma_rates(counts, exposures)
    assert fit.shape == pytest.approx(7.22202, rel=1e-4)
    assert fit.log_likelihood == pytest.approx(-49.20973, abs=1e-4)


def test_csp558_is_not_dispersed_and_gives_the_poisson_limit(shared_data: Path) -> None:
    counts, exposures = accrual(shared_data, "csp558")
    fit = gamma_rates(counts, exposures)
    assert fit.shape is None
    assert fit.mean == pytest.approx(127 / 92)
    assert fit.mean == pytest.approx(1.380435, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=2, max_size=15))
def test_no_mean_and_shape_are_likelier_than_those_found(sites: list[tuple[int, int]]) -> None:
    counts, exposures = zip(*sites, strict=True)
    if not any(counts):
        return
    fit = gamma_rates(counts, exposures)
    k, tau = np.array(counts, dtype=float), np.array(exposures, dtype=float)
    for mean in fit.mean * np.array([0.7, 0.9, 1.0, 1.1, 1.4]):
        for shape in (
            0.1,
            0.5,
            1.0,
            2.0,
            5.0,
            20.0,
            100.0,
            *(() if fit.shape is None else (0.8 * fit.shape, 1.3 * fit.shape)),
        ):
            assert negative_binomial(k, mean * tau, shape).sum() <= fit.log_likelihood + 1e-4


def test_factors_of_countries_are_found_within_their_intervals_and_one_site_alone_is_held_back() -> None:
    random = np.random.default_rng(20261126)
    groups = [["country A"]] * 60 + [["country B"]] * 60
    truth = np.repeat([1.0, 2.0], 60)
    exposures = random.uniform(100, 400, 120)
    counts = random.poisson(random.gamma(3.0, 0.05 / 3.0, 120) * truth * exposures).astype(float)
    fit = rates_by_group(counts, exposures, groups)
    ratio = fit.factors["country B"][0] / fit.factors["country A"][0]
    assert ratio == pytest.approx(2.0, rel=0.25)
    assert fit.shape_low is not None
    assert fit.shape_high is not None
    assert fit.shape_low < 3.0 < fit.shape_high
    alone = rates_by_group(
        np.array([9.0, 1.0, 1.0, 1.0]),
        np.full(4, 10.0),
        [["country A"], ["country B"], ["country B"], ["country B"]],
    )
    assert 1.0 < alone.factors["country A"][0] / alone.factors["country B"][0] < 5.0
