"""Paired differences against SciPy's paired t test, a bootstrap of the pairs, and Agresti and Min's interval by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from forecasting.what_if.paired import difference, ratio_difference, risk_difference

DRAWS = np.random.default_rng(11)
BASE = DRAWS.poisson(40, 300).astype(float)
CHANGED = BASE + DRAWS.poisson(3, 300) - 2


def test_the_interval_of_a_mean_is_that_of_the_paired_t_test() -> None:
    gap = difference("shipments", "shipments", "", "higher", BASE, CHANGED)
    test = stats.ttest_rel(CHANGED, BASE)
    interval = test.confidence_interval(0.95)
    assert (gap.low, gap.high) == pytest.approx((interval.low, interval.high))
    assert gap.difference == pytest.approx(float((CHANGED - BASE).mean()))
    assert gap.share_worse == gap.share_higher == float((CHANGED > BASE).mean())
    assert gap.quantiles == tuple(np.quantile(CHANGED - BASE, (0.05, 0.25, 0.5, 0.75, 0.95)))
    apart = BASE.var(ddof=1) + CHANGED.var(ddof=1)
    assert gap.variance_ratio == pytest.approx(apart / (CHANGED - BASE).var(ddof=1))
    assert gap.variance_ratio > 10


def test_the_interval_of_a_ratio_is_that_of_a_bootstrap_of_the_pairs() -> None:
    under = BASE * 10 + DRAWS.poisson(5, 300)
    found = ratio_difference("share", "", (BASE, under), (CHANGED, under + 20), less=1.0)
    assert found.base == pytest.approx(BASE.sum() / under.sum() - 1)
    picks = DRAWS.integers(0, 300, (4000, 300))
    gaps = CHANGED[picks].sum(axis=1) / (under + 20)[picks].sum(axis=1)
    gaps -= BASE[picks].sum(axis=1) / under[picks].sum(axis=1)
    low, high = np.quantile(gaps, (0.025, 0.975))
    assert found.low is not None
    assert found.high is not None
    assert found.difference == pytest.approx(gaps.mean(), abs=1e-4)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_the_interval_of_a_risk_is_agresti_and_mins() -> None:
    # Of 100 pairs 10 have it under the change only and 5 in the base only: (10.5 - 5.5) / 102, +- 1.95996 x 0.038914.
    before = np.r_[np.ones(20), np.ones(5), np.zeros(75)]
    after = np.r_[np.ones(20), np.zeros(5), np.ones(10), np.zeros(65)]
    found = risk_difference("any_missed", "", before, after)
    assert found.difference == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((-0.02725, 0.12529), abs=1e-5)


def test_pairs_that_never_differ_leave_the_risk_open_unless_the_plan_is_the_same() -> None:
    zeros = np.zeros(1000)
    found = risk_difference("any_missed", "", zeros, zeros)
    assert found.difference == 0
    assert found.low is not None
    assert found.high is not None
    assert -0.003 < found.low < 0 < found.high < 0.003
    same = risk_difference("any_missed", "", zeros, zeros, same=True)
    assert (same.low, same.high) == (0, 0)


def test_nothing_to_divide_by_is_no_ratio() -> None:
    zeros = np.zeros(3)
    found = ratio_difference("wasted_share", "", (BASE[:3], zeros), (CHANGED[:3], BASE[:3]))
    assert found.base is None
    assert found.changed is not None
    assert found.difference is None
