"""Designs that end in the ratio exactly: permuted blocks, the random allocation rule and the truncated binomial design.

The counts are those of the open block, or of the open sequence of n: where one is full, the next begins with none.
Sources: Hill 1951, Matts & Lachin 1988 (permuted blocks); Blackwell & Hodges 1957 (truncated binomial);
Rosenberger & Lachin, Randomization in Clinical Trials (2nd ed. 2016), 3.3 and 3.4.
"""

from __future__ import annotations

import numpy as np

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.complete import total, two_arms


@compilable
def what_is_left(taken: IntArray, ratio: IntArray, size: int) -> FloatArray:
    """Return the probabilities of the next allocation of a block: what it has left of each arm, by all that it has left.

    `size` is a multiple of the sum of `ratio`, and the block is not full. A block of all n subjects is the random allocation rule.
    """
    probabilities = np.empty(len(ratio), dtype=np.float64)
    sets = size // total(ratio)
    left = size - total(taken)
    for i in range(len(ratio)):
        probabilities[i] = share_left(taken[i], ratio[i], sets, left)
    return probabilities


@compilable
def share_left(taken: int, ratio: int, sets: int, left: int) -> float:
    """Return the probability of an arm: what the block of so many `sets` of the ratio has left of it, by all that it has left."""
    return (ratio * sets - taken) / left


@compilable
def arm_of_block(taken: IntArray, ratio: IntArray, size: int, uniform: float) -> int:
    """Return the arm that `uniform` gives by `what_is_left` (as `draws.arm_at` does), for loops that must not make arrays."""
    sets = size // total(ratio)
    left = size - total(taken)
    last = 0
    reached = 0.0
    for i in range(len(ratio)):
        share = share_left(taken[i], ratio[i], sets, left)
        if share > 0:
            last = i
            reached += share
            if uniform < reached:
                return i
    return last


@compilable
def truncated_binomial(counts: IntArray, n: int) -> FloatArray:
    """Return the probabilities of two arms: a fair coin until one arm has n/2, then the other."""
    if 2 * counts[0] >= n:
        return two_arms(0.0)
    if 2 * counts[1] >= n:
        return two_arms(1.0)
    return two_arms(0.5)


@compilable
def size_index(probabilities: FloatArray, arm: int, uniform: float, sizes: int) -> int:
    """Return which of so many block sizes a new block has: the place of the uniform within the piece of the arm that it gave.

    Given the arm, that place is uniform again, so each size is equally likely whatever the arm.
    """
    within = uniform
    for i in range(arm):
        within -= probabilities[i]
    return min(max(int(within / probabilities[arm] * sizes), 0), sizes - 1)
