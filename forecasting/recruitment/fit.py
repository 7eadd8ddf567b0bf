"""The sites' rates at the census under a pattern, by empirical Bayes, and the predictive law of what they recruit from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from forecasting.recruitment.count_law import CountLaw, SiteLaws
from forecasting.recruitment.openings import Opening
from forecasting.recruitment.patterns import Pattern
from forecasting.recruitment.record import AccrualRecord
from simulation.fitting.estimate import FEW
from simulation.fitting.site_rates import gamma_rates

Basis = Literal["fitted", "few data", "prior"]

PRIOR_SHAPE: Final = 2.0
"""Of the gamma law of the sites' rates where the record cannot tell it: real trials have 1.2 to 4 (Anisimov & Fedorov 2007)."""
PRIOR_RATE: Final = 0.5 / (365.25 / 12)
"""Subjects of a site and day that are expected before anything is known: one every two months. It weighs as much as one subject."""


@dataclass(frozen=True)
class Wander:
    """How far forecasts of `periods` went wrong beyond their own error: `variance` of the relative error, growing with the horizon.

    The level of recruitment is taken to wander as a random walk does, so that the variance is in proportion to the time ahead; but a
    level that may as well be nothing or twice as high, a relative error of 1, is as wrong as one can be about it.
    """

    variance: float
    periods: int

    def error(self, end: float) -> float:
        """The relative standard error that it adds to a forecast until `end`."""
        return float(np.sqrt(min(self.variance * end / self.periods, 1.0)))


STEADY: Final = Wander(0.0, 1)


@dataclass(frozen=True)
class RecruitmentFit:
    """The rates under one pattern. `mean` per site and period at the census; `shape` None in the Poisson limit; `basis` as in
    simulation/fitting/estimate.py."""

    record: AccrualRecord
    pattern: Pattern
    mean: float
    mean_error: float
    shape: float | None
    basis: Basis
    sites: SiteLaws

    def count(self, end: float, openings: Sequence[Opening] = (), wander: Wander = STEADY) -> CountLaw:
        """The law of the number that is recruited within `end` periods of the census, at open sites and at those that open."""
        ages = self.record.ages[self.record.goes_on]
        exposures = self.pattern.ahead(ages, 0.0, end)
        squares, laws = exposures**2, self.sites
        for opening in openings:
            new = np.zeros(1)
            first, second = opening.exposure(
                lambda start, new=new: float(self.pattern.ahead(new, start, end)[0]),  # type: ignore[misc]
                end,
            )
            exposures = np.r_[exposures, np.full(opening.sites, first)]
            squares = np.r_[squares, np.full(opening.sites, second)]
            laws = laws.joined(self._new(opening.sites))
        return laws.count(
            exposures, squares, min(float(np.hypot(self.pattern.error(end), wander.error(end))), 1.0)
        )

    def exact(self, openings: Sequence[Opening] = ()) -> bool:
        """Whether the law of a number is exact, and not matched on two moments."""
        ages = self.record.ages[self.record.goes_on]
        return not openings and self.sites.alike(self.pattern.ahead(ages, 0.0, 1.0))

    def _new(self, sites: int) -> SiteLaws:
        spread = 0.0 if self.shape is None else 1 / self.shape
        mean = np.full(sites, self.mean)
        return SiteLaws(mean, np.full(sites, spread), mean, self.mean_error / self.mean)


def fit(record: AccrualRecord, pattern: Pattern, prior_rate: float = PRIOR_RATE) -> RecruitmentFit:
    """Fit the rates under a pattern. `prior_rate`: subjects of a site and day, used where there are fewer than 20 subjects.

    The gamma law's parameters are the likeliest (the Poisson limit where counts spread no more than Poisson's), each site's rate then its
    posterior. What the estimate of the mean may be wrong by goes into the law, in so far as a site's rate rests on it.
    """
    looked_at = (pattern.weights > 0) & record.is_open
    counts = (record.counts * looked_at).sum(axis=0)
    exposures = (pattern.weights * record.is_open).sum(axis=0)
    seen = exposures > 0
    subjects = float(counts.sum())
    if subjects >= FEW:
        found = gamma_rates(counts[seen].astype(int).tolist(), exposures[seen].tolist())
        mean, error, shape = found.mean, found.mean_se, found.shape
    else:
        # A gamma prior worth one subject for the mean of all sites; nothing is said of their spread by so few.
        mean = (1 + subjects) / (1 / (prior_rate * record.days) + float(exposures.sum()))
        error, shape = mean / float(np.sqrt(1 + subjects)), PRIOR_SHAPE
    basis: Basis = "prior" if record.subjects == 0 else "few data" if subjects < FEW else "fitted"
    k, tau = counts[record.goes_on], exposures[record.goes_on]
    if shape is None:
        rates = np.full(len(k), mean)
        sites = SiteLaws(rates, np.zeros(len(k)), rates, error / mean)
    else:
        rate = shape / mean
        # The mean moves with the pooled one by the weight that the prior has in it.
        sites = SiteLaws(
            (shape + k) / (rate + tau), 1 / (shape + k), rate / (rate + tau) * mean, error / mean
        )
    return RecruitmentFit(record, pattern, mean, error, shape, basis, sites)
