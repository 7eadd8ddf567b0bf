"""Complete randomization (CRD): each allocation by the ratio, whatever was allocated before.

And what all families share: the sum of the ratio, and two probabilities from one.
"""

from __future__ import annotations

import numpy as np

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray


@compilable
def total(numbers: IntArray) -> int:
    """Return the sum of whole numbers, one an arm."""
    reached = 0
    for i in range(len(numbers)):
        reached += numbers[i]
    return reached


@compilable
def two_arms(first: float) -> FloatArray:
    """Return the probabilities of two arms, given that of the first."""
    probabilities = np.empty(2, dtype=np.float64)
    probabilities[0] = first
    probabilities[1] = 1.0 - first
    return probabilities


@compilable
def by_ratio(ratio: IntArray) -> FloatArray:
    """Return each arm's share of the ratio: complete randomization, and what is aimed at by every other design."""
    probabilities = np.empty(len(ratio), dtype=np.float64)
    whole = total(ratio)
    for i in range(len(ratio)):
        probabilities[i] = ratio[i] / whole
    return probabilities
