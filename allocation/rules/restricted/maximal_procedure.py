"""The maximal procedure MP(n, b): every sequence of n that keeps |N1 - N2| <= b and ends in balance is equally likely.

Berger, Ivanova & Knoll 2003. The probability of the next allocation is the share of the admissible sequences that go on with it;
they are counted exactly, in whole numbers of any size, and only their ratio is a floating point number.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.complete import two_arms


def admissible_sequences(n: int, b: int) -> list[list[int]]:
    """Return how many ways there are to end in balance: row j (0 to n) by subjects so far, column N1 - N2 + b.

    Row 0, column b counts all sequences. Raises InvalidParameter unless n is even and 2 or more, and b is 1 or more.
    """
    if n < 2 or n % 2:
        raise InvalidParameter(
            f"{n} subjects cannot end in balance", field="n", fix="use an even number from 2"
        )
    if b < 1:
        raise InvalidParameter(f"{b} is not a largest imbalance", field="b", fix="use a whole number from 1")
    rows = [[int(column == b) for column in range(2 * b + 1)]]
    for _ in range(n):
        later = [0, *rows[-1], 0]
        rows.append([later[column] + later[column + 2] for column in range(2 * b + 1)])
    return rows[::-1]


@lru_cache(maxsize=64)
def chances_of_the_first(n: int, b: int) -> NDArray[np.float64]:
    """Return the probability of the first arm: row j by subjects so far (0 to n - 1), column N1 - N2 + b; 1/2 where none may come.

    Read-only and kept, since it is the same for every draw. Raises InvalidParameter as `admissible_sequences` does.
    """
    ways = admissible_sequences(n, b)
    table = np.full((n, 2 * b + 1), 0.5, dtype=np.float64)
    for j in range(n):
        for column in range(2 * b + 1):
            if ways[j][column]:
                up = ways[j + 1][column + 1] if column < 2 * b else 0
                table[j, column] = up / ways[j][column]
    table.flags.writeable = False
    return table


@compilable
def maximal(counts: IntArray, b: int, first: NDArray[np.float64]) -> FloatArray:
    """Return the probabilities by the maximal procedure; `first` is `chances_of_the_first`, and the imbalance is within b."""
    return two_arms(first[counts[0] + counts[1], counts[0] - counts[1] + b])
