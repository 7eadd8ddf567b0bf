"""Commands that read a running study's ledger for the simulator: `rtsm scenario fit` and `rtsm scenario replay-orders`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from allocation.ledger.database import open_database
from allocation.terminal import acting, the_study
from simulation.fitting.fit_plot import write_fit_plot
from simulation.fitting.fit_table import fit_table
from simulation.fitting.scenario_fit import fit_scenario, write_fit
from simulation.order_replay.comparison import OrderComparison, replay_orders
from simulation.randomization.chart_file import check_chart_file

app = typer.Typer()
scenario = typer.Typer(no_args_is_help=True)
app.add_typer(scenario, name="scenario")

_WIDTH_WITHOUT_TERMINAL = 180


@scenario.callback()
def _scenario() -> None:
    """Fit a scenario to a running study, and decide its resupply runs anew."""


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


@scenario.command("replay-orders")
def replay_orders_command(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="The study (default: the only one).")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--as", help="The account that looks (default: the operator).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Decide every resupply run of a study anew on a twin's state; exit code 1 where an order differs. It UNBLINDS.

    The recorded inputs (lots, randomizations, visits, receipts, losses) drive the twin; the rules are the service's.
    """
    database = open_database(create=False)
    try:
        found = replay_orders(database, acting(database, actor), the_study(database, study))
    finally:
        database.dispose()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        _show(found)
    if not found.equal:
        raise typer.Exit(1)


def _show(found: OrderComparison) -> None:
    share = f"{100 * found.agreed / found.orders:.1f} %" if found.orders else "no order"
    typer.echo(
        f"{found.study_id}: {found.runs} resupply runs, {found.decided} decisions about sites, {found.orders} orders of "
        f"{found.kits} kits; the twin orders the same in {found.agreed} ({share})"
    )
    if found.other_orders:
        typer.echo(f"{found.other_orders} orders by hand were taken as they are")
    if found.equal:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("run", "date", "site", "kit type", "twin", "service"):
        table.add_column(name)
    for one in found.differences:
        by_lot = [
            " ".join(f"{lot}:{kits}" for lot, kits in kits_of.items()) or "none"
            for kits_of in (one.twin, one.service)
        ]
        table.add_row(one.run_id, one.on.isoformat(), one.site_id, one.kit_type, *by_lot)
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(table)
