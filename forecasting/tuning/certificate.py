"""The certificate: an upper confidence bound of the risk, on replicates that no search has seen.

How many replicates it takes is settled before any is played, from what the search knows. If the first choice fails, the next rival is
tried; the k-th try may err with a chance of 0.8, 0.16, 0.032 ... of what all may, so that together they keep the stated confidence,
however many fail (Bonferroni). What is more likely to fail than not, with the replicates that are left, is passed over for the next rival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import norm

from forecasting.tuning.candidates import Candidate
from forecasting.tuning.choosing import Judge
from forecasting.tuning.evaluations import BATCH, CERTIFICATION
from forecasting.tuning.figures import figure
from forecasting.tuning.risk import ENOUGH_EVENTS

CONFIDENCE: Final = 0.95
"""Of all tries together."""
_FIRST: Final = 0.8
FEWEST: Final = 10_000
MOST: Final = 50_000
_POWER: Final = 0.99


@dataclass(frozen=True)
class Certificate:
    """What fresh replicates say of a candidate. `confidence` is that of the bound; `holds`: it is within the limit."""

    replicates: int
    events: int
    estimate: float
    upper_bound: float
    confidence: float
    holds: bool
    tries: int

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "replicates": self.replicates,
            "events": self.events,
            "estimate": self.estimate,
            "upper_bound": self.upper_bound,
            "confidence": self.confidence,
            "confidence_of_all_tries": CONFIDENCE,
            "holds": self.holds,
            "tries": self.tries,
            "first_replicate": CERTIFICATION,
        }


def confidence_of(attempt: int) -> float:
    """The confidence of the bound of the try `attempt`, from 1."""
    return 1 - (1 - CONFIDENCE) * _FIRST * (1 - _FIRST) ** (attempt - 1)


def replicates_for(judge: Judge, candidate: Candidate, attempt: int, most: int) -> int:
    """Fresh replicates that would certify the candidate nearly always, if it is as the search has it; at most `most`, whole batches."""
    confidence = confidence_of(attempt)
    excess = judge.excess(candidate)
    spread = excess.error * np.sqrt(judge.evaluations.count(candidate))
    room = -(excess.mean + excess.error)
    needed = float(MOST)
    if room > 0:
        needed = ((norm.ppf(confidence) + norm.ppf(_POWER)) * spread / room) ** 2
    fewest = min(FEWEST, judge.evaluations.limit // 5)
    often = float((figure(judge.evaluations.outcomes(candidate), "missed") > 0).mean())
    if judge.risk.measure == "any_missed" or often * max(needed, fewest) < 2 * ENOUGH_EVENTS:
        # With few events or none an exact bound is still about this over the replicates.
        needed = max(needed, -1.5 * np.log(1 - confidence) / judge.risk.at_most)
    wanted = min(max(needed, fewest), MOST, most)
    return max(int(wanted) // BATCH, 1) * BATCH


def chance_of(judge: Judge, candidate: Candidate, attempt: int, count: int) -> float:
    """The chance that so many fresh replicates certify the candidate, if it is as the search has it."""
    excess = judge.excess(candidate)
    spread = excess.error * np.sqrt(judge.evaluations.count(candidate))
    if spread == 0:
        return float(excess.mean < 0)
    return float(norm.cdf(-excess.mean * np.sqrt(count) / spread - norm.ppf(confidence_of(attempt))))


def certify(judge: Judge, candidate: Candidate, count: int, attempt: int) -> Certificate:
    """Play the fresh replicates and bound the risk. Raises LimitReached."""
    judge.evaluations.evaluate([(candidate, count)], start=CERTIFICATION)
    outcomes = judge.evaluations.outcomes(candidate, count, CERTIFICATION)
    confidence = confidence_of(attempt)
    bound = judge.risk.upper_bound(outcomes, confidence)
    return Certificate(
        replicates=count,
        events=int((figure(outcomes, "missed") > 0).sum()),
        estimate=judge.risk.estimate(outcomes),
        upper_bound=float(bound),
        confidence=confidence,
        holds=bool(bound <= judge.risk.at_most),
        tries=attempt,
    )
