"""Exact operating characteristics of minimization, of Hu and Hu's design and of biased coins, to six digits, from the rule itself."""

from __future__ import annotations

import pytest

from allocation.rules.imbalance import ImbalanceMeasure
from allocation.rules.minimization_design import MinimizationDesign
from tests.rules.exact_minimization import Moments, moments

pytestmark = pytest.mark.slow
"""Compiling the rule takes seconds; the enumerations themselves take one."""

BOUND = 14


def design(measure, factor, p=0.85, whole=0.0, stratum=0.0) -> MinimizationDesign:
    factors = (("F", factor), ("G", factor))
    return MinimizationDesign(
        ("A", "B"), (1, 1), factors, p, measure, whole_weight=whole, stratum_weight=stratum
    )


def pocock_simon_range(p=0.85) -> MinimizationDesign:
    return design(ImbalanceMeasure.RANGE, 1.0, p)


def pocock_simon_squared(p=0.85) -> MinimizationDesign:
    return design(ImbalanceMeasure.VARIANCE, 1.0, p)


def hu_and_hu(p=0.85) -> MinimizationDesign:
    return design(ImbalanceMeasure.VARIANCE, 0.25, p, whole=0.2, stratum=0.3)


def stratified_biased_coin() -> MinimizationDesign:
    return design(ImbalanceMeasure.RANGE, 0.0, stratum=1.0)


def overall_biased_coin() -> MinimizationDesign:
    return design(ImbalanceMeasure.RANGE, 0.0, whole=1.0)


def flat(found: Moments) -> list[float]:
    """E|D|, E D^2, E D_margin^2, E|D_margin|, E D_stratum^2, E|D_stratum|: the columns of the reference table."""
    return [*found.overall, found.margin[1], found.margin[0], found.stratum[1], found.stratum[0]]


@pytest.mark.parametrize(
    ("design", "subjects", "expected"),
    [
        (pocock_simon_range(), 20, (0.807212, 1.822876, 1.357015, 0.835117, 1.800944, 1.019304)),
        (pocock_simon_squared(), 20, (0.768014, 1.695868, 1.286961, 0.822912, 1.779105, 1.012572)),
        (pocock_simon_squared(), 40, (0.775568, 1.719664, 1.314739, 0.831290, 3.004509, 1.344261)),
        (hu_and_hu(), 20, (0.715124, 1.544561, 1.366388, 0.853072, 1.115099, 0.762463)),
        (stratified_biased_coin(), 20, (1.411334, 3.863720, 1.931860, 1.045707, 0.965930, 0.698214)),
        (overall_biased_coin(), 20, (0.364270, 0.775348, 5.193837, 1.795921, 3.798459, 1.522070)),
    ],
    ids=["range", "squared", "squared, 40", "Hu and Hu", "stratified biased coin", "overall biased coin"],
)
def test_the_imbalances_with_p_085_are_those_of_the_exact_enumeration(design, subjects, expected) -> None:
    found = flat(moments(design, subjects, BOUND if subjects == 20 else 16))
    assert found == pytest.approx(expected, abs=5.1e-7)


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        (pocock_simon_range(2 / 3), (1.804139, 6.183947)),
        (pocock_simon_squared(2 / 3), (1.721802, 5.737947)),
        (hu_and_hu(2 / 3), (1.629092, 5.250015)),
    ],
    ids=["range", "squared", "Hu and Hu"],
)
def test_the_overall_imbalance_with_p_two_thirds_is_that_of_the_exact_enumeration(design, expected) -> None:
    assert moments(design, 20, BOUND).overall == pytest.approx(expected, abs=5.1e-7)


@pytest.mark.parametrize(
    ("make", "expected"),
    [(pocock_simon_range, 0.306405), (pocock_simon_squared, 0.304807), (hu_and_hu, 0.249999)],
    ids=["range", "squared", "Hu and Hu"],
)
def test_the_overall_imbalance_of_the_deterministic_rule_is_that_of_the_exact_enumeration(
    make, expected
) -> None:
    """p = 1: a design refuses it, for the next arm could be foretold; the rule itself gives the preferred arm certainty."""
    assert moments(make(), 20, BOUND, 1.0).overall[0] == pytest.approx(expected, abs=5.1e-7)
