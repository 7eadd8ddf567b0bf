"""Scores of a forecast number that is known by its quantiles, against the number that came. All are vectorised over forecasts.

The levels of the quantiles are LEVELS. Sources: Gneiting & Raftery 2007 (JASA 102:359) for CRPS and Brier; Czado, Gneiting & Held 2009
(Biometrics 65:1254) for the PIT of counts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS: Final = tuple(percent / 100 for percent in range(1, 100))
"""1 % to 99 %: the quantiles that are kept of every forecast."""
INTERVALS: Final = (0.5, 0.8, 0.9)
"""The central intervals whose coverage is counted."""
TENTHS: Final = 10
"""Bars of a PIT histogram."""


def level_index(level: float) -> int:
    """The place of a level in LEVELS.

    >>> level_index(0.05)
    4
    """
    return round(100 * level) - 1


def crps(quantiles: Floats, came: Floats) -> Floats:
    """The continuous ranked probability score in the unit of the forecast, lower is better: twice the mean of the pinball losses.

    `quantiles`: forecasts x LEVELS. As crps_quantile of the package scoringrules; beyond the outer levels nothing is known.
    """
    levels = np.array(LEVELS)
    over = quantiles - came[:, None]
    pinball = np.where(over > 0, (1 - levels) * over, -levels * over)
    found: Floats = 2 * pinball.mean(axis=1)
    return found


def pit(quantiles: Floats, came: Floats) -> tuple[Floats, Floats]:
    """The probability integral transform as an interval for each: from P(X < came) to P(X <= came), as exactly as 99 quantiles tell it.

    For a calibrated forecast of a count, a number drawn evenly from the interval is uniform.
    """
    below = (quantiles < came[:, None]).sum(axis=1)
    until = (quantiles <= came[:, None]).sum(axis=1)
    count = len(LEVELS) + 1
    return below / count, (until + 1) / count


def pit_tenths(low: Floats, high: Floats) -> Floats:
    """The histogram of PIT intervals in tenths, each spread evenly over its interval (Czado et al.); even where calibrated."""
    edges = np.linspace(0, 1, TENTHS + 1)
    inside = np.clip(
        (edges[None, 1:].clip(max=high[:, None]) - edges[None, :-1].clip(min=low[:, None])), 0, None
    )
    found: Floats = (inside / (high - low)[:, None]).mean(axis=0)
    return found


def covered(quantiles: Floats, came: Floats, level: float) -> NDArray[np.bool_]:
    """Whether the central interval of that level, its ends included, has what came."""
    low, high = _ends(quantiles, level)
    found: NDArray[np.bool_] = (low <= came) & (came <= high)
    return found


def stated(quantiles: Floats, level: float) -> Floats:
    """The probability that the forecast itself gives to that interval: above `level` for a small count, which has few values to end at."""
    low, high = _ends(quantiles, level)
    below, _ = pit(quantiles, low)
    _, until = pit(quantiles, high)
    half = 0.5 / (len(LEVELS) + 1)
    # A law without ties has its level between the ends themselves; the bin of each end is counted half.
    found: Floats = np.clip(until - half - (below + half), level, 1.0)
    return found


def _ends(quantiles: Floats, level: float) -> tuple[Floats, Floats]:
    return (
        quantiles[:, level_index((1 - level) / 2)],
        quantiles[:, level_index((1 + level) / 2)],
    )


def brier(probability: Floats, happened: NDArray[np.bool_]) -> float:
    """The Brier score: the mean squared difference between the probability and what happened, 1 or 0; lower is better."""
    return float(np.mean((probability - happened) ** 2))
