"""Enrolment of new subjects from one stream of randomizations: a Poisson rate that may drift, with the speed of the drift averaged over.

The dynamic Poisson model of Harvey & Fernandes (Journal of Business & Economic Statistics 1989;7:407): before each week the gamma
posterior of the rate is discounted by delta (1: a constant rate), so that older weeks count less. Each delta of a grid is weighed by how
well it predicted each week from those before. Ahead, the rate makes a random walk with the variance that delta stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaln

from forecasting.demand.interim import Array, Days, InterimCut

DISCOUNTS: Final = (0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0)
PRIOR_EVENTS: Final = 0.5
PRIOR_A_WEEK: Final = 1.0
"""Without any randomization: one subject a week, worth half a subject."""
RECENT_WEEKS: Final = 26
_WEEK: Final = 7


@dataclass(frozen=True)
class EnrolmentRate:
    """For each discount its weight, and the gamma posterior (shape, rate in weeks) of the rate at the cut."""

    discounts: Array
    weights: Array
    shapes: Array
    rates: Array

    @property
    def mean_a_week(self) -> float:
        """Subjects a week at the cut."""
        return float((self.weights * self.shapes / self.rates).sum())


def weekly_counts(cut: InterimCut) -> tuple[Days, Array]:
    """Randomizations in the weeks that end with the cut, oldest first, and the days of each in weeks: the oldest may be a part of one."""
    observed = cut.cut_day + 1
    back = (cut.cut_day - cut.randomized) // _WEEK
    weeks = -(-observed // _WEEK)
    counts = np.bincount(back, minlength=weeks)[::-1].astype(np.int64)
    exposure = np.ones(weeks)
    exposure[0] = (observed - (weeks - 1) * _WEEK) / _WEEK
    return counts, exposure


def enrolment_rate(counts: Days, exposure: Array, model: str) -> EnrolmentRate:
    """The rate by `model`: dynamic, constant, or recent (constant over the last 26 weeks)."""
    if model == "recent":
        counts, exposure = counts[-RECENT_WEEKS:], exposure[-RECENT_WEEKS:]
    discounts = np.array(DISCOUNTS if model == "dynamic" else (1.0,))
    shape = np.full(len(discounts), PRIOR_EVENTS)
    rate = np.full(len(discounts), PRIOR_EVENTS / PRIOR_A_WEEK)
    log_score = np.zeros(len(discounts))
    for count, weeks in zip(counts, exposure, strict=True):
        shape, rate = discounts * shape, discounts * rate
        log_score += (
            gammaln(shape + count)
            - gammaln(shape)
            - gammaln(count + 1)
            + shape * np.log(rate / (rate + weeks))
            + count * np.log(weeks / (rate + weeks))
        )
        shape, rate = shape + count, rate + weeks
    weights = np.exp(log_score - log_score.max())
    return EnrolmentRate(discounts, weights / weights.sum(), shape, rate)


def draw_arrivals(
    rng: np.random.Generator, rate: EnrolmentRate, draws: int, days: int, most: int | None
) -> Days:
    """Days after the cut (1 to `days`) of the randomizations in each draw, in order: a row each, filled up with days + 1 (none).

    `most`: new subjects at most, None without a target.
    """
    weeks = -(-days // _WEEK)
    which = rng.choice(len(rate.weights), size=draws, p=rate.weights)
    now = rng.gamma(rate.shapes[which]) / rate.rates[which]
    # A gamma posterior of shape a that is discounted by delta has its squared coefficient of variation raised by (1 - delta) / (delta a).
    step = (1 - rate.discounts[which]) / (rate.discounts[which] * rate.shapes[which])
    walk = rng.standard_normal((draws, weeks)) * np.sqrt(step)[:, None] - step[:, None] / 2
    counts = rng.poisson(now[:, None] * np.exp(np.cumsum(walk, axis=1)))
    total = counts.sum(axis=1)
    widest = int(total.max(initial=0))
    week = np.full((draws, widest), weeks, dtype=np.int64)
    filled = np.arange(widest) < total[:, None]
    week[filled] = np.repeat(np.tile(np.arange(weeks), draws), counts.ravel())
    arrivals = np.minimum(week * _WEEK + rng.integers(1, _WEEK + 1, size=week.shape), days + 1)
    arrivals.sort(axis=1)
    return arrivals if most is None else arrivals[:, : max(most, 0)]


def draw_arms(rng: np.random.Generator, cut: InterimCut, draws: int, subjects: int) -> Days:
    """The arms of the next subjects in each draw: by the blocks that the study was seen to have, else by shares with their uncertainty."""
    arms = len(cut.arms)
    block = block_of(cut.arm, arms)
    if block is None:
        share = rng.dirichlet(np.bincount(cut.arm, minlength=arms) + 1.0, size=draws)
        drawn = (rng.random((draws, subjects))[:, :, None] > np.cumsum(share, axis=1)[:, None, :]).sum(axis=2)
        return np.minimum(drawn, arms - 1)
    size = int(block.sum())
    begun = len(cut.arm) % size
    rest = block - np.bincount(cut.arm[len(cut.arm) - begun :], minlength=arms)
    first = np.tile(np.repeat(np.arange(arms), rest), (draws, 1)) if begun else np.zeros((draws, 0), np.int64)
    later = np.tile(np.repeat(np.arange(arms), block), (draws, -(-subjects // size), 1))
    found = np.concatenate(
        [rng.permuted(first, axis=1), rng.permuted(later, axis=2).reshape(draws, -1)], axis=1
    )
    return found[:, :subjects]


def block_of(arm: Days, arms: int) -> Days | None:
    """How often each arm is in a block, for the smallest block size from 2 to 12 that at least five blocks in a row all agree with."""
    for size in range(2, 13):
        blocks = len(arm) // size
        if blocks < 5:
            return None
        held = np.array([np.bincount(row, minlength=arms) for row in arm[: blocks * size].reshape(-1, size)])
        rest = np.bincount(arm[blocks * size :], minlength=arms)
        if (held == held[0]).all() and (held[0] > 0).sum() > 1 and (rest <= held[0]).all():
            return held[0].astype(np.int64)
    return None
