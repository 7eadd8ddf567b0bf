"""The predictive law of a number of subjects, and of the time to so many: Anisimov & Fedorov 2007, Mountain & Sherlock 2022."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import nbinom, poisson

Array = NDArray[np.float64]

_FARTHEST: Final = 1e6
"""Periods; a time that is later with so much probability is said to be never."""
_IMPOSSIBLE: Final = -50.0


@dataclass(frozen=True)
class CountLaw:
    """A negative binomial law with this mean and variance, Poisson's where it is spread no more.

    It is exact for sites that are alike (`SiteLaws.alike`); else one gamma in place of a sum of many, matched on two moments, which
    Mountain & Sherlock (2022) found better than the normal law throughout.
    """

    mean: float
    variance: float

    def _law(self) -> tuple[Any, tuple[float, ...]]:
        """The law and its parameters: not frozen, which would take longer than what is asked of it."""
        if self.variance <= self.mean * (1 + 1e-9):
            return poisson, (self.mean,)
        size = self.mean**2 / (self.variance - self.mean)
        return nbinom, (size, size / (size + self.mean))

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.variance))

    def quantile(self, share: float) -> int:
        """The least number that is not exceeded with probability `share`."""
        law, parameters = self._law()
        return 0 if self.mean <= 0 else int(law.ppf(share, *parameters))

    def at_least(self, subjects: int) -> float:
        """The probability of so many or more."""
        if self.mean <= 0:
            return float(subjects <= 0)
        law, parameters = self._law()
        return float(law.sf(subjects - 1, *parameters))

    def log_probability(self, subjects: int) -> float:
        """Of exactly so many: the logarithmic score; never below that of the impossible, which is set to -50."""
        if self.mean <= 0:
            return 0.0 if subjects == 0 else _IMPOSSIBLE
        law, parameters = self._law()
        return max(float(law.logpmf(subjects, *parameters)), _IMPOSSIBLE)


@dataclass(frozen=True)
class SiteLaws:
    """Gamma laws of the sites' rates, each with its `mean` and its squared coefficient of variation (1 / shape; 0: a known rate).

    `pooled`: the part of each mean that rests on an estimate common to all, whose relative standard error is `pooled_error`.
    """

    mean: Array
    spread: Array
    pooled: Array
    pooled_error: float = 0.0

    @staticmethod
    def of_design(sites: int, shape: float, rate: float) -> SiteLaws:
        """Sites before they recruit: Gamma(shape, rate) each, mean shape / rate."""
        return SiteLaws(np.full(sites, shape / rate), np.full(sites, 1 / shape), np.zeros(sites))

    def joined(self, other: SiteLaws) -> SiteLaws:
        """These sites and those of `other`, which rest on the same estimate."""
        return SiteLaws(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.spread, other.spread]),
            np.concatenate([self.pooled, other.pooled]),
            self.pooled_error,
        )

    def alike(self, exposures: Array) -> bool:
        """Whether the count is negative binomial exactly: all gamma laws have one rate, and so do the exposures."""
        if not len(self.mean):
            return True
        scale = self.mean * self.spread * exposures
        return bool(np.ptp(scale) <= 1e-12 * max(float(np.max(scale)), 1e-300)) and self.pooled_error == 0

    def count(self, exposures: Array, squares: Array | None = None, trend_error: float = 0.0) -> CountLaw:
        """The number from sites with these mean exposures (and means of their squares, where an opening is chance).

        `trend_error`: the relative standard error of a level that all sites share. Anisimov 2009 for the variance.
        """
        expected = self.mean * exposures
        second = self.mean**2 * (1 + self.spread) * (exposures**2 if squares is None else squares)
        mean = float(expected.sum())
        shared = float((self.pooled * exposures).sum()) * self.pooled_error
        variance = mean + float((second - expected**2).sum()) + shared**2 + (mean * trend_error) ** 2
        return CountLaw(mean, variance)


def time_quantile(law_by: Callable[[float], CountLaw], subjects: int, share: float) -> float:
    """When so many subjects are there with probability `share`: P(T <= t) = P(N(t) >= n), so exact where the count's law is (beta-prime).

    In the unit of `law_by`'s time; infinite where that probability is not reached within a million.
    """
    if subjects <= 0:
        return 0.0

    def missing(time: float) -> float:
        return law_by(time).at_least(subjects) - share

    late = 1.0
    while missing(late) < 0:
        late *= 2
        if late > _FARTHEST:
            return inf
    return float(brentq(missing, 0.0, late, xtol=1e-9 * late, rtol=1e-10))
