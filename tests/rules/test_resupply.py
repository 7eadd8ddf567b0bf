"""Resupply: the golden vectors of rules A, B and C, the boundary of what is due now, and properties of the one formula."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.resupply import (
    FROM_END_OF_SHORT_WINDOW,
    FROM_TODAY,
    TRIGGER_AT,
    TRIGGER_BELOW,
    DueVisit,
    LongWindowFrom,
    ResupplyParameters,
    Trigger,
    countable_on_hand,
    decide_resupply,
    demand_in_window,
    resupply_quantity,
)

FIRST_DUE = (4, 9, 25)
"""The golden vectors' three subjects: days until their next visit; one kit per visit every 21 days."""

GOLDEN_VISITS = [
    DueVisit(f"S{subject}", f"V{cycle}", first + 21 * cycle, 1)
    for subject, first in enumerate(FIRST_DUE, start=1)
    for cycle in range(6)
]


def window(after: int, until: int, visits: list[DueVisit] = GOLDEN_VISITS) -> int:
    offsets = np.array([visit.due_offset for visit in visits], dtype=np.int64)
    quantities = np.array([visit.quantity for visit in visits], dtype=np.int64)
    return int(demand_in_window(offsets, quantities, after, until))


counts = st.integers(0, 60)
demands = st.tuples(counts, counts, counts).map(lambda d: (d[0], d[0] + d[1], d[2]))
"""(d_short, d_long, d_after_short) as windows give them: the long window from today contains the short one."""
buffers = st.tuples(counts, counts).map(lambda b: (b[0], b[0] + b[1]))
triggers = st.sampled_from([TRIGGER_AT, TRIGGER_BELOW])
bases = st.sampled_from([FROM_TODAY, FROM_END_OF_SHORT_WINDOW])
due_lists = st.lists(
    st.builds(DueVisit, st.just("S"), st.just("V"), st.integers(-40, 120), st.integers(0, 4))
)


@pytest.mark.parametrize(
    ("sai", "trigger", "quantity"),
    [
        (2, Trigger.AT, 4),
        (2, Trigger.BELOW, 0),
        (0, Trigger.AT, 6),
        (0, Trigger.BELOW, 6),
        (3, Trigger.AT, 0),
    ],
)
def test_rule_a_orders_up_to_max_from_its_golden_vectors(sai, trigger, quantity) -> None:
    parameters = ResupplyParameters(0, 0, min_buffer=2, max_buffer=6, trigger=trigger)
    assert decide_resupply("K", sai, 0, GOLDEN_VISITS, parameters).quantity == quantity


@pytest.mark.parametrize(("sai", "quantity"), [(1, 4), (2, 0)])
def test_rule_b_orders_the_long_windows_demand_from_its_golden_vectors(sai, quantity) -> None:
    parameters = ResupplyParameters(14, 42, min_buffer=0, max_buffer=0)
    assert decide_resupply("K", sai, 0, GOLDEN_VISITS, parameters).quantity == quantity


@pytest.mark.parametrize(
    ("short", "long", "d_short", "d_long", "d_after"), [(14, 42, 2, 5, 6), (7, 28, 1, 4, 4)]
)
def test_the_golden_demands_follow_from_the_three_subjects(short, long, d_short, d_long, d_after) -> None:
    assert window(0, short) == d_short
    assert window(0, long) == d_long
    assert window(short, short + long) == d_after


@pytest.mark.parametrize(
    ("short", "long", "sai", "trigger_level", "up_to", "orders"),
    [
        (14, 42, 1, 3, (7, 10), (6, 9)),
        (14, 42, 2, 3, (7, 10), (5, 8)),
        (14, 42, 3, 3, (7, 10), (0, 0)),
        (7, 28, 1, 2, (6, 7), (5, 6)),
        (7, 28, 2, 2, (6, 7), (0, 0)),
    ],
)
def test_rule_c_meets_its_golden_table(short, long, sai, trigger_level, up_to, orders) -> None:
    for basis, level, quantity in zip(LongWindowFrom, up_to, orders, strict=True):
        parameters = ResupplyParameters(short, long, 1, 2, Trigger.BELOW, basis)
        decision = decide_resupply("K", sai, 0, GOLDEN_VISITS, parameters)
        assert (decision.trigger_level, decision.up_to_level, decision.quantity) == (
            trigger_level,
            level,
            quantity,
        )
        assert decision.triggered == (quantity > 0)
        assert decision.top_up == level - sai


@pytest.mark.parametrize(
    ("offset", "after", "until", "counts_in"),
    [
        (0, 0, 1, True),  # due today and not yet done: due now
        (-30, 0, 1, True),  # overdue: due now
        (1, 0, 1, True),
        (2, 0, 1, False),
        (14, 0, 14, True),  # the last day of a window is in it
        (14, 14, 56, False),  # and so it is not in the one that follows
        (15, 14, 56, True),
        (-1, 1, 56, False),  # due now is not due later
        (0, 0, 0, False),  # a window of no days holds nothing
        (-5, 0, 0, False),
    ],
)
def test_a_visit_counts_in_the_window_that_holds_its_day_and_due_now_in_the_first(
    offset, after, until, counts_in
) -> None:
    assert window(after, until, [DueVisit("S", "V", offset, 3)]) == (3 if counts_in else 0)


@given(due_lists, st.integers(0, 60), st.integers(0, 60))
def test_two_windows_that_meet_hold_what_the_whole_holds(visits, first, second) -> None:
    assert window(0, first, visits) + window(first, first + second, visits) == window(
        0, first + second, visits
    )


@given(due_lists, st.integers(0, 60), st.integers(0, 60))
def test_a_longer_window_never_holds_less(visits, first, more) -> None:
    assert window(0, first, visits) <= window(0, first + more, visits)


@given(counts, demands, buffers, triggers, bases)
def test_the_order_falls_kit_by_kit_as_the_inventory_rises(sai, demand, buffer, trigger, basis) -> None:
    _, _, _, now = resupply_quantity(sai, *demand, *buffer, trigger, basis)
    _, _, _, with_one_more = resupply_quantity(sai + 1, *demand, *buffer, trigger, basis)
    assert with_one_more in ({max(now - 1, 0), 0})
    assert with_one_more <= now


@given(counts, demands, buffers, triggers, bases)
def test_the_up_to_level_is_never_below_the_trigger_level(sai, demand, buffer, trigger, basis) -> None:
    triggered, trigger_level, up_to_level, quantity = resupply_quantity(sai, *demand, *buffer, trigger, basis)
    assert up_to_level >= trigger_level
    if triggered:
        assert sai + quantity == up_to_level
    else:
        assert quantity == 0


@given(counts, buffers, triggers, bases)
def test_rule_c_without_windows_is_rule_a(sai, buffer, trigger, basis) -> None:
    smallest, largest = buffer
    orders = sai <= smallest if trigger == TRIGGER_AT else sai < smallest
    expected = largest - sai if orders else 0
    parameters = ResupplyParameters(
        0,
        0,
        smallest,
        largest,
        Trigger.AT if trigger == TRIGGER_AT else Trigger.BELOW,
        LongWindowFrom.TODAY if basis == FROM_TODAY else LongWindowFrom.END_OF_SHORT_WINDOW,
    )
    assert decide_resupply("K", sai, 0, [DueVisit("S", "V", -3, 2)], parameters).quantity == expected


@given(counts, demands)
def test_rule_c_without_buffers_is_rule_b(sai, demand) -> None:
    d_short, d_long, _ = demand
    quantity = resupply_quantity(sai, *demand, 0, 0, TRIGGER_BELOW, FROM_TODAY)[3]
    assert quantity == (d_long - sai if sai < d_short else 0)


@given(counts, demands, buffers, bases)
def test_trigger_at_differs_from_below_only_on_the_level_itself(sai, demand, buffer, basis) -> None:
    at = resupply_quantity(sai, *demand, *buffer, TRIGGER_AT, basis)
    below = resupply_quantity(sai, *demand, *buffer, TRIGGER_BELOW, basis)
    assert (at[0] != below[0]) == (sai == at[1])


def test_kits_in_open_orders_count_like_kits_on_hand() -> None:
    parameters = ResupplyParameters(14, 42, 1, 2)
    decision = decide_resupply("K", 1, 2, GOLDEN_VISITS, parameters)
    assert (decision.sai, decision.triggered) == (3, False)
    assert decide_resupply("K", 3, 0, GOLDEN_VISITS, parameters).quantity == decision.quantity


def test_the_record_alone_gives_the_same_decision_again() -> None:
    for basis in LongWindowFrom:
        parameters = ResupplyParameters(14, 42, 1, 2, Trigger.AT, basis)
        decision = decide_resupply("K", 1, 1, [*GOLDEN_VISITS, DueVisit("S9", "V1", -4, 2)], parameters)
        again = decide_resupply(
            decision.kit_type, decision.on_hand, decision.pipeline, decision.counted, decision.parameters
        )
        assert (again.trigger_level, again.up_to_level, again.quantity) == (
            decision.trigger_level,
            decision.up_to_level,
            decision.quantity,
        )
        assert DueVisit("S9", "V1", -4, 2) in decision.counted


@given(counts, due_lists, st.integers(0, 60), st.integers(0, 60), buffers, st.sampled_from(LongWindowFrom))
def test_the_record_holds_exactly_the_visits_that_bear_on_the_result(
    sai, visits, short, more, buffer, basis
) -> None:
    parameters = ResupplyParameters(short, short + more, *buffer, Trigger.BELOW, basis)
    decision = decide_resupply("K", sai, 0, visits, parameters)
    counted = sum(visit.quantity for visit in decision.counted)
    reach = short + short + more if basis == LongWindowFrom.END_OF_SHORT_WINDOW else short + more
    assert counted == (decision.up_to_level - buffer[1] if reach else 0)
    again = decide_resupply("K", sai, 0, decision.counted, parameters)
    assert (again.quantity, again.up_to_level) == (decision.quantity, decision.up_to_level)


@pytest.mark.parametrize(
    ("basis", "last"), [(LongWindowFrom.TODAY, 28), (LongWindowFrom.END_OF_SHORT_WINDOW, 35)]
)
def test_the_last_day_of_the_longest_window_is_in_the_record_and_the_next_is_not(basis, last) -> None:
    parameters = ResupplyParameters(7, 28, 1, 2, Trigger.BELOW, basis)
    on_it, after_it = DueVisit("S", "V1", last, 1), DueVisit("S", "V2", last + 1, 1)
    decision = decide_resupply("K", 0, 0, [on_it, after_it], parameters)
    assert (decision.counted, decision.up_to_level) == ((on_it,), 3)


def test_a_kit_stops_counting_after_its_last_count_date() -> None:
    expiry = np.array([date(2026, 7, 12).toordinal()] * 2, dtype=np.int64)
    available = np.array([True, False])
    last = date(2026, 7, 3).toordinal()
    assert countable_on_hand(available, expiry, 8, last) == 1
    assert countable_on_hand(available, expiry, 8, last + 1) == 0


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((-1, 42, 1, 2), "short_window"),
        ((14, -42, 1, 2), "long_window"),
        ((14, 42, -1, 2), "min_buffer"),
        ((14, 42, 3, 2), "max_buffer"),
        ((14, 13, 1, 2), "long_window"),
    ],
)
def test_thresholds_out_of_range_are_refused_by_the_name_of_the_field(values, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        ResupplyParameters(*values)
    assert refused.value.field == field


def test_a_short_long_window_is_fine_when_it_follows_the_short_one() -> None:
    parameters = ResupplyParameters(14, 7, 1, 2, long_window_from=LongWindowFrom.END_OF_SHORT_WINDOW)
    assert decide_resupply("K", 0, 0, GOLDEN_VISITS, parameters).up_to_level == 2 + window(0, 21)


def test_negative_counts_are_refused() -> None:
    parameters = ResupplyParameters(14, 42, 1, 2)
    with pytest.raises(RuleError):
        decide_resupply("K", -1, 0, [], parameters)
    with pytest.raises(InvalidParameter):
        decide_resupply("K", 1, 0, [DueVisit("S", "V", 3, -1)], parameters)
