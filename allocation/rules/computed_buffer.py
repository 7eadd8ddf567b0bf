"""Rule D: the buffers of a site and kit type computed from the demand of subjects who are not randomized yet.

Newcomers are randomized as a Poisson process with `enrolment_per_month` at the site, into the arms by their shares. One who is randomized
on day d of a window (1 to W, each alike) receives all kits of the type that are scheduled up to the window's end, so the demand of the
window is compound Poisson: its distribution is exact, by Panjer's recursion (ASTIN Bulletin 12, 1981, 22-26), not a normal or a
simulated one.

    min_buffer = the least n with P(demand in the short window <= n) >= confidence
    max_buffer = min_buffer + the mean demand in the long window, rounded up to whole kits

The demand of those who are randomized already is D(0, SW) and D(0, LW) of resupply.py, which takes these buffers as any others.
Source: field note resupply.md, rule D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray

RULE_VERSION: Final = "computed-buffer/1"

DAYS_OF_MONTH: Final = 30.4375
"""A year of 365.25 days has twelve of them."""
LOWEST_CONFIDENCE: Final = 0.5
HIGHEST_CONFIDENCE: Final = 0.99
HALF_A_BILLIONTH: Final = 5e-10
MOST_NEWCOMERS: Final = 500
"""Expected newcomers of a window at one site; beyond it (the recursion would start at exp(-700)) a rate is a slip."""


@compilable
def newcomer_kits(
    arm: int, day: int, window: int, arms: IntArray, offsets: IntArray, quantities: IntArray
) -> int:
    """Return the kits that a newcomer of `arm`, randomized on `day` of a window of `window` days, receives until its last day.

    Dispensing i hands `quantities[i]` kits to arm `arms[i]`, `offsets[i]` days after randomization.
    """
    kits = 0
    for i in range(len(arms)):
        if arms[i] == arm and day + offsets[i] <= window:
            kits += quantities[i]
    return kits


@compilable
def most_of_a_newcomer(quantities: IntArray) -> int:
    """Return the most kits that a newcomer could receive: of all dispensings, one more of which is the length of the chances."""
    largest = 0
    for i in range(len(quantities)):
        largest += quantities[i]
    return largest


@compilable
def newcomer_chances(
    window: int,
    shares: FloatArray,
    arms: IntArray,
    offsets: IntArray,
    quantities: IntArray,
    chances: FloatArray,
) -> None:
    """Fill `chances` with the chance of each number of kits (the index) that one newcomer of the window receives in it.

    `shares` are the arms' shares of the allocation, which sum to 1. With no window nobody comes: the chance of 0 kits is 1.
    """
    for kits in range(len(chances)):
        chances[kits] = 0.0
    if window == 0:
        chances[0] = 1.0
    for arm in range(len(shares)):
        for day in range(1, window + 1):
            chances[newcomer_kits(arm, day, window, arms, offsets, quantities)] += shares[arm] / window


@compilable
def most_of_newcomers(newcomers: float, chances: FloatArray) -> int:
    """Return a number of kits that the demand never comes near: one more is the length of the scratch of the quantile."""
    return int(newcomers + 12.0 * np.sqrt(newcomers) + 40.0) * (len(chances) - 1)


@compilable
def compound_poisson_quantile(
    newcomers: float, chances: FloatArray, confidence: float, probabilities: FloatArray
) -> int:
    """Return the least number of kits that the demand does not exceed with a chance of at least `confidence` (below 1).

    The demand is the sum of the kits of a Poisson number of newcomers (its mean is `newcomers`), each with `chances`.
    `probabilities` is scratch of `most_of_newcomers` and one more.
    """
    most = most_of_newcomers(newcomers, chances)
    probabilities[0] = np.exp(-newcomers * (1.0 - chances[0]))
    below = probabilities[0]
    kits = 0
    while below < confidence and kits < most:
        kits += 1
        total = 0.0
        for size in range(1, min(kits, len(chances) - 1) + 1):
            total += size * chances[size] * probabilities[kits - size]
        probabilities[kits] = newcomers * total / kits
        below += probabilities[kits]
    return kits


@compilable
def computed_buffers(
    newcomers_a_day: float,
    confidence: float,
    short_window: int,
    long_window: int,
    shares: FloatArray,
    arms: IntArray,
    offsets: IntArray,
    quantities: IntArray,
    chances: FloatArray,
    probabilities: FloatArray,
) -> tuple[int, int, float]:
    """Return (min_buffer, max_buffer, mean demand in the long window), in kits, by the formula of this module.

    `chances` and `probabilities` are scratch, as long as `newcomer_chances` and, for the short window, `compound_poisson_quantile` need.
    """
    newcomer_chances(long_window, shares, arms, offsets, quantities, chances)
    mean = 0.0
    for kits in range(len(chances)):
        mean += chances[kits] * kits
    mean_long = newcomers_a_day * long_window * mean
    newcomer_chances(short_window, shares, arms, offsets, quantities, chances)
    min_buffer = compound_poisson_quantile(newcomers_a_day * short_window, chances, confidence, probabilities)
    # A mean of exactly 3 kits that floats make 3.0000000000000004 is not 4.
    whole = int(mean_long)
    if mean_long - whole > HALF_A_BILLIONTH:
        whole += 1
    return min_buffer, min_buffer + whole, mean_long


@dataclass(frozen=True, slots=True)
class NewcomerDispensing:
    """Kits of the type that a newcomer of an arm receives at one visit, `offset` days after randomization.

    `arm` is the arm's index in the shares.
    """

    arm: int
    offset: int
    quantity: int


@dataclass(frozen=True, slots=True)
class ComputedBuffer:
    """The record of one computation: inputs and result. Rates and means are texts, since a ledger entry keeps no rounded float."""

    rule_version: str
    enrolment_per_month: str
    confidence: str
    ratio: tuple[int, ...]
    dispensings: tuple[NewcomerDispensing, ...]
    short_window: int
    long_window: int
    newcomers_short: str
    mean_long: str
    min_buffer: int
    max_buffer: int


def check_confidence(confidence: float) -> None:
    """Raise InvalidParameter for a confidence outside 0.50 to 0.99."""
    if not LOWEST_CONFIDENCE <= confidence <= HIGHEST_CONFIDENCE:
        raise InvalidParameter(
            f"must be from {LOWEST_CONFIDENCE} to {HIGHEST_CONFIDENCE}, not {confidence}",
            field="confidence",
            fix="give the chance of enough stock over the short window, such as 0.95",
        )


def check_enrolment(enrolment_per_month: float, window: int) -> None:
    """Raise InvalidParameter for a negative rate, or one that brings more than 500 newcomers into a window of that many days."""
    if enrolment_per_month < 0:
        raise InvalidParameter(
            f"must be 0 or more, not {enrolment_per_month}",
            field="enrolment_per_month",
            fix="give the subjects that one site randomizes in a month",
        )
    if enrolment_per_month / DAYS_OF_MONTH * window > MOST_NEWCOMERS:
        raise InvalidParameter(
            f"{enrolment_per_month} means more than {MOST_NEWCOMERS} newcomers at one site in a window of {window} days",
            field="enrolment_per_month",
            fix="give the rate of one site, not of the study, or shorten the window",
        )


def compute_buffer(
    enrolment_per_month: float,
    confidence: float,
    ratio: Sequence[int],
    dispensings: Sequence[NewcomerDispensing],
    short_window: int,
    long_window: int,
) -> ComputedBuffer:
    """Compute the buffers of one site and kit type; windows in days, `ratio` of the arms that newcomers may be allocated to.

    Raises InvalidParameter naming the field: confidence outside 0.50 to 0.99, a negative or absurd rate, a ratio of nothing,
    a dispensing before randomization or of an arm that has no ratio.
    """
    check_confidence(confidence)
    check_enrolment(enrolment_per_month, max(short_window, long_window))
    if not ratio or min(ratio) < 0 or sum(ratio) == 0:
        raise InvalidParameter(f"{list(ratio)} allocates to no arm", field="ratio", fix="open an arm")
    for one in dispensings:
        if one.offset < 0 or one.quantity < 0 or not 0 <= one.arm < len(ratio):
            raise InvalidParameter(f"{one} is no dispensing of a newcomer", field="dispensings")
    shares = np.array(ratio, dtype=np.float64) / sum(ratio)
    arms = np.array([one.arm for one in dispensings], dtype=np.int64)
    offsets = np.array([one.offset for one in dispensings], dtype=np.int64)
    quantities = np.array([one.quantity for one in dispensings], dtype=np.int64)
    a_day = enrolment_per_month / DAYS_OF_MONTH
    chances = np.zeros(most_of_a_newcomer(quantities) + 1)
    scratch = np.zeros(most_of_newcomers(a_day * short_window, chances) + 1)
    min_buffer, max_buffer, mean_long = computed_buffers(
        a_day, confidence, short_window, long_window, shares, arms, offsets, quantities, chances, scratch
    )
    return ComputedBuffer(
        rule_version=RULE_VERSION,
        enrolment_per_month=f"{enrolment_per_month:g}",
        confidence=f"{confidence:g}",
        ratio=tuple(ratio),
        dispensings=tuple(dispensings),
        short_window=short_window,
        long_window=long_window,
        newcomers_short=f"{a_day * short_window:.4f}",
        mean_long=f"{mean_long:.4f}",
        min_buffer=int(min_buffer),
        max_buffer=int(max_buffer),
    )
