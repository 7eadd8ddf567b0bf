"""The Poisson-gamma model of recruitment by maximum likelihood (Anisimov & Fedorov, Statistics in Medicine 2007;26:4958).

Site i recruits k_i in an exposure tau_i at a rate of its own, Gamma(shape a, rate b). Where counts are not more dispersed than Poisson's
the likelihood has no maximum: it rises as a goes to infinity. That boundary is found, and the Poisson limit is the answer there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import gammaln

Array = NDArray[np.float64]

_LARGEST_SHAPE: Final = 1e4
"""Beyond it a gamma law is as good as a point: its standard deviation is a hundredth of its mean."""
_FACTOR_SD: Final = 0.5
"""Of the weak prior of the logarithm of a country's or profile's factor: normal around 0 (a factor of 1)."""


@dataclass(frozen=True)
class GammaRates:
    """`mean` rate of a site for each unit of exposure with its standard error, and the `shape`, None in the Poisson limit.

    `shape_low`, `shape_high`: its 95 % interval, from the curvature in log(shape). `log_likelihood` includes all constants.
    """

    mean: float
    mean_se: float
    shape: float | None
    shape_low: float | None
    shape_high: float | None
    log_likelihood: float


def gamma_rates(counts: Sequence[int], exposures: Sequence[float]) -> GammaRates:
    """The Poisson-gamma model of sites with these counts in these exposures (each above 0)."""
    k, tau = np.asarray(counts, dtype=np.float64), np.asarray(exposures, dtype=np.float64)
    found = shape_of(k, tau)
    pooled = float(k.sum() / tau.sum())
    if found is None:
        return GammaRates(
            pooled,
            float(np.sqrt(max(k.sum(), 1)) / tau.sum()),
            None,
            None,
            None,
            float(_poisson(k, pooled * tau).sum()),
        )
    best = minimize(
        lambda x: -float(negative_binomial(k, np.exp(x[0]) * tau, np.exp(x[1])).sum()),
        np.log([pooled, found]),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10},
    )
    mean, shape = (float(value) for value in np.exp(best.x))
    errors = standard_errors(
        lambda x: -float(negative_binomial(k, np.exp(x[0]) * tau, np.exp(x[1])).sum()), best.x
    )
    return GammaRates(
        mean,
        mean * float(errors[0]),
        shape,
        shape * float(np.exp(-1.96 * errors[1])),
        shape * float(np.exp(1.96 * errors[1])),
        -float(best.fun),
    )


def shape_of(counts: Array, expected: Array) -> float | None:
    """The shape that is likeliest when the expected counts are in the ratio of `expected`; None where the Poisson limit is likelier."""
    scaled = expected * (counts.sum() / expected.sum())

    def loss(log_shape: float) -> float:
        return -float(negative_binomial(counts, scaled, np.exp(log_shape)).sum())

    best = minimize_scalar(loss, bounds=(np.log(0.02), np.log(_LARGEST_SHAPE)), method="bounded")
    # A gain of likelihood too small to see, or only at the edge: the boundary.
    if np.exp(best.x) > _LARGEST_SHAPE / 10 or -best.fun <= _poisson(counts, scaled).sum() + 1e-6:
        return None
    return float(np.exp(best.x))


def negative_binomial(counts: Array, means: Array, shape: float) -> Array:
    """The log probability of each count by the negative binomial law with that mean and shape."""
    p = shape / (shape + means)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(counts > 0, counts * np.log1p(-p), 0.0)
    found: Array = gammaln(shape + counts) - gammaln(shape) - gammaln(counts + 1) + shape * np.log(p) + powers
    return found


def log_likelihood_of_times(log_weights: float, counts: Array, exposures: Array) -> float:
    """How likely the moments of arrivals are under a pattern of time, given how many each site had: independent of the sites' rates.

    `log_weights`: the sum over arrivals of the pattern's logarithm; `exposures`: each site's, summed over its open time.
    """
    return float(log_weights - (counts * np.log(np.maximum(exposures, 1e-9))).sum())


def _poisson(counts: Array, means: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.where(counts > 0, counts * np.log(means), 0.0)
    found: Array = powers - means - gammaln(counts + 1)
    return found


def standard_errors(loss: Any, at: Array, step: float = 1e-4) -> Array:
    """The standard errors from the curvature of a negative log-likelihood at its minimum, by central differences."""
    n = len(at)
    curvature = np.zeros((n, n))
    unit = np.eye(n) * step
    for i in range(n):
        for j in range(i, n):
            corners = [loss(at + a * unit[i] + b * unit[j]) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            curvature[i, j] = curvature[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (
                4 * step**2
            )
    found: Array = np.sqrt(np.abs(np.diag(np.linalg.pinv(curvature))))
    return found


@dataclass(frozen=True)
class Factors:
    """The factors of groups of sites (countries, profiles) beside the mean rate, each as (factor, low, high), and the mean and shape."""

    mean: float
    mean_low: float
    mean_high: float
    shape: float | None
    shape_low: float | None
    shape_high: float | None
    factors: dict[str, tuple[float, float, float]]


def rates_by_group(counts: Array, exposures: Array, groups: Sequence[Sequence[str]]) -> Factors:
    """The mean rate, its spread between sites, and a factor for each group: `groups` has for each site those it belongs to.

    The factors' logarithms have a weak prior, normal around 0 with standard deviation 0.5, so that a country with one site is not taken at
    its word. The estimates are those of the highest posterior density.
    """
    names = sorted({name for of_site in groups for name in of_site})
    member = np.array([[name in of_site for name in names] for of_site in groups], dtype=np.float64)
    member = member.reshape(len(counts), len(names))
    pooled = float(counts.sum() / exposures.sum())

    def loss_with(shape: float | None) -> Any:
        def loss(x: Array) -> float:
            means = np.exp(x[0] + member @ x[1 : 1 + len(names)]) * exposures
            size = shape if shape is not None else float(np.exp(np.clip(x[-1], -5, 25)))
            fit = _poisson(counts, means) if size == np.inf else negative_binomial(counts, means, size)
            return -float(fit.sum()) + float((x[1 : 1 + len(names)] ** 2).sum()) / (2 * _FACTOR_SD**2)

        return loss

    start = np.r_[np.log(max(pooled, 1e-6)), np.zeros(len(names))]
    without = minimize(loss_with(np.inf), start, method="L-BFGS-B")
    loss, best = loss_with(np.inf), without.x
    shape = shape_of(counts, np.exp(best[0] + member @ best[1:]) * exposures)
    if shape is not None:
        spread = minimize(loss_with(None), np.r_[best, np.log(shape)], method="L-BFGS-B")
        if spread.fun < without.fun - 1e-6 and np.exp(spread.x[-1]) < _LARGEST_SHAPE / 10:
            loss, best, shape = loss_with(None), spread.x, float(np.exp(spread.x[-1]))
        else:
            shape = None
    error = 1.96 * standard_errors(loss, best)

    def triple(i: int) -> tuple[float, float, float]:
        low, middle, high = np.exp([best[i] - error[i], best[i], best[i] + error[i]])
        return float(middle), float(low), float(high)

    mean = triple(0)
    last = triple(len(best) - 1) if shape is not None else (None, None, None)
    return Factors(
        mean[0],
        mean[1],
        mean[2],
        last[0],
        last[1],
        last[2],
        {name: triple(1 + i) for i, name in enumerate(names)},
    )
