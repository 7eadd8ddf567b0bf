"""The one entry to the probabilities of every restricted design, for the service, the exact laws and the simulation alike.

A method is one of the integer constants here (`methods.py` has their names), its parameters are an array in the order of that table.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.biased_coins import (
    adjustable,
    big_stick,
    efron,
    generalized,
    imbalance_tolerance,
)
from allocation.rules.restricted.complete import by_ratio
from allocation.rules.restricted.fixed_totals import truncated_binomial, what_is_left
from allocation.rules.restricted.maximal_procedure import maximal
from allocation.rules.restricted.urns import block_urn, ehrenfest, mass_weighted, wei

COMPLETE: Final = 0
PERMUTED_BLOCK: Final = 1
RANDOM_ALLOCATION_RULE: Final = 2
TRUNCATED_BINOMIAL: Final = 3
BIASED_COIN: Final = 4
BIG_STICK: Final = 5
IMBALANCE_TOLERANCE: Final = 6
ADJUSTABLE: Final = 7
GENERALIZED: Final = 8
WEI_URN: Final = 9
BLOCK_URN: Final = 10
EHRENFEST_URN: Final = 11
MAXIMAL_PROCEDURE: Final = 12
MASS_WEIGHTED_URN: Final = 13


@compilable
def next_probabilities(
    method: int,
    counts: IntArray,
    ratio: IntArray,
    parameters: FloatArray,
    size: int,
    table: NDArray[np.float64],
) -> FloatArray:
    """Return the probability of each arm at the next allocation.

    `counts`, by arm, are all allocations so far, or for a method that runs in blocks or sequences those of the open one, whose
    length is `size` (0 for the other methods). `table` is `chances_of_the_first` for the maximal procedure, else anything.
    """
    if method in (PERMUTED_BLOCK, RANDOM_ALLOCATION_RULE):
        return what_is_left(counts, ratio, size)
    if method == TRUNCATED_BINOMIAL:
        return truncated_binomial(counts, size)
    if method == BIASED_COIN:
        return efron(counts, parameters[0])
    if method == BIG_STICK:
        return big_stick(counts, int(parameters[0]))
    if method == IMBALANCE_TOLERANCE:
        return imbalance_tolerance(counts, parameters[0], int(parameters[1]))
    if method == ADJUSTABLE:
        return adjustable(counts, parameters[0])
    if method == GENERALIZED:
        return generalized(counts, parameters[0])
    if method == WEI_URN:
        return wei(counts, parameters[0], parameters[1])
    if method == BLOCK_URN:
        return block_urn(counts, ratio, int(parameters[0]))
    if method == EHRENFEST_URN:
        return ehrenfest(counts, int(parameters[0]))
    if method == MAXIMAL_PROCEDURE:
        return maximal(counts, int(parameters[1]), table)
    if method == MASS_WEIGHTED_URN:
        return mass_weighted(counts, ratio, parameters[0])
    return by_ratio(ratio)
