"""Stocks by closed forms against exact numbers (field note simulation.md, section 2.4, A, C, D and H)."""

import pytest
from scipy import stats

from forecasting.supply_plan.closed_forms import (
    critical_ratio,
    least_stock,
    newsvendor_order,
    region_law,
)
from forecasting.supply_plan.errors import SupplyPlanError


def gamma_poisson(mean: float, shape: float = 1.2) -> stats.rv_discrete:
    return stats.nbinom(shape, shape / (shape + mean))


def test_a_seed_stock_runs_out_as_often_as_the_law_of_demand_says() -> None:
    for law, exact in (
        (stats.poisson(3), (0.57680992, 0.18473676, 0.03350854)),
        (gamma_poisson(3), (0.43721314, 0.23751457, 0.12701082)),
    ):
        assert [law.sf(stock) for stock in (2, 4, 6)] == pytest.approx(exact, abs=5e-9)
    assert [least_stock(stats.poisson(3), risk) for risk in (0.05, 0.01)] == [6, 8]
    assert [least_stock(gamma_poisson(3), risk) for risk in (0.05, 0.01)] == [9, 14]


@pytest.mark.parametrize(
    ("shape", "risk", "by_depot", "in_all"),
    [
        (1.2, 0.05, [72, 72, 72, 163, 97], 476),
        (1.2, 0.01, [90, 90, 90, 181, 115], 566),
        (1.2, 0.002, [104, 104, 104, 195, 130], 637),
        (None, 0.05, [50, 50, 50, 134, 72], 356),
    ],
)
def test_a_region_needs_the_quantile_of_its_share_of_the_subjects(
    shape: float | None, risk: float, by_depot: list[int], in_all: int
) -> None:
    found = [least_stock(region_law(300, sites, 30, shape), risk) for sites in (4, 4, 4, 12, 6)]
    assert found == by_depot
    assert sum(found) == in_all


def test_a_single_depot_gets_all_and_a_single_site_29_of_300() -> None:
    assert least_stock(region_law(300, 30, 30, 1.2), 0.01) == 300
    assert least_stock(region_law(300, 1, 30, 1.2), 0.05) == 29


@pytest.mark.parametrize(
    ("places", "mean", "apart", "pooled"),
    [(2, 20, 62, 55), (4, 20, 124, 102), (10, 20, 310, 234), (4, 5, 44, 31)],
)
def test_pooled_demand_needs_less(places: int, mean: int, apart: int, pooled: int) -> None:
    assert places * least_stock(stats.poisson(mean), 0.01) == apart
    assert least_stock(stats.poisson(places * mean), 0.01) == pooled


def test_the_newsvendor_orders_the_quantile_at_the_critical_ratio() -> None:
    assert critical_ratio(100, 2500) == pytest.approx(0.961538, abs=5e-7)
    law = stats.nbinom(72, 1 / 7)
    assert law.mean() == pytest.approx(432)
    assert newsvendor_order(law, 100, 2500) == 534
    with pytest.raises(SupplyPlanError, match="costs"):
        critical_ratio(1, 0)
