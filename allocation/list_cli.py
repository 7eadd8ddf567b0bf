"""`rtsm randomization lists|activate-list`: which lists there are and where each is drawn from, and putting a stored one into use."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from allocation.access.actors import Actor
from allocation.commands.lists import ACTIVATION, ActivateListRequest, activate_list, activation_content
from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service, utc_now
from allocation.errors import NotFound
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, require_person, show, signed, the_study
from allocation.views.unblinded.lists import list_statuses
from allocation.views.unblinded.models import ListStatus

ForVersion = Annotated[
    int | None,
    typer.Option(
        "--protocol-version",
        help="A loaded protocol version that it is for, also one still to come (default: the one in force).",
        min=1,
        max=2**31 - 1,
        show_default=False,
    ),
]

_WIDTH_WITHOUT_TERMINAL = 160


def lists(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Show the randomization lists: the version each is made for, how far it is used, and the countries that draw from it. It UNBLINDS."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = list_statuses(database, acting(database, actor), study_id, utc_now())
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    table = Table(title=f"{study_id}: randomization lists", title_justify="left")
    for name in ("list", "event", "made for version", "method", "state", "drawn from in", "sha256"):
        table.add_column(name, overflow="fold")
    table.add_column("used", justify="right")
    for one in found.lists:
        version = "not kept" if one.protocol_version is None else str(one.protocol_version)
        used = f"{one.used} of {one.entries}"
        table.add_row(
            one.list_id, one.event, version, one.method, one.state, _where(one), one.sha256[:12], used
        )
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)).print(table)


def _where(one: ListStatus) -> str:
    """In which countries it is drawn from; an active list without any waits for its version, or has outlived it."""
    if one.faults:
        return f"{len(one.faults)} faults, never"
    return ", ".join(one.drawn_from_in) or ("nowhere now" if one.state == "active" else "")


def activate_stored_list(
    list_id: Annotated[str, typer.Argument(help="The id of a validated list.", show_default=False)],
    protocol_version: ForVersion = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Put a stored list into use, signed by the account of --as: now, or for a loaded version from its effective moment on."""
    username = require_person(actor)
    database = open_database(create=False)
    study_id = the_study(database, study)
    service, who = Service(database), acting(database, username)
    stored = list_statuses(database, who, study_id).lists
    sha256 = next((one.sha256 for one in stored if one.list_id == list_id), None)
    if sha256 is None:
        raise NotFound(f"list {list_id!r} is not stored", field="LIST_ID", fix="`rtsm load list` stores one")
    answer = activated(service, who, username, study_id, list_id, sha256, protocol_version)
    retired = f"; retired: {', '.join(answer['retired'])}" if answer["retired"] else ""
    text = f"{study_id}: list {list_id} is in use for version {answer['protocol_version']}{retired}"
    show(answer, as_json, text)


def activated(
    service: Service,
    who: Actor,
    username: str | None,
    study_id: str,
    list_id: str,
    sha256: str,
    protocol_version: int | None,
) -> dict[str, Any]:
    """Ask for the signature of the account and activate the list; gives the command's answer."""
    content = activation_content(list_id, sha256, protocol_version)
    signature = signed(service, who, require_person(username), "activate_list", ACTIVATION, content, study_id)
    request = request_from(ActivateListRequest, list_id=list_id, protocol_version=protocol_version)
    return activate_list(service, Act(who, signature=signature), study_id, request)
