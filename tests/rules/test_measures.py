"""Body surface area against published values, bands with their limits, and how old a measurement may be."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.measures import (
    Band,
    BsaFormula,
    Measure,
    Measurement,
    MeasurementUse,
    Measures,
    body_surface_area,
    choose_measurement,
)

TODAY = date(2026, 3, 20)
weights = st.decimals(min_value="2.5", max_value="250", places=1)
heights = st.decimals(min_value="45", max_value="220", places=1)


@pytest.mark.parametrize(
    ("weight", "height", "mosteller", "du_bois"),
    [
        # Mosteller's formula by hand: 60 kg, 150 cm is sqrt(2.5); 80 kg, 180 cm is 2 m2 exactly.
        ("60", "150", "1.58", "1.55"),
        ("80", "180", "2.00", "2.00"),
        ("70", "170", "1.82", "1.81"),
        ("3.5", "50", "0.22", "0.21"),
        ("120", "175", "2.42", "2.32"),
    ],
)
def test_the_surface_area_is_that_of_the_formula(weight, height, mosteller, du_bois) -> None:
    given_ = (Decimal(weight), Decimal(height))
    assert body_surface_area(*given_, BsaFormula.MOSTELLER) == Decimal(mosteller)
    assert body_surface_area(*given_, BsaFormula.DU_BOIS) == Decimal(du_bois)
    exact = 0.007184 * float(weight) ** 0.425 * float(height) ** 0.725
    assert abs(float(body_surface_area(*given_, BsaFormula.DU_BOIS)) - exact) <= 0.005 + 1e-9


@given(weights, heights, st.sampled_from(BsaFormula))
def test_the_surface_area_grows_with_both_and_does_not_depend_on_the_context(weight, height, formula) -> None:
    area = body_surface_area(weight, height, formula)
    assert area <= body_surface_area(weight + 1, height, formula)
    assert area <= body_surface_area(weight, height + 1, formula)
    with localcontext() as context:
        context.prec = 5
        assert body_surface_area(weight, height, formula) == area


@pytest.mark.parametrize(("weight", "height", "field"), [("0", "170", "weight"), ("70", "-1", "height")])
def test_a_surface_area_of_nothing_is_refused(weight, height, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        body_surface_area(Decimal(weight), Decimal(height), BsaFormula.MOSTELLER)
    assert refused.value.field == field


@given(
    st.decimals(min_value=0, max_value=200, places=1), st.lists(st.integers(1, 199), min_size=1, unique=True)
)
def test_every_weight_is_in_just_one_of_the_bands_between_limits(weight, limits) -> None:
    edges = [None, *(Decimal(one) for one in sorted(limits)), None]
    bands = [Band(Measure.WEIGHT, low, high) for low, high in pairwise(edges)]
    assert sum(band.holds(Measures(weight=weight)) for band in bands) == 1


def test_the_lower_limit_is_in_the_band_and_the_upper_is_not() -> None:
    band = Band(Measure.BSA, Decimal("1.5"), Decimal("1.8"))
    assert [band.holds(Measures(bsa=Decimal(area))) for area in ("1.49", "1.50", "1.79", "1.80")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_measure_that_is_not_known_is_no_reason_to_guess() -> None:
    with pytest.raises(InvalidParameter) as refused:
        Band(Measure.AGE, Decimal(18)).holds(Measures(weight=Decimal(70)))
    assert refused.value.field == "age"


def taken(days_ago: int, value: str, measure: Measure = Measure.WEIGHT) -> Measurement:
    return Measurement(measure, Decimal(value), TODAY - timedelta(days=days_ago))


@pytest.mark.parametrize(
    ("days_ago", "limit", "use"),
    [
        (10, 10, MeasurementUse.USABLE),
        (11, 10, MeasurementUse.TOO_OLD),
        (0, 0, MeasurementUse.USABLE),
        (1, 0, MeasurementUse.TOO_OLD),
        (999, None, MeasurementUse.USABLE),
    ],
)
def test_a_measurement_may_be_so_many_days_old_and_not_one_more(days_ago, limit, use) -> None:
    choice = choose_measurement([taken(days_ago, "70")], Measure.WEIGHT, TODAY, limit)
    assert (choice.use, choice.days_old) == (use, days_ago)


def test_the_latest_one_counts_and_of_one_day_the_correction() -> None:
    known = [taken(9, "60"), taken(3, "70"), taken(3, "71"), taken(1, "170", Measure.HEIGHT), taken(-1, "90")]
    choice = choose_measurement(known, Measure.WEIGHT, TODAY, 5)
    assert choice.chosen == known[2]
    nothing = choose_measurement(known, Measure.WEIGHT, TODAY - timedelta(days=10), None)
    assert (nothing.use, nothing.chosen) == (MeasurementUse.MISSING, None)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(InvalidParameter) as refused:
        choose_measurement([], Measure.WEIGHT, TODAY, -1)
    assert refused.value.field == "max_age_days"
