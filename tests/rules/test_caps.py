"""Caps: the last place is given, the next is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.caps import cap_reached


def test_the_last_place_under_a_cap_is_free_and_the_next_is_not() -> None:
    assert not cap_reached(9, 10)
    assert cap_reached(10, 10)
    assert cap_reached(0, 0)


@given(st.integers(0, 50))
def test_filling_up_to_a_cap_admits_exactly_the_cap(limit) -> None:
    admitted = 0
    for _ in range(limit + 5):
        if not cap_reached(admitted, limit):
            admitted += 1
    assert admitted == limit
