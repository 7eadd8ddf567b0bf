"""The chi-square distribution, for the few rules that need it: without scipy, which rules do not import."""

from __future__ import annotations

import math
from typing import Final

from allocation.errors import InvalidParameter

MOST_DEGREES: Final = 500
CERTAIN: Final = 1_400.0
"""Above this the chance of more is below 1e-80 with any allowed degrees, and the series would overflow."""


def chi_square_chance(x: float, degrees: int) -> float:
    """Return P(chi-square with `degrees` of freedom <= x), by the series of the incomplete gamma function (DLMF 8.7.1).

    All terms are positive, so nothing cancels; good to about 14 digits. Raises InvalidParameter unless 1 <= degrees <= MOST_DEGREES.
    """
    if not 1 <= degrees <= MOST_DEGREES:
        raise InvalidParameter(f"cannot be {degrees}", field="degrees", fix=f"use 1 to {MOST_DEGREES}")
    if x <= 0:
        return 0.0
    if x > CERTAIN:
        return 1.0
    half, shape = x / 2, degrees / 2
    term = total = 1.0
    step = 0
    while term > total * 1e-17:
        step += 1
        term *= half / (shape + step)
        total += term
    log_half = math.log(x) - math.log(2)
    return min(math.exp(shape * log_half - half - math.lgamma(shape + 1) + math.log(total)), 1.0)


def chi_square_quantile(chance: float, degrees: int) -> float:
    """Return the x that chi-square is below or at with `chance`, by halving. Raises InvalidParameter outside (0, 1)."""
    if not 0 < chance < 1:
        raise InvalidParameter(f"cannot be {chance}", field="chance", fix="use a number between 0 and 1")
    low, high = 0.0, 1.0
    while chi_square_chance(high, degrees) < chance:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return high
        if chi_square_chance(middle, degrees) < chance:
            low = middle
        else:
            high = middle
