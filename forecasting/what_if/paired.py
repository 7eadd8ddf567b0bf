"""Differences between two runs under common random numbers: replicate r of one against replicate r of the other.

The interval of a mean difference is that of the paired t test, at 95 %; a ratio's has the difference of the residuals of the two ratio
estimators (Cochran, Sampling Techniques, 3rd ed., chapter 6) in place of the differences; that of a difference of two risks is Agresti and
Min's (Stat Med 2005;24:729) for matched pairs, which holds where few replicates differ. Quantiles are of the differences themselves: how
far one trial may be from what it would have been. `variance_ratio` is what the variance of the difference would be with independent random
numbers over what it is: so many times the replicates would be needed for the same interval.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from forecasting.what_if.measures import Worse
from simulation.replicates.summary import CONFIDENCE, QUANTILES

LEAST_REPLICATES: Final = 2

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A measure in the base and under a change, and the change less the base. Costs and counts are for a trial.

    `quantiles` at the levels QUANTILES of the replicates' differences. `share_higher`, `share_lower`: of the replicates; `share_worse` is
    one of the two, None where neither direction is worse. `variance_ratio` None: no replicate varies.
    """

    name: str
    unit: str
    meaning: str
    worse: Worse | None
    base: float
    changed: float
    base_quantiles: tuple[float, ...]
    changed_quantiles: tuple[float, ...]
    difference: float
    standard_error: float
    low: float
    high: float
    quantiles: tuple[float, ...]
    share_higher: float
    share_lower: float
    variance_ratio: float | None

    @property
    def share_worse(self) -> float | None:
        """The share of the replicates in which the change is worse."""
        return {"higher": self.share_higher, "lower": self.share_lower, None: None}[self.worse]

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        told = asdict(self)
        for name in ("quantiles", "base_quantiles", "changed_quantiles"):
            values = told.pop(name)
            told[name] = {
                f"q{round(100 * at):02}": value for at, value in zip(QUANTILES, values, strict=True)
            }
        del told["name"]
        return {**told, "share_worse": self.share_worse}

    @classmethod
    def of_json(cls, name: str, told: dict[str, Any]) -> Difference:
        """The difference in the measure of that name from what `as_json` gave. Raises KeyError, TypeError for anything else."""
        values = {key: value for key, value in told.items() if key != "share_worse"}
        for key in ("quantiles", "base_quantiles", "changed_quantiles"):
            values[key] = tuple(values[key].values())
        return cls(name=name, **values)


@dataclass(frozen=True)
class ShareDifference:
    """A ratio or a risk in the base and under a change, and the change less the base; higher is worse. None: nothing to divide by."""

    name: str
    meaning: str
    base: float | None
    changed: float | None
    difference: float | None
    low: float | None
    high: float | None

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        told = asdict(self)
        del told["name"]
        return told


def difference(
    name: str, unit: str, meaning: str, worse: Worse | None, base: Values, changed: Values
) -> Difference:
    """Compare a measure over the replicates, which stand in the same order; there are two or more."""
    gaps = changed - base
    mean, error = float(gaps.mean()), _error(gaps)
    half = _t_quantile(len(gaps)) * error
    apart, paired = float(base.var(ddof=1) + changed.var(ddof=1)), float(gaps.var(ddof=1))
    return Difference(
        name=name,
        unit=unit,
        meaning=meaning,
        worse=worse,
        base=float(base.mean()),
        changed=float(changed.mean()),
        base_quantiles=_quantiles(base),
        changed_quantiles=_quantiles(changed),
        difference=mean,
        standard_error=error,
        low=mean - half,
        high=mean + half,
        quantiles=_quantiles(gaps),
        share_higher=float((gaps > 0).mean()),
        share_lower=float((gaps < 0).mean()),
        variance_ratio=apart / paired if paired > 0 else None,
    )


def ratio_difference(
    name: str, meaning: str, base: tuple[Values, Values], changed: tuple[Values, Values], less: float = 0.0
) -> ShareDifference:
    """Compare a ratio of sums, given as (over, under) by replicate; `less` is taken off both ratios."""
    if base[1].sum() == 0 or changed[1].sum() == 0:
        values = [
            float(over.sum() / under.sum()) - less if under.sum() else None for over, under in (base, changed)
        ]
        return ShareDifference(name, meaning, values[0], values[1], None, None, None)
    ratios = [float(over.sum() / under.sum()) for over, under in (base, changed)]
    residuals = [
        (over - ratio * under) / under.mean()
        for ratio, (over, under) in zip(ratios, (base, changed), strict=True)
    ]
    gap = ratios[1] - ratios[0]
    half = _t_quantile(len(base[0])) * _error(residuals[1] - residuals[0])
    return ShareDifference(name, meaning, ratios[0] - less, ratios[1] - less, gap, gap - half, gap + half)


def risk_difference(
    name: str, meaning: str, base: Values, changed: Values, same: bool = False
) -> ShareDifference:
    """Compare how often a measure is above 0: by the replicates in which it is so in one run only.

    `same`: both are runs of one plan, so that no replicate can differ.
    """
    before, after = base > 0, changed > 0
    count = len(before)
    more, fewer = int((after & ~before).sum()), int((before & ~after).sum())
    gap = (more - fewer) / count
    # Half a replicate is added to each of the four cells of the table of pairs.
    total, up, down = count + 2, more + 0.5, fewer + 0.5
    middle = (up - down) / total
    half = float(ndtri(1 - (1 - CONFIDENCE) / 2)) * np.sqrt((up + down) / total - middle**2) / np.sqrt(total)
    low, high = (0.0, 0.0) if same else (min(gap, middle - half), max(gap, middle + half))
    return ShareDifference(
        name,
        meaning,
        float(before.mean()),
        float(after.mean()),
        gap,
        float(max(low, -1)),
        float(min(high, 1)),
    )


def _error(gaps: Values) -> float:
    return float(gaps.std(ddof=1) / np.sqrt(len(gaps)))


def _t_quantile(count: int) -> float:
    return float(stdtrit(count - 1, 1 - (1 - CONFIDENCE) / 2))


def _quantiles(values: Values) -> tuple[float, ...]:
    return tuple(float(one) for one in np.quantile(values, QUANTILES))
