"""What is measured at an allocation and of an imbalance: the same functions for the exact laws and the simulated trials.

Deviations are N_k - j rho_k: subjects of arm k less its share of the j subjects so far. With two arms 1:1 the imbalance
D = N1 - N2 is the square root of 2 times their Euclidean length. Where a design runs in blocks, the counts may be those of the open
block alone, since whole blocks deviate by nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.complete import total
from allocation.rules.restricted.probabilities import next_probabilities


@compilable
def squared_distance(counts: IntArray, ratio: IntArray) -> float:
    """Return the squared Euclidean length of the deviations (Ryeznik & Sverdlov 2018: the imbalance of several arms)."""
    whole = total(ratio)
    subjects = total(counts)
    reached = 0.0
    for i in range(len(ratio)):
        deviation = counts[i] - subjects * ratio[i] / whole
        reached += deviation * deviation
    return reached


@compilable
def loss(counts: IntArray, ratio: IntArray, subjects: int) -> float:
    """Return Atkinson's loss, the subjects' worth of information lost to imbalance, for a trial of `subjects`.

    Pearson's chi square over the degrees of freedom: D^2 / n with two arms 1:1 (Burman 1996), and 1 in the mean under complete
    randomization for any ratio.
    """
    whole = total(ratio)
    so_far = total(counts)
    reached = 0.0
    for i in range(len(ratio)):
        deviation = counts[i] - so_far * ratio[i] / whole
        reached += deviation * deviation * whole / (subjects * ratio[i])
    return reached / (len(ratio) - 1)


@compilable
def guess(probabilities: FloatArray, counts: IntArray, ratio: IntArray) -> tuple[float, float]:
    """Return the chance that the next arm is guessed, and by how much it beats that guess's chance under complete randomization.

    The guess is the convergence strategy of Blackwell & Hodges 1957: the arm that is furthest behind its share; among arms
    that are equally far, each with the same chance (1/2 at a tie of two).
    """
    whole = total(ratio)
    subjects = total(counts)
    behind = counts[0] * whole - subjects * ratio[0]
    for i in range(1, len(ratio)):
        behind = min(behind, counts[i] * whole - subjects * ratio[i])
    right = 0.0
    by_chance = 0.0
    tied = 0
    for i in range(len(ratio)):
        if counts[i] * whole - subjects * ratio[i] == behind:
            right += probabilities[i]
            by_chance += ratio[i] / whole
            tied += 1
    return right / tied, (right - by_chance) / tied


@compilable
def forcing(probabilities: FloatArray, ratio: IntArray) -> float:
    """Return how far the probabilities are from the ratio (Euclidean): the mean over a trial is the forcing index of several arms."""
    whole = total(ratio)
    reached = 0.0
    for i in range(len(ratio)):
        difference = probabilities[i] - ratio[i] / whole
        reached += difference * difference
    return float(np.sqrt(reached))


@compilable
def is_determined(probabilities: FloatArray) -> bool:
    """Return whether the next arm is certain."""
    certain = False
    for i in range(len(probabilities)):
        certain = certain or probabilities[i] == 1.0
    return certain


@compilable
def facts_of_state(
    method: int,
    counts: IntArray,
    ratio: IntArray,
    numbers: FloatArray,
    size: int,
    table: NDArray[np.float64],
) -> tuple[FloatArray, float, float, float, bool, float, float]:
    """Return the next probabilities of a restricted design's state, and what is measured there.

    The arguments are those of `next_probabilities`; the measures: right guess, its gain, forcing, certainty, squared distance, and
    Pearson's chi square over its degrees of freedom times the subjects so far.
    """
    chances = next_probabilities(method, counts, ratio, numbers, size, table)
    right, gained = guess(chances, counts, ratio)
    return (
        chances,
        right,
        gained,
        forcing(chances, ratio),
        is_determined(chances),
        squared_distance(counts, ratio),
        loss(counts, ratio, 1),
    )
