"""Random numbers of the kernel are those of `Streams`, and the laws on them have their moments."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulation.engines.day_laws import LawTables, shares_of
from simulation.engines.draws import (
    exponential_gap,
    gamma_attempt,
    place_in,
    replicate_word,
    stream_word,
    uniform_at,
)
from simulation.scenario import DayLaw
from simulation.streams import Streams, word_of

words = st.integers(0, 2**64 - 1)


@numba.njit
def _uniform(seed, replicate, entity, purpose, index):
    return uniform_at(stream_word(replicate_word(seed, replicate), entity, purpose), index)


@settings(max_examples=50, deadline=None)
@given(words, st.integers(0, 2**32), st.text(max_size=9), st.text(max_size=9), st.integers(0, 2**40))
def test_a_draw_of_the_kernel_is_bit_for_bit_that_of_streams(seed, replicate, entity, purpose, index) -> None:
    drawn = _uniform(
        *(np.uint64(word) for word in (seed, replicate, word_of(entity), word_of(purpose))), index
    )
    assert drawn == Streams(seed, replicate).uniform(entity, purpose, index)


@pytest.mark.parametrize("shape", [0.4, 1.0, 1.2, 5.0])
def test_accepted_attempts_are_gamma(shape) -> None:
    rng = np.random.default_rng(1)
    drawn = [gamma_attempt(shape, *row) for row in rng.random((6000, 4)).tolist()]
    accepted = [one for one in drawn if one >= 0]
    assert len(accepted) > 0.9 * len(drawn)
    assert stats.kstest(accepted, stats.gamma(shape).cdf).pvalue > 1e-4


def test_gaps_are_exponential() -> None:
    uniforms = np.random.default_rng(2).random(4000).tolist()
    assert stats.kstest([exponential_gap(u) for u in uniforms], "expon").pvalue > 1e-4


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.floats(1e-9, 1 - 1e-9))
def test_a_place_in_cumulative_shares_is_that_of_a_search(weights, u) -> None:
    cumulative = np.cumsum(weights) / sum(weights)
    cumulative[-1] = 1.0
    padded = np.concatenate([[0.5, 0.0], cumulative])
    assert place_in(padded, 1, len(cumulative), u) == int(np.searchsorted(cumulative, u, side="right"))


def test_a_gamma_law_of_days_has_the_probabilities_of_rounding() -> None:
    law = DayLaw(law="gamma", mean_days=14, shape=6, min_days=3, max_days=28)
    first, shares = shares_of(law)
    assert first == 3
    assert len(shares) == 26
    assert math.isclose(sum(shares), 1)
    exact = stats.gamma(6, scale=14 / 6)
    assert math.isclose(shares[0], exact.cdf(3.5))
    assert math.isclose(shares[10], exact.cdf(13.5) - exact.cdf(12.5))
    assert math.isclose(shares[-1], exact.sf(27.5))
    tables = LawTables()
    assert [tables.add(law), tables.add(DayLaw()), tables.add(law)] == [0, 1, 0]
    assert tables.largest(0) == 28
