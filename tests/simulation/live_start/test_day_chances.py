"""What is under way happens by its law given that it has not happened yet, drawn with the number that its beginning is drawn with."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.live_start.day_chances import given_not_yet, survival

LAWS = st.lists(st.integers(0, 20), min_size=1, max_size=60).filter(any)


def drawn(first: int, shares: list[float], u: float) -> int:
    """The day at which the cumulative shares pass u."""
    return first + min(bisect_right(list(accumulate(shares)), u), len(shares) - 1)


@given(LAWS, st.integers(1, 80), st.floats(0.001, 0.999))
def test_the_same_number_gives_the_day_that_1_minus_s_1_minus_u_gave_at_the_beginning(
    weights: list[int], begun: int, u: float
) -> None:
    shares = [one / sum(weights) for one in weights]
    chances = [(day - begun, share) for day, share in enumerate(shares)]
    lasting = survival(chances)
    first, left = given_not_yet(chances, days=1000)
    if lasting == 0:
        assert (first, left) == (0, [1.0])
        return
    assert sum(left) == pytest.approx(1)
    assert first >= 0
    day = drawn(first, left, u)
    low, high = (drawn(-begun, shares, 1 - lasting * (1 - v)) for v in (u - 1e-9, u + 1e-9))
    assert low <= day <= high


def test_what_has_just_begun_keeps_its_law_and_what_is_overdue_comes_first_thing() -> None:
    assert given_not_yet([(0, 0.25), (1, 0.75)], 10) == (0, [0.25, 0.75])
    assert given_not_yet([(-3, 0.25), (-1, 0.75)], 10, overdue=2) == (2, [1.0])
    assert given_not_yet([(4, 0.5), (12, 0.25), (30, 0.25)], 10) == (4, [0.5, 0, 0, 0, 0, 0, 0.5])
