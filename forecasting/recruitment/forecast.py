"""A forecast of recruitment from a record: how many by when, and when so many are there, each with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final

from forecasting.errors import ForecastError
from forecasting.recruitment.choosing import Choice, choose
from forecasting.recruitment.count_law import CountLaw, time_quantile
from forecasting.recruitment.fit import PRIOR_RATE
from forecasting.recruitment.homogeneity import Homogeneity, between_centres, over_time
from forecasting.recruitment.openings import Opening
from forecasting.recruitment.record import AccrualRecord

SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of every law; the outer ones bound the 90 % interval."""
_MOST_PERIODS: Final = 10_000
_MOST_SUBJECTS: Final = 1_000_000
_MOST_POINTS: Final = 60
"""Of the fan."""


@dataclass(frozen=True)
class Question:
    """What is asked for: the number within `periods` of the census (None: as many as were recorded), the time until `target` subjects in
    all, with sites that open later. `prior_rate`: subjects of a site and day that are expected while data are few. `delay`: periods from
    the census during which nobody is recruited; openings count from its end."""

    periods: int | None = None
    target: int | None = None
    openings: tuple[Opening, ...] = ()
    prior_rate: float = PRIOR_RATE
    delay: float = 0.0

    def check(self) -> None:
        """Raises ForecastError, naming the field, for what no forecast can be made of."""
        if self.periods is not None and not 1 <= self.periods <= _MOST_PERIODS:
            raise ForecastError(
                f"{self.periods} periods cannot be forecast",
                field="--periods",
                fix=f"name from 1 to {_MOST_PERIODS:,}",
            )
        if self.target is not None and not 1 <= self.target <= _MOST_SUBJECTS:
            raise ForecastError(
                f"{self.target} subjects are no target",
                field="--target",
                fix=f"name from 1 to {_MOST_SUBJECTS:,}, those so far included",
            )
        if not (isfinite(self.prior_rate) and self.prior_rate > 0):
            raise ForecastError(
                "a site has to be expected to recruit",
                field="--expected-per-month",
                fix="name a number above 0, such as 0.5",
            )


ASKED_NOTHING: Final = Question()


@dataclass(frozen=True)
class RecruitmentForecast:
    """The answer. `fan`: the law of the number after the census by the end of each period; `completion`: the quantiles `SHARES` of the time
    from the census to the target, in periods, infinite where it may never be reached, None without a target.

    `came`: what the record has after the census by period, at the centres that were open then, where the census was not its end.
    """

    record: AccrualRecord
    question: Question
    choice: Choice
    homogeneity: tuple[Homogeneity, Homogeneity]
    periods: int
    fan: dict[int, CountLaw]
    completion: tuple[float, ...] | None
    exact: bool
    came: tuple[int, ...]

    def law(self, end: float) -> CountLaw:
        """The law of the number within `end` periods of the census."""
        return _law(self.choice, self.question, end)

    @property
    def count(self) -> CountLaw:
        """The law of the number within all of `periods`."""
        return self.fan[self.periods]

    def quantile(self, end: int, share: float) -> int:
        """Of the number by the end of a period of the fan: never fewer than by an earlier one, however fast the error grows."""
        return max(law.quantile(share) for before, law in self.fan.items() if before <= end)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        fitted = self.choice.fit
        return {
            "record": self.record.name,
            "census_period": self.record.periods,
            "period_days": self.record.days,
            "subjects": self.record.subjects,
            "centres": len(self.record.centres),
            "centres_open": int(self.record.goes_on.sum()),
            "new_sites": [asdict(one) for one in self.question.openings],
            "stopped": list(self.record.stopped),
            "delay_periods": self.question.delay,
            "notes": list(self.record.notes),
            "basis": fitted.basis,
            "pattern": fitted.pattern.code,
            "pattern_says": fitted.pattern.says,
            "why": self.choice.why,
            "rate_per_site_and_period": fitted.mean,
            "rate_standard_error": fitted.mean_error,
            "gamma_shape": fitted.shape,
            "exact": self.exact,
            "homogeneity": [asdict(one) for one in self.homogeneity],
            "scores": [
                {
                    "pattern": one.code,
                    "score": one.score,
                    "forecasts": one.forecasts,
                    "covered_by_90": one.covered,
                    "error_variance_beyond": one.wander.variance,
                }
                for one in self.choice.scores
            ],
            "periods": self.periods,
            "count": self._numbers(self.periods),
            "fan": [{"period": end, **self._numbers(end)} for end in self.fan],
            "target": self.question.target,
            "completion_periods": None
            if self.completion is None
            else {
                _name(share): None if not isfinite(at) else at
                for share, at in zip(SHARES, self.completion, strict=True)
            },
            "came": list(self.came) or None,
        }

    def _numbers(self, end: int) -> dict[str, Any]:
        law = self.fan[end]
        quantiles = {_name(share): self.quantile(end, share) for share in SHARES}
        return {"mean": law.mean, "sd": law.sd, **quantiles}


def forecast(
    record: AccrualRecord, question: Question = ASKED_NOTHING, came: Sequence[int] = ()
) -> RecruitmentForecast:
    """Forecast from the end of a record. `came`: what is known of later periods, which is told beside the forecast and never looked at.

    Raises ForecastError for a question that cannot be asked.
    """
    question.check()
    choice = choose(record, question.prior_rate)

    def law(end: float) -> CountLaw:
        return _law(choice, question, end)

    periods = question.periods or len(came) or max(record.periods, 1)
    step = max(-(-periods // _MOST_POINTS), 1)
    ends = [*range(step, periods, step), periods]
    completion = None
    if question.target is not None:
        left = question.target - record.subjects
        completion = tuple(time_quantile(law, left, share) for share in SHARES)
    return RecruitmentForecast(
        record,
        question,
        choice,
        (between_centres(record), over_time(record)),
        periods,
        {end: law(end) for end in ends},
        completion,
        choice.fit.exact(question.openings) and choice.wander.variance == 0,
        tuple(came),
    )


def _law(choice: Choice, question: Question, end: float) -> CountLaw:
    return choice.fit.count(max(end - question.delay, 0.0), question.openings, choice.wander)


def numbers_of(law: CountLaw) -> dict[str, Any]:
    """A law as plain values."""
    return {"mean": law.mean, "sd": law.sd, **{_name(share): law.quantile(share) for share in SHARES}}


def _name(share: float) -> str:
    return f"q{round(100 * share):02d}"
