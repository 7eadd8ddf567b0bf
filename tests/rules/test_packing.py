"""Packing by scan: what a scanned kit is, what may leave, and what comes in place of a kit that cannot be packed."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.expiry import ExpiryWindows
from allocation.rules.orders import KitTypeSupply, OrderPolicy
from allocation.rules.packing import (
    Scanned,
    choose_exchange,
    decide_departure,
    exposed_by_split,
    judge_scans,
)
from allocation.rules.picking import KitCandidate, SameLot

WINDOWS = ExpiryWindows(30, 20, 15)
TODAY = date(2026, 3, 2)
NUMBERS = st.lists(st.sampled_from("abcdefgh"), max_size=12)


@given(scans=NUMBERS, ordered=st.sets(st.sampled_from("abcdef")), before=st.sets(st.sampled_from("abc")))
def test_every_scan_is_judged_and_each_ordered_kit_is_packed_once(scans, ordered, before) -> None:
    before &= ordered
    judged = judge_scans(scans, ordered, before)
    assert [number for number, _ in judged] == scans
    packed = [number for number, what in judged if what == Scanned.PACKED]
    assert len(set(packed)) == len(packed)
    assert set(packed) == (set(scans) & ordered) - before
    assert {number for number, what in judged if what == Scanned.NOT_ORDERED} == set(scans) - ordered


@given(
    shippable=st.sets(st.sampled_from("abcdef")),
    late=st.sets(st.sampled_from("xyz")),
    packed=st.sets(st.sampled_from("abcxq")),
    by_scan=st.booleans(),
    split=st.booleans(),
)
def test_every_kit_of_an_order_leaves_stays_or_waits_and_none_twice(
    shippable, late, packed, by_scan, split
) -> None:
    found = decide_departure(shippable, late, packed, by_scan=by_scan, split=split)
    waiting = shippable & packed if found.to_pack else set()
    parts = [*found.leaving, *found.split_off, *found.to_pack, *waiting]
    assert sorted(parts) == sorted(shippable)
    assert set(found.left_behind) == late
    if by_scan or split:
        assert set(found.leaving) <= packed
    if found.to_pack:
        assert found.leaving == ()
        assert by_scan
        assert not split
    if not (by_scan or split):
        assert set(found.leaving) == shippable


def candidate(key: str, lot: str, expiry: date, sequence: int, **more: Any) -> KitCandidate:
    return KitCandidate(key, "A", True, True, expiry, sequence, lot, **more)


STOCK = (
    candidate("1", "L2", date(2027, 6, 1), 9),
    candidate("2", "L1", date(2027, 1, 1), 5),
    candidate("3", "L1", date(2027, 1, 1), 4),
    candidate("4", "L2", date(2027, 6, 1), 1),
)


@pytest.mark.parametrize(
    ("same_lot", "lots", "expected"),
    [
        (SameLot.OFF, {"L2"}, "3"),  # earliest expiry, then pick sequence, never kit number
        (SameLot.WHERE_POSSIBLE, {"L2"}, "4"),
        (SameLot.REQUIRED, {"L2"}, "4"),
        (SameLot.WHERE_POSSIBLE, {"L9"}, "3"),
        (SameLot.REQUIRED, {"L9"}, None),
        (SameLot.REQUIRED, set(), "3"),
    ],
)
def test_the_next_kit_is_chosen_by_the_picking_rule_within_the_lots_of_the_order(
    same_lot, lots, expected
) -> None:
    found = choose_exchange(STOCK, "A", lots, TODAY, WINDOWS, None, same_lot)
    assert [STOCK[index].key for index in found.chosen] == ([] if expected is None else [expected])


def test_a_kit_of_another_type_or_past_its_ship_date_is_never_the_next() -> None:
    assert choose_exchange(STOCK, "B", (), TODAY, WINDOWS, None, SameLot.OFF).chosen == ()
    late = choose_exchange(STOCK, "A", (), date(2026, 12, 20), WINDOWS, None, SameLot.OFF)
    assert [STOCK[index].key for index in late.chosen] == ["4"]


@pytest.mark.parametrize(
    ("parts", "exposed"),
    [
        ([{"A": 2, "B": 2}, {"A": 1, "B": 1}], ()),
        ([{"A": 2, "B": 2}, {"A": 1}], ("BOTTLE",)),
        ([{"A": 2}, {"A": 1, "B": 3}], ("BOTTLE",)),
        ([{"PEN": 1}, {"A": 1, "B": 1}], ()),
    ],
)
def test_a_part_with_one_kit_or_one_type_of_a_look_is_on_record(parts, exposed) -> None:
    looks = {"A": "BOTTLE", "B": "BOTTLE", "PEN": "PENS"}
    types = {code: KitTypeSupply(code, look, WINDOWS) for code, look in looks.items()}
    assert exposed_by_split(parts, types, OrderPolicy()) == exposed
    off = OrderPolicy(single_kit_protection=False, single_type_protection=False)
    assert exposed_by_split(parts, types, off) == ()
