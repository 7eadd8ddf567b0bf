"""Stocks by closed forms: what a law of demand says without any simulation."""

from __future__ import annotations

from typing import Any

from scipy import stats

from forecasting.supply_plan.errors import SupplyPlanError


def least_stock(law: Any, risk: float) -> int:
    """The least stock that a demand with this law (frozen, of scipy.stats) exceeds with at most that probability."""
    return int(law.ppf(1 - risk))


def region_law(subjects: int, sites: int, of: int, shape: float | None) -> Any:
    """The law of how many of `subjects` are randomized at `sites` of all `of` sites, which are open from the same day on.

    Beta-binomial where the sites' rates are gamma with `shape` (Anisimov & Fedorov 2007), binomial where all sites have one rate (None).
    """
    if sites >= of:
        return stats.randint(subjects, subjects + 1)
    if shape is None:
        return stats.binom(subjects, sites / of)
    return stats.betabinom(subjects, shape * sites, shape * (of - sites))


def critical_ratio(over: float, under: float) -> float:
    """The newsvendor's level of service: `over` is what a unit too many costs, `under` what one too few does. Raises SupplyPlanError."""
    if over < 0 or under <= 0:
        raise SupplyPlanError(
            f"a unit too many costs {over:g} and one too few {under:g}",
            field="costs",
            fix="give a cost of 0 or more of the first, and above 0 of the second",
        )
    return under / (under + over)


def newsvendor_order(law: Any, over: float, under: float) -> int:
    """The order that costs least on average, for a demand with this law."""
    return least_stock(law, 1 - critical_ratio(over, under))
