"""Generated lists: exact ratio in every block, independence of strata, numbers without information, and a golden list."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kruskal

from allocation.errors import InvalidParameter
from allocation.rules.blocks import VERSION, BlockDesign, ListEntry, StratumPlan, generate_list
from tests.rules.philox_reference import stratum_arms

SMALL = BlockDesign((("A", 2), ("P", 1)), (3, 6), (StratumPlan("SEX=M", 8), StratumPlan("SEX=F", 5)))

GOLDEN = """\
4384840 SEX=M 1 1 P
3791531 SEX=M 2 1 A
1145985 SEX=M 3 1 A
9136882 SEX=M 4 2 A
8640128 SEX=M 5 2 A
5488825 SEX=M 6 2 P
3973056 SEX=M 7 2 A
4028963 SEX=M 8 2 P
1838170 SEX=M 9 2 A
5151234 SEX=F 1 1 A
9350784 SEX=F 2 1 P
2018421 SEX=F 3 1 A
7832919 SEX=F 4 2 A
7222623 SEX=F 5 2 A
7206007 SEX=F 6 2 A
7189236 SEX=F 7 2 A
2944501 SEX=F 8 2 P
8553309 SEX=F 9 2 P
"""


@st.composite
def designs(draw: st.DrawFn) -> BlockDesign:
    shares = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    multiples = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True))
    strata = draw(st.lists(st.text("ABCé=|", min_size=1, max_size=5), min_size=1, max_size=4, unique=True))
    return BlockDesign(
        ratio=tuple((f"ARM{index}", share) for index, share in enumerate(shares)),
        block_sizes=tuple(multiple * sum(shares) for multiple in multiples),
        strata=tuple(StratumPlan(stratum, draw(st.integers(1, 40))) for stratum in strata),
    )


seeds = st.integers(0, 2**64)


def of_stratum(entries: tuple[ListEntry, ...], stratum: str) -> list[ListEntry]:
    return [entry for entry in entries if entry.stratum == stratum]


def test_the_golden_list_of_a_seed_never_changes() -> None:
    assert VERSION == "permuted-block/1"
    rows = [f"{e.number} {e.stratum} {e.sequence} {e.block} {e.arm}" for e in generate_list(SMALL, 20261122)]
    assert rows == GOLDEN.splitlines()


@given(designs(), seeds)
def test_an_independent_implementation_gives_the_same_arms(design, seed) -> None:
    entries = generate_list(design, seed)
    for plan in design.strata:
        expected = stratum_arms(
            VERSION, seed, plan.stratum, list(design.ratio), list(design.block_sizes), plan.length
        )
        assert [entry.arm for entry in of_stratum(entries, plan.stratum)] == expected


@given(designs(), seeds)
def test_every_block_has_the_ratio_exactly_and_an_allowed_size(design, seed) -> None:
    total = sum(share for _, share in design.ratio)
    blocks: dict[tuple[str, int | None], Counter[str]] = {}
    for entry in generate_list(design, seed):
        blocks.setdefault((entry.stratum, entry.block), Counter())[entry.arm] += 1
    for counts in blocks.values():
        assert counts.total() in design.block_sizes
        assert counts == {arm: share * counts.total() // total for arm, share in design.ratio}


@given(designs(), seeds)
def test_each_stratum_gets_what_it_asked_for_in_an_unbroken_sequence(design, seed) -> None:
    entries = generate_list(design, seed)
    for plan in design.strata:
        rows = of_stratum(entries, plan.stratum)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        assert plan.length <= len(rows) < plan.length + max(design.block_sizes)


@given(designs(), seeds)
def test_randomization_numbers_are_unique_and_of_one_length(design, seed) -> None:
    numbers = [entry.number for entry in generate_list(design, seed)]
    assert len(set(numbers)) == len(numbers)
    assert {len(number) for number in numbers} == {design.number_digits}


@given(designs(), seeds, st.integers(1, 60))
def test_another_length_of_one_stratum_leaves_the_others_and_its_own_beginning(design, seed, length) -> None:
    changed = replace(design, strata=(replace(design.strata[0], length=length), *design.strata[1:]))
    before, after = generate_list(design, seed), generate_list(changed, seed)
    for plan in design.strata[1:]:
        assert of_stratum(before, plan.stratum) == of_stratum(after, plan.stratum)
    first = design.strata[0].stratum
    shorter, longer = sorted([of_stratum(before, first), of_stratum(after, first)], key=len)
    assert longer[: len(shorter)] == shorter


@given(designs(), seeds)
def test_a_stratum_added_at_the_end_leaves_the_rest(design, seed) -> None:
    longer = replace(design, strata=(*design.strata, StratumPlan("NEW", 5)))
    before = generate_list(design, seed)
    assert generate_list(longer, seed)[: len(before)] == before


def test_another_seed_gives_another_list() -> None:
    one, other = generate_list(SMALL, 1), generate_list(SMALL, 2)
    assert {entry.number for entry in one}.isdisjoint(entry.number for entry in other)
    assert len({tuple(entry.arm for entry in generate_list(SMALL, seed)) for seed in range(30)}) > 20


def test_every_permutation_of_a_block_of_four_is_equally_likely() -> None:
    design = BlockDesign((("A", 1), ("B", 1)), (4,), (StratumPlan("ALL", 9_600),))
    arms = [entry.arm for entry in generate_list(design, 5)]
    observed = Counter("".join(arms[start : start + 4]) for start in range(0, len(arms), 4))
    assert len(observed) == 6
    assert chisquare(list(observed.values())).pvalue > 0.001


def test_a_randomization_number_tells_neither_arm_nor_stratum() -> None:
    strata = tuple(StratumPlan(name, 1_000) for name in "ABCD")
    entries = generate_list(BlockDesign((("X", 2), ("Y", 2), ("Z", 1)), (5, 10), strata), 99)
    for attribute in ("arm", "stratum"):
        groups: dict[str, list[int]] = {}
        for entry in entries:
            groups.setdefault(getattr(entry, attribute), []).append(int(entry.number))
        assert kruskal(*groups.values()).pvalue > 0.001


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ratio": ()}, "ratio"),
        ({"ratio": (("A", 1), ("A", 2))}, "ratio"),
        ({"ratio": (("A", 3), ("P", 0))}, "ratio"),
        ({"block_sizes": ()}, "block_sizes"),
        ({"block_sizes": (4,)}, "block_sizes"),
        ({"block_sizes": (0,)}, "block_sizes"),
        ({"block_sizes": (3, 3)}, "block_sizes"),
        ({"strata": ()}, "strata"),
        ({"strata": (StratumPlan("M", 3), StratumPlan("M", 3))}, "strata"),
        ({"strata": (StratumPlan("M", 0),)}, "strata"),
        ({"strata": (StratumPlan("M", 10_000),)}, "strata"),
        ({"number_digits": 4}, "number_digits"),
        ({"number_digits": 0}, "number_digits"),
    ],
)
def test_a_design_that_makes_no_list_is_refused_by_the_name_of_the_field(change, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        replace(SMALL, **change)
    assert refused.value.field == field
