"""Laws of whole days by maximum likelihood, from days that may be known only within limits.

An observation is an interval of whole days: what happens on a Monday may have been due on the Saturday or Sunday before it, and what
has not happened yet will take longer than it has (no upper limit). All of them count by the probability of their interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammainc, gammaincc

from simulation.fitting.site_rates import standard_errors
from simulation.scenario import DayLaw

Days = tuple[int, int | None]
"""From the first to the last day that it may have been; None: no end."""

_MOST_DAYS: Final = 730
_TINY: Final = 1e-12


@dataclass(frozen=True)
class FittedDays:
    """The law that fits best by AIC, its log-likelihood, the number of observations, and those that are still open.

    `errors`: parameter -> standard error, of a gamma law. `mean`: of the law.
    """

    law: DayLaw
    log_likelihood: float
    observations: int
    open: int
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The law's mean in days."""
        days, shares = day_shares(self.law)
        return float(days @ shares)


def moved_to_monday(days: int, ended_on: date) -> Days:
    """The days that `days` may have been before they were moved from a weekend to the Monday `ended_on`."""
    return (days - 2, days) if ended_on.weekday() == 0 else (days, days)


def fit_days(observed: Iterable[Days], lowest: int = -30) -> FittedDays | None:
    """The likeliest law: fixed, uniform, or (where no day is below 0) gamma, by AIC. None without a closed observation.

    No law goes below `lowest`.
    """
    counts = Counter((max(low, lowest), high) for low, high in observed)
    closed = [(low, high) for low, high in counts if high is not None]
    if not closed:
        return None
    total, still_open = counts.total(), sum(n for (_, high), n in counts.items() if high is None)
    found = [_uniform(counts, closed)]
    if min(low for low, _ in counts) >= 0 or min(high for _, high in closed) >= 0:
        gamma = _gamma(counts, closed)
        found += [] if gamma is None else [gamma]
    best = min(found, key=lambda one: 2 * one[2] - 2 * one[1])
    return FittedDays(best[0], best[1], total, still_open, best[3])


Candidate = tuple[DayLaw, float, int, dict[str, float]]


def day_shares(law: DayLaw) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The days of a law and the probability of each, as simulation/laws.py draws them."""
    if law.law == "gamma":
        shape, mean = law.shape or 1.0, law.mean_days or 1.0
        last = law.max_days if law.max_days is not None else _MOST_DAYS
        days = np.arange(law.min_days, max(last, law.min_days) + 1)
        ends = gammainc(shape, np.maximum(days + 0.5, 0) * shape / mean)
        ends[-1] = 1.0
        return days, np.diff(ends, prepend=0.0)
    last = law.min_days if law.law == "fixed" or law.max_days is None else law.max_days
    days = np.arange(law.min_days, last + 1)
    return days, np.full(len(days), 1 / len(days))


def log_likelihood(counts: Counter[Days], days: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """The log-likelihood of intervals when each of `days` has its share."""
    total = 0.0
    for (low, high), n in counts.items():
        inside = (days >= low) & (days <= (high if high is not None else days[-1]))
        total += n * float(np.log(max(float(shares[inside].sum()), _TINY)))
    return total


def _uniform(counts: Counter[Days], closed: Sequence[Days]) -> Candidate:
    """The likeliest uniform law; fixed where that is one day. Its ends lie among those of the observations."""
    lows, highs = [low for low, _ in closed], [high for _, high in closed if high is not None]
    last = max([*lows, *(low for low, _ in counts)])
    best: Candidate = (DayLaw(), -inf, 1, {})
    # Every observation must be possible, and a shorter law is likelier: the first day is no later than any end, the last no earlier
    # than any beginning; beside these, weekends leave a few days of freedom.
    for first in range(min(highs) - 2, min(highs) + 1):
        for until in range(max(last, first), max(*highs, last) + 1):
            days = np.arange(first, until + 1)
            fit = log_likelihood(counts, days, np.full(len(days), 1 / len(days)))
            if fit > best[1] + 1e-9:
                law = (
                    DayLaw(law="fixed", min_days=first)
                    if first == until
                    else DayLaw(law="uniform", min_days=first, max_days=max(until, 0))
                )
                best = (law, fit, 1 if first == until else 2, {})
    return best


def _gamma(counts: Counter[Days], closed: Sequence[Days]) -> Candidate | None:
    """The likeliest gamma law, held at the shortest day that was observed; None where a day is fixed and no gamma law is near."""
    shortest = max(min(high for _, high in closed if high is not None), 0)
    low = np.array([one for one, _ in counts], dtype=np.float64)
    high = np.array([np.inf if one is None else one for _, one in counts], dtype=np.float64)
    weight = np.array(list(counts.values()), dtype=np.float64)
    middles = [(max(a, 0) + b) / 2 for a, b in closed if b is not None]
    weights = [counts[one] for one in closed]
    mean = max(float(np.average(middles, weights=weights)), 0.3)
    variance = float(np.average((np.array(middles) - mean) ** 2, weights=weights))
    if variance <= 0:
        return None

    def loss(x: NDArray[np.float64]) -> float:
        shape, scale = np.exp(x[1]), np.exp(x[0] - x[1])
        after = gammaincc(shape, np.where(low <= shortest, 0, np.maximum(low - 0.5, 0)) / scale)
        beyond = np.where(
            np.isinf(high),
            0.0,
            gammaincc(shape, np.where(np.isinf(high), 1, np.maximum(high + 0.5, 0)) / scale),
        )
        return -float(weight @ np.log(np.maximum(after - beyond, _TINY)))

    start = np.log([mean, min(max(mean**2 / variance, 0.05), 500)])
    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-8})
    mean, shape = (float(value) for value in np.exp(best.x))
    if not (0.01 < shape < 1000 and 0 < mean < _MOST_DAYS):
        return None
    errors = standard_errors(loss, best.x)
    law = DayLaw(law="gamma", min_days=int(shortest), mean_days=round(mean, 4), shape=round(shape, 4))
    return law, -float(best.fun), 3, {"mean_days": mean * float(errors[0]), "shape": shape * float(errors[1])}
