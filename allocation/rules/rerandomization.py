"""Rerandomization of a group that is allocated at once (sites of a cluster trial, a cohort): shuffle until the covariates balance.

Morgan and Rubin, Annals of Statistics 2012. The distance of an allocation to two arms is Mahalanobis', M = n w (1 - w) d' S^-1 d:
d is the difference of the arms' covariate means, S the covariance of all, w the share of the first arm. It is about chi-square
with as many degrees of freedom as covariates. An allocation is accepted when M <= a, the quantile of a stated chance of
acceptance. The variance of each difference of means is then that of a plain shuffle times
v = P(chi-square of k + 2 <= a) / P(chi-square of k <= a).

The analysis must know: a randomization test shuffles under the same criterion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.chi_square import chi_square_chance, chi_square_quantile
from allocation.rules.draws import FloatArray
from allocation.rules.seeded_stream import SeededStream

RULE_VERSION: Final = "rerandomization/1"


@dataclass(frozen=True, slots=True)
class AcceptanceCriterion:
    """The largest distance that is accepted, and the share of a covariate's variance between the arms that remains."""

    covariates: int
    chance: float
    largest: float
    variance_share: float


@dataclass(frozen=True, slots=True)
class Rerandomization:
    """The record: each one's arm, in the order given, the distance, and how many shuffles it took. Unblinded by its nature."""

    rule_version: str
    criterion: AcceptanceCriterion
    event: str
    arms: tuple[str, ...]
    distance: float
    shuffles: int


def acceptance_criterion(covariates: int, chance: float) -> AcceptanceCriterion:
    """Return the criterion for a chance of acceptance, such as 0.001. Raises InvalidParameter naming the field."""
    if covariates < 1:
        raise InvalidParameter(f"cannot be {covariates}", field="covariates", fix="give one or more")
    largest = chi_square_quantile(chance, covariates)
    share = chi_square_chance(largest, covariates + 2) / chi_square_chance(largest, covariates)
    return AcceptanceCriterion(covariates, chance, largest, share)


def mahalanobis_distance(covariates: FloatArray, in_first: Sequence[bool]) -> float:
    """Return M of an allocation: `covariates` one row for each who is allocated, `in_first` whether that one is in the first arm.

    Raises InvalidParameter when an arm is empty or the covariates do not vary independently of each other.
    """
    first = np.array(in_first, dtype=np.bool_)
    if covariates.ndim != 2 or len(covariates) != len(first) or first.all() or not first.any():
        raise InvalidParameter(
            f"{covariates.shape} do not fit {len(first)} in two arms, none of them empty", field="covariates"
        )
    spread = np.atleast_2d(np.cov(covariates, rowvar=False))
    if np.linalg.matrix_rank(spread) < covariates.shape[1]:
        raise InvalidParameter(
            "do not vary independently, so their distance is not defined",
            field="covariates",
            fix="leave out what is constant or follows from the others",
        )
    difference = covariates[first].mean(axis=0) - covariates[~first].mean(axis=0)
    share = first.mean()
    return float(len(first) * share * (1 - share) * difference @ np.linalg.solve(spread, difference))


def rerandomize(
    covariates: FloatArray,
    arms: tuple[tuple[str, int], tuple[str, int]],
    chance: float,
    *,
    seed: int,
    event: str,
    most: int = 1_000_000,
) -> Rerandomization:
    """Shuffle until the criterion accepts; `arms` are two (arm, number of those in it). The stream is addressed by seed and event.

    Raises InvalidParameter for numbers that do not sum to the rows, for what the distance refuses, or when `most` shuffles found none.
    """
    (first, in_first), (second, in_second) = arms
    if first == second or min(in_first, in_second) < 1 or in_first + in_second != len(covariates):
        raise InvalidParameter(f"{arms} do not share out {len(covariates)}", field="arms")
    criterion = acceptance_criterion(covariates.shape[1], chance)
    stream = SeededStream(RULE_VERSION, seed, event)
    drawn = [first] * in_first + [second] * in_second
    for shuffle in range(1, most + 1):
        stream.shuffle(drawn)
        distance = mahalanobis_distance(covariates, [arm == first for arm in drawn])
        if distance <= criterion.largest:
            return Rerandomization(RULE_VERSION, criterion, event, tuple(drawn), distance, shuffle)
    raise InvalidParameter(
        f"{chance} was met by none of {most} shuffles",
        field="chance",
        fix="use a larger chance of acceptance",
    )
