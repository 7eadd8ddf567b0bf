"""Rerandomization: the criterion's published numbers, the distance, and allocations that meet it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from allocation.errors import InvalidParameter
from allocation.rules.chi_square import chi_square_chance, chi_square_quantile
from allocation.rules.rerandomization import acceptance_criterion, mahalanobis_distance, rerandomize

PEOPLE = np.random.default_rng(5).normal(size=(40, 3))


@pytest.mark.parametrize(
    ("covariates", "chance", "largest", "share"),
    [
        (10, 0.001, 1.478743, 0.120921),
        (2, 0.05, 0.102587, 0.025427),
        (5, 0.01, 0.554298, 0.077762),
        (1, 0.1, 0.015791, 0.005253),
    ],
)
def test_the_criterion_has_the_numbers_of_morgan_and_rubin(covariates, chance, largest, share) -> None:
    criterion = acceptance_criterion(covariates, chance)
    assert criterion.largest == pytest.approx(largest, abs=5.1e-7)
    assert criterion.variance_share == pytest.approx(share, abs=5.1e-7)


@given(st.floats(0, 2_000), st.integers(1, 500))
def test_the_chi_square_distribution_is_that_of_scipy(x, degrees) -> None:
    assert chi_square_chance(x, degrees) == pytest.approx(chi2.cdf(x, degrees), rel=1e-11, abs=1e-150)


@given(st.floats(1e-6, 1 - 1e-6), st.integers(1, 60))
def test_the_quantile_undoes_the_distribution(chance, degrees) -> None:
    assert chi_square_quantile(chance, degrees) == pytest.approx(chi2.ppf(chance, degrees), rel=1e-9)


def test_the_distance_of_one_covariate_is_the_squared_standardised_difference() -> None:
    values = np.array([[1.0], [2.0], [4.0], [9.0]])
    first = [True, False, True, False]
    difference = 2.5 - 5.5
    assert mahalanobis_distance(values, first) == pytest.approx(difference**2 / np.var(values, ddof=1))


@given(st.permutations(range(40)), st.floats(0.1, 10))
def test_the_distance_does_not_depend_on_the_units_of_a_covariate(order, unit) -> None:
    first = [place < 15 for place in order]
    scaled = PEOPLE * [unit, 1, 1] + [7, 0, 0]
    assert mahalanobis_distance(scaled, first) == pytest.approx(mahalanobis_distance(PEOPLE, first))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_an_allocation_meets_the_criterion_has_its_numbers_and_can_be_derived_again(seed) -> None:
    def act():
        return rerandomize(PEOPLE, (("A", 15), ("B", 25)), 0.1, seed=seed, event="R1")

    found = act()
    assert found == act()
    assert (found.arms.count("A"), found.arms.count("B")) == (15, 25)
    assert found.distance == mahalanobis_distance(PEOPLE, [arm == "A" for arm in found.arms])
    assert found.distance <= found.criterion.largest


def test_the_variance_of_a_difference_shrinks_by_the_stated_share() -> None:
    def spread(chance: float) -> float:
        differences = []
        for seed in range(300):
            arms = np.array(rerandomize(PEOPLE, (("A", 20), ("B", 20)), chance, seed=seed, event="R").arms)
            differences.append(PEOPLE[arms == "A", 0].mean() - PEOPLE[arms == "B", 0].mean())
        return float(np.mean(np.square(differences)))

    share = acceptance_criterion(3, 0.2).variance_share
    assert spread(0.2) / spread(0.999_999) == pytest.approx(share, rel=0.25)


REFUSED = [
    (lambda: acceptance_criterion(0, 0.1), "covariates"),
    (lambda: acceptance_criterion(2, 1.0), "chance"),
    (lambda: chi_square_chance(1.0, 0), "degrees"),
    (lambda: chi_square_chance(1.0, 501), "degrees"),
    (lambda: mahalanobis_distance(PEOPLE, [True] * 40), "covariates"),
    (lambda: mahalanobis_distance(np.ones((4, 1)), [True, True, False, False]), "covariates"),
    (lambda: rerandomize(PEOPLE, (("A", 20), ("B", 21)), 0.1, seed=1, event="R"), "arms"),
    (lambda: rerandomize(PEOPLE, (("A", 20), ("B", 20)), 1e-9, seed=1, event="R", most=5), "chance"),
]


@pytest.mark.parametrize(
    ("act", "field"), REFUSED, ids=[f"{index}-{field}" for index, (_, field) in enumerate(REFUSED)]
)
def test_what_cannot_be_is_refused_naming_the_field(act, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        act()
    assert refused.value.field == field
