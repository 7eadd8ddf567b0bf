"""`rtsm resupply`: run the resupply rule now, or explain what it decided for a site.

`lint` and `import-settings`, which read settings and change nothing, are in supply_lint_cli.py and supply_import_cli.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from allocation.access.permissions import authorize
from allocation.commands.malformed import request_from
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act, Service
from allocation.errors import NotFound
from allocation.ledger.database import open_database
from allocation.ledger.reader import last_entry
from allocation.ledger_cli import As, AsJson, Study
from allocation.supply_import_cli import import_settings
from allocation.supply_lint_cli import lint
from allocation.terminal import acting, show, the_study

app = typer.Typer(
    no_args_is_help=True,
    help="Run the resupply rule, explain what a run decided, check the settings, or import them.",
)
app.command("lint")(lint)
app.command("import-settings")(import_settings)


@app.command()
def run(
    site: Annotated[
        list[str] | None,
        typer.Option("--site", help="Only these sites (may be repeated).", show_default=False),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Turn expired kits over, decide every open site, and order what is needed."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(RunResupplyRequest, sites=tuple(site or ()))
    answer = run_resupply(Service(database), Act(acting(database, actor)), study_id, request)
    lines = [
        f"{answer['run_id']}: {answer['sites']} sites decided, {len(answer['orders'])} orders, {answer['kits']} kits"
    ]
    lines += [
        f"  {order['shipment_id']} to {order['site_id']}: {order['kits']} kits" for order in answer["orders"]
    ]
    show(answer, as_json, "\n".join(lines))


@app.command()
def explain(
    site: Annotated[str, typer.Argument(help="The site.", show_default=False)],
    on: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            help="The last order up to this day (default: the last one).",
            show_default=False,
        ),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show the decision record of a site's last order: what was counted, the levels, each subject visit. It UNBLINDS."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "view.stock.unblinded", study_id, site_id=site)
    entry = last_entry(database, study_id, "order_shipment", site, None if on is None else on.date())
    if entry is None:
        raise NotFound(
            f"no order was made for site {site!r}",
            field="SITE",
            fix="`rtsm resupply run` says why, site by site",
        )
    if as_json:
        show(
            {"position": entry.position, "recorded_at": entry.recorded_at.isoformat(), **entry.after},
            True,
            "",
        )
        return
    _print(entry.position, entry.after)


def _print(position: int, after: dict[str, Any]) -> None:
    console, record = Console(), after["record"]
    console.print(
        f"[bold]{after['shipment_id']}[/bold] to {after['site_id']} from {after['depot_id']}, requested {after['requested_on']} "
        f"(run {after['run_id']}, ledger position {position}): {record['why']}"
    )
    table = Table(
        "kit type",
        "on hand",
        "pipeline",
        "SAI",
        "D short",
        "D long",
        "trigger",
        "up to",
        "needed",
        "ordered",
        "shipped",
        "short",
    )
    lines = {line["kit_type"]: line for line in record["lines"]}
    decided = {one["kit_type"]: one for one in record["decisions"]}
    for kit_type in dict.fromkeys([*decided, *lines]):
        one, line = decided.get(kit_type, {}), lines.get(kit_type, {})
        cells = [
            one.get(name, "")
            for name in ("on_hand", "pipeline", "sai", "d_short", "d_long", "trigger_level", "up_to_level")
        ]
        cells += [line.get(name, 0) for name in ("needed", "ordered", "shipped", "shortfall")]
        table.add_row(kit_type, *(str(cell) for cell in cells))
    console.print(table)
    for one in record["decisions"]:
        for subject, visit, offset, quantity in one["counted"]:
            when = f"due in {offset} days" if offset >= 0 else f"overdue by {-offset} days"
            console.print(f"  {one['kit_type']}: {quantity} for {subject} at {visit}, {when}")
    for subject, why in record["ignored_subjects"]:
        console.print(f"  not counted: {subject} ({why})")
