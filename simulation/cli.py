"""Commands of this package: `rtsm randomization compare`, a comparison of randomization designs before a trial."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from allocation.ledger.database import open_database
from allocation.terminal import acting, the_study
from allocation.views.unblinded.allocations import allocation_history
from simulation.randomization.comparison import Report, Row, compare
from simulation.randomization.comparison_file import (
    MOST_BIAS,
    MOST_REPLICATES,
    Wanted,
    wanted_comparison,
)
from simulation.randomization.monitor import quality_of
from simulation.randomization.monitor_report import monitor_table, write_monitor_plot
from simulation.randomization.plot import BALANCES, check_plot, write_plot
from simulation.randomization.table import comparison_table

app = typer.Typer()
randomization = typer.Typer(no_args_is_help=True)
app.add_typer(randomization, name="randomization")

_WIDTH_WITHOUT_TERMINAL = 160


@randomization.callback()
def _randomization() -> None:
    """Compare randomization designs before a trial, and explain the draws of a running one."""


@randomization.command("compare")
def compare_designs(
    spec: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC",
            help="A study protocol, or a comparison as in studies/randomization-comparison.yaml.",
            show_default=False,
        ),
    ],
    event: Annotated[
        str | None, typer.Option(help="The randomization event of a protocol (default: its first).")
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option(
            min=100,
            max=MOST_REPLICATES,
            help="Simulated trials for what has no exact value (default: the file's, else 2,000).",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the simulated trials (default: the file's, else 1).")
    ] = None,
    trend: Annotated[
        float | None,
        typer.Option(
            min=-MOST_BIAS,
            max=MOST_BIAS,
            metavar="SD",
            help="Add how often an unadjusted t-test errs when responses drift by so many standard deviations over the study.",
        ),
    ] = None,
    guessing: Annotated[
        float | None,
        typer.Option(
            min=-MOST_BIAS,
            max=MOST_BIAS,
            metavar="SD",
            help="The same when who enrols guesses the next arm and picks subjects that respond by so much higher or lower.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw balance against predictability into this .svg or .png."),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            help=f"The plot's axis of balance: {', '.join(BALANCES)} (default: overall; largest without strata)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare randomization designs: imbalance, predictability, loss and certain allocations, exact wherever that is possible.

    A protocol's own method is compared with those that suit its ratio, planned subjects and strata.
    """
    if plot is not None:
        check_plot(plot, balance)
    wanted = wanted_comparison(spec, event, replicates, seed, trend, guessing)
    with _progress() as report:
        rows = compare(wanted.plan, wanted.contenders, report)
    if plot is not None:
        write_plot(wanted.plan, rows, plot, balance)
    if as_json:
        typer.echo(json.dumps(_as_json(wanted, rows, plot), indent=2, ensure_ascii=False))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(comparison_table(wanted.plan, rows))
    for remark in wanted.remarks:
        typer.echo(remark)
    if plot is not None:
        typer.echo(f"plot: {plot}")


@randomization.command("monitor")
def monitor_event(
    event: Annotated[str | None, typer.Option(help="The randomization event (default: the first).")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw imbalance and right guesses over time into this .svg or .png."
        ),
    ] = None,
    study: Annotated[str | None, typer.Option("--study", help="The study (default: the only one).")] = None,
    actor: Annotated[
        str | None, typer.Option("--as", help="The account that looks (default: the operator).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure the randomization of a running study: balance, predictability, loss, forced and certain allocations. It UNBLINDS."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    report = quality_of(allocation_history(database, acting(database, actor), study_id, event))
    if plot is not None:
        write_monitor_plot(report, plot)
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "plot": None if plot is None else str(plot)}, indent=2))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(monitor_table(report))
    if plot is not None:
        typer.echo(f"plot: {plot}")


def _as_json(wanted: Wanted, rows: list[Row], plot: Path | None) -> dict[str, object]:
    plan = wanted.plan
    return {
        "name": plan.name,
        "arms": dict(plan.arms),
        "subjects": plan.subjects,
        "factors": {factor.code: dict(factor.levels) for factor in plan.factors},
        "replicates": plan.replicates,
        "seed": plan.seed,
        "trend": plan.trend,
        "guessing": plan.guessing,
        "imbalance": "absolute difference" if plan.even else "euclidean distance from the ratio",
        "designs": [
            {
                "label": row.label,
                "method": row.method,
                "of_protocol": row.of_protocol,
                "figures": {name: figure.as_json() for name, figure in row.figures().items()},
            }
            for row in rows
        ],
        "remarks": list(wanted.remarks),
        "plot": None if plot is None else str(plot),
    }


@contextmanager
def _progress() -> Iterator[Report]:
    """A progress bar on standard error, on a terminal only. The first comparison on a machine also waits for the compiler."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("comparing", total=None)

        def report(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=f"comparing {what}".rstrip())

        yield report
