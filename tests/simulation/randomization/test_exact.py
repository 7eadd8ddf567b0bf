"""The exact laws against published values: from the functions that allocate real subjects, to six digits."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.randomization.compiled import compiled
from simulation.randomization.exact import LawTooLarge, law_of
from simulation.randomization.measures import facts_of_state
from tests.simulation.randomization.published import EXACT_50, SEVERAL_ARMS, design


def six(value: float) -> object:
    """Equal to the six digits after the point that are published."""
    return pytest.approx(value, abs=5.1e-7)


@pytest.mark.parametrize("key", EXACT_50, ids=str)
def test_the_characteristics_of_two_arms_at_fifty_subjects_are_the_exact_ones(key) -> None:
    law, exact = law_of(design(*key), 50), EXACT_50[key]
    assert law.absolute_imbalance() == six(exact.imbalance)
    assert exact.variance is None or law.variance() == six(exact.variance)
    assert exact.loss is None or law.pearson[-1] == six(exact.loss)
    assert law.forcing_index() == six(exact.forcing)
    assert law.correct.mean() == six(exact.correct)
    assert law.determined.mean() == six(exact.determined)
    assert law.largest == pytest.approx(exact.largest, abs=5.5e-6)


@pytest.mark.slow
@pytest.mark.parametrize("key", SEVERAL_ARMS, ids=str)
def test_the_characteristics_of_several_arms_are_the_exact_ones(key) -> None:
    ratio, n, short, values = key
    distance, forcing, spread = SEVERAL_ARMS[key]
    law = law_of(design(short, *values, ratio=ratio), n, compiled(facts_of_state), most_states=400_000)
    assert law.distance[-1] == six(distance)
    assert law.forcing_index() == six(forcing)
    assert spread is None or law.allocation_spread() == six(spread)


@pytest.mark.parametrize(("n", "start"), [(50, 0), (12, 0), (50, 1)])
def test_weis_urn_has_the_variance_of_the_closed_form(n, start) -> None:
    """Var D is n/3 for UD(0, 1) and (n + 2)/3 for UD(1, 1)."""
    law = law_of(design("UD", start, 1), n)
    assert law.variance() == pytest.approx((n + 2 * start) / 3, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "imbalance", "variance", "balanced", "correct"),
    [
        (10, 1.14708124, 3.24442412, 0.53000051, 0.61066148),
        (100, 1.33322483, 4.44340444, 0.50001074, 0.62333347),
        (101, 1.66657248, None, None, None),
    ],
)
def test_efrons_coin_of_two_thirds_has_its_published_law(n, imbalance, variance, balanced, correct) -> None:
    law = law_of(design("EBCD", 2 / 3), n)
    assert law.absolute_imbalance() == pytest.approx(imbalance, abs=6e-9)
    if variance is not None:
        assert law.variance() == pytest.approx(variance, abs=6e-9)
        assert law.balanced[-1] == pytest.approx(balanced, abs=6e-9)
        assert law.correct.mean() == pytest.approx(correct, abs=6e-9)


@pytest.mark.parametrize(
    ("p", "n", "balanced", "imbalance", "correct"),
    [
        (2 / 3, 140, 1 / 2, 4 / 3, 0.625),
        (0.6, 280, 1 / 3, 2.4, 0.583333),
        (0.75, 60, 2 / 3, 0.75, 0.666667),
    ],
)
def test_efrons_coin_comes_to_its_limits(p, n, balanced, imbalance, correct) -> None:
    """Markaryan & Rosenberger 2010: with r = p/(1-p), 1 - 1/r, 2r/(r^2 - 1), and 1/2 + (r - 1)/(4r) for a late guess."""
    r = p / (1 - p)
    law = law_of(design("EBCD", p), n, compiled(facts_of_state))
    assert (balanced, imbalance) == pytest.approx((1 - 1 / r, 2 * r / (r * r - 1)))
    assert correct == pytest.approx(0.5 + (r - 1) / (4 * r), abs=5e-7)
    assert law.balanced[-1] == pytest.approx(balanced, abs=1e-4)
    assert law.absolute_imbalance() == pytest.approx(imbalance, abs=1e-3)
    assert law.correct[-2:].mean() == pytest.approx(correct, abs=1e-4)


EXCESS = {2: 0.5, 4: 0.833333, 6: 1.1, 8: 1.328571, 10: 1.531746, 12: 1.716450}
PROPORTION = {2: 0.75, 4: 0.708333, 6: 0.683333, 8: 0.666071, 10: 0.653175, 12: 0.643038}


@pytest.mark.parametrize("size", EXCESS)
def test_a_block_gives_away_blackwell_and_hodges_excess(size) -> None:
    """2^(2m-1) / C(2m, m) - 1/2 right guesses beyond half of the block of 2m, whatever the number of blocks."""
    law = law_of(design("PBD", size), 3 * size)
    formula = 2 ** (size - 1) / comb(size, size // 2) - 0.5
    assert formula == six(EXCESS[size])
    assert law.gain.sum() == pytest.approx(3 * formula, abs=1e-12)
    assert law.correct.mean() == six(PROPORTION[size])


@pytest.mark.parametrize(("n", "excess"), [(20, 2.337732), (50, 3.953344), (100, 5.782256)])
def test_the_random_allocation_rule_gives_away_as_one_block_of_all(n, excess) -> None:
    assert law_of(design("RAND", n), n).gain.sum() == six(excess)
    assert law_of(design("PBD", n), n).gain.sum() == six(excess)


@pytest.mark.parametrize(("n", "excess"), [(10, 1.230469), (20, 1.761971), (50, 2.806879), (100, 3.979462)])
def test_the_truncated_binomial_design_gives_away_its_closed_form(n, excess) -> None:
    assert n / 2 * comb(n, n // 2) / 2**n == six(excess)
    assert law_of(design("TBD", n), n).gain.sum() == six(excess)


@pytest.mark.parametrize(
    ("key", "determined", "excess", "published"),
    [
        (("PBD", 2), 50, 25, (50, 25)),
        (("BSD", 1), 50, 25, (50, 25)),
        (("PBD", 4), 33.3333, 20.8333, (33.3, 20.8)),
        (("BSD", 2), 24.4792, 12.2396, (24.4, 12.4)),
        (("PBD", 6), 25, 18.3333, (25, 18.3)),
        (("BSD", 3), 16.2037, 8.1019, (16.2, 8.1)),
    ],
)
def test_the_roadmaps_table_of_imbalance_tolerances_at_96(key, determined, excess, published) -> None:
    """Percentages of certain assignments and of excess right guesses; the paper's are simulated, to a decimal.

    10,000 trials of 96 guesses, each right or wrong with a standard deviation of 1/2 at most: four standard errors are 0.2 points.
    """
    law = law_of(design(*key), 96)
    assert law.determined.mean() * 100 == pytest.approx(determined, abs=5.1e-5)
    assert law.gain.mean() * 100 == pytest.approx(excess, abs=5.1e-5)
    assert published == pytest.approx((determined, excess), abs=0.2)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(EXACT_50, key=str)), st.integers(1, 30))
def test_a_law_for_fewer_subjects_is_the_beginning_of_a_longer_one(key, n) -> None:
    longer, shorter = law_of(design(*key), 31), law_of(design(*key), n)
    for name in ("distance", "squared", "pearson", "correct", "gain", "forced", "determined", "balanced"):
        short = getattr(shorter, name)
        np.testing.assert_allclose(getattr(longer, name)[: len(short)], short, atol=1e-12)


def test_blocks_of_several_sizes_mix_the_laws_of_their_first_blocks() -> None:
    mixed = law_of(design("PBD", 4, 6), 4)
    four, six_ = law_of(design("PBD", 4), 4), law_of(design("PBD", 6), 4)
    np.testing.assert_allclose(mixed.correct, (four.correct + six_.correct) / 2, atol=1e-15)
    np.testing.assert_allclose(mixed.squared, (four.squared + six_.squared) / 2, atol=1e-15)


def test_a_law_with_too_many_states_says_to_simulate() -> None:
    with pytest.raises(LawTooLarge, match="simulate it"):
        law_of(design("CRD", ratio=(4, 3, 2, 1)), 50)
