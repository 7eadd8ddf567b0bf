"""One draw of a treatment: the uniform of an address, and the arm in whose piece of [0, 1) it falls."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.draws import STREAM, draw_arm, uniform_of_draw, unit_uniform
from tests.rules.philox_reference import words


@given(st.integers(0, 2**64), st.text(max_size=8), st.integers(0, 10**6))
def test_the_uniform_is_the_first_word_of_an_independent_philox(seed, event, index) -> None:
    expected = (next(words(STREAM, seed, event, str(index))) >> 11) / 2**53
    assert uniform_of_draw(seed, event, index) == expected
    assert 0 <= expected < 1


def test_the_golden_uniforms_of_a_seed_never_change() -> None:
    assert STREAM == "allocation-draw/1"
    drawn = [round(uniform_of_draw(20261126, "RAND", index), 12) for index in range(3)]
    assert drawn == [0.243363319533, 0.785297296322, 0.280190983702]


def test_the_ends_of_the_words_stay_in_the_half_open_interval() -> None:
    assert unit_uniform(0) == 0
    assert unit_uniform(2**64 - 1) == math.nextafter(1, 0)


def test_draws_of_one_event_are_uniform() -> None:
    assert kstest([uniform_of_draw(7, "RAND", index) for index in range(4_000)], "uniform").pvalue > 0.001


def test_another_event_or_seed_gives_other_uniforms() -> None:
    assert len({uniform_of_draw(seed, event, 0) for seed in (1, 2) for event in ("A", "B")}) == 4


def test_a_negative_seed_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter, match="seed"):
        uniform_of_draw(-1, "RAND", 0)


@pytest.mark.parametrize(
    ("uniform", "arm"), [(0.0, 0), (0.19, 0), (0.2, 2), (0.69, 2), (0.7, 3), (math.nextafter(1, 0), 3)]
)
def test_the_arm_is_the_piece_in_which_the_uniform_falls(uniform, arm) -> None:
    assert draw_arm((0.2, 0.0, 0.5, 0.3), uniform) == arm


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any),
    st.floats(0, 1, exclude_max=True),
)
def test_an_arm_without_probability_is_never_drawn(weights, uniform) -> None:
    probabilities = [weight / sum(weights) for weight in weights]
    assert weights[draw_arm(probabilities, uniform)] > 0


@pytest.mark.parametrize("probabilities", [(), (0.5, 0.4), (1.5, -0.5), (math.nan, 1.0)])
def test_what_does_not_sum_to_one_is_refused(probabilities) -> None:
    with pytest.raises(RuleError, match="probabilities"):
        draw_arm(probabilities, 0.5)


@pytest.mark.parametrize("uniform", [-0.1, 1.0, math.nan])
def test_a_uniform_outside_the_interval_is_refused(uniform) -> None:
    with pytest.raises(RuleError, match="uniform"):
        draw_arm((0.5, 0.5), uniform)
