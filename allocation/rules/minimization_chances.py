"""From scores to chances: how minimization keeps its random element.

The arm with the lowest score is preferred, not given: with a chance of 1 the next allocation could be foretold (ICH E9 2.3.2).
Scores that differ by less than one part in 10**9 are ties, so that the order in which weights are summed decides nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.imbalance import CountMatrix, arm_scores
from allocation.rules.restricted.complete import by_ratio

TIE_PARTS: Final = 10**9
"""Two scores tie when their difference is below the largest score divided by this."""


@compilable
def tied(scores: FloatArray, left: int, right: int) -> bool:
    """Return whether two arms' scores are equal for the rule."""
    largest = scores[0]
    for arm in range(1, len(scores)):
        largest = max(largest, scores[arm])
    return bool(abs(scores[left] - scores[right]) * TIE_PARTS <= largest)


@compilable
def next_chances(
    rows: CountMatrix,
    weights: FloatArray,
    shares: IntArray,
    measure: int,
    by_rank: bool,
    probability: float,
    simple_first: int,
) -> FloatArray:
    """Return the chance of each column for a new subject: by the scores of the counts, and for the first `simple_first` by the shares.

    `rows` hold the subjects before, the whole in the first row; see minimization.py. `measure` is a code of imbalance.py, `by_rank` tells
    the rank rule from the biased coin. `draws.arm_at` makes the chances and a uniform a column.
    """
    before = 0
    for unit in range(len(shares)):
        before += rows[0, unit]
    if before < simple_first:
        return by_ratio(shares)
    scores = arm_scores(rows, weights, shares, measure)
    if by_rank:
        return rank_chances(scores, probability)
    return biased_coin_chances(scores, shares, probability)


@compilable
def unit_in_turn(arm_of_unit: IntArray, arm: int, turn: int) -> int:
    """Return the column that the `turn`-th (from 0) subject of `arm` without a column of its own is put into: the arm's in turn."""
    columns = 0
    for unit in range(len(arm_of_unit)):
        if arm_of_unit[unit] == arm:
            columns += 1
    place = turn % columns
    for unit in range(len(arm_of_unit)):
        if arm_of_unit[unit] == arm:
            if place == 0:
                return unit
            place -= 1
    return -1


@compilable
def biased_coin_chances(scores: FloatArray, ratio: IntArray, base: float) -> FloatArray:
    """Return the chance of each arm when the arm with the lowest score is preferred (lower score, better balance).

    `base` is the chance of an arm with the smallest share when it is preferred. A preferred arm k has the chance
    1 - (1 - base) * sum of the other shares / sum of the shares other than the smallest, the others share the rest by the ratio
    (biased-coin minimization, Han, Enas and McEntegart, Statistics in Medicine 2009). With equal shares that is `base` and equal
    parts of the rest (Pocock and Simon 1975). Where arms tie, each is preferred with a chance by its share.

    So each arm's chance is c * share + (1 - c * sum) * [preferred], with c = (1 - base) / (sum - smallest share).
    """
    best = 0
    for arm in range(1, len(scores)):
        if scores[arm] < scores[best]:
            best = arm
    shares = 0
    smallest = ratio[0]
    tied_shares = 0
    for arm in range(len(scores)):
        shares = shares + ratio[arm]
        smallest = min(smallest, ratio[arm])
        if tied(scores, arm, best):
            tied_shares = tied_shares + ratio[arm]
    rest = (1 - base) / (shares - smallest)
    chances = np.zeros(len(scores))
    for arm in range(len(scores)):
        chances[arm] = rest * ratio[arm]
        if tied(scores, arm, best):
            chances[arm] = chances[arm] + (1 - rest * shares) * ratio[arm] / tied_shares
    return chances


@compilable
def rank_chances(scores: FloatArray, q: float) -> FloatArray:
    """Return the chance of each arm by its rank, for equal shares: rank i of N has q - 2 (N q - 1) i / (N (N + 1)).

    Pocock and Simon 1975, rule (2): 1/N < q <= 2/(N-1). Tied arms share the chances of their ranks equally.
    """
    arms = len(scores)
    chances = np.zeros(arms)
    for arm in range(arms):
        first = 1
        equal = 0
        for other in range(arms):
            if tied(scores, arm, other):
                equal = equal + 1
            elif scores[other] < scores[arm]:
                first = first + 1
        middle = first + (equal - 1) / 2
        chances[arm] = q - 2 * (arms * q - 1) * middle / (arms * (arms + 1))
    return chances
