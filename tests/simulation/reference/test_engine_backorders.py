"""The compiled engine as inventories with backorders: never short, it plays the net inventory, from which backorders are read.

Law & Kelton's inventory, which is reviewed by the month and has demands of 1 to 4 units, is in `test_engine_law_kelton.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from simulation.engines import compiled
from simulation.engines.events import DISPENSED, ORDERED, RECEIVED
from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import COLUMNS
from tests.simulation.reference.continuous_review import (
    Backordered,
    base_stock_backordered,
    reorder_backordered,
)
from tests.simulation.reference.daily_review import daily_reorder_backordered
from tests.simulation.reference.inventory_cases import (
    Measured,
    Policy,
    measured,
    played,
    protocol_of,
    scenario_of,
)
from tests.simulation.reference.periodic_review import best_policy, koenig_law, long_run_cost

pytestmark = pytest.mark.slow

SHIFT = 300
"""Kits above the case's levels: far more than what is ever short."""
DAYS = 7300


def net_inventory(rate: float, lead_days: int, policy: Policy, replicates: int) -> NDArray[np.int64]:
    """The case's net inventory at the ends of weeks: replicates x weeks."""
    raised = Policy(policy.trigger + SHIFT, policy.up_to + SHIFT, policy.below)
    steady = played(
        protocol_of(raised, lead_days), scenario_of(rate, DAYS), replicates, warm_up_days=5 * lead_days
    )
    assert steady.loss().mean == 0, "the shift is too small: somebody went without"
    return steady.levels(SHIFT)


def distances(net: NDArray[np.int64], expected: Backordered) -> dict[str, float]:
    """How many standard errors the share of weeks with stock, the backorders and the stock are from the expected."""
    found = Backordered(net > 0, np.maximum(-net, 0), np.maximum(net, 0))
    return {
        name: measured(values.mean(axis=1)).distance(mean)
        for name, values, mean in zip(Backordered._fields, found, expected, strict=True)
    }


@pytest.mark.parametrize(("rate", "lead", "up_to"), [(0.1, 7, 2), (0.1, 7, 3), (0.3, 10, 6)])
def test_base_stock_is_palms_theorem(rate: float, lead: float, up_to: int) -> None:
    """No error of discretisation: at the end of a day the level is S less the demand of exactly so many days."""
    lead_days = 50
    net = net_inventory(rate * lead / lead_days, lead_days, Policy(up_to - 1, up_to), replicates=120)
    found = distances(net, base_stock_backordered(rate, lead, up_to))
    assert max(map(abs, found.values())) < 4, found


@pytest.mark.parametrize(
    ("rate", "lead", "trigger", "quantity"),
    [(0.3, 7, 2, 3), (0.5, 10, 6, 4), (1, 5, 6, 10), (50, 1, 56, 18), (1.5, 2, 3, 5), (1.5, 2, 8, 12)],
)
def test_reorder_point_with_backorders(rate: float, lead: float, trigger: int, quantity: int) -> None:
    """A day is 1/100 of the lead time; what that changes is known exactly: a share of a thousand's readiness, 1.4 % of backorders."""
    lead_days = 100
    textbook = reorder_backordered(rate, lead, trigger, quantity)
    daily = daily_reorder_backordered(rate * lead / lead_days, lead_days, trigger, trigger + quantity)
    assert daily.ready == pytest.approx(textbook.ready, abs=0.001)
    assert daily[1:] == pytest.approx(textbook[1:], rel=0.014)
    net = net_inventory(
        rate * lead / lead_days, lead_days, Policy(trigger, trigger + quantity), replicates=80
    )
    found = distances(net, daily)
    assert max(map(abs, found.values())) < 4, found


@pytest.mark.parametrize("mean", range(10, 80, 5))
def test_zheng_and_federgruens_table(mean: int) -> None:
    check_long_run_cost(Costs(1, 9, 64), mean, *best_policy(1, 9, 64, mean)[:2], replicates=40)


@pytest.mark.parametrize("policy", [(4, 10), (6, 18)])
def test_a_small_policy_with_poisson_demand(policy: tuple[int, int]) -> None:
    check_long_run_cost(Costs(1, 4, 5), 6, *policy, replicates=100)


class Costs(NamedTuple):
    """Of a unit held or short at the end of a period, and of an order."""

    holding: float
    shortage: float
    per_order: float


def check_long_run_cost(costs: Costs, mean: int, trigger: int, up_to: int, replicates: int) -> None:
    """A day is a period: no error of discretisation. An order at the end of a day is there before the next one's demand."""
    cost = long_run_cost(*costs, mean, trigger, up_to)
    policy = Policy(trigger + SHIFT, up_to + SHIFT)
    steady = played(protocol_of(policy, 1), scenario_of(mean, 1000), replicates, warm_up_days=70)
    assert steady.loss().mean == 0
    net = steady.levels(SHIFT)
    per_period = costs.holding * np.maximum(net, 0) + costs.shortage * np.maximum(-net, 0)
    found = measured(per_period.mean(axis=1) + costs.per_order * steady.orders_by_replicate())
    assert found.error < 0.005 * cost
    assert abs(found.distance(cost)) < 4


PERIODS = 30


def koenig_law_run(trace: NDArray[np.int64], up_to: int) -> tuple[float, float]:
    """(cost, share of periods with a shortage) of a traced replicate: order 32 and 3 a unit, 1 a unit held, 5 a unit short."""
    day, kind, quantity = (trace[:, COLUMNS.index(name)] for name in ("day", "kind", "quantity"))
    demand = np.bincount(day[kind == DISPENSED], minlength=PERIODS)
    arrived = np.bincount(day[kind == RECEIVED], quantity[kind == RECEIVED], minlength=PERIODS)
    net = up_to + np.cumsum(arrived - demand)
    # What is ordered at the end of a day is the order of the period after it; the last one's is of no period.
    ordered = (kind == ORDERED) & (day < PERIODS - 1)
    ordering = 32 * ordered.sum() + 3 * quantity[ordered].sum()
    cost = ordering + np.maximum(net, 0).sum() + 5 * np.maximum(-net, 0).sum()
    return cost / PERIODS, float((net < 0).mean())


@pytest.mark.parametrize("policy", [(20, 40), (20, 80), (40, 60), (40, 100), (60, 100), (30, 63)])
def test_koenig_and_laws_systems(policy: tuple[int, int]) -> None:
    """A day is a period: no error of discretisation. (30, 63) is the optimum of the chance-constrained problem."""
    expected = koenig_law(*policy)
    raised = Policy(policy[0] + SHIFT, policy[1] + SHIFT, below=True)
    plan = plan_of(protocol_of(raised, 1), scenario_of(25, PERIODS))
    runs = np.array(
        [
            koenig_law_run(compiled.play(plan, 5, replicate, trace=True).trace, policy[1])
            for replicate in range(150)
        ]
    )
    cost, short = measured(runs[:, 0]), measured(runs[:, 1])
    assert cost.error < 0.005 * expected.cost
    assert abs(cost.distance(expected.cost)) < 4
    if short.error > 0:
        assert abs(short.distance(expected.short)) < 4
    else:
        assert short == Measured(0, 0)
        assert expected.short * PERIODS * 150 < 5, "so rare that none was seen"
