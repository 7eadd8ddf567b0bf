"""A scarce depot is shared in proportion to what the sites are to get, in whole kits or blocks, and in the same way each time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.fair_share import ANYWHERE, share_kit_type, share_out


def shares(wanted: list[int], available: int) -> list[int]:
    sites = np.array(wanted, dtype=np.int64)
    found, given = np.zeros_like(sites), np.zeros_like(sites)
    share_out(sites, np.zeros_like(sites), ANYWHERE, available, found, given)
    return [int(one) for one in found]


@pytest.mark.parametrize(
    ("wanted", "available", "expected"),
    [
        ([4, 3, 1], 8, [4, 3, 1]),
        ([4, 3, 1], 99, [4, 3, 1]),
        ([6, 3, 3], 8, [4, 2, 2]),
        (
            [4, 3, 1],
            4,
            [2, 2, 0],
        ),  # exactly 2, 1.5 and 0.5: the remainders are equal, the larger order goes first
        ([5, 5], 5, [3, 2]),  # equal in all: the earlier site
        ([1, 1, 8], 5, [1, 0, 4]),
        ([3, 0, 2], 0, [0, 0, 0]),
        ([], 5, []),
    ],
)
def test_shares_are_proportional_and_whole(wanted: list[int], available: int, expected: list[int]) -> None:
    assert shares(wanted, available) == expected


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(0, 200))
def test_nobody_gets_more_than_wanted_or_strays_a_kit_from_the_proportion(
    wanted: list[int], available: int
) -> None:
    found, total = shares(wanted, available), sum(wanted)
    assert sum(found) == min(total, available), "nothing stays at the depot that somebody wants"
    assert all(0 <= share <= want for share, want in zip(found, wanted, strict=True))
    if total > available:
        for share, want in zip(found, wanted, strict=True):
            assert abs(share - Fraction(want * available, total)) < 1


@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.integers(0, 200))
def test_no_kit_moves_to_another_site_without_its_giver_losing_more(
    wanted: list[int], available: int
) -> None:
    """Largest remainder: whoever got a kit more had fallen at least as far below its proportion as any who did not."""
    total = sum(wanted)
    if total <= available:
        return
    found = shares(wanted, available)
    exact = [Fraction(want * available, total) for want in wanted]
    below = [right - share for share, right in zip(found, exact, strict=True)]
    without_it = [1 - (share - right) for share, right in zip(found, exact, strict=True) if share > right]
    assert all(loss >= lack for loss in without_it for lack in below if lack > 0)


def test_a_country_shares_first_what_it_may_use() -> None:
    """Ten kits, two of them released for Germany: its sites share two, and the American one has the rest."""
    found = share_kit_type(
        "K",
        wanted={"G1": 4, "G2": 4, "U1": 12},
        country={"G1": "DEU", "G2": "DEU", "U1": "USA"},
        usable={"DEU": 2, "USA": 10},
        available=10,
    )
    assert found.shares["U1"] + found.shares["G1"] + found.shares["G2"] == 10
    assert found.shares == {"G1": 1, "G2": 1, "U1": 8}


def test_blocks_stay_whole() -> None:
    place = {"A": "USA", "B": "USA"}
    found = share_kit_type("K", {"A": 12, "B": 4}, place, {"USA": 11}, 11, block_size=4)
    assert found.shares == {"A": 8, "B": 0}


@pytest.mark.parametrize(
    ("wanted", "available", "block", "field"),
    [({"A": -1}, 5, 1, "wanted"), ({"A": 5}, -5, 1, "available"), ({"A": 5}, 4, 2, "wanted")],
)
def test_what_cannot_be_shared_is_refused(
    wanted: dict[str, int], available: int, block: int, field: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        share_kit_type("K", wanted, {"A": "USA"}, {"USA": 5}, available, block)
    assert refused.value.field == field
