"""The dashboards' part of the command line: `rtsm demo`, `rtsm up`, `rtsm dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

ApiPort = Annotated[int, typer.Option(help="The API's port on 127.0.0.1.")]
DashboardPort = Annotated[int, typer.Option(help="The dashboards' port on 127.0.0.1.")]
DagsterPort = Annotated[int, typer.Option(help="The port of Dagster's web pages on 127.0.0.1.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Keep the parts' output out of the terminal (the log files have it)."),
]


@app.command()
def demo(
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", help="Open the running system at the end, or end with a summary."),
    ] = True,
    live: Annotated[
        bool, typer.Option("--live", help="Open the running system first, and play slowly enough to watch.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make the demo again where a complete one is here.")
    ] = False,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=7305, help="How many days to play.", show_default="the scenario's"),
    ] = None,
    pace: Annotated[
        float | None,
        typer.Option(min=0, help="With --live: seconds for a simulated day.", show_default="300 in all"),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The scenario to play.",
            show_default="studies/demo-scenario.yaml",
        ),
    ] = None,
    planning: Annotated[
        bool,
        typer.Option(
            "--planning",
            help="After the play: forecasts of past days, and thresholds tuned on the ledger, proposed and signed. Two minutes more, "
            "and two again where the simulator is to be compiled.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --no-serve: the summary as JSON.")] = False,
    api_port: ApiPort = 8000,
    dashboard_port: DashboardPort = 8501,
    dagster_port: DagsterPort = 3000,
    quiet: Quiet = False,
) -> None:
    """Set up a demo trial, play it through the service and open the running system.

    Everything it makes is in RTSM_HOME (.rtsm here). A complete demo there is used as it is; an interrupted one is made again.
    """
    if live and not serve:
        raise typer.BadParameter("a live demo is served: leave out --no-serve", param_hint="--live")
    if as_json and serve:
        raise typer.BadParameter("only --no-serve ends with a summary", param_hint="--json")
    if planning and live:
        raise typer.BadParameter("planning comes after a play: leave out --live", param_hint="--planning")
    if pace is not None and not live:
        raise typer.BadParameter("it slows a live demo: add --live", param_hint="--pace")
    from dashboards.demo_run import DemoOptions, run_demo
    from dashboards.services import Ports

    run_demo(
        DemoOptions(
            serve=serve,
            live=live,
            fresh=fresh,
            days=days,
            pace=pace,
            scenario=scenario,
            as_json=as_json,
            quiet=quiet,
            planning=planning,
        ),
        Ports(api_port, dashboard_port, dagster_port),
    )


@app.command()
def up(
    api_port: ApiPort = 8000,
    dashboard_port: DashboardPort = 8501,
    dagster_port: DagsterPort = 3000,
    quiet: Quiet = False,
    scheduler: Annotated[
        bool | None,
        typer.Option(
            "--scheduler/--no-scheduler",
            help="Make the resupply runs that are due; left out: unless the home holds a demo, whose trial is not of today.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the API, the dashboards and Dagster under one supervisor, until Ctrl-C.

    Each writes its log to RTSM_HOME/logs. When one ends by itself, all are stopped and the exit code is 1.
    """
    from dashboards.services import Ports
    from dashboards.up import run_up

    run_up(Ports(api_port, dashboard_port, dagster_port), quiet=quiet, scheduler=scheduler)


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8501,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the dashboards."""
    from dashboards.server import serve

    serve(host, port)


excursion = typer.Typer(no_args_is_help=True)
app.add_typer(excursion, name="excursion")


@excursion.callback()
def _excursions() -> None:
    """Pictures of temperature excursions."""


@excursion.command()
def plot(
    name: Annotated[str, typer.Argument(metavar="EXCURSION", help="As DE01-S001-E1.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", help="The picture to write: .svg or .png.", show_default=False)
    ],
    study: Annotated[
        str | None, typer.Option(help="The study (default: the only one).", show_default=False)
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option("--as", help="The account that looks (default: the operator).", show_default=False),
    ] = None,
) -> None:
    """Plot an excursion's curve with its limits."""
    from allocation.ledger.database import open_database
    from allocation.terminal import acting, the_study
    from allocation.views.blinded.excursion_curve import excursion_curve
    from dashboards.excursion_chart import excursion_chart
    from simulation.randomization.chart_file import check_chart_file, write_chart

    check_chart_file(out)
    database = open_database(create=False)
    study_id = the_study(database, study)
    write_chart(excursion_chart(excursion_curve(database, acting(database, actor), study_id, name)), out)
    typer.echo(f"{name}: {out}")
