"""How unbalanced the arms would be if the new subject went to an arm: the scores of minimization.

What is balanced is given as rows of counts, one row a factor at the new subject's level (Pocock and Simon, Biometrics 1975), and
if asked for, one row for everybody and one for the subject's stratum (Hu and Hu, Annals of Statistics 2012). Each row is scored
as if the subject were added to the arm, and the score of the arm is the weighted sum of its rows.

Counts are divided by the arm's share of the ratio before they are compared, so that 2:1 is balanced at twice as many subjects
in the first arm. Released systems have left this out and gave equal groups under unequal ratios.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray

CountMatrix = NDArray[np.int64]
"""Counts of subjects, one row a thing to balance, one column an arm."""

RANGE: Final = 0
VARIANCE: Final = 1
STANDARD_DEVIATION: Final = 2
MARGINAL_BALANCE: Final = 3


class ImbalanceMeasure(StrEnum):
    """How a row of counts becomes one number. `CODES` has the integer that the compilable rules take.

    Range: largest minus smallest. Variance and standard deviation: of a sample (divisor arms - 1). Marginal balance: the sum of all
    differences between two arms, divided by (arms - 1) times the sum of the row (Han, Enas and McEntegart, Statistics in
    Medicine 2009). The square of a difference of two arms, as the R package carat scores it, is twice the variance: the same choice.
    """

    RANGE = "range"
    VARIANCE = "variance"
    STANDARD_DEVIATION = "standard_deviation"
    MARGINAL_BALANCE = "marginal_balance"


CODES: Final = {
    ImbalanceMeasure.RANGE: RANGE,
    ImbalanceMeasure.VARIANCE: VARIANCE,
    ImbalanceMeasure.STANDARD_DEVIATION: STANDARD_DEVIATION,
    ImbalanceMeasure.MARGINAL_BALANCE: MARGINAL_BALANCE,
}


@compilable
def row_imbalance(row: IntArray, ratio: IntArray, arm: int, measure: int) -> float:
    """Return the imbalance of a row of counts by arm with one subject more in `arm`, by the code of a measure.

    `ratio` are the arms' shares, without a common divisor; two arms or more.
    """
    arms = len(row)
    low = high = total = (row[0] + (arm == 0)) / ratio[0]
    for j in range(1, arms):
        share = (row[j] + (arm == j)) / ratio[j]
        low = min(low, share)
        high = max(high, share)
        total = total + share
    if measure == RANGE:
        return float(high - low)
    spread = total - total
    for j in range(arms):
        share = (row[j] + (arm == j)) / ratio[j]
        if measure == MARGINAL_BALANCE:
            for other in range(j):
                spread = spread + abs(share - (row[other] + (arm == other)) / ratio[other])
        else:
            spread = spread + (share - total / arms) ** 2
    if measure == MARGINAL_BALANCE:
        return float(spread / ((arms - 1) * total))
    if measure == VARIANCE:
        return float(spread / (arms - 1))
    return float(np.sqrt(spread / (arms - 1)))


@compilable
def arm_scores(rows: CountMatrix, weights: FloatArray, ratio: IntArray, measure: int) -> FloatArray:
    """Return for each arm the weighted sum of the rows' imbalances if the new subject were added to it; lowest is best.

    A row of weight 0 counts for nothing.
    """
    scores = np.zeros(len(ratio))
    for arm in range(len(ratio)):
        for row in range(len(rows)):
            if weights[row] > 0:
                scores[arm] = scores[arm] + weights[row] * row_imbalance(rows[row], ratio, arm, measure)
    return scores
