"""The command `rtsm forecast demand`. It stands alone: `app` has the group `forecast` with this command only."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from forecasting.demand.backtest import ENROLMENT_MODELS, LEAVING_MODELS, Score, backtest
from forecasting.demand.drugdemand import read_interim
from forecasting.demand.errors import BadRequest
from forecasting.demand.forecast import Models, forecast_demand
from forecasting.demand.plot import check_folder, write_plots
from forecasting.demand.table import forecast_table, score_table

app = typer.Typer()
forecast = typer.Typer(no_args_is_help=True)
app.add_typer(forecast, name="forecast")

_WIDTH_WITHOUT_TERMINAL = 140


@forecast.callback()
def _forecast() -> None:
    """Forecast what a running study will need, with its uncertainty."""


@forecast.command("demand")
def demand_command(
    interim: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="The five CSV files of an interim cut (drugDemand's; forecasting/demand/README.md).",
        ),
    ],
    until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day that is forecast.", metavar="DATE")
    ],
    target: Annotated[
        int | None,
        typer.Option(
            min=1, help="Subjects after which enrolment ends, those so far included (default: none)."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=200, max=100_000, help="Replicates.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the replicates.")] = 1,
    enrolment: Annotated[
        str, typer.Option(help=f"Model of the enrolment rate: {', '.join(ENROLMENT_MODELS)}.")
    ] = Models.enrolment,
    leaving: Annotated[
        str, typer.Option(help=f"Model of leaving: {', '.join(LEAVING_MODELS)}.")
    ] = Models.leaving,
    with_backtest: Annotated[
        bool,
        typer.Option("--backtest", help="Score these models on earlier cuts of the same data: ten seconds."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the forecast into this file.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw demand.svg and demand.png into this folder.")
    ] = None,
) -> None:
    """Forecast kits by type to a day from an interim cut, with 90 % intervals.

    Shown apart: what subjects on study will need, and what those still to come will.
    """
    for field, value, known in (
        ("--enrolment", enrolment, ENROLMENT_MODELS),
        ("--leaving", leaving, LEAVING_MODELS),
    ):
        if value not in known:
            raise BadRequest(f"there is no model {value}", field=field, fix=f"choose {', '.join(known)}")
    if plots is not None:
        check_folder(plots)
    if json_file is not None and not json_file.parent.is_dir():
        raise BadRequest(
            f"there is no folder {json_file.parent}", field="--json", fix="make it, or name another"
        )
    cut, models = read_interim(interim), Models(enrolment, leaving)
    found = forecast_demand(cut, until.date(), draws=draws, seed=seed, target=target, models=models)
    score: Score | None = backtest(cut, models, seed=seed) if with_backtest else None
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(forecast_table(found))
    for part, text in found.basis.items():
        typer.echo(f"{part}: {text}")
    if score is not None:
        console.print(score_table(score))
    if json_file is not None:
        document = found.as_json() | ({} if score is None else {"backtest": score.as_json()})
        json_file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        typer.echo(f"forecast: {json_file}")
    if plots is not None:
        for file in write_plots(found, plots):
            typer.echo(f"plot: {file}")
