"""Kit numbers: unique, gapped, extendable, and independent of the pick sequence, the type and the lot."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, spearmanr

from allocation.errors import InvalidParameter
from allocation.rules.kit_numbers import KitIdentity, number_kits

seeds = st.integers(0, 2**64)


def test_the_golden_kits_of_a_seed_never_change() -> None:
    assert number_kits(20261122, 3) == (
        KitIdentity("432928", 1092471654),
        KitIdentity("775078", 1774458311),
        KitIdentity("312149", 99186247),
    )


@given(seeds, st.integers(0, 500), st.integers(0, 60), st.integers(0, 60))
def test_two_batches_number_like_one(seed, start, first, second) -> None:
    whole = number_kits(seed, first + second, start)
    assert number_kits(seed, first, start) + number_kits(seed, second, start + first) == whole


@given(seeds, st.integers(0, 300))
def test_numbers_and_pick_sequences_are_unique_and_well_formed(seed, count) -> None:
    kits = number_kits(seed, count)
    assert len({kit.number for kit in kits}) == count
    assert len({kit.pick_sequence for kit in kits}) == count
    assert all(len(kit.number) == 6 and kit.number.isdigit() and kit.number[0] != "0" for kit in kits)
    assert all(kit.pick_sequence > 0 for kit in kits)


def test_neighbouring_kits_have_no_neighbouring_numbers() -> None:
    numbers = sorted(int(kit.number) for kit in number_kits(3, 10_000))
    gaps = [later - earlier for earlier, later in pairwise(numbers)]
    assert len(set(gaps)) > 100
    assert sum(gap == 1 for gap in gaps) < 400


def test_the_order_of_use_tells_nothing_of_the_number_nor_of_the_order_of_packing() -> None:
    kits = number_kits(11, 5_000)
    numbers, sequences = [int(kit.number) for kit in kits], [kit.pick_sequence for kit in kits]
    packed = range(len(kits))
    for left, right in [(numbers, sequences), (numbers, packed), (sequences, packed)]:
        assert spearmanr(left, right).pvalue > 0.001


def test_two_types_packed_one_after_the_other_cannot_be_told_apart_by_number() -> None:
    kits = number_kits(12, 4_000)
    active, placebo = kits[:2_000], kits[2_000:]
    for attribute in ("number", "pick_sequence"):
        one, other = ([int(getattr(kit, attribute)) for kit in batch] for batch in (active, placebo))
        assert mannwhitneyu(one, other).pvalue > 0.001


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"count": -1}, "count"),
        ({"count": 1, "first_index": -1}, "first_index"),
        ({"count": 1, "digits": 0}, "digits"),
        ({"count": 1, "digits": 19}, "digits"),
        ({"count": 226, "digits": 3}, "digits"),
        ({"count": 1, "first_index": 225, "digits": 3}, "digits"),
    ],
)
def test_numbers_that_would_run_out_of_gaps_are_refused(arguments, field) -> None:
    assert len(number_kits(1, 225, digits=3)) == 225
    with pytest.raises(InvalidParameter) as refused:
        number_kits(1, **arguments)
    assert refused.value.field == field
