"""The service's part of the command line: `rtsm serve`, `study`, `load`, `kit`, `recall`, `returns`, `resupply`, ... `ledger`."""

from __future__ import annotations

from typing import Annotated

import typer

from allocation import (
    code_break_cli,
    device_cli,
    edc_cli,
    excursion_cli,
    home_parcel_cli,
    inventory_cli,
    kit_cli,
    label_cli,
    ledger_cli,
    load_cli,
    lot_cli,
    notify_cli,
    pool_cli,
    randomization_cli,
    resupply_cli,
    returns_cli,
    shipment_cli,
    subject_cli,
    vault_cli,
)
from allocation.api.address import HOST, PORT
from allocation.study_cli import app as study_app

app = typer.Typer(no_args_is_help=True)
app.add_typer(study_app, name="study")
app.add_typer(load_cli.app, name="load")
app.add_typer(kit_cli.app, name="kit")
app.command("recall")(kit_cli.recall)
kit_cli.app.command("barcode")(label_cli.barcode)
kit_cli.app.command("scan")(label_cli.scan)
kit_cli.app.add_typer(pool_cli.app, name="pool")
kit_cli.app.command("reissue")(device_cli.reissue)
app.add_typer(lot_cli.app, name="lot")
app.add_typer(returns_cli.app, name="returns")
app.add_typer(excursion_cli.app, name="excursion")
app.add_typer(resupply_cli.app, name="resupply")
app.add_typer(shipment_cli.app, name="shipment")
shipment_cli.app.command("send-home")(home_parcel_cli.send)
shipment_cli.app.command("home-list")(home_parcel_cli.list_)
app.command("inventory")(inventory_cli.inventory)
app.add_typer(randomization_cli.app, name="randomization")
app.add_typer(edc_cli.app, name="edc")
app.add_typer(notify_cli.app, name="notify")
app.add_typer(subject_cli.app, name="subject")
app.add_typer(vault_cli.app, name="vault")
app.add_typer(code_break_cli.app, name="code-break")
app.add_typer(ledger_cli.app, name="ledger")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = PORT,
    scheduler: Annotated[
        bool,
        typer.Option(help="Make the resupply runs that are due (off: for a trial whose clock is moved)."),
    ] = True,
) -> None:
    """Serve the API, with its documentation at /docs, and make the resupply runs of the schedule and by event."""
    from allocation.api.server import serve as serve_api

    serve_api(None, host, port, scheduler=scheduler)
