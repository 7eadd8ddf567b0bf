"""What a dose may depend on: weight, height, body surface area and age, how old a measurement may be, and bands.

Weights are kilograms, heights centimetres, surface areas square metres, ages whole years as recorded at screening (no birth date is
kept). All numbers are exact decimals; a calculated surface area is rounded half up to two places before anything is decided by it,
as dosing tables state it.

Sources: Mosteller RD, Simplified calculation of body-surface area, N Engl J Med 1987;317:1098. Du Bois D, Du Bois EF, A formula to
estimate the approximate surface area if height and weight be known, Arch Intern Med 1916;17:863-871.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter

RULE_VERSION: Final = "measures/1"

BSA_STEP: Final = Decimal("0.01")
EXACT: Final = Context(prec=40)
"""A context of our own: the answer must not depend on what a thread has set."""


class Measure(StrEnum):
    """What a band or a dose may go by."""

    WEIGHT = "weight"
    HEIGHT = "height"
    BSA = "bsa"
    AGE = "age"


class BsaFormula(StrEnum):
    """How the body surface area is calculated."""

    MOSTELLER = "mosteller"
    DU_BOIS = "du_bois"


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of a subject on the day of a decision; None for what is not known."""

    weight: Decimal | None = None
    height: Decimal | None = None
    bsa: Decimal | None = None
    age: Decimal | None = None

    def value(self, measure: Measure) -> Decimal:
        """The value of a measure. Raises InvalidParameter where it is not known."""
        found: Decimal | None = getattr(self, measure.value)
        if found is None:
            raise InvalidParameter("is not known", field=measure.value, fix="measure the subject first")
        return found


@dataclass(frozen=True, slots=True)
class Band:
    """A range of a measure: `at_least` is in it, `below` is not; None is no limit on that side."""

    measure: Measure
    at_least: Decimal | None = None
    below: Decimal | None = None

    def holds(self, measures: Measures) -> bool:
        """Whether the measure lies in the band. Raises InvalidParameter where it is not known."""
        value = measures.value(self.measure)
        return (self.at_least is None or value >= self.at_least) and (
            self.below is None or value < self.below
        )


def body_surface_area(weight: Decimal, height: Decimal, formula: BsaFormula) -> Decimal:
    """Return the body surface area in m2, rounded half up to two places, for a weight in kg and a height in cm.

    Mosteller: sqrt(height * weight / 3600). Du Bois: 0.007184 * weight^0.425 * height^0.725. Raises InvalidParameter unless both are
    positive.
    """
    for field, value in (("weight", weight), ("height", height)):
        if value <= 0:
            raise InvalidParameter(f"must be above 0, not {value}", field=field)
    if formula == BsaFormula.MOSTELLER:
        area = EXACT.sqrt(EXACT.divide(EXACT.multiply(height, weight), Decimal(3600)))
    else:
        by_weight = EXACT.power(weight, Decimal("0.425"))
        by_height = EXACT.power(height, Decimal("0.725"))
        area = EXACT.multiply(Decimal("0.007184"), EXACT.multiply(by_weight, by_height))
    return area.quantize(BSA_STEP, rounding=ROUND_HALF_UP, context=EXACT)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: `value` in the unit of its measure, and the date at the site on which it was taken."""

    measure: Measure
    value: Decimal
    measured_on: date


class MeasurementUse(StrEnum):
    """Whether there is a measurement to decide by."""

    USABLE = "usable"
    MISSING = "missing"
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True)
class MeasurementChoice:
    """The record of which measurement is decided by: the latest up to `on`; `days_old` counts from it to `on`."""

    rule_version: str
    measure: Measure
    on: date
    max_age_days: int | None
    use: MeasurementUse
    chosen: Measurement | None
    days_old: int | None


def choose_measurement(
    taken: Iterable[Measurement], measure: Measure, on: date, max_age_days: int | None
) -> MeasurementChoice:
    """Choose the latest measurement of `measure` that was taken on or before `on`, if it is not too old.

    It may be up to `max_age_days` days old, that number included (0: of the same day); None is any age. Of two of one day the later one
    in `taken` counts, since it corrects the other. Raises InvalidParameter for a negative limit.
    """
    if max_age_days is not None and max_age_days < 0:
        raise InvalidParameter(f"must be 0 days or more, not {max_age_days}", field="max_age_days")
    latest: Measurement | None = None
    for one in taken:
        counts = one.measure == measure and one.measured_on <= on
        if counts and (latest is None or one.measured_on >= latest.measured_on):
            latest = one
    if latest is None:
        return MeasurementChoice(RULE_VERSION, measure, on, max_age_days, MeasurementUse.MISSING, None, None)
    days_old = (on - latest.measured_on).days
    use = MeasurementUse.USABLE
    if max_age_days is not None and days_old > max_age_days:
        use = MeasurementUse.TOO_OLD
    return MeasurementChoice(RULE_VERSION, measure, on, max_age_days, use, latest, days_old)
