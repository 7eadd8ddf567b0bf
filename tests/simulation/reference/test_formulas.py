"""The exact formulas that simulations are held against give the published numbers.

Sources are named at each formula; numbers of textbooks are those of Snyder & Shen 2019 (examples 4.3 to 5.8, as in stockpyl), Zheng &
Federgruen 1991, Koenig & Law 1985, Law & Kelton, and Andradottir & Kim 2010, to the digits that were published or computed exactly.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulation.reference.certification import replicates_without_failure, upper_bound
from tests.simulation.reference.continuous_review import (
    NormalReorder,
    base_stock_backordered,
    base_stock_lost,
    erlang_b,
    perishable_base_stock,
    reorder_backordered,
    reorder_lost,
)
from tests.simulation.reference.periodic_review import (
    best_policy,
    exponential_policy,
    koenig_law,
    law_kelton,
    long_run_cost,
    newsvendor_normal,
    newsvendor_normal_cost,
    poisson_period_cost,
)
from tests.simulation.reference.recruitment import (
    PoissonGamma,
    poisson_time_to,
    time_to_at_rising_rate,
    visits_attended,
)


def close(*expected: float, within: float = 1e-8) -> object:
    return pytest.approx(expected, abs=within)


def test_base_stock_with_backorders_is_palms_theorem() -> None:
    assert base_stock_backordered(0.1, 7, 2) == close(0.84419502, 0.04078032, 1.34078032)
    assert base_stock_backordered(0.1, 7, 3)[:2] == close(0.96585842, 0.00663874)
    busy = base_stock_backordered(0.3, 10, 6)
    assert busy == close(0.91608206, 0.05070261, 3.05070261)
    assert busy.backorders / 0.3 == pytest.approx(0.16900871, abs=1e-8), "the mean wait, by Little's law"


def test_base_stock_with_lost_sales_is_erlangs_loss_system() -> None:
    assert base_stock_lost(0.1, 7, 2)[:2] == close(0.12596401, 1.38817481)
    assert base_stock_lost(0.1, 7, 3)[:2] == close(0.02855240, 2.31998668)
    assert base_stock_lost(0.3, 10, 6)[:2] == close(0.05215712, 3.15647135)
    assert [erlang_b(one, one) for one in (1, 5, 10)] == close(0.5, 0.28486782, 0.21458234)


def test_reorder_point_with_backorders_averages_base_stocks() -> None:
    assert reorder_backordered(0.3, 7, 2, 3) == close(0.80871603, 0.12342257, 2.02342257)
    assert reorder_backordered(0.5, 10, 6, 4) == close(0.88222252, 0.11344838, 3.61344838)
    assert reorder_backordered(1, 5, 6, 10) == close(0.95067296, 0.04667912, 6.54667912)
    assert reorder_backordered(50, 1, 56, 18) == close(0.95480710, 0.14072425, 15.64072425)


@pytest.mark.parametrize(
    ("case", "fill", "on_hand", "orders"),
    [
        ((0.3, 7, 2, 3), 0.83285413, 2.08386046, 0.08328541),
        ((0.2, 5, 1, 3), 0.89076823, 2.10923177, 0.05938455),
        ((0.5, 10, 6, 8), 0.94191920, 5.64520200, 0.05886995),
        ((1, 5, 6, 10), 0.95298928, 6.66453753, 0.09529893),
    ],
)
def test_reorder_point_with_lost_sales_is_hadley_and_whitins(
    case: tuple[float, float, int, int], fill: float, on_hand: float, orders: float
) -> None:
    found = reorder_lost(*case)
    assert (1 - found.loss, found.on_hand, found.orders) == close(fill, on_hand, orders)


@pytest.mark.parametrize(
    ("case", "loss", "outdates", "waste"),
    [
        ((0.1, 7, 90, 3), 0.02865439, 0.00029101, 0.00298702),
        ((0.05, 7, 60, 4), 0.00102314, 0.02552372, 0.33818537),
        ((0.2, 5, 30, 6), 0.00073075, 0.03653178, 0.15454317),
        ((0.5, 10, 45, 12), 0.00344227, 0.00009736, 0.00019536),
    ],
)
def test_perishable_base_stock(
    case: tuple[float, float, float, int], loss: float, outdates: float, waste: float
) -> None:
    assert perishable_base_stock(*case) == close(loss, outdates, waste)


def test_a_base_stock_that_hardly_perishes_is_erlangs() -> None:
    assert perishable_base_stock(0.3, 10, 500, 6).loss == pytest.approx(base_stock_lost(0.3, 10, 6).loss)


def test_newsvendors() -> None:
    assert newsvendor_normal(0.18, 0.7, 50, 8) == close(56.60395593, 1.99760519)
    assert newsvendor_normal_cost(0.18, 0.7, 50, 8, 40) == pytest.approx(7.35613155)
    assert newsvendor_normal(0.18, 0.7, 5 * 50, 8 * 5**0.5) == close(264.7668944, 4.466781004, within=1e-7)
    costs = poisson_period_cost(1, 4, 6, np.arange(20))
    assert (int(costs.argmin()), costs.min()) == (8, pytest.approx(3.570106946))


def test_reorder_point_with_normal_demand() -> None:
    case = NormalReorder(demand=1300, sd=150, lead=1 / 12, holding=0.225, shortage=7.5, per_order=8)
    assert case.cost(126.8, 328.5) == pytest.approx(78.07116251)
    assert case.best_trigger(318) == pytest.approx(127.7880349)
    assert case.expected_shortage_policy() == close(213.9704, 318.5902, 95.45114, within=6e-5)


def test_reorder_point_with_poisson_demand_at_its_optimum() -> None:
    def cost(trigger: int, quantity: int) -> float:
        levels = np.arange(trigger + 1, trigger + quantity + 1)
        return (100 * 1.5 + poisson_period_cost(20, 150, 1.5 * 2, levels).sum()) / quantity

    best = min((cost(r, q), r, q) for r in range(9) for q in range(1, 15))
    assert best == (pytest.approx(107.9235806), 3, 5)
    assert cost(8, 12) == pytest.approx(242.5281638)


def test_zheng_and_federgruens_table() -> None:
    table = {
        10: (6, 40, 35.022),
        15: (10, 49, 42.698),
        20: (14, 62, 49.173),
        25: (19, 56, 54.262),
        30: (23, 66, 57.819),
        35: (28, 77, 61.215),
        40: (33, 87, 64.512),
        45: (37, 97, 67.776),
        50: (42, 108, 70.975),
        55: (47, 118, 74.149),
        60: (52, 129, 77.306),
        65: (56, 75, 78.518),
        70: (62, 81, 79.037),
        75: (67, 86, 79.554),
    }
    assert {mean: best_policy(1, 9, 64, mean) for mean in table} == {
        mean: (s, up_to, pytest.approx(cost, abs=6e-4)) for mean, (s, up_to, cost) in table.items()
    }


def test_a_small_policy_with_poisson_demand() -> None:
    assert best_policy(1, 4, 5, 6) == (4, 10, pytest.approx(8.034111561))
    assert long_run_cost(1, 4, 5, 6, 6, 18) == pytest.approx(10.19379867)


def test_exponential_demand_has_a_closed_form() -> None:
    published = {
        (100, 10): (340.950, 540.950, 740.9496),
        (100, 100): (784.395, 984.395, 1184.3947),
        (10000, 10): (0, 2000, 2200.0),
        (10000, 100): (443.445, 2443.445, 2643.4450),
    }
    for (per_order, shortage), expected in published.items():
        assert exponential_policy(200, per_order, 1, shortage, 1) == close(*expected, within=6e-4)


def test_koenig_and_laws_systems_order_below_and_not_at_the_trigger() -> None:
    published = {
        (20, 40): (114.176, 114.958),
        (20, 80): (112.742, 113.127),
        (40, 60): (130.550, 132.601),
        (40, 100): (130.699, 131.383),
        (60, 100): (147.382, 147.759),
    }
    for policy, (below, at) in published.items():
        found = (koenig_law(*policy).cost, koenig_law(*policy, at=True).cost)
        assert found == close(below, at, within=6e-4), policy


def test_the_chance_constrained_optimum_and_its_neighbours() -> None:
    assert koenig_law(20, 54) == close(106.4396, 0.1168, within=6e-5)
    assert koenig_law(30, 63) == close(112.9450, 0.008753, within=6e-5)
    assert koenig_law(31, 61) == close(113.1171, 0.009803, within=6e-5)
    near = [(s, up_to) for s in range(27, 34) for up_to in range(60, 67)]
    found = {policy: koenig_law(*policy) for policy in near}
    feasible = sorted((run.cost, policy) for policy, run in found.items() if run.short <= 0.01)
    assert [policy for _, policy in feasible[:2]] == [(30, 63), (29, 64)]
    assert feasible[1][0] == pytest.approx(112.9747, abs=6e-5)


def test_law_and_keltons_inventory() -> None:
    simulated = {
        (20, 40): 125.14,
        (20, 60): 118.93,
        (20, 80): 121.34,
        (20, 100): 126.92,
        (40, 60): 125.77,
        (40, 80): 125.46,
        (40, 100): 131.55,
        (60, 80): 143.91,
        (60, 100): 144.19,
    }
    for policy, mean in simulated.items():
        assert law_kelton(*policy) == pytest.approx(mean, abs=0.021 + 0.005), policy


def test_certification_arithmetic() -> None:
    sizes = [replicates_without_failure(one) for one in (0.1, 0.05, 0.02, 0.01, 0.001)]
    assert sizes == [29, 59, 149, 299, 2995]
    bounds = [upper_bound(failures, 1000) for failures in (0, 30, 45)]
    assert tuple(bounds) == close(0.00299125, 0.04047224, 0.05732626)


def test_recruitment_times_are_pearson_vi() -> None:
    small = PoissonGamma(20, 2, 2).time_to(100)
    assert (small.mean(), small.std()) == close(5.128205128, 0.980801204)
    quantiles = small.ppf([0.025, 0.05, 0.5, 0.9, 0.95, 0.975])
    assert tuple(quantiles) == close(3.509276, 3.713929, 5.025152, 6.419280, 6.892861, 7.336947, within=1e-6)
    large = PoissonGamma(60, 1.2, 4).time_to(600)
    assert (large.mean(), large.std()) == close(33.802816901, 4.272573159)
    assert tuple(large.ppf([0.05, 0.5, 0.9, 0.95])) == close(
        27.397640, 33.469634, 39.417552, 41.342524, within=1e-6
    )
    assert tuple(poisson_time_to(600, 18).ppf([0.05, 0.5, 0.95])) == close(
        31.126997, 33.314817, 35.602832, within=1e-6
    )


def test_recruited_numbers_are_negative_binomial() -> None:
    law = PoissonGamma(60, 1.2, 4).recruited_by(24)
    assert (law.mean(), law.var(), law.pmf(432)) == close(432, 3024, 0.007246103817)
    assert list(law.ppf([0.025, 0.05, 0.5, 0.9, 0.95, 0.975])) == [331, 345, 430, 504, 526, 546]


def test_sites_that_open_late() -> None:
    process = PoissonGamma(60, 1.2, 4)
    assert process.recruited_with_uniform_opening(24, 6) == close(378, 2392.2)
    assert process.recruited_with_uniform_opening(3, 6) == close(13.5, 25.3125)


@pytest.mark.parametrize(
    ("process", "opening", "time", "mean", "sd"),
    [
        (PoissonGamma(100, 2, 0.4), 30, 120, 45274.734583, 3629.549319),
        (PoissonGamma(50, 2, 0.2), 30, 120, 45274.734583, 5128.545776),
        (PoissonGamma(50, 4, 0.4), 60, 240, 90549.469167, 7764.162440),
        (PoissonGamma(50, 2, 4), 280, 365, 4025.921409, 697.815747),
    ],
)
def test_sites_that_open_after_an_exponential_time(
    process: PoissonGamma, opening: float, time: float, mean: float, sd: float
) -> None:
    found, variance = process.recruited_with_exponential_opening(time, opening)
    assert (found, variance**0.5) == close(mean, sd, within=1e-6)


def test_how_many_sites_have_recruited_how_many() -> None:
    published = {1: (4.544288, 3.081618, 1.781156), 1.2: (3.320312, 3.210302, 1.961473)}
    for shape, expected in published.items():
        process = PoissonGamma(60, shape, 4)
        assert [process.sites_with(j, 720) for j in (0, 5, 12)] == pytest.approx(expected, abs=1e-6)


def test_a_regions_share() -> None:
    law = PoissonGamma(30, 1.2, 1).at_some_sites(4, 200)
    assert (law.mean(), law.std(), law.pmf(27)) == close(26.666667, 12.141310, 0.03150887, within=1e-6)
    assert list(law.ppf([0.95, 0.99])) == [49, 61]


def test_a_rate_that_rises_month_by_month() -> None:
    mean, quantiles = time_to_at_rising_rate(300, np.full(9, 26 / 9 / 30.4375), 30.4375)
    assert mean == pytest.approx(472.9519, abs=1e-3)
    assert tuple(quantiles([0.05, 0.5, 0.95])) == close(440.2785, 472.5618, 506.9562, within=1e-4)


def test_imbalance_of_blocks_within_sites() -> None:
    found = [PoissonGamma(60, 1.2, 4).squared_imbalance(block, 24) for block in (2, 4, 6)]
    assert found == pytest.approx([28.618378, 47.703903, 66.699919], abs=1e-6)


def test_visits_of_subjects_who_may_leave() -> None:
    assert visits_attended(0.02, 12) == close(10.76416381, 8.12492643)
    assert visits_attended(0.05, 8) == close(6.73159137, 4.92320315)
    assert visits_attended(0.01, 26)[0] == pytest.approx(22.99568542)
