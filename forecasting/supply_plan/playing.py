"""The plan put to the test: the trial is played with its campaigns, and beside it with depots that never run out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forecasting.supply_plan.beginning import Beginning
from simulation.engines.compiled import play_batch
from simulation.engines.outcomes import OUT_OF_STOCK, REFUSED_FOR_SUPPLY
from simulation.production import Campaign
from simulation.replicates.summary import CONFIDENCE, Summary, clopper_pearson, summary_of

FRESH: Final = 1_000_000
"""The first of the trials that a plan is tested on: none that it was made from."""

SERVED: Final = (
    "trials in which no visit lacked a kit while its depot had none to ship and none was on the way (outcome out_of_stock is 0), and no "
    "more subjects were refused for want of supply than with depots that never run out"
)
"""What the level of service counts. A visit that lacks a kit which is upstream is a matter of thresholds, not of the central stock."""


@dataclass(frozen=True)
class Trials:
    """The same possible trials, `first` to `first` + `count` - 1. `refused`: in each, the subjects who are refused for want of supply
    although the depots never run out."""

    beginning: Beginning
    seed: int
    first: int
    count: int
    workers: int
    refused: NDArray[np.float64]

    @staticmethod
    def of(beginning: Beginning, seed: int, first: int, count: int, workers: int) -> Trials:
        """Play them with depots that never run out."""
        batch = play_batch(beginning.unlimited().plan, seed, first, count, threads=workers)
        return Trials(beginning, seed, first, count, workers, batch.outcomes[:, REFUSED_FOR_SUPPLY])

    def played(self, campaigns: Sequence[Campaign]) -> Service:
        """How often the central stock was enough with these campaigns."""
        plan = self.beginning.trial(campaigns=campaigns).plan
        batch = play_batch(plan, self.seed, self.first, self.count, threads=self.workers)
        refused = batch.outcomes[:, REFUSED_FOR_SUPPLY] > self.refused
        served = (batch.outcomes[:, OUT_OF_STOCK] == 0) & ~refused
        currency = self.beginning.protocol.study.currency
        return Service(int(served.sum()), self.count, summary_of(batch.frame(), currency))


@dataclass(frozen=True)
class Service:
    """In how many of the trials the central stock was enough, and their outcomes."""

    served: int
    trials: int
    summary: Summary

    @property
    def share(self) -> float:
        """The level of service that was reached."""
        return self.served / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """Its exact 95 % interval (Clopper & Pearson 1934)."""
        return clopper_pearson(self.served, self.trials)

    def mean(self, outcome: str) -> float:
        """The mean of an outcome."""
        return self.summary.outcome(outcome).mean

    @property
    def overage(self) -> float | None:
        """Kits produced for each kit dispensed, less 1."""
        return next(one.value for one in self.summary.ratios if one.name == "overage_produced")

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        low, high = self.interval
        return {
            "level": self.share,
            "low": low,
            "high": high,
            "confidence": CONFIDENCE,
            "served": self.served,
            "trials": self.trials,
            "overage": self.overage,
            "kits_produced": self.mean("kits_produced"),
            "kits_dispensed": self.mean("kits_dispensed"),
            "kits_expired": self.mean("kits_expired_site") + self.mean("kits_expired_depot"),
            "kits_left": self.mean("kits_left"),
            "out_of_stock": self.mean("out_of_stock"),
            "missed_dispensings": self.mean("missed_dispensings"),
        }
