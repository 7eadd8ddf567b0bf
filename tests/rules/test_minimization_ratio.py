"""Long trials: the realised ratio of a million allocations, the ratio at every single one (ARP), and imbalance that may not grow."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numba
import numpy as np
import pytest

from allocation.rules.compilable import register_rules
from allocation.rules.draws import arm_at
from allocation.rules.imbalance import CODES, ImbalanceMeasure
from allocation.rules.minimization import column_chances
from allocation.rules.minimization_design import MinimizationDesign, RatioRule
from tests.rules.exact_minimization import compiled_chances

pytestmark = pytest.mark.slow
"""Compiling the rule takes seconds, the million allocations one."""

CHI_SQUARE_2_AT_1E6 = 27.631
"""Chi-square with 2 degrees of freedom is above this with chance 1e-6 (exp(-x/2))."""


def _trials(rule, uniforms, levels, weights, ratio, measure, base, drawn):
    """Many trials: `uniforms` and `drawn` are trials by subjects, `levels` trials by subjects by two factors (3 levels each)."""
    for trial in range(uniforms.shape[0]):
        whole = np.zeros(len(ratio), dtype=np.int64)
        strata = np.zeros((3, 3, len(ratio)), dtype=np.int64)
        counts = np.zeros((2, 3, len(ratio)), dtype=np.int64)
        rows = np.zeros((4, len(ratio)), dtype=np.int64)
        for subject in range(uniforms.shape[1]):
            f, g = levels[trial, subject]
            for one in range(len(ratio)):
                rows[0, one], rows[1, one] = whole[one], strata[f, g, one]
                rows[2, one], rows[3, one] = counts[0, f, one], counts[1, g, one]
            column = arm_at(rule(rows, weights, ratio, measure, base), uniforms[trial, subject])
            whole[column] += 1
            strata[f, g, column] += 1
            counts[0, f, column] += 1
            counts[1, g, column] += 1
            drawn[trial, subject] = column


@cache
def _compiled():
    register_rules()
    return numba.njit(_trials)


def play(
    design: MinimizationDesign, trials: int, subjects: int, scored_as=None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the arm of each subject and the levels; `scored_as` puts in other shares than the design's (to show the bug)."""
    random = np.random.default_rng(20240229)
    levels = random.choice(3, size=(trials, subjects, len(design.factors)), p=[0.5, 0.3, 0.2])
    drawn = np.empty((trials, subjects), dtype=np.int64)
    weights = np.array(design.weights, dtype=np.float64)
    shares = np.array(scored_as or design.unit_ratio, dtype=np.int64)
    uniforms = random.random((trials, subjects))
    _compiled()(
        compiled_chances(),
        uniforms,
        levels,
        weights,
        shares,
        CODES[design.measure],
        design.probability,
        drawn,
    )
    return np.array(design.arm_of_unit)[drawn], levels


def chi_square(arms: np.ndarray, ratio: tuple[int, ...]) -> float:
    seen = np.bincount(arms.ravel(), minlength=len(ratio))
    expected = arms.size * np.array(ratio) / sum(ratio)
    return float(((seen - expected) ** 2 / expected).sum())


def make(ratio, rule, measure=ImbalanceMeasure.RANGE, p=0.8) -> MinimizationDesign:
    return MinimizationDesign(("A", "B", "C"), ratio, (("F", 2.0), ("G", 1.0)), p, measure, ratio_rule=rule)


@pytest.mark.parametrize("measure", list(ImbalanceMeasure))
@pytest.mark.parametrize("rule", list(RatioRule))
@pytest.mark.parametrize("ratio", [(3, 1, 1), (1, 2, 3), (300, 100, 100)])
def test_a_long_trial_has_the_ratio_it_was_given_overall_and_at_each_level(ratio, rule, measure) -> None:
    arms, levels = play(make(ratio, rule, measure), 1, 50_000)
    assert chi_square(arms, ratio) < 0.1
    for factor in range(2):
        for level in range(3):
            assert chi_square(arms[levels[:, :, factor] == level], ratio) < 0.5


@pytest.mark.parametrize("rule", list(RatioRule))
def test_a_million_allocations_in_one_trial_have_the_ratio(rule) -> None:
    arms, _ = play(make((3, 1, 1), rule), 1, 1_000_000)
    assert chi_square(arms, (3, 1, 1)) < 0.01


def test_the_same_check_finds_counts_that_are_not_divided_by_the_shares() -> None:
    arms, _ = play(make((3, 1, 1), RatioRule.BIASED_COIN), 1, 50_000, scored_as=(1, 1, 1))
    assert chi_square(arms, (3, 1, 1)) > 1_000


def test_a_million_allocations_in_short_trials_have_the_ratio_at_every_allocation_with_unit_arms() -> None:
    arms, levels = play(make((3, 1, 1), RatioRule.UNIT_ARMS), 50_000, 20)
    for subject in range(20):
        assert chi_square(arms[:, subject], (3, 1, 1)) < CHI_SQUARE_2_AT_1E6
        rare = levels[:, subject, 0] == 2
        assert chi_square(arms[rare, subject], (3, 1, 1)) < CHI_SQUARE_2_AT_1E6


def test_biased_coin_minimization_misses_the_ratio_at_the_first_allocations() -> None:
    arms, _ = play(make((3, 1, 1), RatioRule.BIASED_COIN), 50_000, 20)
    assert chi_square(arms[:, 0], (3, 1, 1)) > 1_000


def chances_at_each_allocation(design: MinimizationDesign, subjects: int) -> list[list[float]]:
    """E P_k of the first arm, at each level of one binary factor, exactly: a walk over all tables of counts."""
    known: dict[tuple[int, ...], np.ndarray] = {}
    columns = len(design.unit_ratio)
    first = np.array(design.arm_of_unit) == 0
    states = {((0,) * columns, (0,) * columns): 1.0}
    expected = []
    for _ in range(subjects):
        after: dict[tuple[tuple[int, ...], ...], float] = defaultdict(float)
        at_levels = [0.0, 0.0]
        for state, mass in states.items():
            for level in (0, 1):
                whole = tuple(map(sum, zip(*state, strict=True)))
                key = (*whole, *state[level])
                if key not in known:
                    rows = np.array([whole, [0] * columns, state[level]], dtype=np.int64)
                    known[key] = column_chances(design, rows)
                at_levels[level] += mass * float(known[key][first].sum())
                for column in range(columns):
                    row = tuple(count + (other == column) for other, count in enumerate(state[level]))
                    moved = (row, state[1]) if level == 0 else (state[0], row)
                    after[moved] += mass / 2 * float(known[key][column])
        states = after
        expected.append(at_levels)
    return expected


def two_arms(ratio, rule, **more) -> MinimizationDesign:
    return MinimizationDesign(("A", "B"), ratio, (("F", 1.0),), 0.8, ratio_rule=rule, **more)


@pytest.mark.parametrize("measure", list(ImbalanceMeasure))
def test_unit_arms_preserve_the_ratio_exactly_at_every_allocation_and_level(measure) -> None:
    for at_levels in chances_at_each_allocation(two_arms((4, 2), RatioRule.UNIT_ARMS, measure=measure), 6):
        assert at_levels == pytest.approx([2 / 3, 2 / 3], abs=1e-12)


def test_the_biased_coin_has_the_ratio_exactly_only_while_it_allocates_simply() -> None:
    plain = chances_at_each_allocation(two_arms((2, 1), RatioRule.BIASED_COIN), 3)
    assert plain[0] == pytest.approx([0.9, 0.9], abs=1e-12)
    assert abs(plain[1][0] - 2 / 3) > 0.01
    begun = chances_at_each_allocation(two_arms((2, 1), RatioRule.BIASED_COIN, simple_first=3), 4)
    assert begun[:3] == [pytest.approx([2 / 3, 2 / 3], abs=1e-12)] * 3
    assert abs(begun[3][0] - 2 / 3) > 0.01


def test_imbalance_within_strata_grows_with_minimization_and_stays_bounded_with_hu_and_hu() -> None:
    """Hu and Hu 2012: with a weight on the stratum its imbalance is bounded in probability, with margins alone it is of order n."""
    factors = (("F", 0.25), ("G", 0.25))
    spread = {}
    for weight in (0.0, 0.3):
        design = MinimizationDesign(
            ("A", "B"),
            (1, 1),
            factors,
            0.85,
            ImbalanceMeasure.VARIANCE,
            whole_weight=weight,
            stratum_weight=weight,
        )
        arms, levels = play(design, 400, 1_000)
        inside = (levels == 0).all(axis=2) * np.where(arms == 0, 1, -1)
        spread[weight] = [float((inside[:, :n].sum(axis=1) ** 2).mean()) for n in (100, 1_000)]
    assert spread[0.0][1] > 4 * spread[0.0][0]
    assert spread[0.3][1] < 1.5 * spread[0.3][0]
    assert spread[0.3][1] < 3
