"""What a comparison tells of: outcomes of a replicate and sums of them, ratios and risks; with the direction in which each is worse."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulation.engines.outcomes import OUTCOMES
from simulation.replicates.summary import COSTS, WASTE

Worse = Literal["higher", "lower"]
"""The direction in which a measure is worse."""

_HIGHER: Final = (
    "screen_failures",
    "discontinued",
    "missed_visits",
    "late_visits",
    "missed_dispensings",
    "out_of_stock",
    "refused_randomizations",
    "subjects_lost_to_stockout",
    "refused_for_supply",
    "forced_randomizations",
    "orders",
    "shipments",
    "kits_shipped",
    "kits_produced",
    "kits_quarantined",
    *(name for names in WASTE.values() for name in names),
    *COSTS,
    "co2_kg",
    "day_last_randomized",
    "day_last_visit",
)
_LOWER: Final = ("randomized", "completed", "visits")


class Measure(NamedTuple):
    """A number of each replicate. `worse` None: neither direction is."""

    name: str
    unit: str
    meaning: str
    worse: Worse | None


class RatioMeasure(NamedTuple):
    """A ratio of two sums over the replicates, each of measures; `overage`: less 1."""

    name: str
    meaning: str
    over: str
    under: str
    overage: bool = False


class Risk(NamedTuple):
    """How often a measure is above 0."""

    name: str
    meaning: str
    of: str


SUMS: Final = {
    "missed_all": ("visits", "lacked a kit, for whatever reason", ("missed_dispensings", "out_of_stock")),
    "kits_wasted": ("kits", "expired, returned unused, lost, damaged or rejected", sum(WASTE.values(), ())),
    "cost_total": ("currency", "all costs", COSTS),
}
"""Measures that are sums of outcomes: unit, meaning, outcomes."""

RATIOS: Final = (
    RatioMeasure("missed_share", "visits that lacked a kit / visits that took place", "missed_all", "visits"),
    RatioMeasure("wasted_share", "kits wasted / kits shipped to sites", "kits_wasted", "kits_shipped"),
    RatioMeasure(
        "overage_shipped",
        "kits shipped to sites / kits dispensed - 1",
        "kits_shipped",
        "kits_dispensed",
        overage=True,
    ),
    RatioMeasure(
        "overage_produced",
        "kits produced / kits dispensed - 1",
        "kits_produced",
        "kits_dispensed",
        overage=True,
    ),
)
RISKS: Final = (
    Risk("any_missed", "a trial with a visit that lacked a kit, for whatever reason", "missed_all"),
    Risk(
        "any_out_of_stock",
        "a trial with a visit that lacked a kit when nothing was upstream either",
        "out_of_stock",
    ),
    Risk("any_refused", "a trial that refused a randomization", "refused_randomizations"),
    Risk(
        "not_over",
        "a trial with kits at sites on the scenario's last day: it was not over, and they are no waste yet",
        "kits_left_sites",
    ),
)


def measures(currency: str) -> tuple[Measure, ...]:
    """Every number of a replicate that is compared, costs in the study's `currency`."""
    told = [(column.name, column.unit, column.meaning, _worse(column.name)) for column in OUTCOMES]
    told += [(name, unit, meaning, "higher") for name, (unit, meaning, _) in SUMS.items()]
    return tuple(
        Measure(name, currency if unit == "currency" else unit, meaning, worse)
        for name, unit, meaning, worse in told
    )


def _worse(name: str) -> Worse | None:
    return "higher" if name in _HIGHER else "lower" if name in _LOWER else None


def values_of(outcomes: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """By measure its value in each replicate, in their order."""
    values = {column.name: outcomes[column.name].to_numpy().astype(np.float64) for column in OUTCOMES}
    sums = {name: np.sum([values[one] for one in parts], axis=0) for name, (_, _, parts) in SUMS.items()}
    return values | sums
