"""`rtsm shipment send-home` and `home-list`: kits that are assigned to a subject sent to its home."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from allocation.commands.home_parcels import SendHomeRequest, send_home
from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.home_parcels import list_home_parcels


def send(
    subject: Annotated[str, typer.Argument(help="The subject.", show_default=False)],
    carrier: Annotated[str, typer.Option(help="The carrier's name.", show_default=False)] = "",
    tracking: Annotated[str, typer.Option(help="Tracking number.", show_default=False)] = "",
    expected: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Expected arrival (default: today).", show_default=False),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Send all kits that are assigned to a subject to its home. Its address is in the vault (`rtsm vault set`)."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        SendHomeRequest,
        subject_id=subject,
        carrier=carrier,
        tracking_number=tracking,
        expected_on=None if expected is None else expected.date(),
    )
    answer = send_home(Service(database), Act(acting(database, actor)), study_id, request)
    show(answer, as_json, f"{answer['parcel_id']}: kits {', '.join(answer['kits'])} on their way")


def list_(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Show parcels to subjects, the latest first."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = list_home_parcels(database, acting(database, actor), study_id)
    lines = [f"{one.parcel_id}  {one.status}  {one.sent_on}  {', '.join(one.kits)}" for one in found.parcels]
    show(found.model_dump(mode="json"), as_json, "\n".join(lines) or "none")
