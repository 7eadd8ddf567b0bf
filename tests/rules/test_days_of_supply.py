"""Days of supply: stock over projected demand, in whole days, rounded down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.days_of_supply import days_of_supply


@pytest.mark.parametrize(
    ("stock", "demand", "window", "days"),
    [(6, 3, 28, 56), (5, 3, 28, 46), (0, 3, 28, 0), (5, 0, 28, None), (1, 28, 28, 1), (1, 29, 28, 0)],
)
def test_a_stock_lasts_as_long_as_its_share_of_the_demand(stock, demand, window, days) -> None:
    assert days_of_supply(stock, demand, window) == days


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.integers(1, 730))
def test_what_lasts_a_day_more_would_need_more_kits(stock: int, demand: int, window: int) -> None:
    days = days_of_supply(stock, demand, window)
    assert days is not None
    assert days * demand <= stock * window < (days + 1) * demand


@pytest.mark.parametrize("wrong", [(-1, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_a_negative_number_is_refused_by_name(wrong) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        days_of_supply(*wrong)
    assert refusal.value.field == ("stock", "demand", "window_days")[wrong.index(-1)]
