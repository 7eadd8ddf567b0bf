"""Which share of the coming subjects each arm should get, from success rates or results so far: the targets of response-adaptive designs.

Each function takes values in the order of the arms and returns one share an arm, summing to 1. They decide no allocation by
themselves: response_adaptive.py makes a ratio of them, which a signed version of the protocol puts in force.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.draws import FloatArray

Shares = tuple[float, ...]

NODES: Final = 1_000
"""The most nodes of an integral over success rates: finding more takes seconds."""


def neyman(rates: Sequence[float]) -> Shares:
    """Return shares by the standard deviations sqrt(p q): the smallest variance of the estimated difference (Neyman 1934)."""
    return _shared([math.sqrt(rate * (1 - rate)) for rate in _inside(rates)])


def rsihr(rates: Sequence[float]) -> Shares:
    """Return the shares of two arms by sqrt(p): the fewest failures for a given variance of the difference.

    Rosenberger, Stallard, Ivanova, Harper and Ricks, Biometrics 2001. Raises InvalidParameter for other than two arms: there the
    optimum is another one.
    """
    if len(rates) != 2:
        raise InvalidParameter(
            f"is for two arms, not {len(rates)}", field="method", fix="use thompson or neyman"
        )
    return _shared([math.sqrt(rate) for rate in _inside(rates)])


def play_the_winner_limit(rates: Sequence[float]) -> Shares:
    """Return shares by 1 / (1 - p): where the randomized play-the-winner urn goes (Wei and Durham 1978; Wei 1979 for more arms)."""
    return _shared([1 / (1 - rate) for rate in _inside(rates)])


def doubly_adaptive(allocated: Sequence[int], target: Sequence[float], gamma: float) -> Shares:
    """Return the shares that pull the allocation toward `target`: g(x, y) by y (y / x)**gamma, x being the shares so far.

    Hu and Zhang, Annals of Statistics 2004. `gamma` 0 is the target itself; the higher, the less random. An arm nobody has had yet
    gets all. Raises InvalidParameter for a negative gamma or targets outside (0, 1).
    """
    if not (math.isfinite(gamma) and gamma >= 0):
        raise InvalidParameter(f"cannot be {gamma}", field="gamma", fix="use a number from 0, such as 2")
    goal = _inside(target, "target")
    total = sum(allocated)
    if total == 0 or gamma == 0:
        return _shared(goal)
    missing = [float(count == 0) for count in allocated]
    if any(missing):
        return _shared([share * none for share, none in zip(goal, missing, strict=True)])
    logs = [
        math.log(share) + gamma * math.log(share * total / count)
        for share, count in zip(goal, allocated, strict=True)
    ]
    return _shared([math.exp(value - max(logs)) for value in logs])


def chances_of_being_best(
    successes: Sequence[int], treated: Sequence[int], prior: tuple[int, int] = (1, 1)
) -> Shares:
    """Return each arm's posterior chance of having the highest success rate, the rates independent with a beta prior.

    `prior` (1, 1) is the uniform one. With whole-number parameters density and distribution functions are polynomials, and
    Gauss-Legendre with half their degree in nodes integrates them exactly, up to rounding; beyond 2,000 results NODES suffice for
    nine digits. Raises InvalidParameter for counts or a prior that cannot be.
    """
    if min(prior) < 1 or any(value != int(value) for value in prior):
        raise InvalidParameter(f"cannot be {prior}", field="prior", fix="use two whole numbers from 1")
    if len(successes) != len(treated) or any(
        not 0 <= won <= of for won, of in zip(successes, treated, strict=True)
    ):
        raise InvalidParameter(f"{successes} of {treated} cannot be", field="successes")
    shapes = [(prior[0] + won, prior[1] + of - won) for won, of in zip(successes, treated, strict=True)]
    degree = sum(a + b - 1 for a, b in shapes)
    nodes, weights = np.polynomial.legendre.leggauss(min(degree // 2 + 1, NODES))
    at = (nodes + 1) / 2
    densities = [_beta_density(at, a, b) for a, b in shapes]
    below = [_beta_distribution(at, a, b) for a, b in shapes]
    return _shared(
        [
            float(
                (
                    weights
                    / 2
                    * density
                    * np.prod([other for index, other in enumerate(below) if index != arm], axis=0)
                ).sum()
            )
            for arm, density in enumerate(densities)
        ]
    )


def tempered(chances: Sequence[float], power: float) -> Shares:
    """Return shares by chance ** power: Thompson's allocation made less extreme (Thall and Wathen 2007).

    `power` 1 is Thompson's own, 1/2 the usual choice, `subjects so far / (2 * planned)` lets it grow. Raises InvalidParameter.
    """
    if not 0 <= power <= 1:
        raise InvalidParameter(f"cannot be {power}", field="power", fix="use a number from 0 to 1")
    return _shared([chance**power for chance in chances])


def _beta_density(at: FloatArray, a: int, b: int) -> FloatArray:
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    result: FloatArray = np.exp(scale + (a - 1) * np.log(at) + (b - 1) * np.log1p(-at))
    return result


def _beta_distribution(at: FloatArray, a: int, b: int) -> FloatArray:
    """The beta distribution function for whole a and b: the chance of a or more successes in a + b - 1 trials at rate `at`."""
    trials = a + b - 1
    total = np.zeros_like(at)
    for won in range(a, trials + 1):
        scale = math.lgamma(trials + 1) - math.lgamma(won + 1) - math.lgamma(trials - won + 1)
        total += np.exp(scale + won * np.log(at) + (trials - won) * np.log1p(-at))
    return total


def _inside(rates: Sequence[float], field: str = "rates") -> list[float]:
    for rate in rates:
        if not 0 < rate < 1:
            raise InvalidParameter(f"{rate} is not between 0 and 1", field=field, fix="give shares inside")
    return list(rates)


def _shared(values: Sequence[float]) -> Shares:
    total = sum(values)
    return tuple(value / total for value in values)
