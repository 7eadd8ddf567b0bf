"""The command `rtsm forecast supply`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from allocation.terminal import progress_bar
from forecasting.command_options import StateAt, StudyActor, Threads
from forecasting.supply_plan.beginning import from_scenario, from_study
from forecasting.supply_plan.errors import SupplyPlanError
from forecasting.supply_plan.plan_files import check_folder, write_plan
from forecasting.supply_plan.plan_table import plan_tables
from forecasting.supply_plan.supply_plan import plan_supply
from simulation.command_options import date_option
from simulation.replicates.workforce import workers_of_machine
from simulation.streams import LARGEST_SEED

app = typer.Typer()
forecasts = typer.Typer(no_args_is_help=True)
app.add_typer(forecasts, name="forecast")

_WIDTH_WITHOUT_TERMINAL: Final = 200
_LEAST_FAILURES: Final = 5
"""Trials that may fail at the level asked for, so that it can be told from a higher one."""


@forecasts.callback()
def _forecast() -> None:
    """Plan how many kits are made when."""


@forecasts.command("supply")
def supply_command(
    scenario: Annotated[
        Path | None,
        typer.Argument(
            metavar="SCENARIO", help="A scenario as in studies/demo-scenario.yaml.", show_default=False
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY",
            help="Go on from this running study's present state; without a scenario, with assumptions fitted to it. It UNBLINDS.",
        ),
    ] = None,
    at: StateAt = None,
    until: Annotated[
        datetime | None,
        date_option(
            "The last day that is planned for, such as the day before a later campaign is released (default: the scenario's)."
        ),
    ] = None,
    campaigns: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What may be made, as YAML (forecasting/supply_plan/README.md; default: the campaigns of the scenario).",
        ),
    ] = None,
    service_level: Annotated[
        float, typer.Option(help="The share of trials in which the central stock is to be enough.")
    ] = 0.95,
    replicates: Annotated[
        int, typer.Option(min=20, max=100_000, help="Trials to plan with, and as many to test the plan.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of all random numbers.")] = 1,
    workers: Threads = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the plan, its runs and the scenario with it into this folder."
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="With --out: draw depots' stock and the rules, as SVG and PNG.")
    ] = False,
    actor: StudyActor = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan how many kits of what are made, labelled and sent to which depot, and when, and test the plan by playing it.

    The level of service counts the trials in which no visit goes without a kit because the depots have none.
    """
    if scenario is None and study is None:
        raise SupplyPlanError(
            "nothing says what is planned for",
            field="SCENARIO",
            fix="name a scenario, or --study STUDY, or both",
        )
    if study is None and (at or actor):
        raise typer.BadParameter("goes with --study", param_hint="--at, --as")
    if plot and out is None:
        raise typer.BadParameter("goes with --out", param_hint="--plot")
    _check_level(service_level, replicates)
    if out is not None:
        check_folder(out)
    last = None if until is None else until.date()
    if study is not None:
        on = None if at is None else at.date()
        begins, choices = from_study(study, scenario, campaigns, on, last, actor, seed)
    else:
        begins, choices = from_scenario(scenario or Path(), campaigns, last)
    with ExitStack() as bars:
        plan = plan_supply(
            begins,
            choices,
            service_level,
            seed,
            replicates,
            workers or workers_of_machine(),
            lambda step: bars.enter_context(progress_bar(step)),
        )
    files = [] if out is None else write_plan(plan, out, plot)
    if as_json:
        told = {**plan.as_json(), "files": [str(file) for file in files]}
        if begins.card is not None:
            told["calibration"] = begins.card.as_json()
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    if begins.live is not None:
        typer.echo(begins.live.told())
    console.print(plan_tables(plan))
    for line in begins.card.short(("kits_dispensed", "stock_outs")) if begins.card is not None else ():
        typer.echo(line)
    for file in files:
        typer.echo(f"  {file}")


def _check_level(level: float, replicates: int) -> None:
    if not 0 < level < 1:
        raise SupplyPlanError(
            f"{level:g} is no level of service", field="--service-level", fix="name a share such as 0.95"
        )
    needed = ceil(round(_LEAST_FAILURES / (1 - level), 6))
    if replicates < needed:
        raise SupplyPlanError(
            f"{replicates} trials cannot tell a level of {level:g} from a higher one",
            field="--replicates",
            fix=f"name {needed:,} or more",
        )
