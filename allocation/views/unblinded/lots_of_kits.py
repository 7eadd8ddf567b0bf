"""The lots of kits by number, for labels that name them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.schema import kit


def lots_of_kits(database: Database, actor: Actor, study_id: str, numbers: Sequence[str]) -> dict[str, str]:
    """Kit number -> lot, of those that are loaded. Raises NotPermitted unless lots of the whole study may be seen."""
    authorize(actor, "view.stock.unblinded", study_id)
    query = select(kit.c.kit_number, kit.c.lot_id).where(
        kit.c.study_id == study_id, kit.c.kit_number.in_(numbers)
    )
    with database.read() as connection:
        return {row.kit_number: row.lot_id for row in connection.execute(query)}
