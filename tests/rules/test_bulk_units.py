"""Quantities of a lot as units: the first to expire, none twice, never more than there are; counts add up exactly."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.bulk_receipts import FOUND, LotFound, judge_lots, spread_counts
from allocation.rules.bulk_units import (
    AskedOfLot,
    LotUnit,
    count_by_lot,
    is_unit,
    take_units,
    unit_number,
)
from allocation.study.model import is_code

DAY = date(2026, 1, 1)


def units(lot: str, count: int, first: int = 1, word: str | None = None, days: int = 0) -> list[LotUnit]:
    return [
        LotUnit(unit_number(turn), lot, word, DAY + timedelta(days=days), turn)
        for turn in range(first, first + count)
    ]


def test_a_units_number_is_none_that_a_packager_or_a_request_could_give():
    assert is_unit(unit_number(7))
    assert not is_code(unit_number(7))
    assert not is_unit("483920")


def test_units_are_taken_as_kits_are_picked_and_a_blinded_word_covers_its_lots():
    there = [*units("A", 2, 1, "W", days=9), *units("B", 2, 10, "W", days=1), *units("C", 1, 20)]
    (taken,) = take_units(there, [AskedOfLot("W", 3)], "here")
    assert taken == ("~10", "~11", "~1")
    assert [(one.lot, one.quantity) for one in count_by_lot(there)] == [("C", 1), ("W", 4)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_no_unit_is_taken_twice_and_never_more_than_there_are(there: int, asked: list[int]):
    wanted = [AskedOfLot("A", quantity) for quantity in asked]
    if sum(asked) > there:
        with pytest.raises(DomainRefusal) as caught:
            take_units(units("A", there), wanted, "here")
        assert caught.value.code == ("too-few-of-lot" if there else "lot-not-here")
        return
    taken = take_units(units("A", there), wanted, "here")
    assert [len(some) for some in taken] == asked
    assert len({number for some in taken for number in some}) == sum(asked)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8), st.integers(0, 4), st.lists(st.integers(0, 5), min_size=5, max_size=5))
def test_every_unit_of_a_received_lot_gets_one_disposition_and_none_leaves_quarantine(
    coming: int, held: int, counts: list[int]
):
    free, kept = units("A", coming), units("A", held, first=100)
    found = LotFound("A", dict(zip(FOUND, counts, strict=True)))
    possible = 0 < sum(counts) == coming + held and counts[0] <= coming
    if not possible:
        with pytest.raises(DomainRefusal):
            judge_lots(free, kept, [found], "S")
        return
    judged = judge_lots(free, kept, [found], "S")
    assert [list(judged.values()).count(what) for what in FOUND] == counts
    assert all(judged[unit.number] != "available" for unit in kept)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.decimals("0.25", 20, places=2),
    st.lists(st.decimals(0, 60, places=2), min_size=3, max_size=3),
)
def test_a_count_of_many_units_is_spread_over_them_without_loss(
    quantity: int, content: Decimal, counts: list[Decimal]
):
    returned, lost, used = counts
    if sum(counts) > content * quantity:
        with pytest.raises(DomainRefusal, match="more than"):
            spread_counts(quantity, content, returned, lost, used)
        return
    spread = spread_counts(quantity, content, returned, lost, used)
    assert sum(one.returned for one in spread) == returned
    assert sum(one.lost for one in spread) == lost
    assert sum(one.used or Decimal(0) for one in spread) == used
    assert all(one.returned + one.lost + (one.used or 0) <= content for one in spread)
