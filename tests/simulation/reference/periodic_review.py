"""Inventories under periodic review that are solved exactly, by chains over whole units or by closed forms.

(s, S): at each review, an inventory position below s (or at it, where `at` says so) is ordered up to S. Holding and shortage are
charged per unit at the end of a period, `per_order` per order, `per_unit` per unit ordered; lead time zero unless said otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, poisson


def newsvendor_normal(holding: float, shortage: float, mean: float, sd: float) -> tuple[float, float]:
    """(S, cost) of the newsvendor with a normal demand."""
    z = norm.ppf(shortage / (holding + shortage))
    return mean + z * sd, (holding + shortage) * norm.pdf(z) * sd


def newsvendor_normal_cost(holding: float, shortage: float, mean: float, sd: float, up_to: float) -> float:
    """Its cost at any S."""
    z = (up_to - mean) / sd
    short = sd * (norm.pdf(z) - z * norm.sf(z))
    return holding * (up_to - mean + short) + shortage * short


def poisson_period_cost(
    holding: float, shortage: float, mean: float, up_to: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The expected cost of a period that begins with each of these levels."""
    short = mean * poisson.sf(up_to - 1, mean) - up_to * poisson.sf(up_to, mean)
    return holding * (up_to - mean + short) + shortage * short


def long_run_cost(
    holding: float, shortage: float, per_order: float, mean: float, trigger: int, up_to: int
) -> float:
    """The cost per period of (s, S) with Poisson demand, ordering at or below s (Zheng & Federgruen 1991, equation 1)."""
    weights = renewals(mean)[: up_to - trigger]
    costs = poisson_period_cost(holding, shortage, mean, up_to - np.arange(up_to - trigger))
    return float((per_order + weights @ costs) / weights.sum())


@lru_cache
def renewals(mean: float) -> NDArray[np.float64]:
    """m(j): how often, in an order's cycle, a period begins with j units less than S."""
    chances = poisson.pmf(np.arange(200), mean)
    often = np.zeros(200)
    often[0] = 1 / (1 - chances[0])
    for j in range(1, 200):
        often[j] = chances[1 : j + 1] @ often[:j][::-1] / (1 - chances[0])
    return often


def best_policy(
    holding: float, shortage: float, per_order: float, mean: float, most: int = 180
) -> tuple[int, int, float]:
    """The optimal (s, S) and its cost, by looking at every pair with 0 <= s < S <= `most`."""
    weights = renewals(mean)[:most]
    costs = poisson_period_cost(holding, shortage, mean, np.arange(most + 1))
    best = (0, 0, np.inf)
    for up_to in range(1, most + 1):
        totals = per_order + np.cumsum(weights[:up_to] * costs[up_to:0:-1])
        per_period = totals / np.cumsum(weights[:up_to])
        span = int(per_period.argmin()) + 1
        if per_period[span - 1] < best[2]:
            best = (up_to - span, up_to, float(per_period[span - 1]))
    return best


class FiniteRun(NamedTuple):
    """Averages per period of a run that begins with S on hand."""

    cost: float
    short: float
    """The share of the periods that end with a shortage."""


def koenig_law(
    trigger: int,
    up_to: int,
    *,
    at: bool = False,
    mean: float = 25,
    per_order: float = 32,
    per_unit: float = 3,
    holding: float = 1,
    shortage: float = 5,
    periods: int = 30,
) -> FiniteRun:
    """Koenig & Law 1985: review, immediate delivery, Poisson demand, backorders; by the chain of levels at the reviews."""
    lowest = -150
    levels = np.arange(lowest, up_to + 1)
    ordered = levels < trigger + at
    after = np.where(ordered, up_to, levels)
    demand = poisson.pmf(np.arange(len(levels)), mean)
    charged = np.where(ordered, per_order + per_unit * (up_to - levels), 0.0)
    charged = charged + poisson_period_cost(holding, shortage, mean, after)
    shortages = poisson.sf(after, mean)
    law = np.zeros(len(levels))
    law[-1] = 1.0
    cost = short = 0.0
    for _ in range(periods):
        cost += law @ charged
        short += law @ shortages
        raised = np.zeros(len(levels))
        np.add.at(raised, after - lowest, law)
        law = np.convolve(raised[::-1], demand)[: len(levels)][::-1]
    return FiniteRun(cost / periods, short / periods)


SIZES = np.array([0, 1 / 6, 1 / 3, 1 / 3, 1 / 6])
"""Law & Kelton's demand: 1 to 4 units."""


@lru_cache
def _compound_poisson(mean: float, length: int) -> NDArray[np.float64]:
    """The law of the units of a Poisson number of demands, by Panjer's recursion."""
    law = np.zeros(length)
    law[0] = exp(-mean)
    for n in range(1, length):
        sizes = np.arange(1, min(n, len(SIZES) - 1) + 1)
        law[n] = mean / n * (sizes * SIZES[sizes]) @ law[n - sizes]
    return law


Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Moments within a month of length 1, and their weights in the mean over the month."""


def all_month() -> Moments:
    """As good as the integral over the month: Gauss and Legendre's moments of each half."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    return np.concatenate([(nodes + 1) / 4, (nodes + 3) / 4]), np.concatenate([weights, weights]) / 4


def samples_of_month(count: int) -> Moments:
    """`count` + 1 moments, both ends included, by Simpson's rule on each half; `count` is a multiple of 4."""
    half = np.array([1.0, *[4.0, 2.0] * (count // 4)])
    half[-1] = 1.0
    weights = np.append(half, np.zeros(count // 2)) + np.append(np.zeros(count // 2), half)
    return np.arange(count + 1) / count, weights / (3 * count)


def law_kelton(
    trigger: int, up_to: int, months: int = 120, moments_and_weights: Moments | None = None
) -> float:
    """Law & Kelton's inventory (Simulation Modeling and Analysis, section 1.5): the mean cost per month, by the chain of months.

    Demands of 1 to 4 units come 10 a month, an order costs 32 and 3 per unit and takes U(0.5, 1) months, a unit costs 1 a month on hand
    and 5 backordered; it begins with 60. Stock is charged for by its level at the moments (`all_month` if none are given), everything
    else is exact.
    """
    lowest = -160
    levels = np.arange(lowest, max(up_to, 60) + 1)
    size = np.where(levels < trigger, up_to - levels, 0)
    moments, weights = moments_and_weights or all_month()
    demand = np.arange(160)
    charged = np.where(size > 0, 32 + 3 * size, 0).astype(float)
    for moment, weight in zip(moments, weights, strict=True):
        arrived = max(0.0, 2 * (moment - 0.5))
        law = _compound_poisson(10 * moment, 160)
        for stock, share in ((levels, 1 - arrived), (levels + size, arrived)):
            left = stock[:, None] - demand
            charged += weight * share * (np.where(left > 0, left, -5 * left) @ law)
    state = np.zeros(len(levels))
    state[60 - lowest] = 1.0
    cost = 0.0
    for _ in range(months):
        cost += state @ charged
        raised = np.zeros(len(levels))
        np.add.at(raised, levels + size - lowest, state)
        state = np.convolve(raised[::-1], _compound_poisson(10, 160))[: len(levels)][::-1]
    return cost / months


def exponential_policy(
    mean: float, per_order: float, holding: float, shortage: float, per_unit: float
) -> tuple[float, float, float]:
    """(s, S, cost) that is best for exponential demand, zero lead time, backorders, in the long run (Karlin 1958).

    With S - s = D the level after ordering lies at S with weight 1 and evenly on s to S with weight D / mean.
    """
    span = sqrt(2 * per_order * mean / holding)
    trigger = max(0.0, mean * log((holding + shortage) / (holding * (1 + span / mean))))
    return (
        trigger,
        trigger + span,
        _exponential_cost(trigger, span, mean, per_order, holding, shortage, per_unit),
    )


def _exponential_cost(
    trigger: float,
    span: float,
    mean: float,
    per_order: float,
    holding: float,
    shortage: float,
    per_unit: float,
) -> float:
    up_to = trigger + span

    def levels(of_level: float, of_span: float) -> float:
        return (of_level + of_span / mean) / (1 + span / mean)

    tail = exp(-trigger / mean)
    short = levels(mean * exp(-up_to / mean), mean * mean * (tail - exp(-up_to / mean)))
    position = levels(up_to, (up_to**2 - trigger**2) / 2)
    held = position - mean + short
    return per_unit * mean + per_order / (1 + span / mean) + holding * held + shortage * short
