"""Commands of forecasting: `rtsm forecast recruitment`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from allocation.ledger.database import open_database
from allocation.terminal import acting, the_study
from forecasting.calibration.kept import BLINDED_MEASURES
from forecasting.calibration.scorecard import Scorecard, scorecard
from forecasting.census import Census, census_at
from forecasting.command_options import KnownAt
from forecasting.errors import ForecastError
from forecasting.recruitment.fan_plot import write_fan_plot
from forecasting.recruitment.forecast import Question, forecast
from forecasting.recruitment.forecast_table import forecast_tables
from forecasting.recruitment.from_study import StudyAccrual, study_accrual
from forecasting.recruitment.kept_numbers import keep_recruitment
from forecasting.recruitment.openings import Opening
from forecasting.recruitment.record import read_record
from forecasting.recruitment.screening import forecast_screening, screening_of_files
from forecasting.recruitment.screening_table import screening_table
from simulation.command_options import date_option
from simulation.randomization.chart_file import check_chart_file
from simulation.scenario import DAYS_PER_MONTH

app = typer.Typer()
forecasts = typer.Typer(no_args_is_help=True)
app.add_typer(forecasts, name="forecast")

_WIDTH_WITHOUT_TERMINAL = 150
_LONGEST_PERIOD = 366.0


@forecasts.callback()
def _forecast() -> None:
    """Forecast recruitment from a record or a running study."""


@forecasts.command("recruitment")
def recruitment_command(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.csv", help="Subjects by centre (columns) and period (rows), NA before opening."
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(metavar="STUDY", help="Instead of a file: randomizations in a study's ledger."),
    ] = None,
    at: KnownAt = None,
    period_days: Annotated[float, typer.Option(help="Days of a period.")] = 7.0,
    census: Annotated[
        int | None, typer.Option(metavar="ROW", help="Forecast from the end of this period, not of the last.")
    ] = None,
    periods: Annotated[
        int | None,
        typer.Option(help="Periods ahead (default: what the file has, or as many as were recorded)."),
    ] = None,
    target: Annotated[
        int | None, typer.Option(help="When will there be so many subjects, those so far included?")
    ] = None,
    new_sites: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COUNT:FROM:TO", help="Sites that open so many periods after the census; repeatable."
        ),
    ] = None,
    expected_per_month: Annotated[
        float, typer.Option(help="Subjects of a site and month, believed while data are few.")
    ] = 0.5,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the fan into this .svg or .png.")
    ] = None,
    screened: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Beside FILE.csv of those randomized: those screened, by the same centres and periods. A study's ledger has them.",
        ),
    ] = None,
    screening_days: Annotated[
        float, typer.Option(help="With --screened: days from screening to randomization.")
    ] = 0.0,
    closed_site: Annotated[
        list[str] | None, typer.Option(metavar="SITE", help="A site that recruits no more; repeatable.")
    ] = None,
    paused_until: Annotated[
        datetime | None,
        date_option("With --study: recruitment is paused, and goes on after this day."),
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--as", help="The account that looks (default: the operator).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Forecast how many subjects come by when, and when a target is reached, each with its uncertainty.

    The pattern of time (constant, decaying, changed, moving window) is the one that forecast the record's own past best. The forecast of a
    study is kept for its scorecard.
    """
    if plot is not None:
        check_chart_file(plot)
    if (file is None) == (study is None):
        raise ForecastError(
            "either a file or a study is forecast", field="FILE", fix="name a CSV file, or --study STUDY"
        )
    if at is not None and (study is None or census is not None):
        raise ForecastError(
            "a day goes with --study, and without --census", field="--at", fix="leave one of them out"
        )
    if not 0 < period_days <= _LONGEST_PERIOD or (study is not None and period_days != int(period_days)):
        raise ForecastError(
            f"a period of {period_days:g} days cannot be forecast",
            field="--period-days",
            fix="name a number of days above 0, at most 366; whole days for a study",
        )
    if file is None and screened is not None:
        raise ForecastError(
            "the ledger has those screened",
            field="--screened",
            fix="leave it out, or name a file of those randomized",
        )
    if study is None and paused_until is not None:
        raise ForecastError(
            "only a study has dates", field="--paused-until", fix="leave it out, or name --study STUDY"
        )
    openings = tuple(Opening.parse(text) for text in new_sites or ())
    question = Question(periods, target, openings, expected_per_month / DAYS_PER_MONTH)
    question.check()
    sites = closed_site or []
    screening = past = None
    if file is not None:
        record = read_record(file, period_days).without(sites)
        if screened is not None:
            both = read_record(screened, period_days).without(sites).at_census(census)
            screening = screening_of_files(both, record.at_census(census), screening_days / period_days)
    else:
        last = None if paused_until is None else paused_until.date()
        past = _of_study(study, actor, int(period_days), None if at is None else at.date(), sites, last)
        record, question = past.accrual.randomized, replace(question, delay=past.accrual.delay)
        screening = past.accrual.screening if census is None else None
    known = record.at_census(census)
    later = record.later(census).tolist() if census is not None else []
    found = forecast(known, question, later)
    through = (
        None if screening is None else forecast_screening(screening, replace(question, periods=found.periods))
    )
    if plot is not None:
        write_fan_plot(found, plot)
    kept = None
    if past is not None and through is not None:
        kept = keep_recruitment(found, through.screened, past.census)
    if as_json:
        told = {
            **found.as_json(),
            "screening": None if through is None else through.as_json(),
            "plot": None if plot is None else str(plot),
        }
        if past is not None:
            told |= {"calibration": past.card.as_json(), "kept": None if kept is None else str(kept)}
        typer.echo(json.dumps(told, indent=2))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(forecast_tables(found))
    if through is not None:
        console.print(screening_table(through))
    for line in past.card.short(BLINDED_MEASURES) if past is not None else ():
        typer.echo(line)
    if plot is not None:
        typer.echo(f"plot: {plot}")


class _OfStudy(NamedTuple):
    """The records of a study at the census, and how its earlier forecasts did until then."""

    accrual: StudyAccrual
    census: Census
    card: Scorecard


def _of_study(
    study: str | None,
    actor: str | None,
    days: int,
    at: date | None,
    closed_sites: list[str],
    paused_until: date | None,
) -> _OfStudy:
    database = open_database(create=False)
    try:
        who, study_id = acting(database, actor), the_study(database, study)
        census = census_at(database, study_id, at)
        accrual = study_accrual(database, who, study_id, days, closed_sites, paused_until, census)
        card = scorecard(database, who, study_id, census.position)
    finally:
        database.dispose()
    return _OfStudy(accrual, census, card)
