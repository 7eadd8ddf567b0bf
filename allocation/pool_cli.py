"""`rtsm kit pool take`: pooled kits of another study's stock taken over by this one."""

from __future__ import annotations

from typing import Annotated

import typer

from allocation.commands.malformed import request_from
from allocation.commands.pooling import TakeFromPoolRequest, take_from_pool
from allocation.commands.service import Act, Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study
from allocation.transfer_cli import Asked, quantities

app = typer.Typer(
    no_args_is_help=True, help="Kits that studies lend each other (supply.pools of the protocol)."
)


@app.callback()
def pools() -> None:
    """Kits that studies lend each other (supply.pools of the protocol)."""


@app.command()
def take(
    pool: Annotated[str, typer.Argument(help="The pool, as both protocols call it.", show_default=False)],
    from_study: Annotated[str, typer.Argument(help="The study that has the kits.", show_default=False)],
    kit_type: Annotated[
        Asked,
        typer.Option(
            help="TYPE=N: N kits of this type of the taking study (repeatable).", show_default=False
        ),
    ] = None,
    depot: Annotated[
        str | None, typer.Option(help="The depot, the same in both.", show_default=False)
    ] = None,
    site: Annotated[str | None, typer.Option(help="The site, the same in both.", show_default=False)] = None,
    reason: Annotated[str, typer.Option(help="Why, for both ledgers (required).", show_default=False)] = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Take pooled kits from another study's stock at the same depot or site (unblinded, in both studies)."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        TakeFromPoolRequest,
        pool=pool,
        from_study=from_study,
        depot_id=depot,
        site_id=site,
        kit_types=quantities(kit_type, "--kit-type"),
    )
    answer = take_from_pool(Service(database), Act(acting(database, actor), reason=reason), study_id, request)
    show(answer, as_json, f"{answer['kits']} kits at {answer['place']} came from study {from_study}")
