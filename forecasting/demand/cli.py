"""The command `rtsm forecast demand`: of a running study, or of an interim cut. `app` has the group `forecast` with it only."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console, RenderableType
from typer.core import TyperCommand

from forecasting.command_options import KnownAt, StudyActor
from forecasting.demand.backtest import ENROLMENT_MODELS, LEAVING_MODELS, Score, backtest
from forecasting.demand.drugdemand import read_interim
from forecasting.demand.errors import BadRequest
from forecasting.demand.forecast import Models, forecast_demand
from forecasting.demand.plot import check_folder, write_plots
from forecasting.demand.study_command import STUDY_DEFAULTS, StudyQuestion, answer_study
from forecasting.demand.table import forecast_table, score_table
from simulation.command_options import date_option
from simulation.streams import LARGEST_SEED

app = typer.Typer()
forecast = typer.Typer(no_args_is_help=True)
app.add_typer(forecast, name="forecast")

_WIDTH_WITHOUT_TERMINAL = 160
_STANDARD_OUTPUT: Final = "-"
_DRAWS: Final = 2000


class _JsonCommand(TyperCommand):
    """A command whose `--json` may stand without a file, for standard output."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does, with the file that `--json` leaves out."""
        given = []
        for word, following in zip(args, [*args[1:], "--"], strict=True):
            given.append(word)
            if word == "--json" and following.startswith("--"):
                given.append(_STANDARD_OUTPUT)
        found: list[str] = super().parse_args(ctx, given)
        return found


@forecast.callback()
def _forecast() -> None:
    """Forecast what a running study will need, with its uncertainty."""


@forecast.command("demand", cls=_JsonCommand)
def demand_command(
    study: Annotated[
        str | None,
        typer.Option(metavar="STUDY", help="A running study, from its ledger. It UNBLINDS."),
    ] = None,
    at: KnownAt = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --study: the assumptions (default: fitted to the ledger until then)."
        ),
    ] = None,
    weeks: Annotated[
        int | None, typer.Option(help=f"With --study: weeks ahead (default: {STUDY_DEFAULTS.weeks}).")
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option(help=f"With --study: simulated trials (default: {STUDY_DEFAULTS.replicates:,})."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --study: write demand.parquet and demand.csv, every place, kit type, part and week.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --study: draw the weeks by kit type into this .svg or .png."),
    ] = None,
    actor: StudyActor = None,
    interim: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Instead of a study: the five CSV files of an interim cut (drugDemand's; forecasting/demand/README.md).",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        date_option("With --interim: the last day that is forecast."),
    ] = None,
    target: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --interim: subjects after which enrolment ends, those so far included (default: none).",
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(min=200, max=100_000, help=f"With --interim: replicates (default: {_DRAWS:,})."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the replicates.")] = 1,
    enrolment: Annotated[
        str | None,
        typer.Option(
            help=f"With --interim: model of the enrolment rate, {', '.join(ENROLMENT_MODELS)} (default: {Models.enrolment})."
        ),
    ] = None,
    leaving: Annotated[
        str | None,
        typer.Option(
            help=f"With --interim: model of leaving, {', '.join(LEAVING_MODELS)} (default: {Models.leaving})."
        ),
    ] = None,
    with_backtest: Annotated[
        bool,
        typer.Option(
            "--backtest",
            help="With --interim: score these models on earlier cuts of the same data: ten seconds.",
        ),
    ] = False,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="[FILE]", help="Print the forecast as JSON; with a file, write it there."
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --interim: draw demand.svg and demand.png into this folder."),
    ] = None,
) -> None:
    """Forecast kits by type, with 90 % intervals: of a running study by place and week, or of an interim cut to a day.

    Shown apart: what subjects on study will need, and what those still to come will.
    """
    of_study: dict[str, Any] = {
        "--at": at,
        "--scenario": scenario,
        "--weeks": weeks,
        "--replicates": replicates,
    }
    of_study |= {"--out": out, "--plot": plot, "--as": actor}
    of_interim: dict[str, Any] = {
        "--until": until,
        "--target": target,
        "--draws": draws,
        "--enrolment": enrolment,
    }
    of_interim |= {"--leaving": leaving, "--backtest": with_backtest or None, "--plots": plots}
    _check_one(study, interim, of_study, of_interim)
    if json_file not in (None, _STANDARD_OUTPUT) and not Path(str(json_file)).parent.is_dir():
        raise BadRequest(
            f"there is no folder {Path(str(json_file)).parent}",
            field="--json",
            fix="make it, or name another",
        )
    if study is not None:
        question = StudyQuestion(
            study,
            None if at is None else at.date(),
            scenario,
            STUDY_DEFAULTS.weeks if weeks is None else weeks,
            STUDY_DEFAULTS.replicates if replicates is None else replicates,
            seed,
        )
        table, document, lines = answer_study(question, actor, out, plot)
        _tell(table, document, lines, json_file)
        return
    models = Models(enrolment or Models.enrolment, leaving or Models.leaving)
    _check_models(models)
    if plots is not None:
        check_folder(plots)
    if interim is None or until is None:
        raise BadRequest("the last day is not said", field="--until", fix="name a day, as 2023-08-24")
    cut = read_interim(interim)
    found = forecast_demand(cut, until.date(), draws=draws or _DRAWS, seed=seed, target=target, models=models)
    score: Score | None = backtest(cut, models, seed=seed) if with_backtest else None
    document = found.as_json() | ({} if score is None else {"backtest": score.as_json()})
    lines = [f"{part}: {text}" for part, text in found.basis.items()]
    files = write_plots(found, plots) if plots is not None else []
    _tell(
        forecast_table(found),
        document,
        lines,
        json_file,
        None if score is None else score_table(score),
        files,
    )


def _check_one(
    study: str | None, interim: Path | None, of_study: dict[str, Any], of_interim: dict[str, Any]
) -> None:
    """Raises BadRequest unless one of the two is forecast, with its own options only."""
    if (study is None) == (interim is None):
        raise BadRequest(
            "either a study or an interim cut is forecast",
            field="--study",
            fix="name a study, or the folder of an interim cut with --interim",
        )
    others, goes_with = (of_interim, "--interim") if study is not None else (of_study, "--study")
    for field, value in others.items():
        if value is not None:
            raise BadRequest(f"it goes with {goes_with}", field=field, fix="leave it out")


def _check_models(models: Models) -> None:
    for field, value, known in (
        ("--enrolment", models.enrolment, ENROLMENT_MODELS),
        ("--leaving", models.leaving, LEAVING_MODELS),
    ):
        if value not in known:
            raise BadRequest(f"there is no model {value}", field=field, fix=f"choose {', '.join(known)}")


def _tell(
    table: RenderableType,
    document: dict[str, Any],
    lines: list[str],
    json_file: str | None,
    score: RenderableType | None = None,
    plots: list[Path] | None = None,
) -> None:
    """Print the forecast for people or as JSON, and write what is to be written."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    if json_file == _STANDARD_OUTPUT:
        typer.echo(text)
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(table)
    for line in lines:
        typer.echo(line)
    if score is not None:
        console.print(score)
    if json_file is not None:
        Path(json_file).write_text(text + "\n", encoding="utf-8")
        typer.echo(f"forecast: {json_file}")
    for file in plots or []:
        typer.echo(f"plot: {file}")
