"""A run summed up, against published intervals, exact figures and numpy."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from simulation.engines.outcomes import OUTCOMES, SERIES
from simulation.replicates.bands import BANDS, bands_of, last_week
from simulation.replicates.summary import Summary, clopper_pearson, summary_of


def summed(**given: list[float]) -> Summary:
    count = len(next(iter(given.values())))
    zeros = {column.name: [0.0] * count for column in OUTCOMES}
    return summary_of(pl.DataFrame(zeros | given), "EUR")


@pytest.mark.parametrize(("happened", "upper"), [(0, 0.00299125), (30, 0.04047224), (45, 0.05732626)])
def test_exact_intervals_have_the_certification_limits(happened: int, upper: float) -> None:
    # One-sided 95 % limits are those of a two-sided 90 % interval.
    low, high = clopper_pearson(happened, 1000, confidence=0.90)
    assert high == pytest.approx(upper, abs=5e-9)
    assert clopper_pearson(1000 - happened, 1000, 0.90) == pytest.approx((1 - high, 1 - low))


def test_nothing_and_everything_have_the_limits_0_and_1() -> None:
    assert clopper_pearson(0, 50)[0] == 0
    assert clopper_pearson(50, 50)[1] == 1


def test_the_risk_counts_trials_with_a_visit_that_lacked_a_kit_for_either_reason() -> None:
    risks = summed(missed_dispensings=[0, 2, 0, 0], out_of_stock=[0, 1, 3, 0]).risks
    assert [(risk.name, risk.happened, risk.value) for risk in risks[:2]] == [
        ("any_missed", 2, 0.5),
        ("any_out_of_stock", 2, 0.5),
    ]
    assert risks[2].happened == 0


def test_overage_is_the_ratio_of_the_sums_and_as_in_the_benchmark() -> None:
    summary = summed(
        kits_shipped=[8797.73, 8797.73],
        kits_dispensed=[6456.51, 6456.51],
        kits_produced=[12913.02, 12913.02],
        visits=[100, 300],
        missed_dispensings=[1, 0],
        out_of_stock=[1, 2],
    )
    ratios = {ratio.name: ratio for ratio in summary.ratios}
    assert ratios["overage_shipped"].value == pytest.approx(0.3626, abs=5e-5)  # 36.3 %
    assert ratios["overage_produced"].value == pytest.approx(1)
    assert ratios["missed_share"].value == pytest.approx(4 / 400)


def test_the_standard_error_of_a_ratio_is_that_of_repeated_runs() -> None:
    random = np.random.default_rng(5)
    visits = random.poisson(200, size=(2000, 50)).astype(float)
    missed = random.binomial(visits.astype(int), 0.1).astype(float)
    repeated = (missed.sum(1) / visits.sum(1)).std()
    told = [
        summed(visits=list(row), missed_dispensings=list(lacking)).ratios[0].standard_error
        for row, lacking in zip(visits[:40], missed[:40], strict=True)
    ]
    assert np.mean(told) == pytest.approx(repeated, rel=0.05)


def test_a_ratio_to_nothing_and_an_error_from_one_trial_are_none() -> None:
    summary = summed(randomized=[3])
    assert all(ratio.value is None for ratio in summary.ratios)
    assert summary.outcome("randomized").standard_error is None
    assert summary.as_json()["outcomes"]["randomized"]["mean"] == 3


def test_waste_is_told_by_cause_and_costs_by_kind_with_their_sums() -> None:
    summary = summed(
        kits_expired_site=[1, 3],
        kits_expired_depot=[10, 10],
        kits_lost=[2, 4],
        kits_damaged=[1, 1],
        kits_excursion_rejected=[0, 8],
        kits_returned_unused=[5, 5],
        cost_kits=[100, 200],
        cost_shipments=[10, 10],
    )
    waste = {one.name: one.mean for one in summary.waste}
    assert waste == {
        "expired": 12,
        "returned unused": 5,
        "lost": 3,
        "damaged": 1,
        "rejected by excursion": 4,
        "in all": 25,
    }
    costs = {one.name: (one.mean, one.unit) for one in summary.costs}
    assert costs["cost_total"] == (160, "EUR")


def test_spreads_are_those_of_numpy() -> None:
    values = list(np.random.default_rng(1).gamma(2, 50, 101))
    got = summed(shipments=values).outcome("shipments")
    assert got.mean == pytest.approx(np.mean(values))
    assert got.standard_error == pytest.approx(np.std(values, ddof=1) / np.sqrt(101))
    assert got.quantiles == pytest.approx(np.percentile(values, [5, 25, 50, 75, 95]))


def test_bands_are_the_quantiles_of_each_week_and_dates_its_last_day() -> None:
    random = np.random.default_rng(2)
    columns = {column.name: random.poisson(0.7, 41 * 3) for column in SERIES}
    weekly = pl.DataFrame({"replicate": np.repeat(range(41), 3), "week": np.tile(range(3), 41), **columns})
    bands = bands_of(weekly.lazy(), date(2025, 1, 1), 17)
    assert bands.height == 3 * len(SERIES)
    stock = bands.filter(pl.col("series") == "kits_at_sites")
    # The last week has three days only.
    assert stock["date"].to_list() == [date(2025, 1, 7), date(2025, 1, 14), date(2025, 1, 17)]
    values = columns["kits_at_sites"].reshape(41, 3)
    expected = np.percentile(values, [5, 25, 50, 75, 95], axis=0).T
    np.testing.assert_allclose(stock.select(BANDS).to_numpy(), expected)
    np.testing.assert_allclose(stock["mean"], values.mean(0))
    np.testing.assert_allclose(stock["above_zero"], (values > 0).mean(0))


def test_a_chart_ends_when_nearly_all_trials_have() -> None:
    days = pl.DataFrame({"day_last_visit": [-1] * 2 + [70] * 996 + [700] * 2})
    assert last_week(days, 200) == 12
    assert last_week(days, 5) == 4
