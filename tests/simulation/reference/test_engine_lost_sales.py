"""The compiled engine, configured as inventories that lose what they cannot meet, comes to Erlang's and Hadley & Whitin's numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.reference.continuous_review import base_stock_lost, erlang_b, reorder_lost
from tests.simulation.reference.daily_review import daily_reorder_lost
from tests.simulation.reference.inventory_cases import Policy, Steady, played, protocol_of, scenario_of

pytestmark = pytest.mark.slow

SITES = 50
DAYS = 3650

LEAD_LAWS: dict[str, tuple[int, dict[str, Any]]] = {
    "fixed": (100, {}),
    "uniform": (50, {"law": "uniform", "min_days": 0, "max_days": 100}),
    "exponential": (1, {"law": "gamma", "mean_days": 99, "shape": 1}),
}
"""Lead time in days and what comes on top of it: all of mean 100."""
LEAD_DAYS = 100
HALF_A_DAY = 0.5
"""A demand is ordered at the end of its day, and comes on average half a day later: it has waited half a day less than the lead time."""


def base_stock(load: float, up_to: int, law: str) -> Steady:
    """Base stock with `load` demands in a mean lead time, at 50 sites for ten years less five lead times."""
    rate = load / (LEAD_DAYS - HALF_A_DAY)
    lead, delay = LEAD_LAWS[law]
    case = protocol_of(Policy(up_to - 1, up_to), lead, SITES), scenario_of(rate, DAYS, delay)
    return played(*case, replicates=60, warm_up_days=5 * LEAD_DAYS)


@pytest.mark.parametrize(
    ("rate", "lead", "up_to", "law"),
    [
        *((0.1, 7, 2, law) for law in LEAD_LAWS),
        (0.1, 7, 3, "uniform"),
        *((0.3, 10, 6, law) for law in LEAD_LAWS),
    ],
)
def test_base_stock_is_erlangs_loss_system_whatever_the_law_of_the_lead_time(
    rate: float, lead: float, up_to: int, law: str
) -> None:
    """A day is 1/100 of the lead time. With a fixed one, waits lie between 99 and 100 days, and so the loss between Erlang's at both."""
    expected = base_stock_lost(rate, lead, up_to)
    load = rate * lead
    narrow = LEAD_DAYS / (LEAD_DAYS - HALF_A_DAY)
    bounds = erlang_b(up_to, load * narrow * (1 - 1 / LEAD_DAYS)), erlang_b(up_to, load * narrow)
    assert bounds[0] < expected.loss < bounds[1] < 1.04 * bounds[0]
    steady = base_stock(load, up_to, law)
    loss = steady.loss()
    assert loss.error < 0.03 * expected.loss, "the stated standard error: at most 3 % of the loss"
    assert abs(loss.distance(expected.loss)) < 4
    at_the_end_of_a_day = up_to - load * narrow * (1 - expected.loss)
    assert at_the_end_of_a_day == pytest.approx(expected.on_hand, rel=0.006)
    assert abs(steady.level().distance(at_the_end_of_a_day)) < 4


@pytest.mark.parametrize(
    ("rate", "lead", "trigger", "quantity"),
    [(0.3, 7, 2, 3), (0.2, 5, 1, 3), (0.5, 10, 6, 8), (1, 5, 6, 10)],
)
def test_reorder_point_with_lost_sales(rate: float, lead: float, trigger: int, quantity: int) -> None:
    """A day is about 1/100 of the lead time; what that changes is known exactly, and below 0.3 %."""
    lead_days = 100
    days_of_a_unit = (lead_days - HALF_A_DAY) / lead
    textbook = reorder_lost(rate, lead, trigger, quantity)
    daily = daily_reorder_lost(rate / days_of_a_unit, lead_days, trigger, trigger + quantity)
    assert daily.loss == pytest.approx(textbook.loss, rel=0.003)
    assert daily.on_hand == pytest.approx(textbook.on_hand, rel=0.003)
    assert daily.orders * days_of_a_unit == pytest.approx(textbook.orders, rel=0.003)
    policy = Policy(trigger, trigger + quantity)
    steady = played(
        protocol_of(policy, lead_days, SITES),
        scenario_of(rate / days_of_a_unit, DAYS),
        replicates=40,
        warm_up_days=700,
    )
    loss = steady.loss()
    assert loss.error < 0.03 * textbook.loss
    found = {
        "loss": loss.distance(daily.loss),
        "orders": steady.orders().distance(daily.orders),
        "on hand": steady.level().distance(daily.on_hand),
    }
    assert max(map(abs, found.values())) < 4, found
