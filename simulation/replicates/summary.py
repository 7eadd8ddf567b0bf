"""The replicates of a run summed up: every outcome, and what follows from several of them (risk, waste, overage, costs).

Means have their standard error (standard deviation over the square root of the replicates); a ratio of two outcomes is the ratio of
their sums over all replicates, with the standard error of the ratio estimator (Cochran, Sampling Techniques, 3rd ed., chapter 6).
Quantiles interpolate linearly between order statistics. Probabilities have an exact 95 % interval (Clopper & Pearson, Biometrika 1934).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import betaincinv

from simulation.engines.outcomes import OUTCOMES

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
CONFIDENCE: Final = 0.95

WASTE: Final = {
    "expired": ("kits_expired_site", "kits_expired_depot"),
    "returned unused": ("kits_returned_unused",),
    "lost": ("kits_lost",),
    "damaged": ("kits_damaged",),
    "rejected by excursion": ("kits_excursion_rejected",),
}
"""Cause of waste: the outcomes that count it."""

COSTS: Final = ("cost_kits", "cost_shipments", "cost_storage", "cost_destruction", "cost_lost_subjects")


@dataclass(frozen=True)
class Spread:
    """A figure over the replicates. `standard_error` None: from one replicate there is none."""

    name: str
    unit: str
    meaning: str
    mean: float
    standard_error: float | None
    quantiles: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        quantiles = {
            f"q{round(100 * at):02}": value for at, value in zip(QUANTILES, self.quantiles, strict=True)
        }
        return {
            "unit": self.unit,
            "meaning": self.meaning,
            "mean": self.mean,
            "standard_error": self.standard_error,
            **quantiles,
        }


@dataclass(frozen=True)
class Ratio:
    """A ratio of two outcomes. `value` None: its denominator is 0 in every replicate."""

    name: str
    definition: str
    value: float | None
    standard_error: float | None

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {"definition": self.definition, "value": self.value, "standard_error": self.standard_error}


@dataclass(frozen=True)
class Probability:
    """How many of the replicates something happened in, with the exact confidence interval of its probability."""

    name: str
    definition: str
    happened: int
    replicates: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share of the replicates."""
        return self.happened / self.replicates

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "definition": self.definition,
            "value": self.value,
            "happened": self.happened,
            "replicates": self.replicates,
            "low": self.low,
            "high": self.high,
            "confidence": CONFIDENCE,
        }


@dataclass(frozen=True)
class Summary:
    """A run summed up; costs are in `currency`. `waste` and `costs` (the last is the total) repeat outcomes by cause and kind."""

    replicates: int
    currency: str
    outcomes: tuple[Spread, ...]
    risks: tuple[Probability, ...]
    ratios: tuple[Ratio, ...]
    waste: tuple[Spread, ...]
    costs: tuple[Spread, ...]

    def outcome(self, name: str) -> Spread:
        """The outcome of that name."""
        return next(one for one in self.outcomes if one.name == name)

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "replicates": self.replicates,
            "currency": self.currency,
            **{
                part: {one.name: one.as_json() for one in getattr(self, part)}
                for part in ("outcomes", "risks", "ratios", "waste", "costs")
            },
        }


def summary_of(outcomes: pl.DataFrame, currency: str) -> Summary:
    """Sum up the outcomes of the replicates, a row each; `currency` is the study's."""
    values = {column.name: outcomes[column.name].to_numpy().astype(np.float64) for column in OUTCOMES}
    units = {column.name: currency if column.unit == "currency" else column.unit for column in OUTCOMES}
    waste = {cause: _sum(values, names) for cause, names in WASTE.items()}
    waste["in all"] = _sum(waste, tuple(WASTE))
    meanings = {column.name: column.meaning for column in OUTCOMES}
    missed = values["missed_dispensings"] + values["out_of_stock"]
    return Summary(
        replicates=outcomes.height,
        currency=currency,
        outcomes=tuple(
            spread(column.name, units[column.name], column.meaning, values[column.name])
            for column in OUTCOMES
        ),
        risks=(
            _probability("any_missed", "a trial with a visit that lacked a kit, for whatever reason", missed),
            _probability(
                "any_out_of_stock",
                "a trial with a visit that lacked a kit when nothing was upstream either",
                values["out_of_stock"],
            ),
            _probability(
                "any_refused", "a trial that refused a randomization", values["refused_randomizations"]
            ),
        ),
        ratios=(
            _ratio(
                "missed_share",
                "visits that lacked a kit / visits that took place",
                missed,
                values["visits"],
            ),
            _ratio(
                "wasted_share",
                "kits wasted by any cause / kits shipped to sites",
                waste["in all"],
                values["kits_shipped"],
            ),
            _overage("overage_shipped", "kits shipped to sites", values["kits_shipped"], values),
            _overage("overage_produced", "kits produced", values["kits_produced"], values),
        ),
        waste=tuple(
            spread(cause, "kits", " + ".join(WASTE.get(cause, WASTE)), kits) for cause, kits in waste.items()
        ),
        costs=(
            *(spread(name, currency, meanings[name], values[name]) for name in COSTS),
            spread("cost_total", currency, "all of these", _sum(values, COSTS)),
        ),
    )


def spread(name: str, unit: str, meaning: str, values: NDArray[np.float64]) -> Spread:
    """Mean, standard error and quantiles of a value for each replicate."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    quantiles = tuple(float(one) for one in np.quantile(values, QUANTILES))
    return Spread(name, unit, meaning, float(values.mean()), error, quantiles)


def _sum(values: dict[str, NDArray[np.float64]], names: tuple[str, ...]) -> NDArray[np.float64]:
    return np.sum([values[name] for name in names], axis=0)


def _probability(name: str, definition: str, values: NDArray[np.float64]) -> Probability:
    happened, count = int((values > 0).sum()), len(values)
    low, high = clopper_pearson(happened, count)
    return Probability(name, definition, happened, count, low, high)


def clopper_pearson(happened: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a probability, by the quantiles of beta distributions."""
    tail = (1 - confidence) / 2
    low = 0.0 if happened == 0 else float(betaincinv(happened, count - happened + 1, tail))
    high = 1.0 if happened == count else float(betaincinv(happened + 1, count - happened, 1 - tail))
    return low, high


def _overage(
    name: str, what: str, kits: NDArray[np.float64], values: dict[str, NDArray[np.float64]]
) -> Ratio:
    ratio = _ratio(name, f"{what} / kits dispensed - 1", kits, values["kits_dispensed"])
    return (
        ratio if ratio.value is None else Ratio(name, ratio.definition, ratio.value - 1, ratio.standard_error)
    )


def _ratio(name: str, definition: str, over: NDArray[np.float64], under: NDArray[np.float64]) -> Ratio:
    count, total = len(under), float(under.sum())
    if total == 0:
        return Ratio(name, definition, None, None)
    value = float(over.sum()) / total
    if count == 1:
        return Ratio(name, definition, value, None)
    residual = over - value * under
    error = float(np.sqrt((residual**2).sum() / (count - 1) / count) / (total / count))
    return Ratio(name, definition, value, error)
