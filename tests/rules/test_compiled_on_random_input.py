"""Rules of supply and allocation, compiled and plain, on random input: the same answers, and what the answers must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from allocation.rules.blocks import fill_block
from allocation.rules.computed_buffer import computed_buffers, most_of_a_newcomer, most_of_newcomers
from allocation.rules.demand import COUNTED, demand_code
from allocation.rules.dosing import NO_ROW, NOTHING_DUE, dispensing_row
from allocation.rules.fair_share import shares_by_country
from allocation.rules.forced import REFUSED, forced_arms
from allocation.rules.minimization_chances import next_chances
from allocation.rules.order_assembly import exposes_group, ordered_kits
from allocation.rules.pile_picking import LOT_OFF, LOT_REQUIRED, pick_kits, usable_kits
from tests.rules.compiled_rules import check_compiled

few = settings(max_examples=40, deadline=None)
few_days = st.integers(1, 40)


def whole(draw: st.DrawFn, size: int, low: int, high: int) -> NDArray[np.int64]:
    return np.array(draw(st.lists(st.integers(low, high), min_size=size, max_size=size)), dtype=np.int64)


def flags(draw: st.DrawFn, size: int) -> NDArray[np.bool_]:
    return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=np.bool_)


def empty(size: int) -> NDArray[np.int64]:
    return np.zeros(size, dtype=np.int64)


@few
@given(st.data())
def test_piles_are_picked_as_if_each_kit_stood_for_itself(data: st.DataObject) -> None:
    """A pile of n is n piles of one next to each other; of each pile as many kits are taken as of its kits alone."""
    size = data.draw(st.integers(0, 6))
    right, released = (flags(data.draw, size) for _ in range(2))
    counts, lots = whole(data.draw, size, 0, 4), whole(data.draw, size, 0, 2)
    expiry, sequences = whole(data.draw, size, 1, 40), np.arange(size, dtype=np.int64)
    quantity, same_lot = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 2))
    days = (
        data.draw(st.integers(0, 5)),
        data.draw(few_days),
        data.draw(st.integers(0, 40)),
        data.draw(st.integers(0, 40)),
    )
    of_piles = (right, counts, released, expiry, sequences, lots)
    piles, taken = empty(size), empty(size)
    arguments = (quantity, *of_piles, *days, same_lot)
    check_compiled(pick_kits, (*arguments, piles, taken))
    found = pick_kits(*arguments, piles, taken)

    kits = np.repeat(np.arange(size), counts)
    ones, one_each = empty(len(kits)), empty(len(kits))
    of_kits = [column[kits] for column in of_piles]
    of_kits[1] = np.ones(len(kits), dtype=np.int64)
    alone = pick_kits(quantity, *of_kits, *days, same_lot, ones, one_each)
    assert list(np.repeat(piles[:found], taken[:found])) == list(kits[ones[:alone]])

    usable = check_compiled(usable_kits, (*of_piles[:4], *days[:3]))
    if same_lot != LOT_REQUIRED:
        assert taken[:found].sum() == min(quantity, usable)
    elif quantity > 1:
        assert len(set(lots[piles[:found]])) <= 1


@few
@given(st.data())
def test_orders_are_whole_blocks_and_hide_the_arm_where_something_can_be_raised(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 6))
    needed, blocks, groups = (
        whole(data.draw, size, 0, 5),
        whole(data.draw, size, 1, 4),
        whole(data.draw, size, 0, 2),
    )
    several = np.array([bool((groups == group).sum() > 1) for group in groups], dtype=np.bool_)
    single_type, single_kit = data.draw(st.booleans()), data.draw(st.booleans())
    ordered, raised = empty(size), empty(size)
    arguments = (needed, blocks, groups, several, single_type, single_kit, ordered, raised)
    total = check_compiled(ordered_kits, arguments)
    assert ordered_kits(*arguments) == ordered.sum() == total
    assert (ordered >= needed).all()
    assert (ordered % blocks == 0).all()
    assert ((raised > 0) == (ordered > needed)).all()
    for i in range(size):
        exposed = check_compiled(
            exposes_group, (ordered, groups, bool(several[i]), int(groups[i]), single_type, single_kit)
        )
        assert not exposed


@few
@given(st.data())
def test_shares_stay_within_what_is_wanted_and_what_a_country_and_the_depot_have(data: st.DataObject) -> None:
    size, places = data.draw(st.integers(0, 7)), data.draw(st.integers(1, 3))
    wanted, countries = whole(data.draw, size, 0, 9), whole(data.draw, size, 0, places - 1)
    usable, available = whole(data.draw, places, 0, 20), data.draw(st.integers(0, 30))
    shares = empty(size)
    arguments = (wanted, countries, usable, available, shares, empty(size), empty(size))
    total = check_compiled(shares_by_country, arguments)
    assert shares_by_country(*arguments) == shares.sum() == total <= available
    assert (shares <= wanted).all()
    of_countries = [int(wanted[countries == place].sum()) for place in range(places)]
    for place in range(places):
        assert shares[countries == place].sum() <= usable[place]
    assert total == min(available, sum(min(of, int(usable[place])) for place, of in enumerate(of_countries)))


@few
@given(
    st.tuples(
        *(st.integers(0, 4), st.booleans(), st.booleans(), st.integers(0, 40)),
        *(few_days, st.booleans(), st.booleans(), st.integers(-1, 20)),
    )
)
def test_whoever_counts_is_in_the_trial_and_not_on_hold(facts: tuple[int, ...]) -> None:
    if check_compiled(demand_code, facts) == COUNTED:
        assert facts[0] in (0, 1)
        assert not facts[1]


@few
@given(st.data())
def test_the_first_row_that_matches_is_dispensed(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 6))
    at_visit, holds = (flags(data.draw, size) for _ in range(2))
    arms, levels = (whole(data.draw, size, -1, 1) for _ in range(2))
    arm, level = data.draw(st.integers(0, 1)), data.draw(st.integers(-1, 1))
    found = check_compiled(dispensing_row, (at_visit, arms, levels, holds, arm, level))
    for_them = at_visit & ((arms == -1) | (arms == arm))
    matches = np.flatnonzero(for_them & holds & ((levels == -1) | (levels == level)))
    expected = NO_ROW if for_them.any() else NOTHING_DUE
    assert found == (matches[0] if len(matches) else expected)


@few
@given(st.data())
def test_forcing_assigns_only_arms_that_can_be_supplied(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 4))
    weights = whole(data.draw, size, 0, 5) + (np.arange(size) == 0)
    there, mode = flags(data.draw, size), data.draw(st.integers(0, 4))
    uniform = data.draw(st.floats(0, 1, exclude_max=True))
    shares = np.ones(size)
    arguments = (mode, weights / weights.sum(), uniform, there, bool(there.all()), shares, np.zeros(size))
    scheduled, assigned, _ = check_compiled(forced_arms, arguments)
    if mode != 0:
        assert assigned == REFUSED or there[assigned]
    if there.all():
        assert assigned == scheduled


@few
@given(st.data())
def test_minimization_gives_every_column_a_chance_and_one_in_all(data: st.DataObject) -> None:
    columns, rows = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 4))
    counts = whole(data.draw, rows * columns, 0, 9).reshape(rows, columns)
    measure, by_rank, first = (
        data.draw(st.integers(0, 3)),
        data.draw(st.booleans()),
        data.draw(st.integers(0, 20)),
    )
    shares = np.ones(columns, dtype=np.int64) if by_rank else whole(data.draw, columns, 1, 3)
    probability = 1.5 / columns if by_rank else 0.9
    arguments = (counts, np.ones(rows), shares, measure, by_rank, probability, first)
    chances = check_compiled(next_chances, arguments)
    assert chances.sum() == pytest.approx(1)
    assert (chances > 0).all()
    if counts[0].sum() < first:
        assert chances == pytest.approx(shares / shares.sum())


@few
@given(st.data())
def test_a_block_holds_the_arms_by_their_ratio_in_any_order(data: st.DataObject) -> None:
    ratio = whole(data.draw, data.draw(st.integers(1, 4)), 1, 3)
    size = int(ratio.sum()) * data.draw(st.integers(1, 3))
    others = np.array([data.draw(st.integers(0, place)) for place in range(size)], dtype=np.int64)
    arms = empty(size)
    check_compiled(fill_block, (ratio, size, others, arms))
    fill_block(ratio, size, others, arms)
    assert list(np.bincount(arms)) == list(ratio * size // ratio.sum())


@few
@given(st.data())
def test_computed_buffers_never_lack_scratch_and_rise_with_confidence(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 3))
    arms, offsets, quantities = (whole(data.draw, size, 0, high) for high in (1, 20, 3))
    rate, window = data.draw(st.sampled_from([0.0, 0.1, 0.7])), data.draw(st.integers(0, 14))
    chances = np.zeros(most_of_a_newcomer(quantities) + 1)
    buffers = []
    for confidence in (0.5, 0.99):
        scratch = np.zeros(most_of_newcomers(rate * window, chances) + 1)
        arguments = (rate, confidence, window, 2 * window, np.array([0.5, 0.5]), arms, offsets, quantities)
        buffers.append(computed_buffers(*arguments, chances, scratch))
        assert buffers[-1][1] >= buffers[-1][0]
    check_compiled(computed_buffers, (*arguments, chances, scratch))
    assert buffers[0][0] <= buffers[1][0]


def test_a_lot_must_be_the_same_only_where_it_is_asked_for() -> None:
    """Two piles of different lots, three kits wanted: one lot has two, the other one."""
    columns = (np.ones(2, dtype=np.bool_), np.array([1, 2]), np.ones(2, dtype=np.bool_), np.array([30, 40]))
    rest = (np.array([1, 2]), np.array([7, 8]), 0, 10, 0, 0)
    found = {}
    for same_lot in (LOT_OFF, LOT_REQUIRED):
        piles, taken = empty(2), empty(2)
        used = pick_kits(3, *columns, *rest, same_lot, piles, taken)
        found[same_lot] = dict(zip(piles[:used].tolist(), taken[:used].tolist(), strict=True))
    assert found == {LOT_OFF: {0: 1, 1: 2}, LOT_REQUIRED: {1: 2}}
