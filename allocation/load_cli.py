"""`rtsm load`: sites, lots, kits, users and randomization lists from files. Each file is loaded whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from allocation.access.accounts_file import load_users
from allocation.commands.bulk_loading import load_bulk
from allocation.commands.inbound_files import read_bulk, read_kits, read_lots, read_sites
from allocation.commands.kits import load_kits, load_lots
from allocation.commands.list_files import read_list
from allocation.commands.lists import (
    LARGEST_SEED,
    MOST_ENTRIES,
    GenerateListRequest,
    generate_randomization_list,
    upload_list,
)
from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service, utc_now
from allocation.commands.sites import open_sites
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.list_cli import ForVersion, activated
from allocation.terminal import acting, show, the_study

app = typer.Typer(
    no_args_is_help=True, help="Load sites, lots, kits, users and randomization lists from files."
)

File = Annotated[
    Path, typer.Argument(help="A CSV file in UTF-8.", exists=True, dir_okay=False, show_default=False)
]

TableFile = Annotated[
    Path,
    typer.Argument(help="A CSV file in UTF-8, or XLSX.", exists=True, dir_okay=False, show_default=False),
]
Sheet = Annotated[
    str | None,
    typer.Option("--sheet", help="The sheet of the XLSX file, where several are filled.", show_default=False),
]


@app.command()
def sites(file: File, study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Open the sites of a file. Columns: site_id, and if needed name, country, depot_id, timezone, profile."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    act = Act(acting(database, actor))
    answer = open_sites(Service(database), act, study_id, read_sites(file.read_bytes()))
    show(answer, as_json, f"{study_id}: {answer['sites']} sites opened")


@app.command()
def lots(
    file: TableFile, sheet: Sheet = None, study: Study = None, actor: As = None, as_json: AsJson = False
) -> None:
    """Load lots. Columns: lot_id, kit_type, expiry_date, and if needed manufactured_on, released_for (DEU;FRA), status,
    expiry_printed (yes, no), blinded_lot.
    """
    database = open_database(create=False)
    study_id = the_study(database, study)
    answer = load_lots(
        Service(database), Act(acting(database, actor)), study_id, read_lots(file.read_bytes(), sheet)
    )
    show(answer, as_json, f"{study_id}: {answer['lots']} lots loaded")


@app.command()
def kits(
    file: TableFile,
    depot: Annotated[str, typer.Option("--depot", help="The depot that holds them.")],
    sheet: Sheet = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Load a packager's list of kits. Columns: kit_number, kit_type, lot_id, and if needed pick_sequence."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = read_kits(file.read_bytes(), depot, sheet)
    answer = load_kits(Service(database), Act(acting(database, actor)), study_id, request)
    show(answer, as_json, f"{study_id}: {answer['kits']} kits loaded at {depot}")


@app.command()
def bulk(
    file: TableFile,
    depot: Annotated[str, typer.Option("--depot", help="The depot that holds it.")],
    sheet: Sheet = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Load bulk supply, which bears no kit numbers. Columns: kit_type, lot_id, quantity."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = read_bulk(file.read_bytes(), depot, sheet)
    answer = load_bulk(Service(database), Act(acting(database, actor)), study_id, request)
    show(answer, as_json, f"{study_id}: {answer['units']} units of bulk supply loaded at {depot}")


@app.command()
def users(file: File, actor: As = None, as_json: AsJson = False) -> None:
    """Load accounts and roles. Columns: username, display_name, password, role, study_id, scope_kind, scope_key, and if needed email."""
    database = open_database()
    loaded = load_users(database, acting(database, actor), file.read_bytes(), utc_now)
    lines = [f"{len(loaded.created)} accounts created, {loaded.granted} roles granted"]
    lines += [
        f"  first password of {name}: {password}" for name, password in loaded.generated_passwords.items()
    ]
    answer = {
        "created": list(loaded.created),
        "granted": loaded.granted,
        "generated_passwords": loaded.generated_passwords,
    }
    show(answer, as_json, "\n".join(lines))


@app.command("list")
def randomization_list(
    list_id: Annotated[str, typer.Argument(help="The id of the list.", show_default=False)],
    event: Annotated[str, typer.Option("--event", help="The randomization event of the protocol.")],
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="The statistician's list (CSV in UTF-8, or XLSX).",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    sheet: Sheet = None,
    keep_draft: Annotated[
        bool, typer.Option("--draft", help="Keep a list with faults as a draft, with its faults.")
    ] = False,
    generate: Annotated[
        int | None,
        typer.Option(
            "--generate",
            help="Generate it instead by the event's method, with this many entries a stratum (in all, for dynamic blocks).",
            min=1,
            max=MOST_ENTRIES,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            help="The seed to generate from (default: drawn).",
            min=0,
            max=LARGEST_SEED,
            show_default=False,
        ),
    ] = None,
    protocol_version: ForVersion = None,
    activate: Annotated[
        bool, typer.Option("--activate", help="Activate it, signed by the account of --as.")
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Upload a master randomization list, or generate one. Columns: sequence, randomization_number, arm; stratum, holder, block."""
    if (file is None) == (generate is None):
        raise typer.BadParameter("give --file, or --generate", param_hint="--file")
    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, actor)
    service = Service(database)
    if file is not None:
        uploaded = read_list(
            file.read_bytes(),
            list_id,
            event,
            sheet=sheet,
            keep_draft=keep_draft,
            protocol_version=protocol_version,
        )
        answer = upload_list(service, Act(who), study_id, uploaded)
    else:
        request = request_from(
            GenerateListRequest,
            list_id=list_id,
            event=event,
            protocol_version=protocol_version,
            entries_per_stratum=generate,
            seed=seed,
        )
        answer = generate_randomization_list(service, Act(who), study_id, request)
    if activate and answer["state"] != "draft":
        answer |= activated(
            service, who, actor, study_id, answer["list_id"], answer["sha256"], protocol_version
        )
    show(
        answer,
        as_json,
        f"{study_id}: list {list_id} is {answer['state']}, {answer['entries']} entries, sha256 {answer['sha256']}"
        + (f"; {answer['faults']} faults, see `rtsm randomization lists --json`" if answer["faults"] else ""),
    )
