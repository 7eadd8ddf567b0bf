"""Screening apart: how many are screened, the share of them that fails, and so how many are randomized, each with its error.

Screenings are forecast as recruitment is (Poisson-gamma); each fails with one unknown probability, whose law is beta: so of n screened the
number randomized is beta-binomial. Means and variances are exact, the quantiles those of a negative binomial law with both (a binomial one,
where it is spread less than Poisson's).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import ceil, isfinite
from typing import Any, Final

import numpy as np
from scipy.stats import beta, binom

from allocation.errors import FileRefused
from forecasting.errors import ForecastError
from forecasting.recruitment.count_law import CountLaw, time_quantile
from forecasting.recruitment.forecast import SHARES, Question, RecruitmentForecast, forecast, numbers_of
from forecasting.recruitment.record import AccrualRecord
from simulation.fitting.estimate import PRIOR_TRIALS, Basis, basis_of
from simulation.fitting.people import PRIOR_FAILURE

_LEVEL: Final = 0.9
"""Of the interval of the share that fails."""


@dataclass(frozen=True)
class FailureShare:
    """The share of those screened who fail: Beta(`failed` + prior, `decided` - `failed` + prior), the prior with mean 0.25, worth 20."""

    decided: int
    failed: int

    @property
    def parameters(self) -> tuple[float, float]:
        """Of the beta law."""
        return (
            self.failed + PRIOR_FAILURE * PRIOR_TRIALS,
            self.decided - self.failed + (1 - PRIOR_FAILURE) * PRIOR_TRIALS,
        )

    @property
    def mean(self) -> float:
        """The mean."""
        a, b = self.parameters
        return a / (a + b)

    @property
    def variance(self) -> float:
        """The variance."""
        a, b = self.parameters
        return a * b / ((a + b) ** 2 * (a + b + 1))

    @property
    def basis(self) -> Basis:
        """What it rests on."""
        return basis_of(self.decided)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        low, high = beta.ppf([(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], *self.parameters)
        return {
            **asdict(self),
            "mean": self.mean,
            "low": float(low),
            "high": float(high),
            "basis": self.basis,
        }


@dataclass(frozen=True)
class ScreeningRecord:
    """`record` of those screened; of them so many `waiting` for a decision, the others decided (`failure`); `randomized` so far; `lag`:
    periods from screening to randomization."""

    record: AccrualRecord
    failure: FailureShare
    waiting: int
    randomized: int
    lag: float


def screening_of_files(screened: AccrualRecord, randomized: AccrualRecord, lag: float) -> ScreeningRecord:
    """From two records of the same centres and periods, of those screened and of those randomized `lag` periods later.

    Whoever was screened until `lag` before the census is decided: randomized or failed. Raises FileRefused where that cannot be.
    """
    faults = []
    if set(screened.centres) != set(randomized.centres):
        odd = sorted(set(screened.centres) ^ set(randomized.centres))
        faults.append(f"has other centres than the file of those randomized ({', '.join(odd[:5])})")
    if screened.periods != randomized.periods:
        faults.append(
            f"has {screened.periods} periods, and the file of those randomized {randomized.periods}"
        )
    if not isfinite(lag) or lag < 0:
        raise ForecastError(f"{lag:g} days are no time", field="--screening-days", fix="name 0 or more days")
    if faults:
        raise FileRefused(screened.name, faults)
    totals = np.r_[0.0, np.cumsum(screened.counts.sum(axis=1))]
    decided = int(np.interp(max(screened.periods - lag, 0), np.arange(len(totals)), totals))
    if decided < randomized.subjects:
        raise FileRefused(
            screened.name,
            [
                f"{decided} were screened until {lag:g} periods before the end, and {randomized.subjects} are randomized: correct the "
                "files, or --screening-days"
            ],
        )
    share = FailureShare(decided, decided - randomized.subjects)
    return ScreeningRecord(screened, share, screened.subjects - decided, randomized.subjects, lag)


@dataclass(frozen=True)
class PassedLaw(CountLaw):
    """A law of those who pass: binomial where it is spread less than Poisson's, as it is while most of them wait at the census."""

    def _law(self) -> tuple[Any, tuple[float, ...]]:
        if self.variance >= self.mean * (1 - 1e-9):
            return super()._law()
        trials = max(round(self.mean**2 / (self.mean - self.variance)), ceil(self.mean), 1)
        return binom, (trials, self.mean / trials)


def thinned(law: CountLaw, waiting: float, share: FailureShare) -> PassedLaw:
    """How many are randomized of a number to be screened with that law and of those who are waiting.

    With q the share that passes: mean E(q) (m + w), variance E(q (1 - q)) (m + w) + E(q^2) Var + Var(q) (m + w)^2, for mean m and Var
    of the number, w waiting.
    """
    passes, spread = 1 - share.mean, share.variance
    number = law.mean + waiting
    variance = (
        (passes - passes**2 - spread) * number + (spread + passes**2) * law.variance + spread * number**2
    )
    return PassedLaw(passes * number, variance)


@dataclass(frozen=True)
class ScreeningForecast:
    """The forecast of those screened, `screened`, and through it of those randomized; `completion` as of a forecast of recruitment."""

    source: ScreeningRecord
    screened: RecruitmentForecast
    target: int | None

    def randomized(self, end: float) -> CountLaw:
        """The law of those who are randomized within `end` periods of the census: screened a lag before, or waiting at the census."""
        lag = self.source.lag
        part = 1.0 if lag <= 0 else min(end / lag, 1.0)
        return thinned(
            self.screened.law(max(end - lag, 0.0)), part * self.source.waiting, self.source.failure
        )

    @property
    def completion(self) -> tuple[float, ...] | None:
        """The quantiles of the time from the census to the target of randomized subjects, in periods."""
        if self.target is None:
            return None
        left = self.target - self.source.randomized
        return tuple(time_quantile(self.randomized, left, share) for share in SHARES)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        source, periods = self.source, self.screened.periods
        completion = self.completion
        return {
            "screened": source.record.subjects,
            "randomized": source.randomized,
            "waiting": source.waiting,
            "lag_periods": source.lag,
            "failure": source.failure.as_json(),
            "basis": self.screened.choice.fit.basis,
            "pattern": self.screened.choice.fit.pattern.code,
            "screened_ahead": numbers_of(self.screened.law(periods)),
            "randomized_ahead": numbers_of(self.randomized(periods)),
            "fan": [
                {
                    "period": end,
                    "screened": numbers_of(self.screened.law(end)),
                    "randomized": numbers_of(self.randomized(end)),
                }
                for end in self.screened.fan
            ],
            "completion_periods": None
            if completion is None
            else {
                f"q{round(100 * share):02d}": at if isfinite(at) else None
                for share, at in zip(SHARES, completion, strict=True)
            },
        }


def forecast_screening(source: ScreeningRecord, question: Question) -> ScreeningForecast:
    """Forecast from the end of a record of screenings; `question.prior_rate` is of those randomized. Raises ForecastError."""
    question.check()
    asked = replace(question, target=None, prior_rate=question.prior_rate / (1 - PRIOR_FAILURE))
    return ScreeningForecast(source, forecast(source.record, asked), question.target)
