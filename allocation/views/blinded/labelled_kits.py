"""Kits as their labels show them: by number and look, with the expiry date, and never the lot or the type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import kit
from allocation.rules.bulk_units import is_unit
from allocation.study.protocol import Protocol
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.blinded.stock import seen_kits
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible


class LabelledKit(View):
    """A kit, what it looks like, where it is, and what its barcode says; `gtin` is that of its blinding group."""

    kit_number: str
    kit_group: str
    status: str
    place_kind: str
    place: str
    expiry_date: date
    gtin: str | None


def labelled_kits(
    database: Database,
    actor: Actor,
    study_id: str,
    numbers: Sequence[str],
    *,
    now: datetime | None = None,
    field: str = "kit",
) -> tuple[LabelledKit, ...]:
    """The kits of these numbers, in this order. Raises NotPermitted, and NotFound (`field`) for one that the actor may not see."""
    numbered = [one for one in numbers if not is_unit(one)]  # a unit of bulk supply has no label of its own
    with database.read() as connection:
        seen = visible(connection, actor, "view.stock.blinded", study_id)
        at = study_at(connection, study_id, now)
        rows = connection.execute(
            select(
                kit.c.kit_number,
                kit_group(at.protocol),
                kit.c.status,
                kit.c.place_kind,
                kit.c.place,
                kit.c.expiry_date,
            ).where(kit.c.study_id == study_id, kit.c.kit_number.in_(numbered), seen_kits(at, seen))
        ).mappings()
        gtins = gtin_by_look(at.protocol)
        found = {row["kit_number"]: LabelledKit(**row, gtin=gtins.get(row["kit_group"])) for row in rows}
    for number in numbers:
        if number not in found:
            raise NotFound(f"kit {number} is not known here", field=field, fix="correct the kit number")
    return tuple(found[number] for number in numbers)


def gtin_by_look(protocol: Protocol) -> dict[str, str]:
    """The label of each blinding group that has a GTIN -> the GTIN."""
    return {group.label: group.gtin for group in protocol.blinding_groups if group.gtin is not None}
