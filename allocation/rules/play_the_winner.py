"""The randomized play-the-winner urn RPW(u, b) of two arms: its composition after results, and its exact moments for planning.

The urn starts with u balls of each arm. A success adds b balls of its arm, a failure b balls of the other one (Wei and Durham,
Journal of the American Statistical Association 1978). The next allocation has the chance of a ball drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocation.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class UrnMoments:
    """Mean and variance of the number allocated to the first arm, and the mean share, when every result is known at once."""

    subjects: int
    mean: float
    variance: float
    mean_share: float


def urn_shares(
    successes: Sequence[int], treated: Sequence[int], start: int = 1, added: int = 1
) -> tuple[float, float]:
    """Return the shares of the urn's balls of the two arms after the results. Raises InvalidParameter."""
    _check_urn(start, added)
    if len(successes) != 2 or len(treated) != 2:
        raise InvalidParameter(f"is for two arms, not {len(treated)}", field="method", fix="use thompson")
    failures = [of - won for won, of in zip(successes, treated, strict=True)]
    if min(*failures, *successes) < 0:
        raise InvalidParameter(f"{tuple(successes)} of {tuple(treated)} cannot be", field="successes")
    balls = [start + added * (successes[arm] + failures[1 - arm]) for arm in (0, 1)]
    return balls[0] / sum(balls), balls[1] / sum(balls)


def urn_moments(rates: tuple[float, float], subjects: int, start: int = 1, added: int = 1) -> UrnMoments:
    """Return the exact moments after `subjects` when the arms succeed with `rates`, by recursion over the urn's states.

    The state is how many were allocated to the first arm and how often a ball of its kind was added. Raises InvalidParameter.
    """
    _check_urn(start, added)
    if subjects < 1:
        raise InvalidParameter(f"cannot be {subjects}", field="subjects", fix="use 1 or more")
    if not all(0 <= rate <= 1 for rate in rates):
        raise InvalidParameter(f"{rates} are no rates from 0 to 1", field="rates")
    mass = np.zeros((subjects + 2, subjects + 2))  # [allocated to the first arm, balls added to it]
    mass[0, 0] = 1
    times = np.arange(subjects + 2)
    for before in range(subjects):
        first = (start + added * times) / (2 * start + added * before)
        # Balls added to the first arm are at most those added at all; the rest of the row has no mass.
        to_first, to_second = mass * first, mass * (1 - first)
        mass = np.zeros_like(mass)
        mass[1:, 1:] += to_first[:-1, :-1] * rates[0]
        mass[1:, :] += to_first[:-1, :] * (1 - rates[0])
        mass[:, 1:] += to_second[:, :-1] * (1 - rates[1])
        mass += to_second * rates[1]
    allocated = mass.sum(axis=1)
    mean = float((allocated * times).sum())
    variance = float((allocated * (times - mean) ** 2).sum())
    return UrnMoments(subjects, mean, variance, mean / subjects)


def _check_urn(start: int, added: int) -> None:
    for field, value in (("start", start), ("added", added)):
        if value < 1:
            raise InvalidParameter(f"cannot be {value} balls", field=field, fix="use 1 or more")
