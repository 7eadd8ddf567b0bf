"""Calculated doses: exact products, rounding to a multiple, limits, and what they are made up of."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.calculated_dose import (
    DoseBasis,
    DoseLimit,
    DoseRule,
    Rounding,
    calculate_dose,
    round_dose,
)
from allocation.rules.dose_kits import LARGEST, fewest_kits, first_dose_not_made_up, make_up_dose
from allocation.rules.dosing import DispensingRow, kits_due, measures_needed
from allocation.rules.measures import Band, Measure, Measures

MG = (("K10", Decimal(10)), ("K20", Decimal(20)))
positive = st.decimals(min_value="0.001", max_value="500", places=3)
steps = st.decimals(min_value="0.01", max_value="50", places=2)


def rule(amount: str, basis: DoseBasis = DoseBasis.PER_KG, **more: object) -> DoseRule:
    return DoseRule(Decimal(amount), basis, MG, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rounding", "doses"),
    [
        (Rounding.NEAREST, ["30", "40", "40"]),
        (Rounding.UP, ["40", "40", "40"]),
        (Rounding.DOWN, ["30", "30", "40"]),
    ],
)
def test_a_dose_is_rounded_to_the_multiple_and_a_half_goes_up(rounding, doses) -> None:
    found = [round_dose(Decimal(exact), Decimal(10), rounding) for exact in ("34.999", "35", "40")]
    assert found == [Decimal(dose) for dose in doses]


@given(positive, steps, st.sampled_from(Rounding))
def test_rounding_is_exact_and_never_off_by_more_than_it_may(exact, step, rounding) -> None:
    rounded = round_dose(exact, step, rounding)
    assert Fraction(rounded) % Fraction(step) == 0
    off = Fraction(rounded) - Fraction(exact)
    if rounding == Rounding.UP:
        assert 0 <= off < Fraction(step)
    elif rounding == Rounding.DOWN:
        assert -Fraction(step) < off <= 0
    else:
        assert -Fraction(step) / 2 < off <= Fraction(step) / 2
    with localcontext() as context:
        context.prec = 4
        assert round_dose(exact, step, rounding) == rounded


@given(positive, st.decimals(min_value=1, max_value=300, places=3))
def test_a_dose_per_kilogram_is_the_exact_product(amount, weight) -> None:
    decision = calculate_dose(DoseRule(amount, DoseBasis.PER_KG, MG), Measures(weight=weight))
    assert Fraction(decision.dose) == Fraction(amount) * Fraction(weight)
    assert (decision.measured, decision.limited_by) == (weight, DoseLimit.NONE)


@pytest.mark.parametrize(
    ("weight", "counted", "rounded", "dose", "limit"),
    [
        ("8", "8", "0", "10", DoseLimit.MINIMUM),
        ("60", "60", "30", "30", DoseLimit.NONE),
        ("100", "100", "50", "50", DoseLimit.NONE),
        ("140", "120", "60", "50", DoseLimit.MAXIMUM),
    ],
)
def test_the_cap_comes_first_then_rounding_then_the_limits(weight, counted, rounded, dose, limit) -> None:
    limited = rule(
        "0.5",
        round_to=Decimal(10),
        rounding=Rounding.DOWN,
        measure_cap=Decimal(120),
        minimum=Decimal(10),
        maximum=Decimal(50),
    )
    decision = calculate_dose(limited, Measures(weight=Decimal(weight)))
    assert (decision.counted, decision.rounded, decision.dose) == tuple(
        map(Decimal, (counted, rounded, dose))
    )
    assert decision.limited_by == limit


def test_a_dose_per_square_metre_goes_by_the_surface_area() -> None:
    decision = calculate_dose(
        rule("25", DoseBasis.PER_M2, round_to=Decimal(5)), Measures(weight=Decimal(70), bsa=Decimal("1.82"))
    )
    assert (decision.exact, decision.dose) == (Decimal("45.50"), Decimal(45))


def test_a_dose_is_never_guessed_nor_rounded_away() -> None:
    with pytest.raises(InvalidParameter) as refused:
        calculate_dose(rule("0.5"), Measures(height=Decimal(170)))
    assert refused.value.field == "weight"
    with pytest.raises(InvalidParameter) as refused:
        calculate_dose(
            rule("0.1", round_to=Decimal(10), rounding=Rounding.DOWN), Measures(weight=Decimal(20))
        )
    assert refused.value.field == "round_to"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1", "round_to": Decimal(-1)}, "round_to"),
        ({"amount": "1", "minimum": Decimal(5), "maximum": Decimal(4)}, "minimum"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(values, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        rule(**values)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("dose", "strengths", "kits"),
    [
        ("30", MG, (("K10", 1), ("K20", 1))),
        ("20", MG, (("K20", 1),)),
        ("2.5", (("HALF", Decimal("0.5")), ("ONE", Decimal(1))), (("HALF", 1), ("ONE", 2))),
        # Two kits either way: 10 + 30 where those come first, 20 + 20 where that does.
        ("40", (("K10", Decimal(10)), ("K20", Decimal(20)), ("K30", Decimal(30))), (("K10", 1), ("K30", 1))),
        ("40", (("K20", Decimal(20)), ("K10", Decimal(10)), ("K30", Decimal(30))), (("K20", 2),)),
        # The largest first would take 25 + 5 x 1: three of 10 are fewer.
        ("30", (("K25", Decimal(25)), ("K10", Decimal(10)), ("K1", Decimal(1))), (("K10", 3),)),
    ],
)
def test_a_dose_is_made_up_of_the_fewest_kits_in_the_stated_preference(dose, strengths, kits) -> None:
    assert make_up_dose(Decimal(dose), strengths).kits == kits


@pytest.mark.parametrize(
    ("dose", "strengths"),
    [("25", MG), ("5", MG), ("10", ()), ("0", MG), (str(10 * LARGEST + 10), MG)],
)
def test_a_dose_that_cannot_be_made_up_exactly_is_refused(dose, strengths) -> None:
    with pytest.raises(InvalidParameter) as refused:
        make_up_dose(Decimal(dose), strengths)
    assert refused.value.field == "strengths"


@settings(deadline=None)
@given(st.integers(1, 40), st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
def test_no_other_combination_has_fewer_kits_or_is_preferred(dose, strengths) -> None:
    counts = fewest_kits(dose, np.array(strengths, dtype=np.int64))
    every = [
        combination
        for combination in product(*(range(dose // one + 1) for one in strengths))
        if sum(count * one for count, one in zip(combination, strengths, strict=True)) == dose
    ]
    if not every:
        assert len(counts) == 0
        return
    assert tuple(counts) == min(every, key=lambda one: (sum(one), [-count for count in one]))


@given(
    st.integers(1, 30),
    st.integers(1, 10),
    st.integers(0, 6),
    st.lists(st.integers(1, 9), min_size=1, unique=True),
)
def test_the_first_dose_that_cannot_be_made_up_is_found(lowest, step, more, strengths) -> None:
    named = tuple((str(one), Decimal(one)) for one in strengths)
    doses = [lowest + place * step for place in range(more + 1)]
    bad = [one for one in doses if len(fewest_kits(one, np.array(strengths, dtype=np.int64))) == 0]
    found = first_dose_not_made_up(Decimal(lowest), Decimal(doses[-1]), Decimal(step), named)
    assert found == (Decimal(bad[0]) if bad else None)


LIGHT = Band(Measure.WEIGHT, None, Decimal(60))
ROWS = (
    DispensingRow(("V2",), "A", None, (("SMALL", 1),), 0, (LIGHT,)),
    DispensingRow(("V2",), "A", None, (("SMALL", 2),), 1, (Band(Measure.WEIGHT, Decimal(60), Decimal(90)),)),
    DispensingRow(("V2",), "B", None, (("DIARY", 1),), 2, (), rule("0.5", round_to=Decimal(10))),
    DispensingRow(("V3",), None, None, (("SMALL", 1),), 3),
)


def test_a_row_counts_for_those_in_its_bands_and_a_dose_adds_its_kits() -> None:
    def due(arm: str, weight: int) -> tuple[tuple[str, int], ...]:
        return kits_due(ROWS, "V2", arm, None, Measures(weight=Decimal(weight))).kits

    assert (due("A", 59), due("A", 60)) == ((("SMALL", 1),), (("SMALL", 2),))
    assert due("B", 60) == (("DIARY", 1), ("K10", 1), ("K20", 1))
    with pytest.raises(InvalidParameter, match="no row matches"):
        due("A", 90)
    with pytest.raises(InvalidParameter):
        kits_due(ROWS, "V2", "A", None)


def test_a_visit_asks_every_arm_for_the_same() -> None:
    assert measures_needed(ROWS, "V2") == {Measure.WEIGHT}
    assert measures_needed(ROWS, "V3") == frozenset()
