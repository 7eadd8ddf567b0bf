"""The service's part of the command line: `rtsm serve`, `study`, `load`, `kit`, `recall`, `resupply`, `edc`, ... `ledger`."""

from __future__ import annotations

from typing import Annotated

import typer

from allocation import (
    edc_cli,
    excursion_cli,
    kit_cli,
    ledger_cli,
    load_cli,
    lot_cli,
    randomization_cli,
    resupply_cli,
    subject_cli,
)
from allocation.api.address import HOST, PORT
from allocation.study_cli import app as study_app

app = typer.Typer(no_args_is_help=True)
app.add_typer(study_app, name="study")
app.add_typer(load_cli.app, name="load")
app.add_typer(kit_cli.app, name="kit")
app.command("recall")(kit_cli.recall)
app.add_typer(lot_cli.app, name="lot")
app.add_typer(excursion_cli.app, name="excursion")
app.add_typer(resupply_cli.app, name="resupply")
app.add_typer(randomization_cli.app, name="randomization")
app.add_typer(edc_cli.app, name="edc")
app.add_typer(subject_cli.app, name="subject")
app.add_typer(ledger_cli.app, name="ledger")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = PORT,
) -> None:
    """Serve the API, with its documentation at /docs."""
    from allocation.api.server import serve as serve_api

    serve_api(None, host, port)
