"""Time trends and guessing investigators: the shifts of the responses, the tests they mislead, and the published error rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f_oneway, ttest_ind

from simulation.randomization.bias import false_positives, linear_trend, rejected, selection_bias
from simulation.randomization.comparison import compare
from simulation.randomization.contenders import RestrictedContender
from simulation.randomization.plan import PlannedFactor, TrialPlan
from tests.simulation.randomization.published import ERRORS_50, design


def plan_of(subjects=50, factors=(), replicates=10_000, **biases) -> TrialPlan:
    return TrialPlan("test", (("A", 1), ("B", 1)), subjects, factors, replicates, 20261126, **biases)


def test_guesses_on_alternating_arms_shift_every_second_subject() -> None:
    """Uschner et al. 2018 (randomizeR): with the convergence strategy and eta = 2 the expected responses are 0, -2, 0, -2, ..."""
    arms = np.array([[0, 1] * 6])
    assert selection_bias(arms, 2).tolist() == [[0, -2] * 6]
    assert selection_bias(1 - arms, 2).tolist() == [[0, 2] * 6]


def test_a_linear_trend_of_one_over_twelve_subjects_rises_by_elevenths() -> None:
    assert linear_trend(12, 1) == pytest.approx([i / 11 for i in range(12)], abs=1e-15)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=30))
def test_one_who_watches_strata_guesses_in_each_by_itself(subjects) -> None:
    arms, strata = (np.array([column]) for column in zip(*subjects, strict=True))
    shifts = selection_bias(arms, 0.5, strata)
    for stratum in range(3):
        inside = strata == stratum
        assert shifts[inside].tolist() == selection_bias(arms[inside][None, :], 0.5)[0].tolist()


@pytest.mark.parametrize("arm_count", [2, 3])
def test_the_test_rejects_where_scipys_has_a_p_value_below_005(arm_count) -> None:
    random = np.random.default_rng(1)
    arms = random.integers(arm_count, size=(300, 20))
    responses = random.normal(size=arms.shape) + 0.8 * (arms == 0)
    found = rejected(arms, responses, arm_count)
    assert 0 < found.sum() < 300
    for row, response, reject in zip(arms, responses, found, strict=True):
        parts = [response[row == arm] for arm in range(arm_count)]
        test = ttest_ind(*parts) if arm_count == 2 else f_oneway(*parts)
        assert reject == (test.pvalue < 0.05)


def test_a_trial_without_a_subject_in_an_arm_or_with_none_to_spare_rejects_nothing() -> None:
    assert not rejected(np.zeros((1, 9), dtype=np.int64), np.arange(9.0)[None, :]).any()
    assert not rejected(np.array([[0, 1]]), np.array([[0.0, 9.0]])).any()


@pytest.mark.parametrize("key", ERRORS_50, ids=str)
def test_the_published_errors_of_the_t_test_under_a_trend_and_under_guessing_are_within_their_error(
    key,
) -> None:
    """10,000 trials there and here. Their trend is 5 i / 51 for subject i of 50; who is guessed is shifted by 0.5."""
    plan = plan_of(trend=5 * 49 / 51, guessing=0.5)
    wrong = false_positives(plan, RestrictedContender(design(*key), "study"))
    for name, published in zip(("trend", "guessing"), ERRORS_50[key], strict=True):
        ours = wrong[name].mean()
        error = np.sqrt((ours * (1 - ours) + published * (1 - published)) / 10_000)
        assert ours == pytest.approx(published, abs=4 * error + 5e-5), name


def test_without_a_bias_the_test_keeps_its_level_and_a_comparison_says_nothing_of_it() -> None:
    contender = RestrictedContender(design("PBD", 4), "study")
    wrong = false_positives(plan_of(trend=1e-12, replicates=4_000), contender)
    assert set(wrong) == {"trend"}
    assert wrong["trend"].mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 4_000))
    [row] = compare(plan_of(replicates=100), [("permuted_block", contender, False)])
    assert not {"trend", "guessing"} & set(row.figures())


def test_a_comparison_gives_the_errors_with_their_standard_error() -> None:
    sex = PlannedFactor("SEX", (("F", 0.5), ("M", 0.5)))
    plan = plan_of(factors=(sex,), replicates=2_000, trend=5.0, guessing=0.5)
    contenders = [
        ("permuted_block", RestrictedContender(design("PBD", size), "strata"), False) for size in (2, 8)
    ]
    small, large = compare(plan, contenders)
    assert small.trend.value < large.trend.value < 0.05
    assert small.guessing.value > large.guessing.value > 0.05
    assert small.guessing.standard_error == pytest.approx(
        np.sqrt(small.guessing.value * (1 - small.guessing.value) / 2_000), rel=1e-3
    )
