"""`rtsm kit`: number kits, quarantine, release and write them off, and the table of kit states; `rtsm recall`: a whole lot at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.certificate_options import (
    CertificateFile,
    CertificateNumber,
    DestroyedOn,
    DestroyedWhere,
    certificate_of,
)
from allocation.commands.kit_acts import (
    KIT_COMMANDS,
    DestroyKitsRequest,
    destroy_kits,
    kit_act_content,
    quarantine_kits,
    reject_kits,
    release_kits,
    report_kits_damaged,
    report_kits_lost,
)
from allocation.commands.kit_numbering import NumberKitsRequest, number_kits_of_lots
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.malformed import request_from
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.service import Act, Service
from allocation.errors import RTSMError
from allocation.kit_list_files import kit_list_file
from allocation.kit_status_page import kit_status_page
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.lot_quantity_options import Units, kits_in, kits_told, lot_quantities
from allocation.returns_reports_cli import history
from allocation.rules.kit_status import rows_of
from allocation.terminal import acting, require_person, show, signed_as, the_study

app = typer.Typer(no_args_is_help=True, help="Number kits; quarantine, release, write off and destroy them.")

Kits = Annotated[
    list[str] | None, typer.Argument(help="Kit numbers, or name one of the options.", show_default=False)
]
Lot = Annotated[
    str | None, typer.Option("--lot", help="All kits of this lot (unblinded).", show_default=False)
]
Shipment = Annotated[
    str | None, typer.Option("--shipment", help="All kits of this shipment.", show_default=False)
]
Site = Annotated[str | None, typer.Option("--site", help="All kits at this site.", show_default=False)]
Depot = Annotated[
    str | None, typer.Option("--depot", help="The depot that has the --units.", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.", show_default=False)]


ACTS: Final[tuple[tuple[str, str, Callable[..., dict[str, Any]], str], ...]] = (
    (
        "quarantine",
        "quarantine_kits",
        quarantine_kits,
        "Put kits into quarantine, wherever they are: none is shipped, assigned or dispensed until it is released.",
    ),
    (
        "release",
        "release_kits",
        release_kits,
        "Release kits from quarantine, signed by the account of --as.",
    ),
    (
        "reject",
        "reject_kits",
        reject_kits,
        "Reject kits in quarantine, signed by the account of --as: they are as damaged ones.",
    ),
    (
        "damaged",
        "report_kits_damaged",
        report_kits_damaged,
        "Record that kits at a depot or site are damaged.",
    ),
    ("lost", "report_kits_lost", report_kits_lost, "Record that kits of a depot or site are lost."),
)
"""Each act on kits: its word here, the ledger's name of the command, the command, and its help."""


def _act(command: str, run: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """The command line of one act on kits."""

    def act(
        reason: Reason,
        kits: Kits = None,
        lot: Lot = None,
        shipment: Shipment = None,
        site: Site = None,
        units: Units = None,
        depot: Depot = None,
        study: Study = None,
        actor: As = None,
        as_json: AsJson = False,
    ) -> None:
        request = request_from(
            KitScopeRequest,
            kit_numbers=tuple(kits or ()),
            lot_id=lot,
            shipment_id=shipment,
            site_id=site,
            depot_id=depot,
            bulk=lot_quantities(units),
        )
        _run(command, run, request, reason, study, actor, as_json)

    return act


for _word, _name, _function, _help in ACTS:
    app.command(_word, help=_help)(_act(_name, _function))


@app.command()
def destroy(
    reason: Reason,
    certificate: CertificateFile,
    number: CertificateNumber,
    place: DestroyedWhere,
    on: DestroyedOn,
    kits: Kits = None,
    lot: Lot = None,
    site: Site = None,
    units: Units = None,
    depot: Depot = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Record that damaged or expired kits were destroyed under a certificate, signed by the account of --as."""
    request = request_from(
        DestroyKitsRequest,
        kit_numbers=tuple(kits or ()),
        lot_id=lot,
        site_id=site,
        depot_id=depot,
        bulk=lot_quantities(units),
        certificate=certificate_of(certificate, number, place, on),
    )
    _run("destroy_kits", destroy_kits, request, reason, study, actor, as_json)


@app.command()
def number(
    lots: Annotated[list[str], typer.Argument(help="LOT=KITS, as L2601=500.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="The packager's list to write: .csv or .xlsx.")],
    digits: Annotated[
        int | None,
        typer.Option(
            "--digits",
            help="Length of a number (the study's first list decides; default 6).",
            show_default=False,
        ),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Number kits for the packager: scrambled, gapped numbers, and a pick sequence of its own. The list UNBLINDS."""
    kit_list_file([], out.name)
    if not out.parent.is_dir() or out.exists():
        raise RTSMError(
            f"{out} exists, or its folder does not",
            field="--out",
            fix="name a new file in a folder that there is",
        )
    wanted = [text.partition("=") for text in lots]
    counts = [
        {"lot_id": lot, "count": int(count) if count.isdecimal() else count} for lot, _, count in wanted
    ]
    request = request_from(NumberKitsRequest, lots=counts, digits=digits)
    database = open_database(create=False)
    study_id = the_study(database, study)
    answer = number_kits_of_lots(Service(database), Act(acting(database, actor)), study_id, request)
    out.write_bytes(kit_list_file(answer["kits"], out.name))
    done = {"study_id": study_id, "kits": len(answer["kits"]), "digits": answer["digits"], "file": str(out)}
    show(
        done,
        as_json,
        f"{study_id}: {done['kits']} kits numbered in {out}; `rtsm load kits` takes the list when they arrive",
    )


app.command("history")(history)


@app.command()
def states() -> None:
    """Print docs/kit-status.md: the kit states, what moves between them, who may do it, and what must be signed."""
    typer.echo(kit_status_page(), nl=False)


def recall(
    lot: Annotated[str, typer.Argument(help="The lot.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the ledger.", show_default=False)] = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Recall a lot: quarantine its kits wherever they are, ask back what subjects have, and say who had which. It UNBLINDS."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(RecallLotRequest, lot_id=lot)
    answer = recall_lot(Service(database), Act(acting(database, actor), reason=reason), study_id, request)
    if as_json:
        show(answer, True, "")
        return
    _print(answer)


def _run(
    command: str,
    run: Callable[..., dict[str, Any]],
    request: KitScopeRequest,
    reason: str,
    study: str | None,
    username: str | None,
    as_json: bool,
) -> None:
    """Do one act on kits; where the table asks for a signature, the account's password is asked for again."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    service = Service(database)
    meaning = next((row.by.signature for row in rows_of(KIT_COMMANDS[command].act) if row.by.signature), None)
    if meaning is not None:
        username = require_person(username)
    who = acting(database, username)
    signature = None
    if meaning is not None:
        role = reach(who, COMMAND_PERMISSIONS[command], study_id).role
        signature = signed_as(
            service, who, role, meaning, kit_act_content(study_id, command, request, reason)
        )
    answer = run(service, Act(who, reason=reason, signature=signature), study_id, request)
    words = command.removeprefix("report_").replace("_", " ")
    told = kits_told(answer, "kits")
    lines = [f"{study_id}: {words}: {kits_in(answer, 'kits')} ({', '.join(told[:20]) or 'none'}"]
    lines[0] += ", ...)" if len(told) > 20 else ")"
    if answer["not_possible"]:
        lines.append(f"  {answer['not_possible']} other kits do not allow it, and stay as they are")
    for one in answer.get("other_studies", ()):
        lines.append(f"  study {one['study_id']}, which has kits of the lot: {len(one['kits'])} more")
    show(answer, as_json, "\n".join(lines))


def _print(answer: dict[str, Any]) -> None:
    console = Console()
    before = " (it was recalled before; nothing was changed)" if answer["recalled_before"] else ""
    console.print(
        f"[bold]lot {answer['lot_id']}[/bold]{before}: {kits_in(answer, 'kits')} kits, {answer['quarantined']} of them quarantined now"
    )
    _print_kits(console, answer)
    for one in answer["other_studies"]:
        console.print(
            f"[bold]study {one['study_id']}[/bold], which has kits of it from here: {len(one['kits'])} kits, "
            f"{one['quarantined']} of them quarantined now"
        )
        _print_kits(console, one)
        if not one["subjects_shown"]:
            console.print(f"Who has some is told to those who may recall in study {one['study_id']}.")
    if answer["recalled_before"]:
        return
    table = Table("told by mail at", "which", "people")
    told = [("", one) for one in answer["told"]]
    told += [(f" ({study['study_id']})", one) for study in answer["other_studies"] for one in study["told"]]
    for where, one in told:
        people = str(one["people"]) if one["people"] else "nobody: call"
        table.add_row(one["place_kind"], f"{one['place']}{where}", people)
    console.print(table)
    console.print(
        "`rtsm notify list` shows whether the mail arrived. Each site sees its own kits under /recalled-kits."
    )


def _print_kits(console: Console, found: dict[str, Any]) -> None:
    """Where the kits of one study are, and who was given some."""
    places: dict[tuple[str, str, str], int] = {}
    for one in found["kits"]:
        key = (one["place_kind"], one["place"], one["status"])
        places[key] = places.get(key, 0) + 1
    bulk = found.get("bulk", {})
    for one in bulk.get("kits", ()):
        key = (one["place_kind"], one["place"], one["status"])
        places[key] = places.get(key, 0) + one["quantity"]
    table = Table("place", "which", "status", "kits")
    for (kind, place, status), count in sorted(places.items()):
        if kind != "subject":
            table.add_row(kind.replace("_", " "), place, status, str(count))
    console.print(table)
    table = Table("subject", "site", "kit", "visit", "given on", "to return")
    units_of = [{**one, "kit_number": f"{one['quantity']} units"} for one in bulk.get("subjects", ())]
    for one in (*found["subjects"], *units_of):
        visit = one["visit_code"] or one["visit_number"] or ""
        given = (one["subject_id"], one["site_id"], one["kit_number"], visit, one["dispensed_on"])
        table.add_row(*given, "yes" if one["return_asked"] else "no")
    console.print(table)
