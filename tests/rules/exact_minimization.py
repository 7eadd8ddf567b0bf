"""Exact moments of a two-arm minimization over two independent binary factors, by dynamic programming over the four strata.

The state is the difference (first arm minus second) in each stratum. The chance of the first arm comes from the rule under test,
which for two arms of equal share depends on the differences of its rows alone (a property test shows that), so each set of
differences is asked for once, in compiled code that calls the rule itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numba
import numpy as np

from allocation.rules.compilable import register_rules
from allocation.rules.imbalance import CODES, arm_scores
from allocation.rules.minimization_chances import biased_coin_chances
from allocation.rules.minimization_design import MinimizationDesign


@dataclass(frozen=True)
class Moments:
    """Of the differences after the last subject: overall, in one margin, in one stratum."""

    overall: tuple[float, float]
    margin: tuple[float, float]
    stratum: tuple[float, float]


@cache
def compiled_chances():
    """Return the rule, compiled as it stands: the chances of the arms for rows of counts. Compiling takes seconds, so once a session."""
    register_rules()

    def chances(rows, weights, ratio, measure, base):
        return biased_coin_chances(arm_scores(rows, weights, ratio, measure), ratio, base)

    return numba.njit(chances)


def _fill(rule, chances, spans, weights, ratio, measure, base):
    rows = np.zeros((4, 2), dtype=np.int64)
    for a in range(chances.shape[0]):
        for b in range(chances.shape[1]):
            for c in range(chances.shape[2]):
                for d in range(chances.shape[3]):
                    at = (a, b, c, d)
                    for row in range(4):
                        difference = at[row] - spans[row]
                        rows[row, 0] = max(difference, 0)
                        rows[row, 1] = max(-difference, 0)
                    chances[a, b, c, d] = rule(rows, weights, ratio, measure, base)[0]


def _step(now, after, chances, spans, bound):
    """Strata in the order 11, 12, 21, 22 of the levels of the two factors."""
    n = now.shape[0]
    for a in range(1, n - 1):
        for b in range(1, n - 1):
            for c in range(1, n - 1):
                for d in range(1, n - 1):
                    mass = now[a, b, c, d] / 4
                    if mass == 0:
                        continue
                    x = (a - bound, b - bound, c - bound, d - bound)
                    whole = x[0] + x[1] + x[2] + x[3]
                    for s in range(4):
                        first = x[0] + x[1] if s < 2 else x[2] + x[3]
                        second = x[0] + x[2] if s % 2 == 0 else x[1] + x[3]
                        p = chances[
                            whole + spans[0] if spans[0] else 0,
                            x[s] + spans[1] if spans[1] else 0,
                            first + spans[2] if spans[2] else 0,
                            second + spans[3] if spans[3] else 0,
                        ]
                        i, j, k, m = s == 0, s == 1, s == 2, s == 3
                        after[a + i, b + j, c + k, d + m] += mass * p
                        after[a - i, b - j, c - k, d - m] += mass * (1 - p)


@cache
def _compiled():
    return numba.njit(_fill), numba.njit(_step)


@cache
def moments(
    design: MinimizationDesign, subjects: int, bound: int, probability: float | None = None
) -> Moments:
    """Return the moments after `subjects`. `bound` is the largest difference of a stratum that is kept; the mass lost must be nil.

    `probability` goes before the design's: 1 is no design that a trial may have, but the rule's arithmetic knows it.
    """
    assert design.ratio == (1, 1)
    assert len(design.factors) == 2
    fill, step = _compiled()
    reach = np.array([4 * bound, bound, 2 * bound, 2 * bound])
    spans = np.where(np.array(design.weights) > 0, np.minimum(reach, subjects), 0)
    chances = np.empty(tuple(2 * spans + 1))
    ratio = np.array([1, 1], dtype=np.int64)
    weights = np.array(design.weights, dtype=np.float64)
    base = design.probability if probability is None else probability
    fill(compiled_chances(), chances, spans, weights, ratio, CODES[design.measure], base)
    now = np.zeros((2 * bound + 3,) * 4)
    now[(bound + 1,) * 4] = 1
    for _ in range(subjects):
        after = np.zeros_like(now)
        step(now, after, chances, spans, bound + 1)
        now = after
    assert abs(now.sum() - 1) < 1e-9, "the bound cuts off mass"
    x = np.arange(2 * bound + 3) - bound - 1
    pair = now.sum(axis=(2, 3))
    margin = x[:, None] + x[None, :]
    halves = np.zeros(4 * (bound + 1) + 1)
    fold = (margin + 2 * (bound + 1))[:, :, None, None] * np.ones_like(now, dtype=np.int64)
    joint = np.zeros((len(halves), len(halves)))
    np.add.at(joint, (fold, np.transpose(fold, (2, 3, 0, 1))), now)
    y = np.arange(len(halves)) - 2 * (bound + 1)
    whole = y[:, None] + y[None, :]
    single = pair.sum(axis=1)
    return Moments(
        (float((joint * abs(whole)).sum()), float((joint * whole**2).sum())),
        (float((pair * abs(margin)).sum()), float((pair * margin**2).sum())),
        (float((single * abs(x)).sum()), float((single * x**2).sum())),
    )
