"""Lots with their kit type, status, release and dates, for those who may learn them."""

from __future__ import annotations

import json
from datetime import date

from sqlalchemy import func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, lot, lot_country
from allocation.views.shape import View
from allocation.views.study_at import study_at


class LotOnRecord(View):
    """A lot. `released_for`: country codes, or "*"; `expiry_by_country`: where its expiry is another than its own; `kits` of it."""

    lot_id: str
    kit_type: str
    blinded_lot: str | None
    status: str
    released_for: tuple[str, ...]
    expiry_date: date
    expiry_by_country: dict[str, date]
    printed_expiry: date | None
    kits: int


class LotList(View):
    """The lots of a study."""

    study_id: str
    lots: tuple[LotOnRecord, ...]


def list_lots(database: Database, actor: Actor, study_id: str) -> LotList:
    """Every lot of the study. Raises NotPermitted unless the whole study may be seen unblinded, NotFound."""
    authorize(actor, "view.stock.unblinded", study_id)
    with database.read() as connection:
        study_at(connection, study_id)
        by_country: dict[str, dict[str, date]] = {}
        for row in connection.execute(select(lot_country).where(lot_country.c.study_id == study_id)):
            by_country.setdefault(row.lot_id, {})[row.country] = row.expiry_date
        counted = (
            select(kit.c.lot_id, func.count().label("kits"))
            .where(kit.c.study_id == study_id)
            .group_by(kit.c.lot_id)
        )
        kits = {row.lot_id: row.kits for row in connection.execute(counted)}
        rows = connection.execute(select(lot).where(lot.c.study_id == study_id).order_by(lot.c.lot_id))
        lots = tuple(
            LotOnRecord(
                lot_id=row.lot_id,
                kit_type=row.kit_type,
                blinded_lot=row.blinded_lot,
                status=row.status,
                released_for=tuple(json.loads(row.released_for)),
                expiry_date=row.expiry_date,
                expiry_by_country=by_country.get(row.lot_id, {}),
                printed_expiry=row.printed_expiry,
                kits=kits.get(row.lot_id, 0),
            )
            for row in rows
        )
    return LotList(study_id=study_id, lots=lots)
