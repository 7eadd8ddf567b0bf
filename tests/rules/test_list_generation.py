"""Lists from any restricted design: the same from the same seed for ever, by the rule that a draw obeys."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules import blocks
from allocation.rules.blocks import BlockDesign, ListEntry, StratumPlan, generate_list
from allocation.rules.list_generation import VERSION, ListDesign, generate_restricted_list
from allocation.rules.restricted.design import RestrictedDesign
from tests.rules.philox_reference import words

STRATA = (StratumPlan("SEX=M", 8), StratumPlan("SEX=F", 5))
DESIGNS = (
    RestrictedDesign("complete", (2, 1)),
    RestrictedDesign("random_allocation_rule", (2, 1), {"n": 6}),
    RestrictedDesign("wei_urn", (1, 1, 1)),
    RestrictedDesign("block_urn", (2, 1), {"lambda": 2}),
    RestrictedDesign("mass_weighted_urn", (4, 3, 2, 1), {"alpha": 4}),
    RestrictedDesign("biased_coin", (1, 1), {"p": 2 / 3}),
    RestrictedDesign("maximal_procedure", (1, 1), {"n": 8, "b": 2}),
)

seeds = st.integers(0, 2**64)
designs = st.sampled_from(DESIGNS)


def plan_of(design: RestrictedDesign, strata: tuple[StratumPlan, ...] = STRATA) -> ListDesign:
    return ListDesign(design, tuple("ABCD"[: len(design.ratio)]), strata)


def of_stratum(entries: tuple[ListEntry, ...], stratum: str) -> list[ListEntry]:
    return [entry for entry in entries if entry.stratum == stratum]


@given(st.sampled_from(((3,), (3, 6))), seeds)
def test_a_list_of_permuted_blocks_is_the_list_that_it_always_was(sizes, seed) -> None:
    plan = plan_of(RestrictedDesign("permuted_block", (2, 1), block_sizes=sizes))
    before = generate_list(BlockDesign((("A", 2), ("B", 1)), sizes, STRATA), seed)
    assert generate_restricted_list(plan, seed) == before
    assert plan.generator_version == blocks.VERSION == "permuted-block/1"


def test_the_golden_lists_of_a_seed_never_change() -> None:
    assert VERSION == "restricted-list/1"
    lists = {
        design.label: " ".join(
            "".join(
                entry.arm for entry in of_stratum(generate_restricted_list(plan_of(design), 20261126), name)
            )
            for name in ("SEX=M", "SEX=F")
        )
        for design in DESIGNS
    }
    assert lists == {
        "CRD": "BAAABBBA ABABA",
        "RAND": "ABAAABABBAAA ABABAA",
        "UD(0, 1)": "ABABABAC CBACA",
        "BUD(2)": "AABABABA ABAAA",
        "MWUD(4)": "BABCBAAD BBAAA",
        "EBCD(0.667)": "AAABBBBA ABABA",
        "MP(2)": "ABBABABA BBAAAABB",
    }
    assert [entry.number for entry in generate_restricted_list(plan_of(DESIGNS[0]), 20261126)][:3] == [
        "6995816",
        "7019143",
        "2342336",
    ]


@given(seeds)
def test_an_independent_implementation_gives_the_same_arms(seed) -> None:
    """Efron's coin written out from the module's text, with the reference Philox."""
    design = RestrictedDesign("biased_coin", (1, 1), {"p": 2 / 3})
    stream = words(VERSION, seed, "biased_coin", "SEX=M")
    counts = {"A": 0, "B": 0}
    expected = ""
    for _ in range(8):
        ahead = counts["A"] - counts["B"]
        first = 0.5 if ahead == 0 else 2 / 3 if ahead < 0 else 1 - 2 / 3
        arm = "A" if (next(stream) >> 11) / 2**53 < first else "B"
        counts[arm] += 1
        expected += arm
    rows = of_stratum(generate_restricted_list(plan_of(design), seed), "SEX=M")
    assert "".join(row.arm for row in rows) == expected


@given(designs, seeds)
def test_numbers_are_unique_and_sequences_unbroken(design, seed) -> None:
    entries = generate_restricted_list(plan_of(design), seed)
    assert len({entry.number for entry in entries}) == len(entries)
    for stratum in STRATA:
        rows = of_stratum(entries, stratum.stratum)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        assert len(rows) >= stratum.length
        assert len(rows) == stratum.length or design.rule.sequence


@given(designs, seeds, st.integers(1, 30))
def test_another_length_of_one_stratum_leaves_the_others_and_its_own_beginning(design, seed, length) -> None:
    before = generate_restricted_list(plan_of(design), seed)
    after = generate_restricted_list(plan_of(design, (replace(STRATA[0], length=length), STRATA[1])), seed)
    assert of_stratum(before, "SEX=F") == of_stratum(after, "SEX=F")
    shorter, longer = sorted([of_stratum(before, "SEX=M"), of_stratum(after, "SEX=M")], key=len)
    assert longer[: len(shorter)] == shorter


@given(seeds)
def test_a_sequence_of_n_is_whole_and_in_the_ratio(seed) -> None:
    for design in DESIGNS:
        if design.rule.sequence:
            sequences: dict[tuple[str, int | None], Counter[str]] = {}
            for entry in generate_restricted_list(plan_of(design), seed):
                sequences.setdefault((entry.stratum, entry.block), Counter())[entry.arm] += 1
            n = design.sizes[0]
            shares = {
                arm: share * n // sum(design.ratio) for arm, share in zip("ABCD", design.ratio, strict=False)
            }
            assert all(counts == shares for counts in sequences.values())


@pytest.mark.parametrize(
    ("arms", "strata", "digits", "field"),
    [
        (("A",), STRATA, 7, "arms"),
        (("A", "A"), STRATA, 7, "arms"),
        (("A", "B"), (), 7, "strata"),
        (("A", "B"), (StratumPlan("M", 0),), 7, "strata"),
        (("A", "B"), STRATA, 3, "number_digits"),
    ],
)
def test_a_plan_that_cannot_work_is_refused_by_its_field(arms, strata, digits, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        ListDesign(RestrictedDesign("complete", (1, 1)), arms, strata, digits)
    assert refused.value.field == field
