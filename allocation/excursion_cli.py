"""`rtsm excursion`: record an excursion from a logger's file, decide about its kits, and look at it. `plot` is the dashboards'."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from allocation.commands.evidence_files import keep_evidence
from allocation.commands.excursion_settling import SettleExcursionRequest, settle_excursion
from allocation.commands.excursions import RecordExcursionRequest, record_excursion
from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.rules.kit_authority import REJECTED, RELEASED
from allocation.signed_cli import run_signed
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.excursions import excursion_detail, list_excursions

app = typer.Typer(
    no_args_is_help=True, help="Temperature excursions: record them, decide about their kits, look at them."
)

Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.", show_default=False)]
ExcursionId = Annotated[str, typer.Argument(metavar="EXCURSION", help="As DE01-S001-E1.", show_default=False)]
OnlyKits = Annotated[
    list[str] | None, typer.Option("--kit", help="Only this kit; repeat it.", show_default=False)
]


@app.command()
def record(
    file: Annotated[
        Path,
        typer.Argument(help="The logger's CSV file.", exists=True, dir_okay=False, show_default=False),
    ],
    reason: Reason,
    shipment: Annotated[
        str | None, typer.Option("--shipment", help="It went with this shipment.", show_default=False)
    ] = None,
    parcel: Annotated[
        str | None,
        typer.Option("--parcel", help="It went with this parcel to a subject.", show_default=False),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="It lay at this site.", show_default=False)
    ] = None,
    depot: Annotated[
        str | None, typer.Option("--depot", help="It lay at this depot.", show_default=False)
    ] = None,
    pdf: Annotated[
        list[Path] | None,
        typer.Option(
            "--attach",
            help="A PDF to keep with it; repeat it.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone", help="Of the file's moments (default: that of the place).", show_default=False
        ),
    ] = None,
    kits: OnlyKits = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Judge every kit that was with the logger, and quarantine those that left their range."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    service, who = Service(database), acting(database, actor)
    request = request_from(
        RecordExcursionRequest,
        shipment_id=shipment,
        parcel_id=parcel,
        site_id=site,
        depot_id=depot,
        file_sha256=keep_evidence(service, who, study_id, file.read_bytes())["sha256"],
        timezone=timezone,
        attachments=tuple(
            keep_evidence(service, who, study_id, one.read_bytes())["sha256"] for one in pdf or ()
        ),
        kit_numbers=tuple(kits or ()),
    )
    answer = record_excursion(service, Act(who, reason=reason), study_id, request)
    show(answer, as_json, "\n".join(_lines(answer)))


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"{answer['excursion_id']}: {answer['readings']} readings from {answer['began_at']} to {answer['ended_at']}",
        f"  {answer['lowest']} to {answer['highest']} °C, mean kinetic temperature {answer['mean_kinetic']} °C",
        f"  {answer['exposed']} kits were there, {len(answer['kits'])} left their range, "
        f"{len(answer['quarantined'])} are quarantined now",
    ]
    for name, words in (
        ("with_subjects", "with subjects"),
        ("to_quarantine", "elsewhere now, to be quarantined by the supply manager"),
    ):
        if answer[name]:
            lines.append(f"  {words}: {', '.join(answer[name][:20])}")
    return lines


@app.command()
def settle(
    excursion: ExcursionId,
    decision: Annotated[
        Literal["release", "reject"], typer.Argument(help="What is decided.", show_default=False)
    ],
    reason: Reason,
    kits: OnlyKits = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Release kits of an excursion, within their stability budget, or reject them; signed by the account of --as."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        SettleExcursionRequest, excursion_id=excursion, decision=decision, kit_numbers=tuple(kits or ())
    )
    meaning = RELEASED if decision == "release" else REJECTED
    answer = run_signed(
        database, study_id, "settle_excursion", settle_excursion, request, meaning, reason, actor
    )
    waiting = f"; {len(answer['waiting'])} wait for another excursion" if answer["waiting"] else ""
    show(answer, as_json, f"{excursion}: {len(answer['kits'])} kits {answer['outcome']}{waiting}")


@app.command("list")
def list_command(
    site: Annotated[
        str | None, typer.Option("--site", help="Of this site and its shipments.", show_default=False)
    ] = None,
    shipment: Annotated[
        str | None, typer.Option("--shipment", help="Of this shipment.", show_default=False)
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show the excursions, the newest first."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = list_excursions(database, acting(database, actor), study_id, site_id=site, shipment_id=shipment)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    table = Table("excursion", "where", "from", "to", "°C", "MKT °C", "kits", "open")
    for one in found.excursions:
        table.add_row(
            one.excursion_id,
            f"{one.place_kind} {one.place}",
            f"{one.began_at:%Y-%m-%d %H:%M}",
            f"{one.ended_at:%Y-%m-%d %H:%M}",
            f"{one.lowest} to {one.highest}",
            one.mean_kinetic,
            str(one.kits),
            str(one.open),
        )
    Console().print(table)


@app.command("show")
def show_command(
    excursion: ExcursionId, study: Study = None, actor: As = None, as_json: AsJson = False
) -> None:
    """Show an excursion with the kits that left their range, and the minutes that each has spent in all."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = excursion_detail(database, acting(database, actor), study_id, excursion)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    table = Table(
        "kit", "looks like", "status", "min above", "min below", "in all above", "in all below", "outcome"
    )
    for one in found.kits:
        minutes = (one.minutes_above, one.minutes_below, one.spent_above, one.spent_below)
        table.add_row(one.name, one.kit_group, one.status, *map(str, minutes), one.outcome or "open")
    Console().print(table)
