"""The smallest order and one-for-one resupply, against what the resupply rule itself decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.order_leaks import follows_each_dispensing, smallest_order
from allocation.rules.resupply import DueVisit, LongWindowFrom, ResupplyParameters, Trigger, decide_resupply

SMALL_NUMBER = st.integers(0, 6)


@st.composite
def thresholds(draw: st.DrawFn) -> ResupplyParameters:
    low, short = draw(SMALL_NUMBER), draw(SMALL_NUMBER)
    starts = draw(st.sampled_from(LongWindowFrom))
    long = draw(SMALL_NUMBER) + (short if starts == LongWindowFrom.TODAY else 0)
    return ResupplyParameters(
        short, long, low, low + draw(SMALL_NUMBER), draw(st.sampled_from(Trigger)), starts
    )


visits = st.lists(st.builds(DueVisit, st.just("S"), st.just("V"), st.integers(-3, 20), st.integers(1, 3)))


@given(thresholds(), visits, st.integers(0, 30))
def test_no_triggered_order_is_smaller_than_the_smallest(
    parameters: ResupplyParameters, due: list[DueVisit], stock: int
) -> None:
    decision = decide_resupply("K", stock, 0, due, parameters)
    if decision.triggered:
        assert decision.quantity >= smallest_order(parameters)


@given(thresholds())
def test_the_smallest_order_is_reached_where_no_visit_is_due(parameters: ResupplyParameters) -> None:
    stock = parameters.min_buffer - (parameters.trigger == Trigger.BELOW)
    if stock >= 0:
        assert decide_resupply("K", stock, 0, (), parameters).quantity == smallest_order(parameters)


@given(thresholds(), visits)
def test_one_kit_less_than_full_stock_orders_one_kit_exactly_where_resupply_is_one_for_one(
    parameters: ResupplyParameters, due: list[DueVisit]
) -> None:
    full = decide_resupply("K", 0, 0, due, parameters).up_to_level
    if follows_each_dispensing(parameters) and full > 0:
        assert decide_resupply("K", full - 1, 0, due, parameters).quantity == 1


@pytest.mark.parametrize(
    ("short", "long", "low", "high", "trigger", "starts", "expected"),
    [
        (14, 14, 1, 1, "below", "today", True),
        (14, 14, 1, 2, "at", "today", True),
        (14, 14, 1, 2, "below", "today", False),
        (14, 28, 1, 1, "below", "today", False),
        (14, 0, 1, 1, "below", "end_of_short_window", True),
        (14, 14, 1, 1, "below", "end_of_short_window", False),
        (0, 0, 2, 6, "at", "today", False),
    ],
)
def test_one_for_one_is_where_nothing_lies_between_the_levels(
    short: int, long: int, low: int, high: int, trigger: str, starts: str, expected: bool
) -> None:
    parameters = ResupplyParameters(short, long, low, high, Trigger(trigger), LongWindowFrom(starts))
    assert follows_each_dispensing(parameters) is expected


def test_the_smallest_order_is_rounded_up_to_blocks() -> None:
    parameters = ResupplyParameters(0, 0, 1, 3, Trigger.AT)
    assert [smallest_order(parameters, block) for block in (1, 2, 4, 5)] == [2, 2, 4, 5]
    with pytest.raises(InvalidParameter, match="block_size"):
        smallest_order(parameters, 0)
