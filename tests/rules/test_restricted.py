"""The restricted designs: their probabilities against the published formulas, their limits, and their draws."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.draws import draw_arm
from allocation.rules.restricted.design import RestrictedDesign, design_problems
from allocation.rules.restricted.draw import OpenBlock, block_after, restricted_draw
from allocation.rules.restricted.maximal_procedure import admissible_sequences
from allocation.rules.restricted.methods import METHODS

EVEN = (1, 1)
EXAMPLES = [
    RestrictedDesign("complete", (4, 3, 2, 1)),
    RestrictedDesign("permuted_block", (2, 2, 1), block_sizes=(5, 10)),
    RestrictedDesign("permuted_block", EVEN, block_sizes=(4,)),
    RestrictedDesign("random_allocation_rule", (2, 1), {"n": 12}),
    RestrictedDesign("truncated_binomial", EVEN, {"n": 10}),
    RestrictedDesign("biased_coin", EVEN, {"p": 2 / 3}),
    RestrictedDesign("big_stick", EVEN, {"b": 3}),
    RestrictedDesign("biased_coin_imbalance_tolerance", EVEN, {"p": 2 / 3, "b": 3}),
    RestrictedDesign("adjustable_biased_coin", EVEN, {"a": 2}),
    RestrictedDesign("generalized_biased_coin", EVEN, {"gamma": 2}),
    RestrictedDesign("wei_urn", (1, 1, 1), {"alpha": 1, "beta": 3}),
    RestrictedDesign("block_urn", (3, 1), {"lambda": 2}),
    RestrictedDesign("ehrenfest_urn", EVEN, {"b": 4}),
    RestrictedDesign("maximal_procedure", EVEN, {"n": 12, "b": 3}),
    RestrictedDesign("mass_weighted_urn", (4, 3, 2, 1), {"alpha": 4}),
]
DESIGNS = pytest.mark.parametrize("design", EXAMPLES, ids=lambda design: design.label)


def played(design: RestrictedDesign, uniforms: list[float]) -> list:
    """The records of one stratum's draws."""
    arms = tuple("ABCDEF"[: len(design.ratio)])
    records: list = []
    counts = dict.fromkeys(arms, 0)
    block = None
    for index, uniform in enumerate(uniforms):
        record = restricted_draw(design, "RAND", "ALL", arms, tuple(counts.values()), uniform, index, block)
        counts[record.arm] += 1
        block = block_after(dict(record.facts), arms, record.arm)
        records.append(record)
    return records


uniforms = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=25)


def test_every_method_of_the_table_has_an_example_and_a_code_of_its_own() -> None:
    assert {design.method for design in EXAMPLES} == set(METHODS)
    assert sorted(method.code for method in METHODS.values()) == list(range(len(METHODS)))


@DESIGNS
@settings(max_examples=30)
@given(uniforms)
def test_on_every_path_the_probabilities_are_some_and_the_record_gives_its_arm_again(
    design, uniforms
) -> None:
    for record in played(design, uniforms):
        assert min(record.probabilities) >= 0
        assert sum(record.probabilities) == pytest.approx(1, abs=1e-12)
        assert record.arms[draw_arm(record.probabilities, record.uniform)] == record.arm
        assert record.rule_version == METHODS[design.method].version


@DESIGNS
@settings(max_examples=30)
@given(uniforms)
def test_a_design_keeps_its_bound_and_ends_each_block_in_the_ratio(design, uniforms) -> None:
    counts = [0] * len(design.ratio)
    whole = sum(design.ratio)
    for record in played(design, uniforms):
        assert list(record.counts_before) == counts
        counts[record.arms.index(record.arm)] += 1
        facts = dict(record.facts)
        if "b" in design.parameters:
            assert abs(counts[0] - counts[1]) <= design.parameters["b"]
        block = block_after(facts, record.arms, record.arm)
        if block is not None:
            assert block.size in design.sizes
            if block.full:
                assert list(block.taken) == [share * block.size // whole for share in design.ratio]
        if design.method == "block_urn":
            sets = min(count // share for count, share in zip(counts, design.ratio, strict=True))
            most = [(design.parameters["lambda"] + sets) * share for share in design.ratio]
            assert all(count <= limit for count, limit in zip(counts, most, strict=True))


@pytest.mark.parametrize(
    ("method", "parameters", "counts", "first"),
    [
        ("random_allocation_rule", {"n": 50}, (3, 1), Fraction(22, 46)),
        ("truncated_binomial", {"n": 10}, (4, 2), Fraction(1, 2)),
        ("truncated_binomial", {"n": 10}, (5, 2), 0),
        ("truncated_binomial", {"n": 10}, (2, 5), 1),
        ("biased_coin", {"p": 0.75}, (1, 3), Fraction(3, 4)),
        ("biased_coin", {"p": 0.75}, (3, 1), Fraction(1, 4)),
        ("big_stick", {"b": 2}, (3, 1), 0),
        ("big_stick", {"b": 3}, (3, 1), Fraction(1, 2)),
        ("biased_coin_imbalance_tolerance", {"p": 0.75, "b": 3}, (1, 3), Fraction(3, 4)),
        ("biased_coin_imbalance_tolerance", {"p": 0.75, "b": 3}, (1, 4), 1),
        ("adjustable_biased_coin", {"a": 2}, (3, 6), Fraction(9, 10)),
        ("adjustable_biased_coin", {"a": 2}, (6, 3), Fraction(1, 10)),
        ("adjustable_biased_coin", {"a": 2}, (4, 3), Fraction(1, 2)),
        ("generalized_biased_coin", {"gamma": 2}, (3, 1), Fraction(1, 10)),
        ("generalized_biased_coin", {"gamma": 2}, (1, 0), 0),
        ("wei_urn", {"alpha": 1, "beta": 3}, (4, 2), Fraction(1 + 3 * 2, 2 + 3 * 6)),
        ("block_urn", {"lambda": 2}, (3, 2), Fraction(2 + 2 - 3, 2 * 4 - 5)),
        ("ehrenfest_urn", {"b": 4}, (3, 2), Fraction(3, 8)),
        ("maximal_procedure", {"n": 6, "b": 1}, (0, 1), 1),
        ("maximal_procedure", {"n": 4, "b": 2}, (1, 0), Fraction(1, 3)),
        ("mass_weighted_urn", {"alpha": 2}, (2, 1), Fraction(5 - 4, 10 - 6)),
    ],
)
def test_the_probability_of_the_first_of_two_arms_is_the_published_formula(
    method, parameters, counts, first
) -> None:
    record = restricted_draw(RestrictedDesign(method, EVEN, parameters), "RAND", "ALL", "AB", counts, 0.5, 0)
    assert record.probabilities == pytest.approx((float(first), 1 - float(first)), abs=1e-15)


@pytest.mark.parametrize(
    ("design", "counts", "expected"),
    [
        (RestrictedDesign("permuted_block", (4, 3, 2, 1), block_sizes=(10,)), (6, 3, 3, 1), (2, 3, 1, 1)),
        (RestrictedDesign("random_allocation_rule", (2, 1), {"n": 9}), (2, 2), (4, 1)),
        (RestrictedDesign("wei_urn", (1, 1, 1), {"alpha": 1}), (2, 0, 1), (2, 4, 3)),
        (RestrictedDesign("block_urn", (4, 3, 2, 1), {"lambda": 2}), (5, 3, 3, 1), (7, 6, 3, 2)),
        (RestrictedDesign("mass_weighted_urn", (4, 3, 2, 1), {"alpha": 4}), (2, 0, 0, 0), (4, 18, 12, 6)),
        (RestrictedDesign("mass_weighted_urn", (2, 1), {"alpha": 2}), (0, 2), (8, 0)),
    ],
)
def test_the_probabilities_of_many_arms_and_unequal_ratios(design, counts, expected) -> None:
    record = restricted_draw(design, "RAND", "ALL", "ABCD"[: len(counts)], counts, 0.5, 0)
    assert record.probabilities == pytest.approx([one / sum(expected) for one in expected], abs=1e-15)


@pytest.mark.parametrize(("n", "b"), [(6, 1), (8, 2), (10, 3), (10, 5)])
def test_the_maximal_procedure_counts_what_enumeration_counts(n, b) -> None:
    def admissible(signs) -> bool:
        reached = 0
        for sign in signs:
            reached += sign
            if abs(reached) > b:
                return False
        return reached == 0

    assert admissible_sequences(n, b)[0][b] == sum(map(admissible, product((-1, 1), repeat=n)))


@pytest.mark.parametrize(
    ("b", "sequences"), [(2, 564859072962), (3, 10745758687232), (4, 36633300781250), (25, comb(50, 25))]
)
def test_the_published_numbers_of_admissible_sequences_of_fifty(b, sequences) -> None:
    assert admissible_sequences(50, b)[0][b] == sequences


def test_a_long_maximal_procedure_is_counted_exactly_beyond_64_bits() -> None:
    assert admissible_sequences(400, 2)[0][2] == 2 * 3**199
    design = RestrictedDesign("maximal_procedure", EVEN, {"n": 400, "b": 2})
    assert design.probabilities((0, 0)).tolist() == [0.5, 0.5]
    assert design.probabilities((1, 0)) == pytest.approx((1 / 3, 2 / 3), abs=1e-15)


@given(st.integers(0, 8), st.integers(0, 8))
def test_urns_with_one_set_or_a_bound_of_one_are_permuted_blocks(first, more) -> None:
    counts = (first, first + more % 2)
    block = restricted_draw(
        RestrictedDesign("permuted_block", EVEN, block_sizes=(2,)), "R", "S", "AB", counts, 0.5, 0
    )
    for method, name in (("block_urn", "lambda"), ("big_stick", "b"), ("ehrenfest_urn", "b")):
        same = restricted_draw(RestrictedDesign(method, EVEN, {name: 1}), "R", "S", "AB", counts, 0.5, 0)
        assert same.probabilities == block.probabilities


@given(st.permutations((4, 3, 2, 1)), st.sampled_from(("complete", "block_urn", "mass_weighted_urn")))
def test_the_order_of_the_arms_does_not_matter(ratio, method) -> None:
    parameters = {"block_urn": {"lambda": 2}, "mass_weighted_urn": {"alpha": 4}}.get(method, {})
    chances = RestrictedDesign(method, tuple(ratio), parameters).probabilities(ratio)
    assert chances == pytest.approx([share / 10 for share in ratio], abs=1e-15)


def test_each_size_of_a_variable_block_is_equally_likely_whatever_the_arm() -> None:
    design = RestrictedDesign("permuted_block", (2, 1), block_sizes=(3, 6, 9))
    grid = [(index + 0.5) / 9_000 for index in range(9_000)]
    drawn: dict[tuple[str, int], int] = {}
    for uniform in grid:
        record = restricted_draw(design, "R", "S", "AB", (0, 0), uniform, 0)
        key = (record.arm, int(dict(record.facts)["block_size"]))
        drawn[key] = drawn.get(key, 0) + 1
    assert all(drawn["A", size] == pytest.approx(2_000, abs=1) for size in (3, 6, 9))
    assert all(drawn["B", size] == pytest.approx(1_000, abs=1) for size in (3, 6, 9))


def test_the_record_has_what_the_draw_looked_at() -> None:
    design = RestrictedDesign("permuted_block", (2, 1), block_sizes=(3, 6))
    record = restricted_draw(design, "R", "SEX=F", "AB", (3, 1), 0.7, 4, OpenBlock(2, 6, (1, 0)))
    assert record.probabilities == (3 / 5, 2 / 5)
    assert (record.arm, record.counts_before, record.stratum, record.index) == ("B", (3, 1), "SEX=F", 4)
    assert dict(record.facts) == {"block_number": 2, "block_size": 6, "block_taken_before": (1, 0)}


@pytest.mark.parametrize(
    ("design", "counts", "block", "field"),
    [
        (RestrictedDesign("big_stick", EVEN, {"b": 2}), (4, 1), None, "counts_before"),
        (RestrictedDesign("complete", EVEN), (1, 1, 1), None, "counts_before"),
        (RestrictedDesign("complete", EVEN), (-1, 1), None, "counts_before"),
        (RestrictedDesign("permuted_block", EVEN, block_sizes=(4,)), (3, 0), None, "counts_before"),
        (RestrictedDesign("block_urn", EVEN, {"lambda": 2}), (3, 0), None, "counts_before"),
        (RestrictedDesign("permuted_block", EVEN, block_sizes=(2, 4)), (1, 0), None, "open_block"),
        (
            RestrictedDesign("permuted_block", EVEN, block_sizes=(2, 4)),
            (1, 0),
            OpenBlock(1, 4, (0, 1)),
            "open_block",
        ),
        (
            RestrictedDesign("permuted_block", EVEN, block_sizes=(2, 4)),
            (1, 0),
            OpenBlock(1, 6, (1, 0)),
            "open_block",
        ),
    ],
)
def test_counts_that_the_design_cannot_have_given_are_refused(design, counts, block, field) -> None:
    with pytest.raises(RuleError) as refused:
        restricted_draw(design, "R", "S", "ABC"[: len(counts)], counts, 0.5, 0, block)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("method", "ratio", "parameters", "sizes", "path", "words"),
    [
        ("big_stik", EVEN, {}, (), ("method",), "did you mean big_stick?"),
        ("big_stick", (1, 1, 1), {"b": 3}, (), ("method",), "is defined for two arms, not for 3"),
        ("biased_coin", (2, 1), {"p": 0.7}, (), ("method",), "is defined for equal allocation, not for 2:1"),
        ("wei_urn", (2, 1, 1), {}, (), ("method",), "equal allocation"),
        ("complete", (1,), {}, (), ("ratio",), "two arms or more"),
        ("biased_coin", EVEN, {"p": 1.0}, (), ("parameters", "p"), "ICH E9 2.3.2"),
        ("biased_coin_imbalance_tolerance", EVEN, {"p": 1, "b": 3}, (), ("parameters", "p"), "ICH E9 2.3.2"),
        ("biased_coin", EVEN, {"p": 0.5}, (), ("parameters", "p"), "above 0.5 and below 1"),
        ("big_stick", EVEN, {"b": 2.5}, (), ("parameters", "b"), "is not a whole number"),
        ("big_stick", EVEN, {}, (), ("parameters",), "needs the parameter b (largest imbalance)"),
        ("big_stick", EVEN, {"b": 3, "p": 0.7}, (), ("parameters", "p"), "is no parameter of the method"),
        ("wei_urn", EVEN, {"beta": 0}, (), ("parameters", "beta"), "above 0"),
        ("adjustable_biased_coin", EVEN, {"a": float("inf")}, (), ("parameters", "a"), "to 10"),
        ("maximal_procedure", EVEN, {"n": 11, "b": 2}, (), ("parameters", "n"), "not a multiple of 2"),
        ("random_allocation_rule", (2, 1), {"n": 10}, (), ("parameters", "n"), "use 12"),
        ("permuted_block", (2, 1), {}, (), ("block_sizes",), "list one size or more"),
        ("permuted_block", (2, 1), {}, (4,), ("block_sizes", 0), "is not a multiple of 3"),
        ("permuted_block", (2, 1), {}, (3, 3), ("block_sizes", 1), "twice"),
        ("complete", (2, 1), {}, (3,), ("block_sizes",), "would be ignored"),
    ],
)
def test_a_wrong_design_is_named_with_its_place_and_the_fix(
    method, ratio, parameters, sizes, path, words
) -> None:
    [problem] = design_problems(method, ratio, parameters, sizes)
    assert problem.path == path
    assert words in f"{problem.message}; {problem.fix}"
    with pytest.raises(InvalidParameter):
        RestrictedDesign(method, ratio, parameters, sizes)


def test_a_design_fills_in_defaults_and_names_itself_briefly() -> None:
    assert RestrictedDesign("wei_urn", EVEN).parameters == {"alpha": 0, "beta": 1}
    labels = [design.label for design in EXAMPLES]
    assert labels[1:8] == [
        *("PBD(5, 10)", "PBD(4)", "RAND", "TBD", "EBCD(0.667)", "BSD(3)", "BCDWIT(0.667, 3)"),
    ]
