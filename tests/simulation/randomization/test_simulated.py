"""Simulated trials: compiled, from the same rules, and in agreement with the exact laws; the figures of a comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.rules.restricted.draw import block_after, restricted_draw
from simulation.randomization.comparison import compare, simulated
from simulation.randomization.contenders import RestrictedContender
from simulation.randomization.exact import law_of
from simulation.randomization.kernels import OUTCOMES, allocate, measure
from simulation.randomization.measures import guess
from simulation.randomization.plan import PlannedFactor, TrialPlan
from tests.simulation.randomization.published import (
    EXACT_50,
    PUBLISHED_50,
    PUBLISHED_SEVERAL,
    SEVERAL_ARMS,
    design,
)

SEX = PlannedFactor("SEX", (("F", 0.6), ("M", 0.4)))
AGE = PlannedFactor("AGE", (("young", 0.3), ("old", 0.7)))
KEYS = [*EXACT_50, ("PBD", 4, 6)]


def plan_of(ratio=(1, 1), subjects=50, factors=(), replicates=3_000, seed=20261126) -> TrialPlan:
    arms = tuple(zip("ABCDEF", ratio, strict=False))
    return TrialPlan("test", arms, subjects, tuple(factors), replicates, seed)


def z_scores(outcomes: np.ndarray, exact: dict[str, float]) -> dict[str, float]:
    """How many standard errors the simulated means are from the exact values.

    The error is at least that of one trial that differs by 1: an outcome that nearly never varies may show no spread at all.
    """
    scores = {}
    for name, value in exact.items():
        column = outcomes[:, OUTCOMES.index(name)]
        error = max(column.std(ddof=1) / np.sqrt(len(column)), 1 / len(column))
        scores[name] = (column.mean() - value) / error
    return scores


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_simulated_trials_agree_with_the_exact_law_of_two_arms(key) -> None:
    contender = RestrictedContender(design(*key), "strata")
    plan = plan_of()
    exact = dict(contender.exact(plan))
    assert {"overall", "largest", "loss", "correct", "gain", "determined", "forcing"} == set(exact)
    assert all(abs(z) < 4 for z in z_scores(simulated(plan, contender), exact).values())


@pytest.mark.parametrize("key", PUBLISHED_50, ids=str)
def test_the_published_simulations_of_10000_trials_are_within_four_of_their_standard_errors(key) -> None:
    """Of the exact values. The spread of one trial is that of simulated ones; of the guesses, which they count as right or wrong,
    also that of the coins: at most 1/4 for each.
    """
    exact = EXACT_50[key]
    outcomes = simulated(plan_of(), RestrictedContender(design(*key), "study"))
    spread = dict(zip(OUTCOMES, outcomes.std(axis=0, ddof=1), strict=True))
    imbalance, forcing, correct = PUBLISHED_50[key]
    assert imbalance == pytest.approx(exact.imbalance, abs=0.04 * np.sqrt(2) * spread["overall"] + 5.1e-4)
    assert forcing == pytest.approx(exact.forcing, abs=0.04 * 2 * np.sqrt(2) * spread["forcing"] + 5.1e-5)
    coins = np.sqrt(spread["correct"] ** 2 + 1 / (4 * 50))
    assert correct == pytest.approx(exact.correct, abs=0.04 * coins + 5.1e-5)


@pytest.mark.parametrize("key", PUBLISHED_SEVERAL, ids=str)
def test_the_published_simulations_of_several_arms_are_within_four_of_their_standard_errors(key) -> None:
    """Of the exact values; the spread of one trial is that of simulated ones. ASD is the root of the mean squared distance over n."""
    ratio, n, short, values = key
    outcomes = simulated(plan_of(ratio, n), RestrictedContender(design(short, *values, ratio=ratio), "study"))
    by_name = dict(zip(OUTCOMES, outcomes.T, strict=True))
    distance, forcing, allocation = SEVERAL_ARMS[key]
    published = PUBLISHED_SEVERAL[key]
    assert published[0] == pytest.approx(distance, abs=0.04 * by_name["overall"].std() + 5.1e-4)
    assert published[1] == pytest.approx(forcing, abs=0.04 * by_name["forcing"].std() + 5.1e-5)
    if published[2] is not None:
        error = (by_name["overall"] ** 2).std() / (2 * allocation * n)
        assert published[2] == pytest.approx(allocation, abs=0.04 * error + 5.1e-5)


@pytest.mark.parametrize("key", SEVERAL_ARMS, ids=str)
def test_simulated_trials_agree_with_the_exact_law_of_several_arms(key) -> None:
    ratio, n, short, values = key
    outcomes = simulated(
        plan_of(ratio, n), RestrictedContender(design(short, *values, ratio=ratio), "strata")
    )
    distance, forcing, _ = SEVERAL_ARMS[key]
    scores = z_scores(outcomes, {"overall": distance, "forcing": forcing})
    assert all(abs(z) < 4 for z in scores.values()), scores


@pytest.mark.parametrize("key", [("PBD", 4), ("BSD", 3), ("CRD",), ("EBCD", 2 / 3), ("PBD", 2, 6)], ids=str)
def test_with_strata_of_random_size_the_exact_means_are_those_of_simulated_trials(key) -> None:
    contender = RestrictedContender(design(*key), "strata")
    plan = plan_of(factors=(SEX, AGE), subjects=60)
    exact = dict(contender.exact(plan))
    assert {"stratum", "correct", "gain", "determined", "forcing"} <= set(exact)
    assert all(abs(z) < 4 for z in z_scores(simulated(plan, contender), exact).values())


def test_a_design_that_is_not_run_by_stratum_is_exact_for_the_study() -> None:
    contender = RestrictedContender(design("BSD", 3), "study")
    plan = plan_of(factors=(SEX, AGE))
    exact = dict(contender.exact(plan))
    law = law_of(design("BSD", 3), 50)
    assert exact["overall"] * np.sqrt(2) == pytest.approx(law.absolute_imbalance())
    assert "stratum" not in exact
    assert all(abs(z) < 4 for z in z_scores(simulated(plan, contender), exact).values())


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(KEYS), st.integers(0, 2**32))
def test_the_compiled_loop_allocates_as_the_service_draws(key, seed) -> None:
    """Subject by subject and stratum by stratum, from the same uniform numbers."""
    contender = RestrictedContender(design(*key), "strata")
    plan = plan_of(factors=(SEX,), subjects=24, replicates=2, seed=seed)
    strata, uniforms = next(iter(plan.arrivals()))
    arms = np.empty(strata.shape, dtype=np.int64)
    chances = np.empty((*strata.shape, 2))
    contender.allocate(plan, strata, uniforms, arms, chances)
    for replicate in range(2):
        counts = np.zeros((2, 2), dtype=np.int64)
        blocks: list = [None, None]
        for i in range(24):
            stratum = strata[replicate, i]
            drawn = restricted_draw(
                contender.design, "R", "S", "AB", counts[stratum], uniforms[replicate, i], i, blocks[stratum]
            )
            assert drawn.arm == "AB"[arms[replicate, i]]
            assert drawn.probabilities == pytest.approx(tuple(chances[replicate, i]), abs=1e-12)
            counts[stratum, arms[replicate, i]] += 1
            blocks[stratum] = block_after(dict(drawn.facts), "AB", drawn.arm)


def test_every_design_meets_the_same_subjects_however_many_there_are_in_a_chunk(monkeypatch) -> None:
    plan = plan_of(factors=(SEX,), replicates=100)
    first = [strata for strata, _ in plan.arrivals()]
    again = [strata for strata, _ in plan.arrivals()]
    assert np.array_equal(np.concatenate(first), np.concatenate(again))
    assert len(np.concatenate(first)) == 100
    shares = np.bincount(np.concatenate(first).ravel()) / 5_000
    assert shares == pytest.approx([0.6, 0.4], abs=4 * np.sqrt(0.24 / 5_000))


SEQUENCES = {
    "imbalance": [-4, -2, -2, 0, -2, 0, 0, 2, -2, 0, 0, 2, 0, 2, 2, 4],
    "loss": [4, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 4],
    "largest": [4, 2, 2, 2, 2, 1, 1, 3, 3, 1, 1, 2, 2, 2, 2, 4],
}


def test_the_sixteen_sequences_of_four_have_their_published_measures() -> None:
    """randomizeR's table (Uschner et al. 2018): all sequences of complete randomization, the first subject changing fastest."""
    first = np.array([[(index >> i) & 1 for i in range(4)] for index in range(16)])
    arms = 1 - first
    assert [int(2 * row.sum() - 4) for row in first] == SEQUENCES["imbalance"]
    outcomes = np.zeros((16, len(OUTCOMES)))
    alone = np.zeros_like(arms)
    measure(
        *(arms, np.full((16, 4, 2), 0.5), alone, 1, np.zeros((1, 0), dtype=np.int64), 0, alone, 1),
        *(np.array([1, 1]), outcomes),
    )
    by_name = dict(zip(OUTCOMES, outcomes.T, strict=True))
    assert by_name["overall"] * np.sqrt(2) == pytest.approx(np.abs(SEQUENCES["imbalance"]))
    assert by_name["loss"] == pytest.approx(SEQUENCES["loss"])
    assert by_name["largest"] * np.sqrt(2) == pytest.approx(SEQUENCES["largest"])


@pytest.mark.parametrize("key", [("PBD", 2), ("BSD", 1), ("MP", 10, 1)], ids=str)
def test_a_tolerance_of_one_lets_three_of_four_be_guessed_in_every_sequence(key) -> None:
    """The convergence strategy is right in 0.75 and its opposite in 0.25 of ten allocations, whatever is drawn."""
    plan = plan_of(subjects=10, replicates=50)
    strata, uniforms = next(iter(plan.arrivals()))
    arms, chances = np.empty(strata.shape, dtype=np.int64), np.empty((*strata.shape, 2))
    RestrictedContender(design(*key), "strata").allocate(plan, strata, uniforms, arms, chances)
    ratio = np.array([1, 1])
    for row in arms:
        counts = np.zeros(2, dtype=np.int64)
        right = largest = 0.0
        for arm in row:
            right += guess(np.eye(2)[arm], counts, ratio)[0]
            counts[arm] += 1
            largest = max(largest, abs(counts[0] - counts[1]))
        assert (right / 10, 1 - right / 10, counts[0] - counts[1], largest) == (0.75, 0.25, 0, 1)


def test_a_comparison_says_which_figures_are_exact() -> None:
    contenders = [("big_stick", RestrictedContender(design("BSD", 3), "strata"), True)]
    [row] = compare(plan_of(subjects=50), contenders)
    assert all(figure.exact for figure in row.figures().values())
    assert row.overall.value == pytest.approx(4 / 3)
    assert row.excess.value == pytest.approx(50 * (0.578889 - 0.5), abs=1e-4)
    assert "margin" not in row.figures()
    [row] = compare(plan_of(subjects=50, factors=(SEX,)), contenders)
    exact = {name for name, figure in row.figures().items() if figure.exact}
    assert exact == {"stratum", "correct", "excess", "determined", "forcing"}
    assert row.overall.standard_error is not None
    assert 0 < row.overall.standard_error < 0.1


def test_the_python_loop_and_the_compiled_one_are_the_same_function() -> None:
    plan = plan_of((2, 1), subjects=15, replicates=3)
    contender = RestrictedContender(design("BUD", 2, ratio=(2, 1)), "strata")
    strata, uniforms = next(iter(plan.arrivals()))
    outcome = [(np.empty(strata.shape, dtype=np.int64), np.empty((*strata.shape, 2))) for _ in range(2)]
    contender.allocate(plan, strata, uniforms, *outcome[0])
    chosen = contender.design
    allocate(
        *(chosen.rule.code, chosen.ratio_array(), chosen.numbers(), np.array([], dtype=np.int64)),
        *(chosen.table(), strata, 1, uniforms, *outcome[1]),
    )
    assert np.array_equal(outcome[0][0], outcome[1][0])
    assert np.array_equal(outcome[0][1], outcome[1][1])
