"""Biased coins: two arms, 1:1, and a coin that favours the arm behind. d is the imbalance N1 - N2.

EBCD Efron 1971; BSD big stick, Soares & Wu 1983; BCDWIT biased coin with imbalance tolerance, Chen 1999; ABCD adjustable biased
coin, Baldi Antognini & Giovagnoli 2004; GBCD generalized biased coin, Smith 1984.
"""

from __future__ import annotations

from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.complete import two_arms


@compilable
def efron(counts: IntArray, p: float) -> FloatArray:
    """Return the probabilities by Efron's coin: p for the arm behind, 1/2 at a tie."""
    imbalance = counts[0] - counts[1]
    if imbalance == 0:
        return two_arms(0.5)
    return two_arms(p if imbalance < 0 else 1.0 - p)


@compilable
def big_stick(counts: IntArray, b: int) -> FloatArray:
    """Return the probabilities by the big stick: a fair coin, and at an imbalance of b the arm behind."""
    imbalance = counts[0] - counts[1]
    if abs(imbalance) < b:
        return two_arms(0.5)
    return two_arms(1.0 if imbalance < 0 else 0.0)


@compilable
def imbalance_tolerance(counts: IntArray, p: float, b: int) -> FloatArray:
    """Return the probabilities by the biased coin with imbalance tolerance: Efron's coin, and at an imbalance of b the arm behind."""
    if abs(counts[0] - counts[1]) < b:
        return efron(counts, p)
    return big_stick(counts, b)


@compilable
def adjustable(counts: IntArray, a: float) -> FloatArray:
    """Return the probabilities by the adjustable biased coin: |d|^a / (1 + |d|^a) for the arm behind, 1/2 for |d| <= 1."""
    imbalance = counts[0] - counts[1]
    if abs(imbalance) <= 1:
        return two_arms(0.5)
    behind = 1.0 / (1.0 + float(abs(imbalance)) ** (-a))
    return two_arms(behind if imbalance < 0 else 1.0 - behind)


@compilable
def generalized(counts: IntArray, gamma: float) -> FloatArray:
    """Return the probabilities by Smith's coin: N2^gamma / (N1^gamma + N2^gamma) for the first arm, 1/2 before the first subject."""
    if counts[0] == counts[1]:
        return two_arms(0.5)
    first = float(counts[0]) ** gamma
    second = float(counts[1]) ** gamma
    return two_arms(second / (first + second))
