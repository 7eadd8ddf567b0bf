"""Whether one constant rate could have made a record: tests between centres and over time, given the totals of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import chi2

from forecasting.recruitment.record import AccrualRecord

_FEWEST_EXPECTED: Final = 5.0
"""In each cell of a chi-square sum, as the textbooks have it."""


@dataclass(frozen=True)
class Homogeneity:
    """Pearson's chi-square with its degrees of freedom and p value; `freedom` 0: too little to test."""

    what: str
    statistic: float
    freedom: int
    p: float


def between_centres(record: AccrualRecord) -> Homogeneity:
    """Whether all centres recruit at one rate: counts against exposures, given the total."""
    exposures = record.ages
    expected = record.counts.sum() * exposures / exposures.sum()
    return _pearson("centres", record.counts.sum(axis=0), expected, len(expected) - 1)


def over_time(record: AccrualRecord) -> Homogeneity:
    """Whether the rates stayed as they were: totals of blocks of periods, given the total of each centre, whatever its rate is.

    As many periods make a block as bring five expected subjects or more.
    """
    by_period = (record.is_open * (record.counts.sum(axis=0) / np.maximum(record.ages, 1))).sum(axis=1)
    seen, expected = [0.0], [0.0]
    for count, mean in zip(record.counts.sum(axis=1), by_period, strict=True):
        if expected[-1] >= _FEWEST_EXPECTED:
            seen.append(0.0)
            expected.append(0.0)
        seen[-1] += float(count)
        expected[-1] += float(mean)
    if len(expected) > 1 and expected[-1] < _FEWEST_EXPECTED:
        seen[-2:], expected[-2:] = [sum(seen[-2:])], [sum(expected[-2:])]
    return _pearson("time", np.array(seen), np.array(expected), len(expected) - 1)


def _pearson(what: str, seen: np.ndarray, expected: np.ndarray, freedom: int) -> Homogeneity:
    if freedom < 1 or expected.min() <= 0:
        return Homogeneity(what, 0.0, 0, 1.0)
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return Homogeneity(what, statistic, freedom, float(chi2.sf(statistic, freedom)))
