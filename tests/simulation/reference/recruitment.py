"""Recruitment that is solved exactly: Poisson processes at sites whose rates are Gamma(shape, rate) draws (Anisimov & Fedorov 2007).

Times in the unit of the rates, `sites` sites that are all open at 0 unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, betaprime, nbinom
from scipy.stats import gamma as gamma_law


@dataclass(frozen=True)
class PoissonGamma:
    """`sites` sites that recruit at rates Gamma(shape, rate): mean shape / rate each."""

    sites: int
    shape: float
    rate: float

    def time_to(self, subjects: int) -> Any:
        """The law of the time to so many subjects: Pearson VI."""
        return betaprime(subjects, self.shape * self.sites, scale=self.rate)

    def recruited_by(self, time: float) -> Any:
        """The law of the number recruited by `time`: negative binomial."""
        return nbinom(self.shape * self.sites, self.rate / (self.rate + time))

    def recruited_with_uniform_opening(self, time: float, within: float) -> tuple[float, float]:
        """(mean, variance) of the number by `time`, where each site opens after U(0, `within`)."""
        if time >= within:
            return self.recruited_in(time - within / 2, time**2 - time * within + within**2 / 3)
        return self.recruited_in(time**2 / (2 * within), time**3 / (3 * within))

    def recruited_with_exponential_opening(self, time: float, mean: float) -> tuple[float, float]:
        """(mean, variance) of the number by `time`, where each site opens after an exponential time of that mean."""
        opened = 1 - exp(-time / mean)
        return self.recruited_in(time - mean * opened, time**2 - 2 * mean * time + 2 * mean**2 * opened)

    def recruited_in(self, exposure: float, squared: float) -> tuple[float, float]:
        """(mean, variance) of the number, by the means of the time that a site is open and of its square (Anisimov 2009)."""
        mean = self.shape / self.rate
        variance = self.sites * (
            mean * exposure + self.shape * (self.shape + 1) / self.rate**2 * squared - (mean * exposure) ** 2
        )
        return self.sites * mean * exposure, variance

    def sites_with(self, count: int, of: int) -> float:
        """How many sites are expected to have recruited `count` when `of` have been recruited (their equation 8)."""
        others = self.shape * (self.sites - 1)
        return self.sites * float(betabinom.pmf(count, of, self.shape, others))

    def at_some_sites(self, some: int, of: int) -> Any:
        """The law of the number recruited at `some` of the sites, when `of` have been recruited: beta-binomial."""
        return betabinom(of, self.shape * some, self.shape * (self.sites - some))

    def squared_imbalance(self, block: int, time: float) -> float:
        """E[D^2], the sum over sites of two arms' differences squared, with permuted blocks of `block` at each site (Anisimov 2011)."""
        counts = np.arange(0, 2000)
        chances = nbinom(self.shape, self.rate / (self.rate + time)).pmf(counts)
        into = counts % block
        return self.sites * float(chances @ (into * (block - into) / (block - 1)))


def poisson_time_to(subjects: int, rate: float) -> Any:
    """The law of the time to so many subjects at a known rate."""
    return gamma_law(subjects, scale=1 / rate)


def time_to_at_rising_rate(subjects: int, gains: NDArray[np.float64], step: float) -> tuple[float, Any]:
    """(mean, quantile function) of the time to so many subjects where the rate gains `gains[k]` at k x `step`, and then stays."""
    rates = np.cumsum(gains)
    at_steps = np.concatenate([[0.0], np.cumsum(rates[:-1] * step)])

    def when(operational: NDArray[np.float64]) -> NDArray[np.float64]:
        k = np.searchsorted(at_steps, operational, side="right") - 1
        return k * step + (operational - at_steps[k]) / rates[k]

    law = gamma_law(subjects)
    grid = (np.arange(200_000) + 0.5) / 200_000
    return float(when(law.ppf(grid)).mean()), lambda q: when(law.ppf(np.atleast_1d(q)))


def visits_attended(leaves: float, visits: int) -> tuple[float, float]:
    """(mean, variance) of a subject's visits where it leaves after each but the last with probability `leaves`."""
    counts = np.arange(1, visits + 1)
    chances = (1 - leaves) ** (counts - 1) * np.where(counts < visits, leaves, 1.0)
    mean = float(counts @ chances)
    return mean, float((counts - mean) ** 2 @ chances)
