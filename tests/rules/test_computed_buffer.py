"""Rule D: the golden vector, the exact distribution against an independent one, and properties of the buffers."""

from __future__ import annotations

from itertools import product
from math import ceil, exp, factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.computed_buffer import (
    DAYS_OF_MONTH,
    NewcomerDispensing,
    compound_poisson_quantile,
    compute_buffer,
    most_of_newcomers,
    newcomer_chances,
)
from allocation.rules.draws import FloatArray


def quantile(mean: float, chances: FloatArray, confidence: float) -> int:
    scratch = np.full(most_of_newcomers(mean, chances) + 1, np.nan)
    return compound_poisson_quantile(mean, chances, confidence, scratch)


FIRST_KIT = (NewcomerDispensing(arm=0, offset=0, quantity=1),)


@pytest.mark.parametrize(("confidence", "expected"), [(0.50, 0), (0.90, 1), (0.97, 2), (0.99, 2)])
def test_the_golden_vector_of_rule_d(confidence: float, expected: int) -> None:
    found = compute_buffer(2, confidence, (1, 1, 1), FIRST_KIT, short_window=14, long_window=42)
    assert found.min_buffer == expected
    assert float(found.newcomers_short) / 3 == pytest.approx(0.307, abs=5e-4)
    assert found.mean_long == f"{2 / DAYS_OF_MONTH * 42 / 3:.4f}", "0.92 kits, so one kit above the minimum"
    assert found.max_buffer == expected + 1


def test_the_quantile_is_that_of_the_distribution_summed_by_hand() -> None:
    """Arrivals 0 to 25, each with 0, 1 or 3 kits, convolved one by one: no recursion."""
    chances = np.array([0.25, 0.45, 0.0, 0.3])
    mean = 2.3
    of_sum, distribution = np.array([1.0]), np.zeros(100)
    for arrivals in range(26):
        distribution[: len(of_sum)] += exp(-mean) * mean**arrivals / factorial(arrivals) * of_sum
        of_sum = np.convolve(of_sum, chances)
    below = np.cumsum(distribution)
    for confidence in (0.5, 0.6, 0.75, 0.9, 0.95, 0.99):
        expected = int(np.argmax(below >= confidence))
        assert quantile(mean, chances, confidence) == expected


def test_a_newcomer_receives_what_falls_into_the_rest_of_the_window() -> None:
    """Arm 0 (3 of 4): one kit at once, two more a week later. Arm 1: none. Days 1 to 3 of 10 see the second visit."""
    arrays = [np.array(column, dtype=np.int64) for column in ([0, 0], [0, 7], [1, 2])]
    chances = np.full(4, np.nan)
    newcomer_chances(10, np.array([0.75, 0.25]), *arrays, chances)
    assert chances == pytest.approx([0.25, 0.75 * 0.7, 0, 0.75 * 0.3])


def test_no_window_and_no_enrolment_need_no_buffer() -> None:
    assert compute_buffer(5, 0.99, (1,), FIRST_KIT, 0, 0).max_buffer == 0
    found = compute_buffer(0, 0.99, (1,), FIRST_KIT, 14, 42)
    assert (found.min_buffer, found.max_buffer) == (0, 0)
    assert compute_buffer(5, 0.99, (1,), (), 14, 42).max_buffer == 0, "a kit type that no newcomer receives"


@given(st.floats(0, 30), st.floats(0.5, 0.98), st.integers(0, 30), st.integers(0, 60), st.integers(1, 4))
def test_more_confidence_more_enrolment_and_a_longer_window_never_lower_the_buffers(
    rate: float, confidence: float, short: int, more: int, quantity: int
) -> None:
    visits = tuple(NewcomerDispensing(arm, 7 * arm, quantity) for arm in (0, 1))
    found = compute_buffer(rate, confidence, (2, 1), visits, short, short + more)
    assert found.max_buffer >= found.min_buffer >= 0
    for other in (
        compute_buffer(rate, confidence + 0.01, (2, 1), visits, short, short + more),
        compute_buffer(rate + 1, confidence, (2, 1), visits, short, short + more),
        compute_buffer(rate, confidence, (2, 1), visits, short + 1, short + more + 1),
    ):
        assert other.min_buffer >= found.min_buffer
        assert other.max_buffer >= found.max_buffer


def test_a_mean_of_whole_kits_is_not_rounded_up() -> None:
    found = compute_buffer(DAYS_OF_MONTH / 10, 0.9, (1,), FIRST_KIT, 0, 30)
    assert found.max_buffer == 3 == ceil(float(found.mean_long))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"confidence": 0.49}, "confidence"),
        ({"confidence": 0.999}, "confidence"),
        ({"enrolment_per_month": -1}, "enrolment_per_month"),
        ({"enrolment_per_month": 5000}, "enrolment_per_month"),
        ({"ratio": ()}, "ratio"),
        ({"ratio": (0, 0)}, "ratio"),
        ({"dispensings": (NewcomerDispensing(0, -1, 1),)}, "dispensings"),
        ({"dispensings": (NewcomerDispensing(1, 0, 1),)}, "dispensings"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(changes: dict[str, object], field: str) -> None:
    arguments = {
        "enrolment_per_month": 2,
        "confidence": 0.9,
        "ratio": (1,),
        "dispensings": FIRST_KIT,
        "short_window": 14,
        "long_window": 42,
    }
    with pytest.raises(InvalidParameter) as refused:
        compute_buffer(**{**arguments, **changes})  # type: ignore[arg-type]
    assert refused.value.field == field


def test_the_highest_rate_still_sums_to_one() -> None:
    """At the limit of 500 newcomers the recursion starts at exp(-500); the median of a Poisson is within 1 of its mean."""
    chances = np.array([0.0, 1.0])
    assert quantile(500.0, chances, 0.5) in (499, 500)
    for mean, confidence in product((1.0, 500.0), (0.5, 0.99)):
        assert quantile(mean, chances, confidence) < mean + 10 * mean**0.5
