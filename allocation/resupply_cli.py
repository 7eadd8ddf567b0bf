"""`rtsm resupply`: run the resupply rule now, see the schedule, explain what was decided for a site, or which sites run out.

Proposals of parameters are in proposal_cli.py; `lint` and `import-settings`, which read settings and change nothing, are in
supply_lint_cli.py and supply_import_cli.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from allocation.access.permissions import PERMISSIONS
from allocation.commands.depot_explanation import explain_depot
from allocation.commands.malformed import request_from
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.resupply_pauses import PauseRequest, pause_resupply, resume_resupply
from allocation.commands.run_out import run_out_by_site, run_out_by_type
from allocation.commands.scheduled_resupply import run_due_in
from allocation.commands.service import Act, Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.proposal_cli import app as proposal_app
from allocation.resupply_tables import print_explanation, run_out_lines, schedule_lines
from allocation.supply_import_cli import import_settings
from allocation.supply_lint_cli import lint
from allocation.terminal import acting, progress_bar, show, the_study
from allocation.transfer_cli import transfer
from allocation.views.blinded.resupply_schedule import resupply_schedule

app = typer.Typer(
    no_args_is_help=True,
    help="Run the resupply rule, see its schedule, explain what a run decided, see run-outs ahead, check, import or propose settings.",
)
app.command("lint")(lint)
app.command("import-settings")(import_settings)
app.command("transfer")(transfer)
app.add_typer(proposal_app, name="proposal")


PausedSite = Annotated[str | None, typer.Argument(help="The site (default: every one).", show_default=False)]
PausedType = Annotated[
    str | None, typer.Option("--kit-type", help="Only this kit type (unblinded).", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger (required).", show_default=False)]


@app.command()
def run(
    site: Annotated[
        list[str] | None,
        typer.Option("--site", help="Only these sites (may be repeated).", show_default=False),
    ] = None,
    due: Annotated[
        bool,
        typer.Option(
            "--due", help="Only what is due by schedule or by event, as the service does it by itself."
        ),
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Turn expired kits over, decide every open site, and order what is needed."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    if due:
        if site or actor is not None:
            raise typer.BadParameter(
                "what is due is decided for all of its sites, by the system: give neither --site nor --as"
            )
        made = run_due_in(Service(database), study_id)
        show({"runs": made}, as_json, "\n".join(f"{one}: made" for one in made) or "Nothing is due.")
        return
    request = request_from(RunResupplyRequest, sites=tuple(site or ()))
    answer = run_resupply(Service(database), Act(acting(database, actor)), study_id, request)
    refills = answer.get("depot_orders", ())
    count = len(answer["orders"]) + len(refills)
    lines = [f"{answer['run_id']}: {answer['sites']} sites decided, {count} orders, {answer['kits']} kits"]
    lines += [
        f"  {order['shipment_id']} to {order['site_id']}: {order['kits']} kits" for order in answer["orders"]
    ]
    lines += [
        f"  {order['shipment_id']} to depot {order['depot_id']}: {order['kits']} kits" for order in refills
    ]
    show(answer, as_json, "\n".join(lines))


@app.command()
def schedule(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Show when the next scheduled run is, when the last one was, and which sites wait since an event."""
    database = open_database(create=False)
    found = resupply_schedule(
        database, acting(database, actor), the_study(database, study), now=Service(database).clock()
    )
    show(found.model_dump(mode="json"), as_json, schedule_lines(found))


@app.command()
def pause(
    site: PausedSite = None,
    kit_type: PausedType = None,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Stop automatic orders for a site, a kit type, both together, or (neither given) the whole study."""
    _set_pause(pause_resupply, site, kit_type, reason, study, actor, as_json)


@app.command()
def resume(
    site: PausedSite = None,
    kit_type: PausedType = None,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Lift a pause, named as it was made; other pauses stay."""
    _set_pause(resume_resupply, site, kit_type, reason, study, actor, as_json)


def _set_pause(
    command: Callable[..., dict[str, Any]],
    site: str | None,
    kit_type: str | None,
    reason: str,
    study: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(PauseRequest, site_id=site, kit_type=kit_type)
    answer = command(Service(database), Act(acting(database, actor), reason=reason), study_id, request)
    what = " of ".join(one for one in (kit_type, site) if one) or study_id
    show(answer, as_json, f"Automatic orders for {what}: {'paused' if answer['paused'] else 'resumed'}.")


@app.command()
def explain(
    place: Annotated[
        str, typer.Argument(metavar="SITE", help="The site; or with --depot a depot.", show_default=False)
    ],
    on: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            help="The last decision up to this day (default: the last one).",
            show_default=False,
        ),
    ] = None,
    depot: Annotated[bool, typer.Option("--depot", help="It is a depot, which another one refills.")] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show a site's last decision, derived again from the ledger: what counted and what not, the levels, the result. It UNBLINDS."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    with progress_bar("deriving the decision again") as told:
        explained = explain_depot if depot else explain_resupply
        up_to = None if on is None else on.date()
        found = explained(database, acting(database, actor), study_id, place, up_to, told)
    if as_json:
        show(asdict(found), True, "")
    else:
        print_explanation(found)


@app.command("run-out")
def run_out(
    blinded: Annotated[
        bool, typer.Option("--blinded", help="Only by site, as blinded readers see it.")
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show when each site is projected to run out, with those within the alarm's days first. By kit type it UNBLINDS."""
    database = open_database(create=False)
    study_id, who = the_study(database, study), acting(database, actor)
    service = Service(database)
    may_know = PERMISSIONS["view.stock.unblinded"]
    if blinded or not any(one.role in may_know and one.holds_in(study_id) for one in who.grants):
        by_site = run_out_by_site(service, who, study_id)
        show(by_site.model_dump(mode="json"), as_json, run_out_lines(by_site))
    else:
        by_type = run_out_by_type(service, who, study_id)
        show(by_type.model_dump(mode="json"), as_json, run_out_lines(by_type))
