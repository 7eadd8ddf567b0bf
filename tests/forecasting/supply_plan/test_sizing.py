"""Kits of runs: quantiles of what is asked until the run after, what expires before, and what one batch cannot hold."""

from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy import stats

from forecasting.supply_plan.candidates import Run
from forecasting.supply_plan.closed_forms import least_stock
from forecasting.supply_plan.cover import Stock
from forecasting.supply_plan.demand_tape import Array, DemandTape, Pair
from forecasting.supply_plan.sizing import at_share, in_proportion, met_by, short_share, worthwhile_runs
from forecasting.supply_plan.supply_case import MadeRun, SupplyCase
from tests.forecasting.supply_plan.test_candidates import candidate

DAYS = 100
UNUSED: Any = None


def run(code: str, day: int, last: int, trials: int, depots: tuple[int, ...] = (0,), **of: object) -> MadeRun:
    begins = date(2025, 1, 1) + timedelta(days=day)
    campaign = candidate(code=code, starts_on=begins, depots=tuple(f"D{one}" for one in depots), **of)
    days = np.full(trials, day, dtype=np.int64)
    return MadeRun(Run(campaign, 1, begins), 0, depots, days, days, last)


def case(asked: dict[int, Array], *runs: MadeRun, there: dict[Pair, list[Stock]] | None = None) -> SupplyCase:
    """`asked` by depot: kits asked each day (trials x days)."""
    tape = {
        (depot, 0): np.concatenate(
            [np.zeros((len(rows), 1), dtype=np.int64), np.cumsum(rows, axis=1)], axis=1
        )
        for depot, rows in asked.items()
    }
    trials = len(next(iter(asked.values())))
    dispensed = np.zeros((trials, 1, 1), dtype=np.int64)
    return SupplyCase(
        UNUSED, UNUSED, DemandTape(tape, dispensed), runs, there or {}, np.zeros(1, dtype=np.int64), (1.0,)
    )


def steady(trials: int = 4, a_day: int = 1) -> Array:
    return np.full((trials, DAYS), a_day, dtype=np.int64)


def test_one_run_is_the_quantile_of_the_demand_as_the_newsvendor_orders_it() -> None:
    law = stats.nbinom(72, 1 / 7)
    trials = 4000
    rows = np.zeros((trials, DAYS), dtype=np.int64)
    # Stratified: the quantiles of the law themselves, so that there is no error of simulation.
    rows[:, 0] = law.ppf((np.arange(trials) + 0.5) / trials)
    one = case({0: rows}, run("P", 0, DAYS, trials))
    made = at_share(one, one.runs, 2500 / 2600)
    assert made.amounts == {"P": {0: least_stock(law, 100 / 2600)}} == {"P": {0: 534}}
    assert 0.035 < short_share(one, made) <= 100 / 2600


def test_each_run_lasts_until_the_one_after_and_what_is_there_goes_first() -> None:
    runs = (run("P1", 0, DAYS, 4), run("P2", 30, DAYS, 4), run("P3", 70, DAYS, 4))
    there = {(0, 0): [Stock(12, np.zeros(4, dtype=np.int64), 20)]}
    found = at_share(case({0: steady()}, *runs, there=there), runs, 0.95)
    assert found.amounts == {"P1": {0: 18}, "P2": {0: 40}, "P3": {0: 30}}


def test_what_expires_before_it_is_asked_for_is_made_by_a_later_run() -> None:
    # The first lot may be shipped until day 9, so that the second serves from day 10 on, and what waits from then until its release.
    runs = (run("P1", 0, 9, 4), run("P2", 30, DAYS, 4))
    one = case({0: steady()}, *runs)
    found = at_share(one, runs, 0.95)
    assert found.amounts == {"P1": {0: 10}, "P2": {0: 90}}
    assert met_by(one, found)[0, 0].short_from.tolist() == [10] * 4


def test_what_a_batch_cannot_hold_is_made_in_advance_by_earlier_runs() -> None:
    runs = (
        run("P1", 0, DAYS, 4, most_kits=60),
        run("P2", 30, DAYS, 4, most_kits=60),
        run("P3", 50, DAYS, 4, most_kits=30),
    )
    one = case({0: steady()}, *runs)
    found = at_share(one, runs, 0.95)
    assert found.amounts == {"P1": {0: 30}, "P2": {0: 40}, "P3": {0: 30}}
    assert short_share(one, found) == 0


def test_depots_share_a_batch_by_what_each_needs() -> None:
    runs = (run("P", 0, DAYS, 4, (0, 1), multiple_of=100),)
    found = at_share(case({0: steady(), 1: steady(a_day=3)}, *runs), runs, 0.95)
    assert found.amounts == {"P": {0: 100, 1: 300}}
    scarce = (run("P", 0, DAYS, 4, (0, 1), most_kits=200),)
    found = at_share(case({0: steady(), 1: steady(a_day=3)}, *scarce), scarce, 0.95)
    assert found.amounts == {"P": {0: 50, 1: 150}}
    assert in_proportion(7, {0: 0, 1: 0}) == {0: 4, 1: 3}
    assert in_proportion(10, {0: 2, 1: 1}) == {0: 7, 1: 3}


def test_a_run_is_left_out_where_its_kits_cost_less_in_the_one_before() -> None:
    runs = (run("P1", 0, DAYS, 4), run("P2", 60, DAYS, 4, cost_per_run=500.0))
    assert [one.run.code for one in worthwhile_runs(case({0: steady()}, *runs), 0.95)] == ["P1"]
    # Not where the first lot expires before.
    runs = (run("P1", 0, 70, 4), run("P2", 60, DAYS, 4, cost_per_run=500.0))
    assert [one.run.code for one in worthwhile_runs(case({0: steady()}, *runs), 0.95)] == ["P1", "P2"]
