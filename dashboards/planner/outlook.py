"""How recruitment is to go on, for every reader of its forecast: subjects alone, no arm and no kit type can be in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, isfinite
from typing import Final

import polars as pl
import streamlit as st

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from forecasting.calibration.scorecard import Scored, scorecard
from forecasting.calibration.scores import level_index
from forecasting.census import Census, census_at
from forecasting.recruitment.forecast import Question, RecruitmentForecast, forecast
from forecasting.recruitment.from_study import came_since, study_record
from forecasting.recruitment.kept_numbers import keep_recruitment

PERIOD_DAYS: Final = 7
LONGEST_WEEKS: Final = 156
LEAST_WEEKS: Final = 13
_MEASURE: Final = "randomized"


@dataclass(frozen=True, slots=True)
class PastForecast:
    """What an earlier forecast said of those randomized after `census` to `until`, with its 90 % interval, and how many `came`."""

    census: date
    until: date
    median: float
    low: float
    high: float
    came: int

    @property
    def held(self) -> bool:
        """Whether the interval has what came."""
        return self.low <= self.came <= self.high


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast of recruitment at a census, and how earlier ones did against the ledger to `scored_to`."""

    census: Census
    forecast: RecruitmentForecast
    scored: Scored | None
    past: tuple[PastForecast, ...]
    scored_to: date

    def reached(self) -> tuple[date | None, date | None, date | None] | None:
        """When the target is reached: 5, 50 and 95 %; a None among them is beyond reach. None where there is no target left to reach."""
        found = self.forecast
        if found.completion is None or found.record.subjects >= (found.question.target or 0):
            return None
        early, middle, late = (found.completion[at] for at in (0, 2, 4))
        return self._date(early), self._date(middle), self._date(late)

    def _date(self, periods: float) -> date | None:
        if not isfinite(periods) or periods > 100 * LONGEST_WEEKS:
            return None
        return self.census.at + timedelta(days=ceil(periods * PERIOD_DAYS))


def read_outlook(
    database: Database, actor: Actor, study_id: str, at: date | None, target: int | None, weeks: int | None
) -> Outlook:
    """The outlook at the end of the day `at` (None: of the last entry). `weeks` None: until the target is reached.

    Raises NotPermitted, NotFound; ForecastError for a day without a ledger, or a study of which no site is open.
    """
    authorize(actor, "forecast.recruitment", study_id)
    census = census_at(database, study_id, at)
    record = study_record(database, actor, study_id, PERIOD_DAYS, census)
    came = came_since(database, actor, study_id, PERIOD_DAYS, census)
    first = forecast(record, Question(LEAST_WEEKS if weeks is None else weeks, target), came)
    if weeks is None and first.completion is not None:
        late = first.completion[-1]
        until = LONGEST_WEEKS if not isfinite(late) else min(max(ceil(late), LEAST_WEEKS), LONGEST_WEEKS)
        found = first if until == LEAST_WEEKS else forecast(record, Question(until, target), came)
    else:
        found = first
    card = scorecard(database, actor, study_id)
    return Outlook(census, found, card.group(_MEASURE), _past(card.answered), card.as_of)


def keep_outlook(outlook: Outlook) -> None:
    """Keep the forecast for the scorecard, as `rtsm forecast recruitment --study` does. Raises ForecastError where it cannot be written."""
    keep_recruitment(outlook.forecast, None, outlook.census)


@st.cache_resource(max_entries=24, show_spinner="Forecasting recruitment …")
def outlook_at(
    key: tuple[object, ...],  # noqa: ARG001  (what the answer depends on: the cache goes by it)
    _database: Database,
    _actor: Actor,
    study_id: str,
    at: date | None,
    target: int | None,
    weeks: int | None,
) -> Outlook:
    """As `read_outlook`, kept in this process as long as `key` is the same; the caller has checked the permission."""
    return read_outlook(_database, _actor, study_id, at, target, weeks)


def _past(answered: pl.DataFrame) -> tuple[PastForecast, ...]:
    """Of each earlier forecast of subjects, the number that reaches furthest and has been answered; the latest census first."""
    if answered.is_empty():
        return ()
    rows = answered.filter(measure=_MEASURE, scope="study").sort("to_date")
    last = rows.unique("forecast_id", keep="last", maintain_order=True).unique(
        ["census", "to_date"], keep="last"
    )
    levels = [level_index(level) for level in (0.05, 0.5, 0.95)]
    found = []
    for row in last.sort("census", descending=True).iter_rows(named=True):
        low, median, high = (row["quantiles"][at] for at in levels)
        until = row["to_date"] - timedelta(days=1)
        found.append(PastForecast(row["census"], until, median, low, high, round(row["came"])))
    return tuple(found)
