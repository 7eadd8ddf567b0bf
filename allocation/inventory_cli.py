"""`rtsm inventory`: where all kits are, or were, with days of supply and shipments in flight."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from allocation.access.permissions import PERMISSIONS
from allocation.commands.inventory import inventory_by_look, inventory_by_type
from allocation.commands.service import Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.inventory_models import Inventory
from allocation.views.unblinded.inventory_models import TypeInventory


def inventory(
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="A ledger position, or a moment such as 2026-03-01T08:00:00Z (default: now).",
            show_default=False,
        ),
    ] = None,
    blinded: Annotated[bool, typer.Option("--blinded", help="By look, as blinded readers see it.")] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show kits by place, country, type, lot, expiry and status, now or at any past moment. It UNBLINDS whoever may learn kit types."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, actor)
    by_type = not blinded and any(
        role in PERMISSIONS["view.stock.unblinded"] for role in who.roles_in(study_id)
    )
    view = inventory_by_type if by_type else inventory_by_look
    found = view(Service(database), who, study_id, as_of)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    _print(found)


def _print(found: Inventory | TypeInventory) -> None:
    console = Console()
    position = "" if found.position is None else f", position {found.position}"
    console.print(f"[bold]{found.study_id}[/bold] as of {found.as_of:%Y-%m-%d %H:%M} UTC{position}")
    table = Table("country", "place", "which", "kits", "usable", "coming", "days of supply")
    for one in sorted(found.places, key=lambda place: (place.country, place.place_kind, place.place)):
        days = "" if one.days_of_supply is None else str(one.days_of_supply)
        counts = (str(one.kits), str(one.usable), str(one.coming))
        table.add_row(one.country, one.place_kind, one.place, *counts, days)
    console.print(table)
    if found.shipments:
        table = Table("in flight", "from", "to", "status", "kits", "expected on", "late")
        for sent in found.shipments:
            ends = (f"{sent.from_kind} {sent.from_place}", f"{sent.to_kind} {sent.to_place}")
            expected = "" if sent.expected_on is None else str(sent.expected_on)
            late = "LATE" if sent.late else ""
            table.add_row(sent.shipment_id, *ends, sent.status, str(sent.kits), expected, late)
        console.print(table)
    of_type = isinstance(found, TypeInventory)
    what = ("kit type", "lot") if of_type else ("look",)
    table = Table("place", "which", *what, "expires", "status", "kits")
    for line in found.stock:
        named = (line.kit_type, line.lot_id) if not hasattr(line, "kit_group") else (line.kit_group,)
        row = (line.place_kind, line.place, *named, str(line.expiry_date), line.status, str(line.kits))
        table.add_row(*row)
    console.print(table)
