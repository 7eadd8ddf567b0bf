"""Commands on scenarios: `rtsm scenario fit`, the assumptions of a running study drawn from its ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from allocation.ledger.database import open_database
from allocation.terminal import acting, the_study
from simulation.fitting.fit_plot import write_fit_plot
from simulation.fitting.fit_table import fit_table
from simulation.fitting.scenario_fit import fit_scenario, write_fit
from simulation.randomization.chart_file import check_chart_file

app = typer.Typer()
scenario = typer.Typer(no_args_is_help=True)
app.add_typer(scenario, name="scenario")

_WIDTH_WITHOUT_TERMINAL = 180


@scenario.callback()
def _scenario() -> None:
    """Fit a scenario of assumptions to a running study."""


@scenario.command("fit")
def fit_command(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="The study (default: the only one).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the scenario into this .yaml, and the study's protocol beside it."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --out: the study's protocol file, relative to it, instead of a copy beside it.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw observed against fitted into this .svg or .png."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed that the scenario names.")] = 1,
    actor: Annotated[
        str | None, typer.Option("--as", help="The account that looks (default: the operator).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Estimate each assumption of a scenario from a study's ledger, with its interval and what it rests on. It UNBLINDS."""
    if plot is not None:
        check_chart_file(plot)
    if protocol is not None and out is None:
        raise typer.BadParameter("goes with --out", param_hint="--protocol")
    database = open_database(create=False)
    try:
        fit = fit_scenario(database, acting(database, actor), the_study(database, study), seed)
    finally:
        database.dispose()
    beside = None if out is None else write_fit(fit, out, protocol)
    if plot is not None:
        write_fit_plot(fit, plot)
    files = {"scenario": out, "protocol": beside, "plot": plot}
    if as_json:
        named = {name: None if file is None else str(file) for name, file in files.items()}
        typer.echo(json.dumps({**fit.as_json(), "files": named}, indent=2, ensure_ascii=False))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(fit_table(fit))
    for name, file in files.items():
        if file is not None:
            typer.echo(f"{name}: {file}")
