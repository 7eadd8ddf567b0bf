"""The risk that thresholds must keep: of a missed dose, as a share of all visits or as a chance for the whole trial.

`missed_share`: visits without their kit / visits that took place, over all replicates. `any_missed`: the share of the trials with any.
A certificate is a one-sided upper confidence bound on replicates that no search has seen:

* of `any_missed` the exact one (Clopper & Pearson, Biometrika 26, 1934);
* of `missed_share` that of Student's t with Johnson's correction for skewness (JASA 73, 1978), since a share of rare events is skewed;
  where fewer than 30 replicates had any event, too few for it, the exact one by betting with the stake of one unit (Waudby-Smith & Ramdas,
  JRSS B 86, 2024, section 4), which holds for any law of visits that are each missed or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, t

from forecasting.tuning.errors import BadTuning
from forecasting.tuning.figures import figure
from simulation.replicates.summary import clopper_pearson

MEASURES: Final = {
    "missed_share": "mean share of the visits that lack a kit",
    "any_missed": "chance of a trial in which any visit lacks a kit",
}
ENOUGH_EVENTS: Final = 30
"""Replicates with an event from which on a mean is taken for nearly normal."""
_PATTERN: Final = re.compile(r"\s*([a-z_]+)\s*<=\s*([0-9.eE+-]+)\s*(%?)\s*")


@dataclass(frozen=True)
class Risk:
    """The measure and the most that it may be, as a share."""

    measure: Literal["missed_share", "any_missed"]
    at_most: float

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {"measure": self.measure, "meaning": MEASURES[self.measure], "at_most": self.at_most}

    def excess(self, outcomes: NDArray[np.float64]) -> NDArray[np.float64]:
        """By replicate, what its risk is above the limit: the mean is the estimate less the limit."""
        missed = figure(outcomes, "missed")
        if self.measure == "any_missed":
            return np.asarray(missed > 0, dtype=np.float64) - self.at_most
        visits = figure(outcomes, "visits")
        share: NDArray[np.float64] = (missed - self.at_most * visits) / max(float(visits.mean()), 1e-9)
        return share

    def estimate(self, outcomes: NDArray[np.float64]) -> float:
        """The risk in these replicates."""
        missed = figure(outcomes, "missed")
        if self.measure == "any_missed":
            return float((missed > 0).mean())
        return float(missed.sum() / max(figure(outcomes, "visits").sum(), 1))

    def interval(self, outcomes: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
        """A two-sided interval of the risk."""
        missed, count = figure(outcomes, "missed"), len(outcomes)
        if self.measure == "any_missed":
            return clopper_pearson(int((missed > 0).sum()), count, confidence)
        if (missed > 0).sum() < ENOUGH_EVENTS:
            return 0.0, self.upper_bound(outcomes, (1 + confidence) / 2)
        excess = self.excess(outcomes)
        half = float(norm.ppf((1 + confidence) / 2) * excess.std(ddof=1) / np.sqrt(count))
        middle = self.estimate(outcomes)
        return max(middle - half, 0.0), middle + half

    def upper_bound(self, outcomes: NDArray[np.float64], confidence: float) -> float:
        """The one-sided upper bound of the risk."""
        missed, count = figure(outcomes, "missed"), len(outcomes)
        events = int((missed > 0).sum())
        if self.measure == "any_missed":
            return clopper_pearson(events, count, 2 * confidence - 1)[1]
        if events < ENOUGH_EVENTS:
            return betting_bound(missed, figure(outcomes, "visits"), confidence)
        values = self.excess(outcomes)
        return self.at_most + skewed_bound(values, confidence)


def parse_risk(text: str) -> Risk:
    """Read such as `missed_share<=0.001` or `any_missed <= 10 %`. Raises BadTuning."""
    found = _PATTERN.fullmatch(text)
    fix = "write it like 'missed_share<=0.001' or 'any_missed<=0.1'"
    if found is None:
        raise BadTuning(f"{text!r} is no risk", field="--risk", fix=fix)
    name, number, percent = found.groups()
    if name not in MEASURES:
        raise BadTuning(
            f"there is no measure {name}", field="--risk", fix=f"choose {' or '.join(MEASURES)}; {fix}"
        )
    try:
        at_most = float(number) / (100 if percent else 1)
    except ValueError:
        raise BadTuning(f"{number!r} is no number", field="--risk", fix=fix) from None
    if not 0 < at_most < 1:
        raise BadTuning(
            f"the limit {at_most:g} is not between 0 and 1",
            field="--risk",
            fix="give a share above 0 (no finite number of replicates shows that a risk is 0) and below 1",
        )
    return Risk(name, at_most)  # type: ignore[arg-type]


def skewed_bound(values: NDArray[np.float64], confidence: float) -> float:
    """The one-sided upper bound of a mean of skewed values: mean + t s / sqrt(n) + (1 + 2 t^2) m3 / (6 n s^2)."""
    count, mean, spread = len(values), float(values.mean()), float(values.std(ddof=1))
    if spread == 0:
        return mean
    third = float(((values - mean) ** 3).mean())
    quantile = float(t.ppf(confidence, count - 1))
    skew = third * (1 + 2 * quantile**2) / (6 * count * spread**2)
    return mean + quantile * spread / np.sqrt(count) + max(skew, 0.0)


def betting_bound(missed: NDArray[np.float64], visits: NDArray[np.float64], confidence: float) -> float:
    """The exact upper bound of a share with few events.

    With r the share of the visits that are missed, the product of 1 + (r visits - missed) / most visits has the mean 1 and is never below
    0, so that it passes 1 / (1 - confidence) with a chance of at most 1 - confidence (Markov): the bound is the r at which it does.
    """
    most = max(float(visits.max()), 1.0)
    share, lacked = visits / most, missed / most
    aim = -np.log(1 - confidence)

    def gained(rate: float) -> float:
        with np.errstate(divide="ignore"):
            return float(np.log(np.maximum(1 + rate * share - lacked, 0.0)).sum()) - aim

    return 1.0 if gained(1.0) <= 0 else float(brentq(gained, 0.0, 1.0, xtol=1e-12))
