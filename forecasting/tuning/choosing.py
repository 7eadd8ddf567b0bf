"""What is known of each candidate from the replicates that were played: its risk against the limit, its objective against another's.

Comparisons are of the same replicates (common random numbers): a difference is the mean of paired differences, with their error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from forecasting.tuning.candidates import Candidate
from forecasting.tuning.evaluations import Evaluations
from forecasting.tuning.objective import Objective
from forecasting.tuning.risk import Risk

CLEAR: Final = 2.6
"""Standard errors that make a difference clear: one in two hundred, one-sided."""


class Measured(NamedTuple):
    """A mean with its standard error."""

    mean: float
    error: float

    @property
    def distance(self) -> float:
        """Of the mean from 0, in standard errors."""
        return self.mean / self.error if self.error > 0 else np.sign(self.mean) * np.inf if self.mean else 0.0


def measured(values: np.ndarray) -> Measured:
    """Mean and standard error of a value for each replicate."""
    return Measured(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


@dataclass(frozen=True)
class Judge:
    """What is asked for, and what was evaluated."""

    evaluations: Evaluations
    risk: Risk
    objective: Objective

    def excess(self, candidate: Candidate) -> Measured:
        """The risk above the limit. Where no replicate (or each) had an event, the error is that of one event in them."""
        outcomes = self.evaluations.outcomes(candidate)
        found = measured(self.risk.excess(outcomes))
        count = len(outcomes)
        if self.risk.measure == "any_missed":
            share = found.mean + self.risk.at_most
            least = min(max(share, 1 / count), 1 - 1 / count)
            return Measured(found.mean, float(np.sqrt(least * (1 - least) / count)))
        return found

    def meets(self, candidate: Candidate) -> bool:
        """Whether the estimate of the risk is within the limit."""
        return self.excess(candidate).mean <= 0

    def clearly_meets(self, candidate: Candidate) -> bool:
        """Whether the risk is within the limit beyond doubt of chance."""
        return self.excess(candidate).distance <= -CLEAR

    def clearly_fails(self, candidate: Candidate) -> bool:
        """Whether the risk is above the limit beyond doubt of chance."""
        return self.excess(candidate).distance >= CLEAR

    def value(self, candidate: Candidate) -> float:
        """The mean objective, of all its replicates."""
        return float(self.objective.values(self.evaluations.outcomes(candidate)).mean())

    def dearer(self, candidate: Candidate, than: Candidate) -> Measured:
        """By how much the objective is above that of another, over the replicates that both have."""
        count = min(self.evaluations.count(candidate), self.evaluations.count(than))
        own, other = (
            self.objective.values(self.evaluations.outcomes(one, count)) for one in (candidate, than)
        )
        return measured(own - other)

    def riskier(self, candidate: Candidate, than: Candidate) -> Measured:
        """By how much the risk is above that of another, over the replicates that both have."""
        count = min(self.evaluations.count(candidate), self.evaluations.count(than))
        own, other = (self.risk.excess(self.evaluations.outcomes(one, count)) for one in (candidate, than))
        return measured(own - other)

    def best(self, candidates: list[Candidate]) -> Candidate | None:
        """The one with the least objective of those whose estimate is within the limit; None: none is."""
        return min(
            (one for one in candidates if self.meets(one)),
            key=lambda one: (self.value(one), one.key),
            default=None,
        )

    def safest(self, candidates: list[Candidate]) -> Candidate:
        """The one with the least estimate of the risk; of several the least objective."""
        return min(candidates, key=lambda one: (self.excess(one).mean, self.value(one), one.key))
