"""A dose that is calculated for the subject: per kilogram, per square metre, or fixed; rounded, and kept within limits.

The order is fixed: the weight or surface area is capped, multiplied by the amount, rounded to a multiple, and then raised to the minimum or
lowered to the maximum, which are multiples themselves. Everything is exact: decimals become integers before they are divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules.compilable import compilable
from allocation.rules.measures import EXACT, Measure, Measures

RULE_VERSION: Final = "calculated-dose/1"

NEAREST: Final = 0
UP: Final = 1
DOWN: Final = 2


@compilable
def rounded_multiples(amount: int, multiple: int, direction: int) -> int:
    """Return how many times `multiple` the rounded `amount` is: NEAREST (a half goes up), UP or DOWN. Both are positive integers."""
    whole = amount // multiple
    rest = amount - whole * multiple
    if direction == UP and rest > 0:
        return whole + 1
    if direction == NEAREST and 2 * rest >= multiple:
        return whole + 1
    return whole


class Rounding(StrEnum):
    """Which multiple an exact dose is rounded to; a half goes up."""

    NEAREST = "nearest"
    UP = "up"
    DOWN = "down"


class DoseBasis(StrEnum):
    """What the stated amount is for: one dose, a kilogram of body weight, or a square metre of body surface."""

    FIXED = "dose"
    PER_KG = "kg"
    PER_M2 = "m2"


MEASURE_OF: Final[dict[DoseBasis, Measure | None]] = {
    DoseBasis.FIXED: None,
    DoseBasis.PER_KG: Measure.WEIGHT,
    DoseBasis.PER_M2: Measure.BSA,
}
"""What must be known of the subject for a dose of this basis."""

_DIRECTIONS: Final = {Rounding.NEAREST: NEAREST, Rounding.UP: UP, Rounding.DOWN: DOWN}


@dataclass(frozen=True, slots=True)
class DoseRule:
    """How a dose comes about. `amount` per `basis`, in the unit of the `strengths` (kit type, content of one kit), in order of preference.

    `round_to`: the multiple; None leaves the exact dose. `measure_cap`: a heavier or larger subject counts as this one. `minimum` and
    `maximum` limit the rounded dose. Raises InvalidParameter naming the field.
    """

    amount: Decimal
    basis: DoseBasis
    strengths: tuple[tuple[str, Decimal], ...]
    round_to: Decimal | None = None
    rounding: Rounding = Rounding.NEAREST
    measure_cap: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in ("amount", "round_to", "measure_cap", "minimum", "maximum"):
            value: Decimal | None = getattr(self, field)
            if value is not None and value <= 0:
                raise InvalidParameter(f"must be above 0, not {value}", field=field)
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise InvalidParameter(f"{self.minimum} is above maximum {self.maximum}", field="minimum")


class DoseLimit(StrEnum):
    """Which limit decided the dose."""

    NONE = "none"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True, slots=True)
class DoseDecision:
    """The record of a dose, in the rule's unit. `measured` is what was known, `counted` what was multiplied (None for a fixed dose)."""

    rule_version: str
    basis: DoseBasis
    measured: Decimal | None
    counted: Decimal | None
    exact: Decimal
    rounded: Decimal
    dose: Decimal
    limited_by: DoseLimit


def calculate_dose(rule: DoseRule, measures: Measures | None) -> DoseDecision:
    """Return the dose of a subject with these `measures`.

    Raises InvalidParameter where the weight or surface area is not known, or the dose is rounded down to nothing.
    """
    measure = MEASURE_OF[rule.basis]
    measured = None if measure is None else (measures or Measures()).value(measure)
    counted = measured
    if counted is not None and rule.measure_cap is not None:
        counted = min(counted, rule.measure_cap)
    exact = rule.amount if counted is None else EXACT.multiply(rule.amount, counted)
    rounded = exact if rule.round_to is None else round_dose(exact, rule.round_to, rule.rounding)
    dose, limited_by = rounded, DoseLimit.NONE
    if rule.minimum is not None and dose < rule.minimum:
        dose, limited_by = rule.minimum, DoseLimit.MINIMUM
    elif rule.maximum is not None and dose > rule.maximum:
        dose, limited_by = rule.maximum, DoseLimit.MAXIMUM
    if dose <= 0:
        raise InvalidParameter(
            f"{exact} is rounded down to nothing",
            field="round_to",
            fix="state a minimum, or a smaller multiple",
        )
    return DoseDecision(RULE_VERSION, rule.basis, measured, counted, exact, rounded, dose, limited_by)


def round_dose(exact: Decimal, multiple: Decimal, rounding: Rounding) -> Decimal:
    """Return `exact` rounded to a multiple of `multiple`; both above 0, else InvalidParameter."""
    for field, value in (("exact", exact), ("round_to", multiple)):
        if value <= 0:
            raise InvalidParameter(f"must be above 0, not {value}", field=field)
    amount, step = common_integers(exact, multiple)
    return EXACT.multiply(multiple, Decimal(rounded_multiples(amount, step, _DIRECTIONS[rounding])))


def common_integers(*values: Decimal) -> tuple[int, ...]:
    """The values as integers of one unit: each times the same power of ten, exactly."""
    places = max(0, *(-_exponent(value) for value in values))
    return tuple(int(EXACT.scaleb(value, places)) for value in values)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise InvalidParameter(f"must be a number, not {value}", field="amount")
    return exponent
