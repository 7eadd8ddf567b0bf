"""Urns: the probability of an arm is its share of the balls.

UD Wei 1977, 1978 (any number of arms); BUD block urn, Zhao & Weng 2011; EUD Ehrenfest urn, Chen 2006;
MWUD mass-weighted urn, Zhao 2015. The block urn and the mass-weighted urn keep unequal ratios.
"""

from __future__ import annotations

import numpy as np

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.complete import total, two_arms


@compilable
def wei(counts: IntArray, alpha: float, beta: float) -> FloatArray:
    """Return the probabilities by Wei's urn: alpha balls of each arm, and beta more of every other arm after an allocation.

    An urn that is still empty (alpha = 0, no subject yet) gives each arm the same chance.
    """
    arms = len(counts)
    so_far = total(counts)
    balls = arms * alpha + beta * (arms - 1) * so_far
    probabilities = np.empty(arms, dtype=np.float64)
    for i in range(arms):
        probabilities[i] = (alpha + beta * (so_far - counts[i])) / balls if balls > 0.0 else 1.0 / arms
    return probabilities


@compilable
def block_urn(counts: IntArray, ratio: IntArray, sets: int) -> FloatArray:
    """Return the probabilities by the block urn, which begins with `sets` (lambda) balanced sets of balls.

    A ball drawn stays out until its set is complete, that is drawn once for each share of the ratio; the set then goes back.
    """
    complete = counts[0] // ratio[0]
    for i in range(1, len(ratio)):
        complete = min(complete, counts[i] // ratio[i])
    balls = (sets + complete) * total(ratio) - total(counts)
    probabilities = np.empty(len(ratio), dtype=np.float64)
    for i in range(len(ratio)):
        probabilities[i] = ((sets + complete) * ratio[i] - counts[i]) / balls
    return probabilities


@compilable
def ehrenfest(counts: IntArray, b: int) -> FloatArray:
    """Return the probabilities of two arms by the Ehrenfest urn: (1 - d/b) / 2 for the first; the imbalance d stays within b."""
    return two_arms((b - (counts[0] - counts[1])) / (2.0 * b))


@compilable
def mass_weighted(counts: IntArray, ratio: IntArray, alpha: float) -> FloatArray:
    """Return the probabilities by the mass-weighted urn: alpha units of mass shared by the ratio.

    A drawn ball loses one unit, which is given to all by the ratio: max(0, (alpha + j) rho - N), with rho an arm's share and j the
    subjects so far. Multiplied by the sum of the ratio, so that a mass of 0 is exactly 0.
    """
    whole = total(ratio)
    mass = alpha + total(counts)
    all_masses = 0.0
    probabilities = np.empty(len(ratio), dtype=np.float64)
    for i in range(len(ratio)):
        probabilities[i] = max(0.0, mass * ratio[i] - counts[i] * whole)
        all_masses += probabilities[i]
    for i in range(len(ratio)):
        probabilities[i] = probabilities[i] / all_masses
    return probabilities
