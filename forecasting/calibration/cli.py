"""The command `rtsm forecast scorecard`. `app` has the group `forecast` with it only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from allocation.ledger.database import open_database
from allocation.terminal import acting, the_study
from forecasting.calibration.card_plot import write_card_plot
from forecasting.calibration.card_table import card_tables
from forecasting.calibration.scorecard import scorecard
from simulation.randomization.chart_file import check_chart_file

app = typer.Typer()
forecast = typer.Typer(no_args_is_help=True)
app.add_typer(forecast, name="forecast")

_WIDTH_WITHOUT_TERMINAL = 160


@forecast.callback()
def _forecast() -> None:
    """Forecast what a running study will need, with its uncertainty."""


@forecast.command("scorecard")
def scorecard_command(
    study: Annotated[
        str | None, typer.Option(metavar="STUDY", help="The study (default: the only one).")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw PIT and coverage into this .svg or .png."),
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--as", help="The account that looks (default: the operator).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score the kept forecasts of a study by what its ledger has since: coverage, PIT, CRPS, and Brier on stock-outs.

    Every `rtsm forecast recruitment|demand --study` keeps its numbers for that. Who may not know kit types sees those of subjects alone.
    """
    if plot is not None:
        check_chart_file(plot)
    database = open_database(create=False)
    try:
        card = scorecard(database, acting(database, actor), the_study(database, study))
    finally:
        database.dispose()
    if plot is not None:
        write_card_plot(card, plot)
    if as_json:
        answer = {**card.as_json(), "plot": None if plot is None else str(plot)}
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(card_tables(card))
    if plot is not None:
        typer.echo(f"plot: {plot}")
