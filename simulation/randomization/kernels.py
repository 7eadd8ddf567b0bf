"""The loops over simulated trials, which numba compiles: allocation by a restricted design, and what is measured of any trial.

A trial is a row: subject i of replicate r has a stratum, a uniform number, an arm, and the probabilities that the arm was drawn by. What
is measured needs only these, so it is the same for every method that fills them in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allocation.rules.compilable import IntArray
from allocation.rules.draws import FloatArray, arm_at
from allocation.rules.restricted.complete import by_ratio, total
from allocation.rules.restricted.fixed_totals import size_index
from allocation.rules.restricted.probabilities import PERMUTED_BLOCK, next_probabilities
from simulation.randomization.measures import forcing, guess, is_determined, loss, squared_distance

OUTCOMES = ("overall", "largest", "loss", "stratum", "margin", "correct", "gain", "determined", "forcing")
"""What `measure` fills in, in the order of its columns."""


def allocate(
    method: int,
    ratio: IntArray,
    numbers: FloatArray,
    sizes: IntArray,
    table: NDArray[np.float64],
    groups: NDArray[np.int64],
    group_count: int,
    uniforms: NDArray[np.float64],
    arms: NDArray[np.int64],
    chances: NDArray[np.float64],
) -> None:
    """Allocate every subject of every replicate by a restricted design that runs within each group (a stratum, or the study).

    `groups`, `uniforms` and `arms` are replicates x subjects, `chances` is that x arms; `arms` and `chances` are filled in.
    """
    for replicate in range(groups.shape[0]):
        counts = np.zeros((group_count, len(ratio)), dtype=np.int64)
        open_sizes = np.zeros(group_count, dtype=np.int64)
        for i in range(groups.shape[1]):
            group = groups[replicate, i]
            uniform = uniforms[replicate, i]
            fresh = len(sizes) > 0 and open_sizes[group] == 0
            if fresh and method == PERMUTED_BLOCK:
                probabilities = by_ratio(ratio)
            else:
                if fresh:
                    open_sizes[group] = sizes[0]
                probabilities = next_probabilities(
                    method, counts[group], ratio, numbers, open_sizes[group], table
                )
            arm = arm_at(probabilities, uniform)
            if fresh and open_sizes[group] == 0:
                open_sizes[group] = sizes[size_index(probabilities, arm, uniform, len(sizes))]
            counts[group, arm] += 1
            if len(sizes) > 0 and total(counts[group]) == open_sizes[group]:
                open_sizes[group] = 0
                for each in range(len(ratio)):
                    counts[group, each] = 0
            arms[replicate, i] = arm
            for each in range(len(ratio)):
                chances[replicate, i, each] = probabilities[each]


def measure(
    arms: NDArray[np.int64],
    chances: NDArray[np.float64],
    strata: NDArray[np.int64],
    stratum_count: int,
    margins: NDArray[np.int64],
    margin_count: int,
    watched: NDArray[np.int64],
    watched_count: int,
    ratio: IntArray,
    outcomes: NDArray[np.float64],
) -> None:
    """Measure every replicate into its row of `outcomes` (columns OUTCOMES).

    `margins` is strata x factors: the index of the factor level that a stratum belongs to, among all `margin_count` levels.
    `watched` is, per subject, the group on whose counts the next arm is guessed. Imbalances are Euclidean lengths of the deviations:
    overall at the end, the largest on the way, and the means over all strata and all levels at the end.
    """
    subjects = arms.shape[1]
    for replicate in range(arms.shape[0]):
        overall = np.zeros(len(ratio), dtype=np.int64)
        by_stratum = np.zeros((stratum_count, len(ratio)), dtype=np.int64)
        by_margin = np.zeros((margin_count, len(ratio)), dtype=np.int64)
        by_watched = np.zeros((watched_count, len(ratio)), dtype=np.int64)
        row = outcomes[replicate]
        for column in range(len(row)):
            row[column] = 0.0
        largest = 0.0
        for i in range(subjects):
            probabilities = chances[replicate, i]
            right, gained = guess(probabilities, by_watched[watched[replicate, i]], ratio)
            row[5] += right / subjects
            row[6] += gained / subjects
            row[7] += is_determined(probabilities) / subjects
            row[8] += forcing(probabilities, ratio) / subjects
            arm = arms[replicate, i]
            overall[arm] += 1
            by_stratum[strata[replicate, i], arm] += 1
            by_watched[watched[replicate, i], arm] += 1
            for factor in range(margins.shape[1]):
                by_margin[margins[strata[replicate, i], factor], arm] += 1
            largest = max(largest, squared_distance(overall, ratio))
        row[0] = np.sqrt(squared_distance(overall, ratio))
        row[1] = np.sqrt(largest)
        row[2] = loss(overall, ratio, subjects)
        for stratum in range(stratum_count):
            row[3] += np.sqrt(squared_distance(by_stratum[stratum], ratio)) / stratum_count
        for margin in range(margin_count):
            row[4] += np.sqrt(squared_distance(by_margin[margin], ratio)) / margin_count
