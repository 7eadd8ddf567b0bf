"""`rtsm resupply transfer`: kits of one site moved to another."""

from __future__ import annotations

from typing import Annotated

import typer

from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service
from allocation.commands.transfers import TransferKitsRequest, transfer_kits
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study

Asked = list[str] | None


def transfer(
    from_site: Annotated[str, typer.Argument(help="The site that has the kits.", show_default=False)],
    to_site: Annotated[str, typer.Argument(help="The site that needs them.", show_default=False)],
    group: Annotated[
        Asked,
        typer.Option(
            help="GROUP=N: N kits of every type of this blinding group (repeatable).", show_default=False
        ),
    ] = None,
    kit_type: Annotated[
        Asked, typer.Option(help="TYPE=N: N kits of this type (unblinded; repeatable).", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the ledger (required).", show_default=False)] = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Set kits of one site aside for another; the sending site dispatches the shipment."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        TransferKitsRequest,
        from_site=from_site,
        to_site=to_site,
        groups=quantities(group, "--group"),
        kit_types=quantities(kit_type, "--kit-type"),
    )
    act = Act(acting(database, actor), reason=reason)
    answer = transfer_kits(Service(database), act, study_id, request)
    text = f"{answer['shipment_id']}: {answer['kits']} kits set aside at {from_site} for {to_site}"
    show(answer, as_json, text)


def quantities(asked: Asked, option: str) -> dict[str, int]:
    """What was asked for, by name. Raises BadParameter for what is not NAME=N, or names one thing twice."""
    found: dict[str, int] = {}
    for one in asked or ():
        name, _, count = one.partition("=")
        if not name or not count.isdecimal() or int(count) < 1 or name in found:
            raise typer.BadParameter(
                f"{one!r} is not NAME=N with N from 1, each name once", param_hint=option
            )
        found[name] = int(count)
    return found
