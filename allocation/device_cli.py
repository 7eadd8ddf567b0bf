"""`rtsm kit reissue`: the inspection of a device that came back from a subject."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from allocation.commands.devices import ReissueDeviceRequest, reissue_device
from allocation.commands.malformed import request_from
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.rules.kit_authority import DEVICE_INSPECTED
from allocation.signed_cli import run_signed
from allocation.terminal import show, the_study


class Outcome(StrEnum):
    """What an inspection found."""

    FIT = "fit"
    UNFIT = "unfit"


def reissue(
    kit: Annotated[str, typer.Argument(help="The kit number of the device.", show_default=False)],
    outcome: Annotated[
        Outcome, typer.Argument(help="What the inspection found; fit: it is used again.", show_default=False)
    ],
    reason: Annotated[str, typer.Option("--reason", help="How it was cleaned and what was inspected.")],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Record that a device came back, was cleaned and inspected, signed by the account of --as: it is stock again, or damaged."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(ReissueDeviceRequest, kit_number=kit, outcome=outcome.value)
    answer = run_signed(
        database, study_id, "reissue_device", reissue_device, request, DEVICE_INSPECTED, reason, actor
    )
    times = "once" if answer["uses"] == 1 else f"{answer['uses']} times"
    said = f"kit {kit} was used {times} and is {answer['status']} at site {answer['site_id']}"
    show(answer, as_json, f"{study_id}: {said}")
