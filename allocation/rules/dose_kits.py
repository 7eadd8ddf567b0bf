"""Making up a dose from kits of several strengths: 30 mg as 10 + 20.

The dose is made up exactly or not at all, with the fewest kits; among equally few, with the most of the strength that is listed first, then
of the second, and so on: the protocol's order of the strengths is the stated preference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.calculated_dose import common_integers
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.measures import EXACT

RULE_VERSION: Final = "fewest-kits/1"

LARGEST: Final = 100_000
"""The largest dose in units of the strengths' greatest common divisor: beyond it a unit was mistaken."""


@compilable
def least_kits(dose: int, strengths: IntArray) -> IntArray:
    """Return a table: at [i, amount] the fewest kits of strengths i and later that make up `amount`, dose + 1 where none do.

    Positive integers of one unit. Time and memory grow with the dose times the number of strengths.
    """
    kinds = len(strengths)
    least = np.empty((kinds + 1, dose + 1), dtype=np.int64)
    for amount in range(dose + 1):
        least[kinds, amount] = dose + 1
    least[kinds, 0] = 0
    for i in range(kinds - 1, -1, -1):
        for amount in range(dose + 1):
            least[i, amount] = least[i + 1, amount]
            rest = amount - strengths[i]
            if rest >= 0 and least[i, rest] + 1 < least[i, amount]:
                least[i, amount] = least[i, rest] + 1
    return least


@compilable
def fewest_kits(dose: int, strengths: IntArray) -> IntArray:
    """Return how many kits of each strength make up `dose` exactly, fewest in all; an empty array where nothing does.

    Among equally few kits the first strength is taken as often as possible, then the second. See `least_kits`.
    """
    kinds = len(strengths)
    least = least_kits(dose, strengths)
    counts = np.empty(kinds, dtype=np.int64)
    if least[0, dose] > dose:
        return counts[:0]
    left = dose
    for i in range(kinds):
        counts[i] = 0
        while left >= strengths[i] and least[i, left - strengths[i]] + 1 == least[i, left]:
            counts[i] += 1
            left -= strengths[i]
    return counts


@dataclass(frozen=True, slots=True)
class MadeUpDose:
    """The record of a dose that is made up: `kits` is (kit type, quantity) of what is needed, in the order of the strengths."""

    rule_version: str
    dose: Decimal
    kits: tuple[tuple[str, int], ...]


def make_up_dose(dose: Decimal, strengths: Sequence[tuple[str, Decimal]]) -> MadeUpDose:
    """Make up `dose` from `strengths` (kit type, content of one kit), in one unit, in order of preference.

    Raises InvalidParameter where no combination gives it exactly, for values that are not above 0, and beyond LARGEST.
    """
    for value in (dose, *(content for _, content in strengths)):
        if value <= 0:
            raise InvalidParameter(f"must be above 0, not {value}", field="strengths")
    if not strengths:
        raise InvalidParameter("there is no strength to make a dose of", field="strengths")
    wanted, *contents = common_integers(dose, *(content for _, content in strengths))
    unit = gcd(*contents)
    if wanted % unit == 0 and wanted // unit <= LARGEST:
        counts = fewest_kits(wanted // unit, np.array([one // unit for one in contents], dtype=np.int64))
        if len(counts):
            kits = tuple(
                (kit_type, int(count))
                for (kit_type, _), count in zip(strengths, counts, strict=True)
                if count
            )
            return MadeUpDose(RULE_VERSION, dose, kits)
    raise InvalidParameter(
        f"{dose} cannot be made up of {', '.join(str(content) for _, content in strengths)}",
        field="strengths",
        fix="round the dose to a multiple that the strengths give, or add a strength",
    )


def first_dose_not_made_up(
    lowest: Decimal, highest: Decimal, step: Decimal, strengths: Sequence[tuple[str, Decimal]]
) -> Decimal | None:
    """The first of the doses lowest, lowest + step, ..., up to `highest` that `strengths` cannot make up exactly; None when they can all.

    Raises InvalidParameter for a range beyond LARGEST, in units of the greatest common divisor.
    """
    first, last, by, *contents = common_integers(
        lowest, highest, step, *(content for _, content in strengths)
    )
    unit = gcd(*contents)
    if last // unit > LARGEST:
        raise InvalidParameter(f"is too large for these strengths: {highest}", field="strengths")
    least = least_kits(last // unit, np.array([one // unit for one in contents], dtype=np.int64))
    for place, dose in enumerate(range(first, last + 1, by)):
        if dose % unit or least[0, dose // unit] > last // unit:
            return EXACT.add(lowest, EXACT.multiply(Decimal(place), step))
    return None
