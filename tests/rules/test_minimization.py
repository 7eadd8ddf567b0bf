"""Minimization: published worked examples, what must not change the choice, records, and designs that are refused."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.draws import uniform_of_draw
from allocation.rules.imbalance import CODES, ImbalanceMeasure, row_imbalance
from allocation.rules.minimization import (
    EarlierSubject,
    column_chances,
    column_scores,
    count_subjects,
    minimization_draw,
)
from allocation.rules.minimization_chances import biased_coin_chances, rank_chances
from allocation.rules.minimization_design import ChanceRule, MinimizationDesign, RatioRule

POCOCK_SIMON_CELLS = {
    "111": (1, 2, 2), "112": (2, 2, 1), "113": (1, 0, 1), "121": (4, 3, 2), "122": (0, 2, 1), "123": (1, 1, 2),
    "211": (1, 0, 2), "212": (1, 1, 0), "213": (2, 1, 1), "221": (2, 3, 2), "222": (1, 0, 1), "223": (1, 2, 1),
}  # fmt: skip
"""Pocock and Simon 1975, Table 1: 50 patients by the levels of three factors and by arm (cells that give its margins)."""

POCOCK_SIMON = MinimizationDesign(
    arms=("T1", "T2", "T3"),
    ratio=(1, 1, 1),
    factors=(("F1", 2.0), ("F2", 1.0), ("F3", 1.0)),
    probability=2 / 3,
)
NEW_PATIENT = ("1", "2", "2")
MEASURES = list(ImbalanceMeasure)


def pocock_simon_rows() -> np.ndarray:
    earlier = [
        EarlierSubject(tuple(cell), f"T{arm + 1}")
        for cell, counts in POCOCK_SIMON_CELLS.items()
        for arm, count in enumerate(counts)
        for _ in range(count)
    ]
    assert len(earlier) == 50
    return count_subjects(POCOCK_SIMON, earlier, NEW_PATIENT)


def draw(design: MinimizationDesign, rows: np.ndarray, levels: tuple[str, ...], index: int = 0):
    return minimization_draw(design, levels, rows, seed=7, event="R1", index=index, stratum="|".join(levels))


def test_the_fifty_patients_of_pocock_and_simon_give_the_margins_scores_and_chances_of_their_paper() -> None:
    rows = pocock_simon_rows()
    assert rows[2:].tolist() == [[9, 10, 9], [9, 11, 9], [4, 5, 3]]
    assert column_scores(POCOCK_SIMON, rows).tolist() == [6, 10, 5]
    assert column_chances(POCOCK_SIMON, rows) == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-15)


def test_the_rank_rule_with_four_arms_and_q_one_half_gives_the_chances_of_the_paper() -> None:
    chances = rank_chances(np.array([3.0, 1.0, 2.0, 4.0]), 0.5)
    assert chances == pytest.approx([0.2, 0.4, 0.3, 0.1], abs=1e-15)


def test_tied_arms_share_the_chances_of_their_ranks() -> None:
    assert rank_chances(np.array([1.0, 3.0, 3.0, 4.0]), 0.5) == pytest.approx([0.4, 0.25, 0.25, 0.1])
    assert rank_chances(np.full(4, 2.0), 0.5) == pytest.approx([0.25] * 4)
    even = np.array([1, 1, 1], dtype=np.int64)
    assert biased_coin_chances(np.array([5.0, 5.0, 6.0]), even, 0.8) == pytest.approx([0.45, 0.45, 0.1])


def test_a_patient_goes_by_the_sum_of_matches_as_in_the_example_of_scott() -> None:
    """Scott et al. 2002 as retold in PMC3503622, table 3: the sums 1+3 and 1+1 send the patient to control.

    They are those of low baseline and moderate covariate; with high baseline, as the text has it, they are 2+3 and 2+1: control again.
    """
    baseline = {"high": (2, 2), "moderate": (2, 3), "low": (1, 1)}
    covariate = {"high": (2, 3), "moderate": (3, 1), "low": (1, 1)}
    design = MinimizationDesign(("I", "C"), (1, 1), (("baseline", 1.0), ("covariate", 1.0)), 0.8)
    for level, sums in (("low", [4, 2]), ("high", [5, 3])):
        rows = np.array([[0, 0], [0, 0], baseline[level], covariate["moderate"]])
        assert rows[2:].sum(axis=0).tolist() == sums
        assert column_chances(design, rows) == pytest.approx([0.2, 0.8], abs=1e-15)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((41, 47, 45), (6, 9.33, 3.06, 0.0451)), ((7, 8, 7), (1, 0.333, 0.577, 0.0455))],
)
def test_the_four_measures_give_the_numbers_of_han(counts, expected) -> None:
    before = np.array([counts[0] - 1, *counts[1:]], dtype=np.int64)
    even = np.array([1, 1, 1], dtype=np.int64)
    measured = [row_imbalance(before, even, 0, CODES[measure]) for measure in MEASURES]
    for value, published in zip(measured, expected, strict=True):
        digits = len(str(published).partition(".")[2])
        assert value == pytest.approx(published, abs=0.5 * 10**-digits if digits else 0)


def test_biased_coin_minimization_with_1_2_3_and_base_070_gives_the_chances_of_han() -> None:
    ratio = np.array([1, 2, 3], dtype=np.int64)
    preferred = {0: (0.70, 0.12, 0.18), 1: (0.06, 0.76, 0.18), 2: (0.06, 0.12, 0.82)}
    for best, chances in preferred.items():
        scores = np.where(np.arange(3) == best, 1.0, 2.0)
        assert biased_coin_chances(scores, ratio, 0.7) == pytest.approx(chances, abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("rule", list(RatioRule))
def test_with_one_match_in_each_arm_under_3_1_1_the_larger_arm_is_preferred(measure, rule) -> None:
    design = MinimizationDesign(("A", "B", "C"), (3, 1, 1), (("F", 1.0),), 0.8, measure, ratio_rule=rule)
    earlier = [EarlierSubject(("x",), arm) for arm in "ABC"]
    record = draw(design, count_subjects(design, earlier, ("x",)), ("x",))
    assert record.scores[0] < min(record.scores[1:])
    assert record.probabilities[0] >= 0.8


COUNTS = st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=4, max_size=4)


def chances_of(rows, ratio=(3, 1, 1), weights=(1.0, 2.0), measure=ImbalanceMeasure.RANGE, whole=0.5):
    factors = tuple((f"F{number}", weight) for number, weight in enumerate(weights))
    design = MinimizationDesign(
        ("A", "B", "C"), ratio, factors, 0.7, measure, ChanceRule.PREFERRED, RatioRule.BIASED_COIN, whole
    )
    return column_chances(design, np.array(rows, dtype=np.int64))


@given(COUNTS, st.sampled_from(MEASURES), st.integers(1, 100))
def test_a_ratio_and_its_multiple_give_identical_chances(rows, measure, factor) -> None:
    larger = (3 * factor, factor, factor)
    assert (chances_of(rows, measure=measure) == chances_of(rows, larger, measure=measure)).all()


@given(COUNTS, st.sampled_from(MEASURES), st.floats(1e-3, 1e3))
def test_scaling_all_weights_changes_no_chance(rows, measure, factor) -> None:
    scaled = chances_of(rows, weights=(factor, 2 * factor), measure=measure, whole=factor / 2)
    assert scaled == pytest.approx(chances_of(rows, measure=measure), abs=1e-12)


@given(COUNTS, st.lists(st.integers(0, 40), min_size=3, max_size=3), st.sampled_from(MEASURES))
def test_a_factor_with_weight_0_changes_no_chance(rows, other, measure) -> None:
    with_factor = chances_of([*rows, other], weights=(1.0, 2.0, 0.0), measure=measure)
    assert (with_factor == chances_of(rows, measure=measure)).all()


@given(COUNTS, st.sampled_from(MEASURES), st.permutations(range(3)))
def test_arms_of_equal_share_are_treated_alike_whatever_their_order(rows, measure, order) -> None:
    plain = chances_of(rows, (1, 1, 1), measure=measure)
    turned = chances_of(np.array(rows)[:, order], (1, 1, 1), measure=measure)
    assert turned == pytest.approx(plain[list(order)], abs=1e-12)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=2), st.integers(0, 1))
def test_the_variance_of_two_arms_is_half_the_square_of_their_difference(row, arm) -> None:
    even = np.array([1, 1], dtype=np.int64)
    after = row[0] - row[1] + (1 if arm == 0 else -1)
    value = row_imbalance(np.array(row, dtype=np.int64), even, arm, CODES[ImbalanceMeasure.VARIANCE])
    assert value == pytest.approx(after**2 / 2)


@given(st.sampled_from(["A", "B"]), st.integers(0, 200), st.sampled_from(list(RatioRule)), st.integers(1, 5))
def test_a_record_holds_what_gives_the_same_arm_again(arm, index, rule, share) -> None:
    design = MinimizationDesign(("A", "B"), (share, 2), (("F", 1.0), ("G", 1.0)), 0.85, ratio_rule=rule)
    earlier = [EarlierSubject(("x", "y"), arm)] * (index % 7)
    rows = count_subjects(design, earlier, ("x", "z"))
    record = draw(design, rows, ("x", "z"), index)
    facts = dict(record.facts)
    assert record.uniform == uniform_of_draw(7, "R1", index)
    assert sum(record.probabilities) == pytest.approx(1)
    before = np.cumsum([0.0, *record.probabilities])
    place = record.arms.index(record.arm)
    assert before[place] <= record.uniform + 1e-12
    assert record.uniform < before[place + 1] + 1e-12
    assert design.arms[design.arm_of_unit[facts["unit"]]] == record.arm
    assert (np.array(facts["unit_counts"]) == rows).all()
    assert sum(record.counts_before) == len(earlier)
    assert facts["margins"][2] == ("F", "x", record.counts_before)
    assert draw(design, np.array(facts["unit_counts"]), ("x", "z"), index) == record


def test_counts_of_subjects_with_a_unit_arm_do_not_depend_on_their_order() -> None:
    design = MinimizationDesign(("A", "B"), (2, 1), (("F", 1.0),), 0.8)
    subjects = [
        EarlierSubject(("x",), "A", 0),
        EarlierSubject(("y",), "A", 1),
        EarlierSubject(("x",), "B", 2),
    ]
    for order in permutations(subjects):
        assert count_subjects(design, order, ("x",)).tolist() == [[1, 1, 1], [1, 0, 1], [1, 0, 1]]


def test_subjects_without_a_unit_arm_are_spread_over_those_of_their_arm_in_turn() -> None:
    design = MinimizationDesign(("A", "B"), (2, 1), (("F", 1.0),), 0.8)
    subjects = [EarlierSubject(("x",), "A")] * 3 + [EarlierSubject(("x",), "B")]
    assert count_subjects(design, subjects, ("x",))[0].tolist() == [2, 1, 1]


def test_the_first_subjects_are_drawn_by_the_ratio_alone_when_asked_for() -> None:
    design = MinimizationDesign(
        ("A", "B"), (2, 1), (("F", 1.0),), 0.8, ratio_rule=RatioRule.BIASED_COIN, simple_first=2
    )
    one = count_subjects(design, [EarlierSubject(("x",), "A")], ("x",))
    assert column_chances(design, one) == pytest.approx([2 / 3, 1 / 3])
    two = count_subjects(design, [EarlierSubject(("x",), "A"), EarlierSubject(("y",), "A")], ("x",))
    assert column_chances(design, two) == pytest.approx([0.2, 0.8])
    assert dict(draw(design, one, ("x",)).facts)["simple"] is True


def hu_and_hu(p: float = 0.85) -> MinimizationDesign:
    return MinimizationDesign(
        ("A", "B"),
        (1, 1),
        (("F", 0.25), ("G", 0.25)),
        p,
        ImbalanceMeasure.VARIANCE,
        whole_weight=0.2,
        stratum_weight=0.3,
    )


def test_hu_and_hu_prefers_the_arm_that_the_weighted_differences_ask_for() -> None:
    rows = np.array([[5, 4], [0, 2], [3, 2], [2, 3]])
    signed = 0.2 * 1 - 0.3 * 2 + 0.25 * 1 - 0.25 * 1
    assert signed < 0
    assert column_chances(hu_and_hu(), rows) == pytest.approx([0.85, 0.15])


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"probability": 1}, "probability", "ICH E9 2.3.2"),
        ({"probability": 0.5}, "probability", "0.8"),
        ({"probability": float("nan")}, "probability", "0.8"),
        ({"chance": ChanceRule.RANK, "probability": 2.0}, "probability", "1/N"),
        (
            {
                "chance": ChanceRule.RANK,
                "probability": 0.6,
                "ratio": (2, 1),
                "ratio_rule": RatioRule.BIASED_COIN,
            },
            "ratio_rule",
            "unit_arms",
        ),
        ({"arms": ("A", "A")}, "arms", "distinct"),
        ({"ratio": (0, 1)}, "ratio", "from 1"),
        ({"ratio": (1, 1, 1)}, "ratio", "2 arms"),
        ({"factors": (("F", 0.0),)}, "factors", "nothing"),
        ({"factors": (("F", -1.0),)}, "factors", "weight of F"),
        ({"factors": (("F", 1.0), ("F", 1.0))}, "factors", "distinct"),
        ({"stratum_weight": float("inf")}, "stratum_weight", "weight"),
        ({"simple_first": -1}, "simple_first", "0 or more"),
    ],
)
def test_a_design_that_cannot_be_run_is_refused_naming_the_field(change, field, says) -> None:
    values = {"arms": ("A", "B"), "ratio": (1, 1), "factors": (("F", 1.0),), "probability": 0.8}
    with pytest.raises(InvalidParameter) as refused:
        MinimizationDesign(**{**values, **change})
    assert refused.value.field == field
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("subject", "field"),
    [
        (EarlierSubject((), "A"), "levels"),
        (EarlierSubject(("x",), "Z"), "arm"),
        (EarlierSubject(("x",), "A", 2), "unit"),
    ],
)
def test_a_history_that_does_not_fit_the_design_is_refused(subject, field) -> None:
    design = MinimizationDesign(("A", "B"), (2, 1), (("F", 1.0),), 0.8)
    with pytest.raises(RuleError) as refused:
        count_subjects(design, [subject], ("x",))
    assert refused.value.field == field


def test_counts_of_another_shape_are_refused() -> None:
    with pytest.raises(RuleError) as refused:
        column_scores(hu_and_hu(), np.zeros((3, 2), dtype=np.int64))
    assert refused.value.field == "rows"
